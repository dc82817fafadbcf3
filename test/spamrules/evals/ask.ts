// Asks one eval function about a message written in a test.
import { EVALS } from "../../../src/spamrules/evals/index.ts";
import type { EvalContext } from "../../../src/spamrules/evals/eval.ts";
import { renderHtml } from "../../../src/spamrules/html/render.ts";
import { parseRules } from "../../../src/spamrules/language/parse.ts";
import { prepare, toolsOf } from "../../../src/spamrules/prepare.ts";
import type { Rule, RuleBook } from "../../../src/spamrules/rulebook.ts";

const PLUGINS = ["Check", "HeaderEval", "RelayEval", "WLBLEval", "WelcomeListSubject"]
  .map((name) => `loadplugin Mail::SpamAssassin::Plugin::${name}\n`)
  .join("");

/** A rule book of these lines, with top-level names com, org, uk and example, and co.uk. */
export const bookOf = (lines: string): RuleBook =>
  parseRules(
    {
      texts: [
        { file: "/a.pre", octets: PLUGINS },
        {
          file: "/a.cf",
          octets: `util_rb_tld com org uk example\nutil_rb_2tld co.uk\n${lines}\n`,
        },
      ],
      includes: new Map(),
      problems: [],
    },
    { local: true },
  );

const RULE = {} as Rule;

export interface About {
  readonly fields: readonly string[];
  readonly body?: string;
  readonly cf?: string;
  /** Milliseconds since 1970. */
  readonly now?: number;
}

/** Asks "name" or "name(arg, arg)". */
export const ask = (
  call: string,
  { fields, body = "text\n", cf = "", now = 0 }: About,
): boolean => {
  const [, name = "", args] = /^(\w+)(?:\((.*)\))?$/.exec(call) ?? [];
  const test = EVALS.get(name);
  if (test === undefined) throw new Error(`no eval function ${name}`);
  const book = bookOf(cf);
  const octets = Buffer.from(`${fields.join("\n")}\n\n${body}`, "latin1");
  const kept = new Map<symbol, unknown>();
  const context: EvalContext = {
    subject: prepare(octets, { now }, toolsOf(book.settings, renderHtml)),
    book,
    proofs: { spf: null, dkim: null, dmarc: null, arc: null },
    local: true,
    hits: () => 0,
    memo: <T>(key: symbol, make: () => T): T => {
      if (!kept.has(key)) kept.set(key, make());
      return kept.get(key) as T;
    },
    tag: () => undefined,
  };
  return Boolean(test(context, args === undefined || args === "" ? [] : args.split(", "), RULE));
};

/** A hop, as Postfix writes it. */
export const hop = (
  ip: string,
  { helo = `helo${ip}`, rdns = "unknown", by = "mx.example.org", more = "with ESMTP id 1ab" } = {},
): string => `Received: from ${helo} (${rdns} [${ip}]) by ${by} (Postfix) ${more}; ${DATE}`;

export const DATE = "Tue, 23 May 2006 13:06:35 +0000";
