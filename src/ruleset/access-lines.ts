// clients.rules, senders.rules, recipients.rules: `allow PATTERN… ["log text"] [skip spam,listed]`, `permit` alike, and
// `deny PATTERN… ["log text" ["text for the sender"]]`. The lists say which lines match; checks/access.ts decides what follows.
import type { Category } from "../verdict/finding.ts";
import { CATEGORIES } from "../verdict/finding.ts";
import type { RuleError } from "./errors.ts";
import { STEP_LINES } from "./grammar.ts";
import type { Line, Verbs } from "./grammar.ts";

/** What an allow line may ask for: a pass for the organisational domain of the sender that matched. */
export const PROOFS = ["spf", "dkim", "dmarc", "auth"] as const;
/** "auth": any of the others. */
export type Proof = (typeof PROOFS)[number];

export interface AccessRule {
  readonly verb: "allow" | "deny";
  /** An allow line that also makes the policy service answer OK, past all that the MTA would ask after it. */
  readonly permit: boolean;
  /** The line holds only with this proof; null = always. Allow lines of senders.rules only. */
  readonly onlyIf: Proof | null;
  /** For an allow line: categories that do not count. Empty for deny. */
  readonly waives: readonly Category[];
  /** The operator's text for the log, or null. */
  readonly text: string | null;
  /** The operator's text for the sender, or null. */
  readonly say: string | null;
  /** "rules/senders.rules:12". */
  readonly at: string;
}

export interface AccessList<K> {
  readonly rules: readonly AccessRule[];
  /** Positions in `rules` of the lines that match, ascending: the first of them is the one that counts. */
  all(key: K): readonly number[];
}

/** What an allow line waives that names nothing: what a whitelist is for, but neither virus nor banned. */
export const DEFAULT_WAIVES: readonly Category[] = ["listed", "greylisted", "spam"];

const WAIVABLE: readonly Category[] = CATEGORIES.filter((category) => category !== "note");

export const ACCESS_VERBS: Verbs = {
  allow: {
    words: [1, 1000],
    texts: 1,
    skips: [...WAIVABLE, "greylist"],
    usage: 'allow PATTERN… ["text for the log"] [skip spam,listed,…]',
  },
  permit: {
    words: [1, 1000],
    texts: 1,
    skips: [...WAIVABLE, "greylist"],
    usage: 'permit PATTERN… ["text for the log"] [skip spam,listed,…]',
  },
  deny: {
    words: [1, 1000],
    texts: 2,
    usage: 'deny PATTERN… ["text for the log" ["text for the sender"]]',
  },
};

/** In senders.rules an allow line may ask for proof: a sender is easily forged. */
export const SENDER_VERBS: Verbs = {
  ...ACCESS_VERBS,
  allow: {
    words: [1, 1000],
    texts: 1,
    skips: [...WAIVABLE, "greylist"],
    conditions: PROOFS,
    usage: 'allow PATTERN… ["text for the log"] [if spf|dkim|dmarc|auth] [skip spam,listed,…]',
  },
};

/** A list of patterns under construction: addresses.ts or networks.ts. */
interface PatternList<K> {
  add(pattern: string, position: number): string | null;
  all(key: K): readonly number[];
}

/** Compiles the lines, which come in effective order; errors are added to `errors`. */
export function* compilingAccess<K>(
  lines: readonly Line[],
  list: PatternList<K>,
  errors: RuleError[],
): Generator<void, AccessList<K>> {
  const rules: AccessRule[] = [];
  for (const line of lines) {
    for (const pattern of line.words) {
      const wrong = list.add(pattern, rules.length);
      if (wrong !== null) errors.push({ file: line.file, line: line.line, message: wrong });
    }
    if (line.conditions.length > 1)
      errors.push({
        file: line.file,
        line: line.line,
        message: "one condition is enough: auth holds when any of spf, dkim, dmarc does",
      });
    if (rules.push(accessRule(line)) % STEP_LINES === 0) yield;
  }
  return { rules, all: (key) => list.all(key) };
}

function accessRule(line: Line): AccessRule {
  const verb = line.verb === "deny" ? "deny" : "allow";
  const names = line.skips.map((name) => (name === "greylist" ? "greylisted" : name));
  const skips = WAIVABLE.filter((category) => names.includes(category));
  return {
    verb,
    permit: line.verb === "permit",
    onlyIf: PROOFS.find((proof) => proof === line.conditions[0]) ?? null,
    waives: verb === "deny" ? [] : skips.length > 0 ? skips : DEFAULT_WAIVES,
    text: line.texts[0] ?? null,
    say: line.texts[1] ?? null,
    at: line.at,
  };
}

/** `permit` is the one word that can open a relay: said at every load. */
export function permitWarnings(lines: readonly Line[]): readonly RuleError[] {
  return lines
    .filter((line) => line.verb === "permit")
    .map(({ file, line }) => ({
      file,
      line,
      message:
        "permit makes the policy service answer OK: the MTA skips every restriction behind it; allow is enough unless you want that",
    }));
}
