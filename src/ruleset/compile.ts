// All rule files become one immutable snapshot, or errors. Called by the supervisor, every worker, `rules check` and tests
// with the same source; a snapshot is swapped whole and never changed.
import type { Address } from "../mail/address.ts";
import type { Client } from "../mail/message.ts";
import { atOnce } from "../sys/turns.ts";
import type { Policy } from "../verdict/policy.ts";
import { ACCESS_VERBS, SENDER_VERBS, compilingAccess, permitWarnings } from "./access-lines.ts";
import type { AccessList } from "./access-lines.ts";
import { addressList } from "./addresses.ts";
import { BANNED_VERBS, compileBanned } from "./banned-lines.ts";
import type { BannedList } from "./banned-lines.ts";
import { DNSXL_VERBS, compileDnsxl } from "./dnsxl-lines.ts";
import type { DnsxlList } from "./dnsxl-lines.ts";
import { DKIM_VERBS, compileDkim } from "./dkim-lines.ts";
import type { DkimList } from "./dkim-lines.ts";
import { boundedErrors } from "./errors.ts";
import type { RuleError } from "./errors.ts";
import type { Line, Verbs } from "./grammar.ts";
import { LIMIT_VERBS, compileLimits } from "./limits-lines.ts";
import type { LimitList } from "./limits-lines.ts";
import { clientList } from "./networks.ts";
import { compilePolicy } from "./policy.ts";
import type { Place, PolicyFacts } from "./policy.ts";
import { POLICY_VERBS } from "./policy-lines.ts";
import { SCORE_VERBS, compileScores } from "./scores.ts";
import { VIRUS_NAME_VERBS, compileVirusNames, type VirusScoreOf } from "./virus-names.ts";
import { LOCAL_DIRECTORY, readingLines, versionOf } from "./source.ts";
import type { RuleSource } from "./source.ts";
import { nearest } from "./suggest.ts";

export interface RuleFacts extends PolicyFacts {
  /** Symbols that the checks can report; absent = names in scores.rules are not compared. */
  readonly symbols?: readonly string[];
}

export interface RuleSet {
  /** Ten hexadecimal digits of the source that it was compiled from. */
  readonly version: string;
  /** The policy of one recipient; the same object again for the same set of matching lines. */
  readonly policyOf: (recipient: Address, at: Place) => Policy;
  /** The operator's points for a symbol (verdict/finding.ts: scoreName), undefined when scores.rules does not name it. */
  readonly scoreOf: (symbol: string) => number | undefined;
  readonly virusScoreOf: VirusScoreOf;
  readonly clients: AccessList<Pick<Client, "address" | "name">>;
  /** Keys are sender addresses; null is the null sender. */
  readonly senders: AccessList<Address | null>;
  readonly recipients: AccessList<Address | null>;
  readonly banned: BannedList;
  /** With which keys outbound mail is signed. */
  readonly dkim: DkimList;
  /** DNS lists; empty as shipped. */
  readonly dnsxl: DnsxlList;
  /** How much one login, client or sender may send; asked by the policy service. */
  readonly limits: LimitList;
  /** All lines in effective order, "rules/policy.rules:12  fate virus …", file after file. */
  readonly show: () => readonly string[];
}

export type CompiledRules =
  | { readonly ok: RuleSet; readonly warnings: readonly RuleError[] }
  | { readonly errors: readonly RuleError[] };

/** Every rule file with the verbs its lines may start with, in the order in which they are shown. */
const FILES = {
  "policy.rules": POLICY_VERBS,
  "scores.rules": { ...SCORE_VERBS, ...VIRUS_NAME_VERBS },
  "clients.rules": ACCESS_VERBS,
  "senders.rules": SENDER_VERBS,
  "recipients.rules": ACCESS_VERBS,
  "banned.rules": BANNED_VERBS,
  "dkim.rules": DKIM_VERBS,
  "dnsxl.rules": DNSXL_VERBS,
  "limits.rules": LIMIT_VERBS,
} as const satisfies Record<string, Verbs>;

type FileName = keyof typeof FILES;
const FILE_NAMES = Object.keys(FILES) as readonly FileName[];

/** Compiles the whole source. Never throws on what it holds; at most MAX_ERRORS errors come back. */
export function compileRules(source: RuleSource, facts: RuleFacts): CompiledRules {
  return atOnce(compilingRules(source, facts));
}

/** The same in short steps, for reloads beside live mail; what comes back is whole. */
export function* compilingRules(
  source: RuleSource,
  facts: RuleFacts,
): Generator<void, CompiledRules> {
  const errors: RuleError[] = [];
  const warnings: RuleError[] = [];
  const files = new Map<FileName, readonly Line[]>();
  for (const name of FILE_NAMES) {
    const parsed = yield* readingLines(source, name, FILES[name]);
    files.set(name, parsed.lines);
    errors.push(...parsed.errors);
  }
  const lines = (name: FileName): readonly Line[] => files.get(name) ?? [];
  const policy = compilePolicy(lines("policy.rules"), facts);
  const points = compilePoints(lines("scores.rules"), facts, errors, warnings);
  const clients = yield* compilingAccess(lines("clients.rules"), clientList(), errors);
  const senders = yield* compilingAccess<Address | null>(
    lines("senders.rules"),
    addressList(),
    errors,
  );
  const recipients = yield* compilingAccess<Address | null>(
    lines("recipients.rules"),
    addressList(),
    errors,
  );
  const banned = compileBanned(lines("banned.rules"), errors);
  const dkim = compileDkim(lines("dkim.rules"), errors);
  const dnsxl = compileDnsxl(lines("dnsxl.rules"), errors);
  const limits = compileLimits(lines("limits.rules"), errors);
  errors.push(...policy.errors);
  warnings.push(...policy.warnings, ...strayFiles(source));
  for (const name of ["clients.rules", "senders.rules", "recipients.rules"] as const)
    warnings.push(...permitWarnings(lines(name)));
  if (errors.length > 0) return { errors: boundedErrors(errors) };
  if (lines("policy.rules").length === 0)
    warnings.push({
      file: "rules/policy.rules",
      line: 0,
      message: "missing or empty: every message is accepted",
    });
  return {
    ok: {
      version: versionOf(source),
      policyOf: policy.policyOf,
      ...points,
      clients,
      senders,
      recipients,
      banned,
      dkim,
      dnsxl,
      limits,
      show: () =>
        FILE_NAMES.flatMap((name) => lines(name).map((line) => shown(line, policy.off.has(line)))),
    },
    warnings: boundedErrors(warnings),
  };
}

function compilePoints(
  lines: readonly Line[],
  { symbols }: RuleFacts,
  errors: RuleError[],
  warnings: RuleError[],
): Pick<RuleSet, "scoreOf" | "virusScoreOf"> {
  const of = (verb: string): Line[] => lines.filter((line) => line.verb === verb);
  const scores = compileScores(of("score"), symbols, errors, warnings);
  const virusScoreOf = compileVirusNames(of("virus-score"), errors);
  return { scoreOf: (symbol) => scores.get(symbol), virusScoreOf };
}

function shown(line: Line, off: boolean): string {
  return `${line.at}  ${line.written}${off ? "  # off: no [outgoing]" : ""}`;
}

/** *.rules files that nobody reads: a misspelt name must not pass in silence. */
function strayFiles(source: RuleSource): readonly RuleError[] {
  const found: RuleError[] = [];
  for (const path of source.keys()) {
    const name = path.startsWith(`${LOCAL_DIRECTORY}/`)
      ? path.slice(LOCAL_DIRECTORY.length + 1)
      : path;
    if (!name.endsWith(".rules") || Object.hasOwn(FILES, name)) continue;
    const near = nearest(name, FILE_NAMES);
    const suggestion = near === null ? "" : `; did you mean ${near}?`;
    found.push({
      file: `rules/${path}`,
      line: 0,
      message: `no such rule file is read${suggestion}`,
    });
  }
  return found;
}
