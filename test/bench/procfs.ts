// What Linux tells about a process and all that descend from it: CPU time, resident memory, time spent waiting for a core
// (proc(5)). Read synchronously: the files are made in memory and a sample must be of one moment.
import { readdirSync, readFileSync } from "node:fs";

/** Of USER_HZ, in which /proc/PID/stat counts; 100 on every Linux that Node runs on. */
const TICKS_PER_SECOND = 100;

export interface ProcessStat {
  readonly pid: number;
  readonly parent: number;
  /** Of the process itself and of its children that have ended and were waited for, in seconds. */
  readonly cpuSeconds: number;
}

/** Reads one /proc/PID/stat; the name in it may hold blanks and parentheses. null when it is not such a line. */
export function parseStat(text: string): ProcessStat | null {
  const open = text.indexOf(" (");
  const close = text.lastIndexOf(") ");
  if (open < 1 || close < open) return null;
  const fields = text.slice(close + 2).split(" ");
  const at = (index: number) => Number(fields[index]);
  // Fields 4 and 14 to 17 of proc(5), counted from the state (3) that follows the name.
  const stat = {
    pid: Number(text.slice(0, open)),
    parent: at(1),
    cpuSeconds: (at(11) + at(12) + at(13) + at(14)) / TICKS_PER_SECOND,
  };
  return Object.values(stat).every(Number.isFinite) ? stat : null;
}

/** VmRSS of a /proc/PID/status in octets; null when it has none (a zombie). */
export function parseResident(text: string): number | null {
  const match = /^VmRSS:\s+(\d+) kB$/m.exec(text);
  return match === null ? null : Number(match[1]) * 1024;
}

/** `root` and everything below it, from the stats of all processes. */
export function descendants(stats: readonly ProcessStat[], root: number): readonly ProcessStat[] {
  const found = new Set([root]);
  for (let size = 0; size !== found.size;) {
    size = found.size;
    for (const stat of stats) if (found.has(stat.parent)) found.add(stat.pid);
  }
  return stats.filter((stat) => found.has(stat.pid));
}

/** The living process tree of `root`; empty when it has ended. */
export function processTree(root: number): readonly ProcessStat[] {
  const stats: ProcessStat[] = [];
  for (const name of readdirSync("/proc")) {
    if (!/^\d+$/.test(name)) continue;
    const stat = parseStat(read(`/proc/${name}/stat`));
    if (stat !== null) stats.push(stat);
  }
  return descendants(stats, root);
}

/** CPU time of the tree so far, in seconds; children that ended in between are counted in their parent. */
export function treeCpuSeconds(root: number): number {
  return processTree(root).reduce((sum, stat) => sum + stat.cpuSeconds, 0);
}

/** The part of the CPU time between two looks at one tree that its busiest process used, 0 to 1; NaN when none was used. */
export function busiestShare(
  before: readonly ProcessStat[],
  after: readonly ProcessStat[],
): number {
  const then = new Map(before.map(({ pid, cpuSeconds }) => [pid, cpuSeconds]));
  const used = after.map(({ pid, cpuSeconds }) => cpuSeconds - (then.get(pid) ?? 0));
  return Math.max(...used) / used.reduce((sum, one) => sum + one, 0);
}

/** Resident memory of these processes together, in octets; one that has ended counts nothing. */
export function residentOf(pids: readonly number[]): number {
  return pids.reduce((sum, pid) => sum + (parseResident(read(`/proc/${pid}/status`)) ?? 0), 0);
}

/** How long the main thread of `pid` was ready to run but had no core, in ms since its start; 0 when it has ended. */
export function waitedForCoreMs(pid: number): number {
  return (Number(read(`/proc/${pid}/schedstat`).split(" ")[1]) || 0) / 1e6;
}

/** "" when the process is gone. */
function read(path: string): string {
  try {
    return readFileSync(path, "latin1");
  } catch {
    return ""; // it ended between the look and the read
  }
}
