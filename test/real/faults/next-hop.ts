// The next hop under attack: recorder.ts as a process that can be killed, frozen, started again and told to misbehave. What it took
// down outlives it. Used by estate.ts.
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { connect } from "node:net";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { until, type Peer } from "../lab/lab.ts";
import type { Manner, Recorded, Said } from "../lab/recorder.ts";

export interface Taken extends Recorded {
  /** Whether the answer to it went out; without one postern cannot know that it is here. */
  answered: boolean;
}

export interface NextHop extends Peer {
  readonly taken: readonly Taken[];
  manner(manner: Manner): void;
  freeze(): void;
  thaw(): void;
  kill(): Promise<void>;
  start(): Promise<void>;
}

/** Starts it on 127.0.0.1. */
export async function nextHop(port: number): Promise<NextHop> {
  const taken: Taken[] = [];
  let child: ChildProcess | null = null;
  const start = async (): Promise<void> => {
    const script = join(import.meta.dirname, "../lab/recorder.ts");
    const started = spawn(process.execPath, [script, String(port)], {
      stdio: ["pipe", "pipe", "inherit"],
    });
    child = started;
    started.stdin.on("error", () => undefined); // it was killed
    const bySeq = new Map<number, Taken>();
    createInterface({ input: started.stdout }).on("line", (line) => {
      const told = JSON.parse(line) as Recorded | Said;
      if ("said" in told) {
        const one = bySeq.get(told.said);
        if (one !== undefined) one.answered = true;
        return;
      }
      const one: Taken = { ...told, answered: false };
      bySeq.set(told.seq, one);
      taken.push(one);
    });
    await until("the next hop", () => accepts(port));
  };
  const kill = async (): Promise<void> => {
    const running = child;
    child = null;
    if (running === null || running.exitCode !== null || running.signalCode !== null) return;
    const gone = once(running, "close");
    running.kill("SIGKILL");
    await gone;
  };
  await start();
  return {
    taken,
    manner: (manner) => void child?.stdin?.write(`${manner}\n`),
    freeze: () => void child?.kill("SIGSTOP"),
    thaw: () => void child?.kill("SIGCONT"),
    ...{ kill, start, stop: kill },
  };
}

function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1");
    socket.once("connect", () => {
      socket.destroy();
      resolve(true);
    });
    socket.once("error", () => resolve(false));
  });
}
