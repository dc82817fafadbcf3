// A rule book from lines in a test.
import { parseRules } from "../../../src/spamrules/language/parse.ts";
import type { ParseOptions } from "../../../src/spamrules/language/parse.ts";
import type { Definition, RuleBook } from "../../../src/spamrules/rulebook.ts";

/** Plugins that most installations load. */
export const PLUGINS =
  `MIMEHeader URIDetail ReplaceTags AskDNS DKIM SPF URIDNSBL FreeMail Bayes HeaderEval HTMLEval BodyEval MIMEEval DNSEval
  URIEval Razor2 Shortcircuit WelcomeListSubject`
    .split(/\s+/)
    .map((name) => `loadplugin Mail::SpamAssassin::Plugin::${name}`)
    .join("\n");

export function bookOf(lines: string, options: Partial<ParseOptions> = {}): RuleBook {
  const texts = [
    { file: "/site/all.pre", octets: PLUGINS },
    { file: "/rules/test.cf", octets: lines },
  ];
  return parseRules({ texts, includes: new Map(), problems: [] }, { local: true, ...options });
}

export function definitionOf(lines: string, name = "X"): Definition | undefined {
  return bookOf(lines).rules.get(name)?.definition;
}

/** "LINE: MESSAGE" of each problem. */
export function problemsOf(lines: string): string[] {
  return bookOf(lines).problems.map(({ line, message }) => `${line}: ${message}`);
}
