// SpamAssassin's own test files, as they are, with our engine in place of theirs. Needs SA_TESTS, the path of its t/ directory; Perl; and
// the stock rules with their *.pre files. What may fail is told here with its reason.
import { describe, expect, it } from "vitest";
import { have } from "../lab/peers.ts";
import { SA_TESTS } from "./perl-source.ts";
import { runTest } from "./sa-tests.ts";

const FILES =
  `autolearn autolearn_force autolearn_force_fail basic_lint basic_meta2 basic_obj_api blacklist_autolearn blocklist_autolearn body_mod body_str config_text date desc_wrap
  enable_compat freemail freemail_welcome_block get_all_headers get_headers gtube header header_utf8 html_colors html_obfu html_utf8
  html_visibility idn_dots if_can if_else ifversion lang_lint lang_pl_tests line_endings local_tests_only metadata mimeheader mimeparse
  missing_hb_separator nonspam originating_ip_hdr prefs_include priorities priorities_welcome_block recips recreate recursion
  regexp_named_capture regexp_valid relative_scores report_safe reportheader reportheader_8bit rule_multiple rule_names rule_tests
  rule_types shortcircuit spam stop_always_matching_regexps text_bad_ctype uri uri_html uri_saferedirect uri_text uridetail utf16 utf8
  welcomelist_from welcomelist_subject welcomelist_to whitelist_from whitelist_subject whitelist_to wlbl_uri`
    .split(/\s+/)
    .map((name) => `${name}.t`);

/** Lines of failures, by file. */
const KNOWN: Readonly<Record<string, { readonly why: string; readonly failing: RegExp }>> = {
  "header_utf8.t": {
    why: "`lang` lines count for one language, that of en_US: the test wants French and Chinese by the environment",
    failing: /LT_ANY_CHARS/,
  },
  "metadata.t": { why: "a Perl plugin sets the field", failing: /META_FOUND/ },
  "rule_multiple.t": { why: "a Perl plugin has the eval function", failing: /META_EVAL_RULE/ },
  "rule_names.t": {
    why: "stock rules that meet the names of rules in the message: SpamAssassin hits the same ones",
    failing:
      /not (?:ADMAIL|AD_PREFS|DEAR_WINNER|FORM_FRAUD|LOTS_OF_MONEY|LOTTERY_PH_004470|MONEY_FORM_SHORT|MONEY_NOHTML|RDNS_NONE|THIS_AD|T_FILL_THIS_FORM_FRAUD_PHISH|T_FILL_THIS_FORM_SHORT),$/,
  },
  "uri.t": {
    why: "asks for what happens without a library for international names: ours is always there",
    failing: /^45:/,
  },
  "utf16.t": {
    why: "names the charset of a field that has no byte order mark: SpamAssassin 4.0.1 does not decode it either",
    failing: /SUBJ_TEST/,
  },
};

describe.runIf(SA_TESTS !== undefined && have("spamd"))("SpamAssassin's own tests", () => {
  it.each(FILES)("%s", async (file) => {
    const { passed, failed, skipped } = await runTest(file, { tests: SA_TESTS ?? "" });
    console.log(`${file}: ${passed} of ${passed + failed.length}`);
    expect(skipped).toBeNull();
    expect(passed).toBeGreaterThan(0);
    expect(failed.filter((line) => KNOWN[file]?.failing.test(line) !== true)).toEqual([]);
  });
});
