// A finder with a few top-level names, and a book behind it, for tests of URIs and of the rules that ask about them.
import type { RuleBook } from "../../../src/spamrules/rulebook.ts";
import { parseRules } from "../../../src/spamrules/language/parse.ts";
import { uriFinder, type FoundUris, type UriSources } from "../../../src/spamrules/uri/find.ts";

const PLUGINS = "DKIM SPF DMARC URIDNSBL FreeMail DNSEval URIEval URIDetail VBounce AskDNS HashBL";

/** The lines of a local.cf, all plugins loaded. */
export function bookWith(lines = ""): RuleBook {
  const loaded = PLUGINS.split(" ").map((name) => `loadplugin Mail::SpamAssassin::Plugin::${name}`);
  const octets = [
    ...loaded,
    "util_rb_tld com org net uk de biz info xn--p1ai us",
    "util_rb_2tld co.uk",
    "util_rb_3tld shop.co.uk",
    lines,
    "",
  ].join("\n");
  const texts = { texts: [{ file: "/test.cf", octets }], includes: new Map(), problems: [] };
  return parseRules(texts, { local: false });
}

export function findIn(sources: Partial<UriSources>, lines = ""): FoundUris {
  const none: UriSources = { body: [], html: [], signatures: () => [] };
  return uriFinder(bookWith(lines).settings).find({ ...none, ...sources });
}

/** Every spelling of what stands in a line of text. */
export function urisOf(line: string): string[] {
  return [...findIn({ body: [line] }).uris].sort();
}
