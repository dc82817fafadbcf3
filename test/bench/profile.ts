// Reads the CPU profiles that a bench left with --profile: functions by self time, and the longest stretches without a pause
// of the event loop, each with the function that took most of it.
import { readdirSync, readFileSync } from "node:fs";
import { join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { ROOT } from "./peers.ts";
import { figure, table } from "./statistics.ts";

/** The part of V8's .cpuprofile format that is read here; times in µs. */
export interface CpuProfile {
  readonly nodes: readonly {
    readonly id: number;
    readonly callFrame: {
      readonly functionName: string;
      readonly url: string;
      readonly lineNumber: number;
    };
    readonly children?: readonly number[];
  }[];
  readonly samples: readonly number[];
  readonly timeDeltas: readonly number[];
}

export interface SelfTime {
  readonly where: string;
  readonly ms: number;
}

export interface Stretch {
  readonly atMs: number;
  readonly ms: number;
  /** Functions by self time within it. */
  readonly functions: readonly SelfTime[];
}

const IDLE = new Set(["(idle)", "(program)", "(root)"]);
const TOP = 25;
const STRETCHES = 5;

/** Self time of each function, greatest first; idle time is left out. */
export function selfTimes({ nodes, samples, timeDeltas }: CpuProfile): readonly SelfTime[] {
  const names = new Map(nodes.map((node) => [node.id, nameOf(node.callFrame)]));
  const sums = new Map<string, number>();
  for (const [i, id] of samples.entries()) add(sums, names.get(id) ?? "?", timeDeltas[i] ?? 0);
  return sorted(sums).filter(({ where }) => where !== "(idle)" && where !== "(root)");
}

/**
 * The longest stretches in which one callback of the event loop ran: samples below one and the same child of the root, without
 * idle between. Two callbacks in a row with the same entry function count as one, so that this errs on the long side.
 */
export function stretches(
  { nodes, samples, timeDeltas }: CpuProfile,
  count: number,
): readonly Stretch[] {
  const names = new Map(nodes.map((node) => [node.id, nameOf(node.callFrame)]));
  const entries = entryOf(nodes);
  const found: Stretch[] = [];
  let at = 0;
  let sums = new Map<string, number>();
  let length = 0;
  let entry = -1;
  const end = () => {
    if (length > 0)
      found.push({ atMs: (at - length) / 1000, ms: length / 1000, functions: sorted(sums) });
    if (found.length > 1000) found.sort((a, b) => b.ms - a.ms).splice(count);
    sums = new Map();
    length = 0;
  };
  for (const [i, id] of samples.entries()) {
    const delta = timeDeltas[i] ?? 0;
    const name = names.get(id) ?? "?";
    // A collection of garbage stands beside the stack that it interrupts.
    const own = name === "(garbage collector)" ? entry : (entries.get(id) ?? -1);
    if (IDLE.has(name) || own !== entry) end();
    entry = own;
    at += delta;
    if (IDLE.has(name)) continue;
    add(sums, name, delta);
    length += delta;
  }
  end();
  return found.sort((a, b) => b.ms - a.ms).slice(0, count);
}

/** For each node the child of the root above it. */
function entryOf(nodes: CpuProfile["nodes"]): ReadonlyMap<number, number> {
  const byId = new Map(nodes.map((node) => [node.id, node]));
  const entries = new Map<number, number>();
  const root = nodes.find(({ callFrame }) => callFrame.functionName === "(root)");
  const open = (root?.children ?? []).map((id) => ({ id, entry: id }));
  for (let one = open.pop(); one !== undefined; one = open.pop()) {
    const { id, entry } = one;
    entries.set(id, entry);
    for (const child of byId.get(id)?.children ?? []) open.push({ id: child, entry });
  }
  return entries;
}

function nameOf({
  functionName,
  url,
  lineNumber,
}: CpuProfile["nodes"][number]["callFrame"]): string {
  const name = functionName === "" ? "(anonymous)" : functionName;
  if (url === "") return name;
  const file = url.startsWith("file:") ? relative(ROOT, fileURLToPath(url)) : url;
  return `${name} ${file}:${lineNumber + 1}`;
}

const add = (sums: Map<string, number>, key: string, value: number) =>
  void sums.set(key, (sums.get(key) ?? 0) + value);

const sorted = (sums: ReadonlyMap<string, number>): SelfTime[] =>
  [...sums].map(([where, us]) => ({ where, ms: us / 1000 })).sort((a, b) => b.ms - a.ms);

/** Prints them for every .cpuprofile in the directories; 2 when there is none. */
export function profile(dirs: readonly string[]): number {
  const files = dirs.flatMap((dir) =>
    readdirSync(dir)
      .filter((name) => name.endsWith(".cpuprofile"))
      .map((name) => join(dir, name)),
  );
  for (const file of files) {
    const read = JSON.parse(readFileSync(file, "utf8")) as CpuProfile;
    const times = selfTimes(read);
    const total = times.reduce((sum, { ms }) => sum + ms, 0);
    const rows = times
      .slice(0, TOP)
      .map(({ where, ms }) => [where, figure(ms), `${figure((100 * ms) / total)} %`]);
    const longest = stretches(read, STRETCHES).map(({ atMs, ms, functions }) => [
      functions
        .slice(0, 4)
        .map((one) => `${one.where} ${figure(one.ms)}`)
        .join("; "),
      figure(ms),
      figure(atMs),
    ]);
    process.stdout.write(
      `\n${file}: ${figure(total)} ms busy\n\n${table(["self time", "ms", "share"], rows)}\n\n${table(["longest without a pause", "ms", "at ms"], longest)}\n`,
    );
  }
  return files.length === 0 ? 2 : 0;
}
