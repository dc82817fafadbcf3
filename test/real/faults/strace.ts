// strace on a running process: one system call of it fails, or is its last. Used by syscalls.ts.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { until } from "../lab/lab.ts";

/** What a delivery does to a disk. */
export const CALLS = [
  "openat",
  "writev",
  "pwritev",
  "write",
  "fsync",
  "fdatasync",
  "rename",
  "link",
  "unlink",
  "mkdir",
  "close",
] as const;

export type Call = (typeof CALLS)[number];
export type Harm = "KILL" | "EIO" | "ENOSPC";

/** strace calls one by two names. */
const NAMES: Readonly<Partial<Record<Call, string>>> = {
  pwritev: "pwritev,pwrite64",
  rename: "rename,renameat,renameat2",
  link: "link,linkat",
  unlink: "unlink,unlinkat",
  mkdir: "mkdir,mkdirat",
};

const namesOf = (call: Call): string => NAMES[call] ?? call;

/** Harms the `nth` such call of each thread (from 1) while `work` runs. */
export function harming<T>(
  pid: number,
  call: Call,
  nth: number,
  harm: Harm,
  work: () => Promise<T>,
): Promise<T> {
  const names = namesOf(call);
  const what = harm === "KILL" ? "signal=KILL" : `error=${harm}`;
  const how = ["-e", `trace=${names}`, "-e", `inject=${names}:${what}:when=${nth}`];
  return traced(pid, [...how, "-o", "/dev/null"], work);
}

/** How often the busiest thread made each of these calls while `work` ran. */
export async function counted(
  pid: number,
  file: string,
  work: () => Promise<unknown>,
): Promise<ReadonlyMap<Call, number>> {
  const names = CALLS.map(namesOf).join(",");
  await traced(pid, ["-e", `trace=${names}`, "-o", file], work);
  const most = new Map<Call, number>();
  const byThread = new Map<string, number>();
  for (const line of (await readFile(file, "latin1")).split("\n")) {
    const [, thread = "", name = ""] = /^(\d+) +(\w+)\(/.exec(line) ?? [];
    const call = CALLS.find((one) => namesOf(one).split(",").includes(name));
    if (call === undefined) continue;
    const key = `${thread} ${call}`;
    const count = (byThread.get(key) ?? 0) + 1;
    byThread.set(key, count);
    most.set(call, Math.max(most.get(call) ?? 0, count));
  }
  return most;
}

async function traced<T>(pid: number, how: readonly string[], work: () => Promise<T>): Promise<T> {
  const tracer = spawn("strace", ["-f", "-qq", "-p", String(pid), ...how], { stdio: "ignore" });
  const gone = once(tracer, "exit");
  try {
    await until("strace", () => {
      // A process that dies of something that it did while idle takes its tracer along.
      if (tracer.exitCode !== null && existsSync(`/proc/${pid}/task`))
        throw new Error(`strace ended with ${tracer.exitCode}`);
      return tracer.exitCode !== null || allTraced(pid);
    });
    return await work();
  } finally {
    tracer.kill("SIGINT"); // it lets go of the process
    // Of a process that was killed under it, it sometimes waits for more.
    const impatient = setTimeout(() => tracer.kill("SIGKILL"), 1000);
    await gone;
    clearTimeout(impatient);
  }
}

function allTraced(pid: number): boolean {
  try {
    const threads = readdirSync(`/proc/${pid}/task`);
    return threads.every((thread) =>
      /^TracerPid:\t[1-9]/m.test(readFileSync(`/proc/${pid}/task/${thread}/status`, "latin1")),
    );
  } catch {
    return false; // a thread ended between the two looks
  }
}
