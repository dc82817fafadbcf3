// Case files (cases/*.case): facts, what is expected of the rules, an empty line, a message. `rules check` and the tests run
// them with a judge that they hand in; nothing here judges.
//   client 192.0.2.7 name=mail.example helo=mail.example      sender a@example.org      recipient b@example.net
//   mode before-queue      origin inbound      expect reject banned keep BANNED !GTUBE folder="Junk" for=b@example.net
import { CATEGORIES } from "../verdict/finding.ts";
import type { RuleError } from "./errors.ts";
import { DISPOSITIONS } from "./fates.ts";
import { parseRules } from "./grammar.ts";
import type { Line, Verbs } from "./grammar.ts";
import { DIRECTIONS, MODES } from "./policy-lines.ts";
import type { Direction, Mode } from "./policy-lines.ts";
import { LOCAL_DIRECTORY, type RuleSource } from "./source.ts";
import { hint } from "./suggest.ts";

export interface CaseFacts {
  readonly client: {
    readonly address: string | null;
    readonly name: string | null;
    readonly helo: string | null;
  };
  /** null is the null sender. */
  readonly sender: string | null;
  readonly recipients: readonly string[];
  readonly mode: Mode;
  readonly origin: Direction;
}

export interface Expectation {
  /** "rules/cases/eicar.case:6". */
  readonly at: string;
  /** null: every recipient. */
  readonly recipient: string | null;
  readonly disposition: string | null;
  readonly category: string | null;
  readonly quarantine: boolean | null;
  /** undefined: not asked; null: none. */
  readonly folder: string | null | undefined;
  readonly symbols: readonly string[];
  readonly absent: readonly string[];
}

export interface RuleCase {
  /** "rules/cases/eicar.case". */
  readonly file: string;
  readonly facts: CaseFacts;
  readonly expectations: readonly Expectation[];
  /** The message with CRLF line ends. */
  readonly message: Buffer;
}

/** What a judge says about one recipient of a case. */
export interface CaseOutcome {
  readonly recipient: string;
  readonly disposition: string;
  /** "clean" when nothing is present. */
  readonly category: string;
  readonly quarantine: boolean;
  readonly folder: string | null;
  /** Symbols of the findings that count for this recipient. */
  readonly symbols: readonly string[];
}

export type CaseJudge = (facts: CaseFacts, message: Buffer) => Promise<readonly CaseOutcome[]>;

const CATEGORY_WORDS: readonly string[] = [
  ...CATEGORIES.filter((name) => name !== "note"),
  "spammy",
  "clean",
];
const WORDS: readonly string[] = [
  ...DISPOSITIONS,
  ...CATEGORY_WORDS,
  "keep",
  "no-keep",
  "no-folder",
];

const VERBS: Verbs = {
  client: {
    words: [1, 1],
    options: ["name", "helo"],
    usage: "client ADDRESS|unknown [name=NAME] [helo=NAME]",
  },
  sender: { words: [1, 1], usage: "sender ADDRESS or sender <>" },
  recipient: { words: [1, 100], usage: "recipient ADDRESS" },
  mode: { words: [1, 1], usage: `mode ${MODES.join("|")}` },
  origin: { words: [1, 1], usage: `origin ${DIRECTIONS.join("|")}` },
  expect: {
    words: [0, 50],
    options: ["for", "folder"],
    usage:
      'expect [DISPOSITION] [CATEGORY] [keep|no-keep] [SYMBOL] [!SYMBOL] [folder="NAME"] [for=RECIPIENT]',
  },
};

/** All cases of a source in order of their paths; one below local.d/ takes the place of the shipped one of its name. */
export function casesOf(source: RuleSource): {
  readonly cases: readonly RuleCase[];
  readonly errors: readonly RuleError[];
} {
  const cases: RuleCase[] = [];
  const errors: RuleError[] = [];
  for (const [path, text] of [...source].sort(([a], [b]) => (a < b ? -1 : 1))) {
    if (!path.endsWith(".case") || source.has(`${LOCAL_DIRECTORY}/${path}`)) continue;
    const read = parseCase(`rules/${path}`, text);
    if ("errors" in read) errors.push(...read.errors);
    else cases.push(read.ok);
  }
  return { cases, errors };
}

/** Reads one case file. Without sender, recipient, mode: a@example.org, user@example.net, before-queue, inbound. */
export function parseCase(
  file: string,
  text: string,
): { readonly ok: RuleCase } | { readonly errors: readonly RuleError[] } {
  const unix = text.replace(/\r\n/g, "\n");
  const gap = unix.indexOf("\n\n");
  if (gap < 0) return { errors: [{ file, line: 0, message: "no empty line before the message" }] };
  const parsed = parseRules(file, unix.slice(0, gap), VERBS);
  const errors = [...parsed.errors];
  const complain = (line: Line, message: string): void =>
    void errors.push({ file, line: line.line, message });
  const facts = readFacts(parsed.lines, complain);
  const expectations = parsed.lines
    .filter((line) => line.verb === "expect")
    .map((line) => readExpectation(line, facts, complain));
  if (expectations.length === 0)
    errors.push({ file, line: 0, message: "the case expects nothing" });
  if (errors.length > 0) return { errors };
  const message = Buffer.from(unix.slice(gap + 2).replace(/\n/g, "\r\n"), "utf8");
  return { ok: { file, facts, expectations, message } };
}

type Complain = (line: Line, message: string) => void;

function readFacts(lines: readonly Line[], complain: Complain): CaseFacts {
  const client = lines.find((line) => line.verb === "client");
  const address = client?.words[0];
  const sender = lines.find((line) => line.verb === "sender")?.words[0] ?? "a@example.org";
  const recipients = lines
    .filter((line) => line.verb === "recipient")
    .flatMap((line) => line.words);
  return {
    client: {
      address: address === undefined || address === "unknown" ? null : address,
      name: client?.options.get("name") ?? null,
      helo: client?.options.get("helo") ?? null,
    },
    sender: sender === "<>" ? null : sender,
    recipients: recipients.length > 0 ? recipients : ["user@example.net"],
    mode: oneWord(lines, "mode", MODES, "before-queue", complain),
    origin: oneWord(lines, "origin", DIRECTIONS, "inbound", complain),
  };
}

function oneWord<T extends string>(
  lines: readonly Line[],
  verb: string,
  known: readonly T[],
  otherwise: T,
  complain: Complain,
): T {
  const line = lines.find((candidate) => candidate.verb === verb);
  if (line === undefined) return otherwise;
  const word = line.words[0] ?? "";
  const found = known.find((name) => name === word);
  if (found === undefined) complain(line, `"${word}" is no ${verb}${hint(word, known)}`);
  return found ?? otherwise;
}

function readExpectation(line: Line, facts: CaseFacts, complain: Complain): Expectation {
  const isSymbol = (word: string): boolean => /^!?[A-Z][A-Z0-9_]*$/.test(word);
  for (const word of line.words)
    if (!isSymbol(word) && !WORDS.includes(word))
      complain(line, `"${word}" cannot be expected${hint(word, WORDS)}`);
  const recipient = line.options.get("for") ?? null;
  if (recipient !== null && !facts.recipients.includes(recipient))
    complain(line, `for=${recipient} is no recipient of this case`);
  const has = (word: string): boolean => line.words.includes(word);
  return {
    at: line.at,
    recipient,
    disposition: line.words.find((word) => DISPOSITIONS.some((name) => name === word)) ?? null,
    category: line.words.find((word) => CATEGORY_WORDS.includes(word)) ?? null,
    quarantine: has("keep") ? true : has("no-keep") ? false : null,
    folder: has("no-folder") ? null : line.options.get("folder"),
    symbols: line.words.filter((word) => isSymbol(word) && !word.startsWith("!")),
    absent: line.words.filter((word) => word.startsWith("!")).map((word) => word.slice(1)),
  };
}

/** Judges the case; what came otherwise than expected, one sentence each. Empty = passed. Rejects as the judge does. */
export async function runCase(test: RuleCase, judge: CaseJudge): Promise<readonly string[]> {
  const outcomes = await judge(test.facts, test.message);
  return test.expectations.flatMap((expected) => {
    const concerned = outcomes.filter(
      ({ recipient }) => expected.recipient === null || recipient === expected.recipient,
    );
    if (concerned.length === 0)
      return [`${expected.at}: no verdict for ${expected.recipient ?? "anybody"}`];
    return concerned.flatMap((outcome) => differences(expected, outcome));
  });
}

function differences(expected: Expectation, outcome: CaseOutcome): readonly string[] {
  const found: string[] = [];
  const compare = (what: string, wanted: string | boolean | null, came: string | boolean): void => {
    if (wanted !== null && wanted !== came)
      found.push(
        `${expected.at}: ${what} for ${outcome.recipient} is ${String(came)}, expected ${String(wanted)}`,
      );
  };
  compare("disposition", expected.disposition, outcome.disposition);
  compare("category", expected.category, outcome.category);
  compare("quarantine", expected.quarantine, outcome.quarantine);
  if (expected.folder !== undefined)
    compare("folder", expected.folder ?? "none", outcome.folder ?? "none");
  for (const symbol of expected.symbols)
    if (!outcome.symbols.includes(symbol))
      found.push(
        `${expected.at}: ${symbol} is missing for ${outcome.recipient}; came: ${outcome.symbols.join(" ") || "nothing"}`,
      );
  for (const symbol of expected.absent)
    if (outcome.symbols.includes(symbol))
      found.push(`${expected.at}: ${symbol} came for ${outcome.recipient}`);
  return found;
}
