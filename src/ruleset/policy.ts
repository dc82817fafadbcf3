// policy.rules compiled: for one recipient at one place the Policy that verdict/decide.ts follows. For every single setting
// the first line that speaks about it wins; `for` lines speak before lines for everyone. Called by compile.ts.
import type { Address } from "../mail/address.ts";
import type { Fate, FateName, Policy } from "../verdict/policy.ts";
import { addressList } from "./addresses.ts";
import type { RuleError } from "./errors.ts";
import type { Line } from "./grammar.ts";
import { FATE_NAMES, readPolicyLine } from "./policy-lines.ts";
import type { Direction, Mode, PolicyLine, Setting } from "./policy-lines.ts";
import { hint } from "./suggest.ts";

/** Where a message is judged. */
export interface Place {
  readonly mode: Mode;
  readonly direction: Direction;
}

export interface PolicyFacts {
  /** Modes of the configured filter listeners; warnings about other modes are left out. */
  readonly modes: readonly Mode[];
  /** Whether [outgoing] is configured, so that bounces can be sent. */
  readonly hasOutgoing: boolean;
  /** Names of the checks there are; absent = names are not compared. */
  readonly checks?: readonly string[];
}

export interface CompiledPolicy {
  readonly policyOf: (recipient: Address, at: Place) => Policy;
  readonly errors: readonly RuleError[];
  readonly warnings: readonly RuleError[];
  /** Lines that a static condition switched off. */
  readonly off: ReadonlySet<Line>;
}

/** Distinct policies kept at most; more can only come from thousands of overlapping `for` lines. */
const MAX_CACHED = 10_000;

/** Compiles the lines of policy.rules, which come in effective order. */
export function compilePolicy(lines: readonly Line[], facts: PolicyFacts): CompiledPolicy {
  const errors: RuleError[] = [];
  const warnings: RuleError[] = [];
  const off = new Set<Line>();
  const general: PolicyLine[] = [];
  const profiles: PolicyLine[] = [];
  const recipients = addressList();
  for (const line of lines) {
    const say = (list: RuleError[], message: string): void =>
      void list.push({ file: line.file, line: line.line, message });
    const read = readPolicyLine(line);
    if (typeof read === "string") {
      say(errors, read);
      continue;
    }
    for (const pattern of read.patterns ?? []) {
      const wrong = recipients.add(pattern, profiles.length);
      if (wrong !== null) say(errors, wrong);
    }
    if (line.conditions.includes("outgoing") && !facts.hasOutgoing) {
      off.add(line);
      // The position stays taken, so that the patterns above point at a line that sets nothing.
      if (read.patterns !== null) profiles.push({ ...read, settings: [] });
      continue;
    }
    const wrong = complaint(read, facts);
    if (wrong !== null) say(errors, wrong);
    for (const warning of doubts(read, facts)) say(warnings, warning);
    (read.patterns === null ? general : profiles).push(read);
  }
  return {
    policyOf: policyTable(general, profiles, (a) => recipients.all(a)),
    errors,
    warnings,
    off,
  };
}

function fatesIn(line: PolicyLine): readonly Fate[] {
  return line.settings.flatMap((setting) => ("fate" in setting ? [setting.fate] : []));
}

function complaint(line: PolicyLine, facts: PolicyFacts): string | null {
  if (facts.hasOutgoing || !fatesIn(line).some((fate) => fate.disposition === "bounce"))
    return null;
  return "bounce needs [outgoing] in postern.toml; configure it, or end the line in `if outgoing`";
}

function doubts(line: PolicyLine, facts: PolicyFacts): readonly string[] {
  const found: string[] = [];
  const afterQueue = line.modes.includes("after-queue") && facts.modes.includes("after-queue");
  // Outbound the MTA's bounce goes to our own user, who should have it.
  if (
    afterQueue &&
    line.directions.includes("inbound") &&
    fatesIn(line).some((fate) => fate.disposition === "reject")
  )
    found.push(
      "reject on an after-queue listener makes the MTA bounce to senders that are often forged",
    );
  if (
    line.directions.includes("inbound") &&
    fatesIn(line).some((fate) => fate.disposition === "bounce" && !fate.quarantine)
  )
    found.push(
      "a bounce goes only to a sender that SPF or DKIM proves: without keep, other mail is gone without a trace",
    );
  for (const setting of line.settings)
    if (
      setting.key === "check" &&
      facts.checks !== undefined &&
      !facts.checks.includes(setting.check)
    )
      found.push(`no check is called "${setting.check}"${hint(setting.check, facts.checks)}`);
  return found;
}

type PolicyOf = (recipient: Address, at: Place) => Policy;

function policyTable(
  general: readonly PolicyLine[],
  profiles: readonly PolicyLine[],
  matching: (recipient: Address) => readonly number[],
): PolicyOf {
  const cache = new Map<string, Policy>();
  return (recipient, at) => {
    const matched = matching(recipient);
    const key = `${at.mode} ${at.direction} ${matched.join(",")}`;
    const known = cache.get(key);
    if (known !== undefined) return known;
    const lines = [...matched.flatMap((position) => profiles[position] ?? []), ...general];
    const policy = policyFrom(
      lines.filter((line) => holdsAt(line, at)).flatMap((line) => line.settings),
    );
    if (cache.size >= MAX_CACHED) cache.clear();
    cache.set(key, policy);
    return policy;
  };
}

function holdsAt(line: PolicyLine, at: Place): boolean {
  return line.modes.includes(at.mode) && line.directions.includes(at.direction);
}

/** The first setting of each kind; of fates all up to the first that holds always. */
function policyFrom(settings: readonly Setting[]): Policy {
  const fates = Object.fromEntries(FATE_NAMES.map((name) => [name, [] as Fate[]])) as Record<
    FateName,
    Fate[]
  >;
  const unchecked = new Map<string, Fate[]>();
  const levels = new Map<string, number | null>();
  const keepTo = new Map<FateName, string | null>();
  let subjectTag: string | null | undefined;
  for (const setting of settings) {
    if (setting.key === "level") {
      if (!levels.has(setting.level)) levels.set(setting.level, setting.value);
    } else if (setting.key === "keep") {
      if (!keepTo.has(setting.category)) keepTo.set(setting.category, setting.to);
    } else if (setting.key === "subject-tag") {
      if (subjectTag === undefined) subjectTag = setting.value;
    } else if (setting.key === "check") {
      const list = unchecked.get(setting.check) ?? [];
      unchecked.set(setting.check, list);
      addFate(list, setting.fate);
    } else addFate(fates[setting.key], setting.fate);
  }
  const mailboxes = [...keepTo].flatMap(([name, to]) => (to === null ? [] : [[name, to] as const]));
  return {
    fates,
    unchecked,
    ...(mailboxes.length > 0 && { keepTo: new Map(mailboxes) }),
    tagLevel: levels.get("tag") ?? null,
    tag2Level: levels.get("tag2") ?? 5,
    killLevel: levels.get("kill") ?? 10,
    subjectTag: subjectTag ?? null,
  };
}

function addFate(list: Fate[], fate: Fate): void {
  if (list.at(-1)?.onlyIf !== null || list.length === 0) list.push(fate);
}
