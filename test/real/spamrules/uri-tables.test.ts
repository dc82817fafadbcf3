// SpamAssassin's own tables of URIs and free mail against ours. Needs SA_TESTS, the path of its t/ directory, and the stock rules.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import { renderHtml } from "../../../src/spamrules/html/render.ts";
import { loadRules } from "../../../src/spamrules/language/load.ts";
import { parseRules } from "../../../src/spamrules/language/parse.ts";
import { compilePerl } from "../../../src/spamrules/pattern/translate.ts";
import { prepare, toolsOf } from "../../../src/spamrules/prepare.ts";
import { compileProgram } from "../../../src/spamrules/program.ts";
import type { RuleBook } from "../../../src/spamrules/rulebook.ts";
import { run } from "../../../src/spamrules/run.ts";
import { SA_TESTS, sourceOf } from "./perl-source.ts";

const NO_PROOFS = { spf: null, dkim: null, dmarc: null, arc: null };

describe.runIf(SA_TESTS !== undefined)("SpamAssassin's tables of URIs", () => {
  let book: RuleBook;

  beforeAll(async () => {
    book = await loadRules({
      siteDirs: ["/etc/spamassassin"],
      ruleDirs: ["/usr/share/spamassassin"],
      local: true,
    });
  });

  const urisIn = (message: string): readonly string[] =>
    prepare(Buffer.from(message, "latin1"), { now: 0 }, toolsOf(book.settings, renderHtml)).uris;

  it("uri_text.t", () => {
    const source = sourceOf("uri_text.t");
    const header = /my \$message = <<'EOF';\n([^]*?)^EOF$/m.exec(source)?.[1] ?? "";
    const wanted = new Set<string>();
    let text = "";
    for (const line of source.slice(source.indexOf("\n__DATA__\n") + 10).split("\n")) {
      const [, given = "", patterns = ""] = /^([^#\n].*?)\t+(.*?)\s*$/.exec(line) ?? [];
      if (given === "") continue;
      text += `${given.replaceAll("{ESC}", "\x1b")}\n`;
      for (const pattern of patterns.split(/\s+/)) wanted.add(pattern);
    }
    const uris = `${urisIn(header + text).join("\n")}\n`;
    const failed = [...wanted].filter((pattern) => {
      const negated = pattern.startsWith("!");
      const test = compilePerl({ source: pattern.slice(negated ? 1 : 0), flags: "m" });
      return !(test instanceof RegExp) || test.test(uris) === negated;
    });
    console.log(`uri_text.t: ${wanted.size - failed.length} of ${wanted.size}`);
    expect(wanted.size).toBeGreaterThan(150);
    expect(failed).toEqual([]);
  });

  it("uri_list.t", () => {
    const messages = [...sourceOf("uri_list.t").matchAll(/<<'EOT';\n([^]*?)^EOT$/gm)];
    expect(messages.length).toBeGreaterThan(4);
    for (const [, message = ""] of messages)
      expect(urisIn(message)).toHaveLength(message.match(/\bhttp:\/\//g)?.length ?? 0);
  });

  it("freemail.t", () => {
    const cases = freemailCases(sourceOf("freemail.t"));
    expect(cases.length).toBeGreaterThan(4);
    let checks = 0;
    const failed: string[] = [];
    for (const { rules, file, hits, misses } of cases) {
      const found = hitsOf(rules, readFileSync(join(SA_TESTS ?? "", file)));
      checks += hits.length + misses.length;
      failed.push(...hits.filter((name) => !found.has(name)).map((name) => `${file} -${name}`));
      failed.push(...misses.filter((name) => found.has(name)).map((name) => `${file} +${name}`));
    }
    console.log(`freemail.t: ${checks - failed.length} of ${checks} in ${cases.length} messages`);
    expect(failed).toEqual([]);
  });
});

interface Case {
  readonly rules: string;
  readonly file: string;
  readonly hits: readonly string[];
  readonly misses: readonly string[];
}

/** Statements in order: settings, rules, what shall hit and what not, and the message. */
function freemailCases(source: string): Case[] {
  const statement =
    /^tstprefs \("([^"]*)"|^%(patterns|anti_patterns) = \(([^]*?)\);|^tstlocalrules \(q\{([^]*?)^\}\)|^ok sarun \("[^"]*< ([^"]+)"/gm;
  const cases: Case[] = [];
  let prefs = "";
  let rules = "";
  const names: Record<string, string[]> = {};
  for (const [, settings, list, texts = "", lines, file] of source.matchAll(statement)) {
    if (settings !== undefined) prefs = settings;
    if (list !== undefined) names[list] = texts.match(/\bFREEMAIL_\w+/g) ?? [];
    if (lines !== undefined) rules = lines;
    if (file !== undefined)
      cases.push({
        rules: `${prefs}\n${rules}`,
        file,
        hits: names["patterns"] ?? [],
        misses: names["anti_patterns"] ?? [],
      });
  }
  return cases;
}

function hitsOf(lines: string, message: Buffer): Set<string> {
  const tlds = readFileSync("/usr/share/spamassassin/20_aux_tlds.cf", "latin1");
  const octets = `loadplugin Mail::SpamAssassin::Plugin::FreeMail\n${tlds}\n${lines}\n`;
  const texts = { texts: [{ file: "/local.cf", octets }], includes: new Map(), problems: [] };
  const book = parseRules(texts, { local: true });
  const program = compileProgram(book, { local: true, bayes: false });
  const subject = prepare(message, { now: 0 }, toolsOf(book.settings, renderHtml));
  const { counts } = run(program, subject, { proofs: NO_PROOFS });
  return new Set(program.rules.filter((_, at) => (counts[at] ?? 0) > 0).map(({ name }) => name));
}
