// A parity report for a person.
import type { Parity } from "./compare.ts";
import type { Speed } from "./speed.ts";

export interface ParityReport {
  /** Where the other side's opinions come from, in words. */
  readonly against: string;
  readonly ruleDirectories: readonly string[];
  readonly parity: Parity;
  /** Pass by pass; null: the other side was not measured. */
  readonly speeds: {
    readonly ours: readonly Speed[];
    readonly theirs: readonly Speed[] | null;
  } | null;
}

const MOST_RULES = 60;
const MOST_NAMES = 20;

export function printed({ against, ruleDirectories, parity, speeds }: ParityReport): string {
  const { pairs, scores, decisions, rules, unanswered } = parity;
  const lines = [
    `${parity.messages} messages against ${against}`,
    `rules from ${ruleDirectories.join(", ")}`,
    `hits: ${pairs.both} of ${pairs.either} agree (${percent(pairs.rate)}), ${pairs.onlyOurs} only ours, ${pairs.onlyTheirs} only theirs`,
    `points: ${scores.within} of ${parity.messages} within ${scores.tolerance} (${percent(scores.rate)}), ${scores.meanDifference.toFixed(4)} apart on average`,
    `decisions: ${parity.messages - decisions.spamToOursOnly.length - decisions.spamToTheirsOnly.length} of ${parity.messages} the same (${percent(decisions.rate)}), spam to both ${decisions.spamToBoth}`,
    ...listed("spam only to us", decisions.spamToOursOnly),
    ...listed("spam only to them", decisions.spamToTheirsOnly),
    ...listed("without an answer", unanswered),
  ];
  if (rules.length > 0)
    lines.push("", "rules that differ: points apart, both, only ours, only theirs, for example");
  for (const rule of rules.slice(0, MOST_RULES))
    lines.push(
      `  ${rule.rule.padEnd(34)} ${rule.weight.toFixed(2).padStart(8)} ${String(rule.both).padStart(6)} ${String(rule.onlyOurs).padStart(6)} ${String(rule.onlyTheirs).padStart(6)}  ${rule.example}`,
    );
  if (rules.length > MOST_RULES) lines.push(`  … and ${rules.length - MOST_RULES} more`);
  if (scores.worst.length > 0) lines.push("", "messages furthest apart:");
  for (const { message, ours, theirs, onlyOurs, onlyTheirs } of scores.worst)
    lines.push(
      `  ${message}: ours ${round(ours)}, theirs ${round(theirs)}${names(" +", onlyOurs)}${names(" -", onlyTheirs)}`,
    );
  if (speeds !== null) lines.push("", ...speedLines(speeds.ours, speeds.theirs));
  return `${lines.join("\n")}\n`;
}

const percent = (rate: number): string => `${(rate * 100).toFixed(3)} %`;
const round = (points: number): number => Math.round(points * 1000) / 1000;

function listed(what: string, messages: readonly string[]): string[] {
  if (messages.length === 0) return [];
  const more = messages.length > MOST_NAMES ? ", …" : "";
  return [`${what} (${messages.length}): ${messages.slice(0, MOST_NAMES).join(", ")}${more}`];
}

const names = (sign: string, rules: readonly string[]): string =>
  rules
    .slice(0, MOST_NAMES)
    .map((rule) => `${sign}${rule}`)
    .join("");

function speedLines(ours: readonly Speed[], theirs: readonly Speed[] | null): string[] {
  return ours.flatMap((our, at) => {
    const pass = ours.length === 1 ? "" : `, pass ${at + 1}`;
    const their = theirs?.[at];
    if (their === undefined) return [speedLine(`ours${pass}`, our)];
    const times = (our.perSecond / their.perSecond).toFixed(1);
    return [
      speedLine(`ours${pass}`, our),
      speedLine(`theirs${pass}`, their),
      `ours is ${times} times as fast${cpuTimes(our, their)}`,
    ];
  });
}

function speedLine(whose: string, speed: Speed): string {
  const cpu = speed.cpuMs === null ? "" : `, ${speed.cpuMs.toFixed(2)} ms CPU a message`;
  const memory =
    speed.residentMiB === null
      ? ""
      : `, ${speed.residentMiB.toFixed(0)} MiB resident (${speed.of})`;
  return `${whose}: ${speed.perSecond.toFixed(1)} messages a second with ${speed.atOnce} at once, p50 ${speed.p50.toFixed(1)} ms, p99 ${speed.p99.toFixed(1)} ms${cpu}${memory}`;
}

function cpuTimes(ours: Speed, theirs: Speed): string {
  if (ours.cpuMs === null || theirs.cpuMs === null || ours.cpuMs === 0) return "";
  return `, with ${(theirs.cpuMs / ours.cpuMs).toFixed(1)} times less CPU`;
}
