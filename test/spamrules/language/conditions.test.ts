// if, ifplugin, else, endif, require_version.
import { expect, it } from "vitest";
import { bookOf, problemsOf } from "./book.ts";

const CONDITIONS: readonly (readonly [string, boolean])[] = [
  ["version >= 3.004002", true],
  ["(version < 4.000000)", false],
  ["version == 4.000001", true],
  ["version == 4.0", false],
  ["perl_version > 5.010000 && perl_version < 6", true],
  ["local_tests_only", true],
  ["!local_tests_only", false],
  ["plugin(Mail::SpamAssassin::Plugin::DKIM)", true],
  ["plugin ( Mail::SpamAssassin::Plugin::AWL )", false],
  ["!plugin(Somebody::Else)", true],
  ["plugin(Mail::SpamAssassin::Plugin::WhiteListSubject)", true],
  ["can(Mail::SpamAssassin::Conf::feature_bug6558_free)", true],
  ["can(Mail::SpamAssassin::Conf::feature_of_tomorrow)", false],
  ["can(Mail::SpamAssassin::Conf::perl_min_version_5010000)", true],
  ["can(Mail::SpamAssassin::Plugin::BodyEval::has_check_body_length)", true],
  // Not loaded, so it can do nothing.
  ["can(Mail::SpamAssassin::Plugin::DecodeShortURLs::has_short_url)", false],
  ["has(Mail::SpamAssassin::Plugin::HTMLEval::html_range)", true],
  ["has(Mail::SpamAssassin::Plugin::HTMLEval::check_for_mime)", false],
  ["can(Mail::SpamAssassin::Conf::compat_welcomelist_blocklist)", false],
  // A function is there, but does not say so.
  ["can(Mail::SpamAssassin::Plugin::HTMLEval::html_range)", false],
  ["!(!plugin(Mail::SpamAssassin::Plugin::SPF)) || 0", true],
  ["1 - 1", false],
  ["2 * 3 > 5", true],
  ["1 + 1 == 2 ? 0 : 1", false],
  ["True", true],
];

it.each(CONDITIONS)("if %s: %s", (condition, holds) => {
  const { rules, problems } = bookOf(`if ${condition}\nbody YES /x/\nelse\nbody NO /x/\nendif`);
  expect([...rules.keys()]).toEqual([holds ? "YES" : "NO"]);
  expect(problems).toEqual([]);
});

it("nests, and lets nothing through a closed outer condition", () => {
  const { rules } = bookOf(`
    if 0
      if 1
        body A /x/
      else
        body B /x/
      endif
      body C /x/
    else
      body D /x/
      ifplugin Mail::SpamAssassin::Plugin::NoSuch
        body E /x/
      else
        body F /x/
      endif
    endif
    body G /x/`);
  expect([...rules.keys()]).toEqual(["D", "F", "G"]);
});

it("knows a plugin from the line on that loads it, and a condition by its first answer", () => {
  const awl = "Mail::SpamAssassin::Plugin::AWL";
  const ask = (name: string) => `ifplugin ${awl}\nbody ${name} /x/\nendif\n`;
  expect([...bookOf(`loadplugin ${awl}\n${ask("A")}`).rules.keys()]).toEqual(["A"]);
  expect([...bookOf(`${ask("A")}loadplugin ${awl}\n${ask("B")}`).rules.keys()]).toEqual([]);
});

it("enables what enable_compat names", () => {
  const { rules } = bookOf(
    "enable_compat odd\nif can(Mail::SpamAssassin::Conf::compat_odd)\nbody A /x/\nendif",
  );
  expect([...rules.keys()]).toEqual(["A"]);
});

it("closes conditions at the end of a file and says which stood open", () => {
  expect(problemsOf("if 0\nbody A /x/\nif 1")).toEqual([
    "1: if without endif",
    "3: if without endif",
  ]);
});

it("reads a file no further that is made for another version", () => {
  const { rules, problems } = bookOf(
    "require_version @@VERSION@@\nbody A /x/\nrequire_version 3.004006\nbody B /x/",
  );
  expect([...rules.keys()]).toEqual(["A"]);
  expect(problems).toHaveLength(1);
  expect([
    ...bookOf("require_version 3.004006\nbody B /x/", { version: "3.004006" }).rules.keys(),
  ]).toEqual(["B"]);
});
