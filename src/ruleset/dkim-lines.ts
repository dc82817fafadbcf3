// dkim.rules: `sign PATTERN… selector=NAME[,NAME] [domain=DOMAIN] [key=FILE]`, first match wins. Says with which keys the mail of
// an author's domain is signed; the keys themselves are files that engine/signing.ts reads.
import { isDomain, suffixKeys } from "./addresses.ts";
import type { RuleError } from "./errors.ts";
import { positions } from "./first-match.ts";
import type { Line, Verbs } from "./grammar.ts";

export interface KeyName {
  /** d=. */
  readonly domain: string;
  /** s=. */
  readonly selector: string;
  /** Name of the key file, relative to the directory of keys: "example.com.s1.pem". */
  readonly file: string;
  /** "rules/dkim.rules:3". */
  readonly at: string;
}

export interface DkimList {
  /** Every key that a line names, without repetitions. */
  readonly keys: readonly KeyName[];
  /** With which keys mail from authors at `domain` (A-labels, lower case) is signed; empty = with none. */
  keysFor(domain: string): readonly KeyName[];
}

const USAGE = "sign example.com selector=s1 [domain=example.com] [key=FILE]";

export const DKIM_VERBS: Verbs = {
  sign: { words: [1, 1000], options: ["selector", "domain", "key"], usage: USAGE },
};

/** More signatures than an RSA and an Ed25519 one, old and new, make no sense. */
const MAX_SELECTORS = 4;

/** Compiles the lines, which come in effective order; errors are added to `errors`. */
export function compileDkim(lines: readonly Line[], errors: RuleError[]): DkimList {
  const list = positions();
  const rules: (readonly KeyName[])[] = [];
  const keys = new Map<string, KeyName>();
  for (const line of lines) {
    for (const pattern of line.words) {
      const wrong = addPattern(list, pattern.toLowerCase(), rules.length);
      if (wrong !== null) errors.push({ file: line.file, line: line.line, message: wrong });
    }
    const named = keysOf(line);
    if (typeof named === "string")
      errors.push({ file: line.file, line: line.line, message: named });
    rules.push(typeof named === "string" ? [] : named);
    if (typeof named !== "string")
      for (const key of named) keys.set(`${key.domain}\0${key.selector}\0${key.file}`, key);
  }
  return {
    keys: [...keys.values()],
    keysFor(domain) {
      const [first] = list.all([domain, ...suffixKeys(domain)], domain);
      return first === undefined ? [] : (rules[first] ?? []);
    },
  };
}

function addPattern(
  list: ReturnType<typeof positions>,
  pattern: string,
  position: number,
): string | null {
  if (!isDomain(pattern.startsWith(".") ? pattern.slice(1) : pattern))
    return `"${pattern}" is no domain: example.com, or .example.com for it and all below`;
  list.key(pattern, position);
  return null;
}

function keysOf(line: Line): readonly KeyName[] | string {
  const selectors = (line.options.get("selector") ?? "").split(",").filter((name) => name !== "");
  if (selectors.length === 0) return `selector= is missing: ${USAGE}`;
  if (selectors.length > MAX_SELECTORS) return `more than ${MAX_SELECTORS} selectors`;
  const wrong = selectors.find((name) => !isDomain(name.toLowerCase()));
  if (wrong !== undefined) return `"${wrong}" is no selector`;
  const [pattern = ""] = line.words;
  const domain = (line.options.get("domain") ?? pattern.replace(/^\./, "")).toLowerCase();
  if (line.options.has("domain") && !isDomain(domain)) return `domain="${domain}" is no domain`;
  if (!line.options.has("domain") && line.words.length > 1)
    return "several patterns on one line need domain= for the signature";
  const stray = line.words.find((word) => !isBelow(word.toLowerCase().replace(/^\./, ""), domain));
  if (stray !== undefined)
    return `${stray} is not in ${domain}: such a signature would prove nothing about the author`;
  const file = line.options.get("key");
  if (file !== undefined && selectors.length > 1)
    return "key= names one file, but there are several selectors";
  if (file !== undefined && !/^[A-Za-z0-9._-]+$/.test(file))
    return `key="${file}" must be the name of a file in the directory of keys`;
  return selectors.map((selector) => ({
    domain,
    selector: selector.toLowerCase(),
    file: file ?? keyFile(domain, selector.toLowerCase()),
    at: line.at,
  }));
}

function isBelow(domain: string, parent: string): boolean {
  return domain === parent || domain.endsWith(`.${parent}`);
}

/** Where `postern dkim keygen` writes a key and the signer looks for it. */
export function keyFile(domain: string, selector: string): string {
  return `${domain}.${selector}.pem`;
}
