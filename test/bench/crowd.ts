// A thousand SMTP connections at once through postern with two workers: all are greeted before the first message, none is refused, and
// every message is taken. Used by `npm run bench -- crowd` and by test/real/crowd.test.ts.
import { postern } from "./peers.ts";
import { processTree, residentOf } from "./procfs.ts";
import { startSink } from "./postfix-tools.ts";
import { stage } from "./stage.ts";
import { figure, table } from "./statistics.ts";
import { timedLoad, type Timed } from "./timed-load.ts";

export interface CrowdOptions {
  readonly connections: number;
  readonly seconds: number;
}

export interface Crowd extends Timed {
  /** Resident memory of all of postern's processes after the run, MB. */
  readonly memoryMB: number;
}

/** Needs smtp-sink. */
export async function crowd({ connections, seconds }: CrowdOptions): Promise<Crowd> {
  const on = stage();
  try {
    const peer = await postern(2).start(on, await startSink(on));
    const load = { port: peer.port, sessions: connections, seconds, size: 4096, together: true };
    const timed = await timedLoad(load);
    const pids = processTree(peer.running?.pid ?? 0).map(({ pid }) => pid);
    return { ...timed, memoryMB: residentOf(pids) / 1e6 };
  } finally {
    await on.close();
  }
}

/** Runs it and prints; the exit code is 1 when a connection was refused or a message was not taken. */
export async function crowdBench(options: CrowdOptions & { json: boolean }): Promise<number> {
  const found = await crowd(options);
  if (options.json) process.stdout.write(`${JSON.stringify({ bench: "crowd", ...found })}\n`);
  else {
    const head = ["connections", "greeted", "messages/s", "p50 ms", "p99 ms", "failures", "MB"];
    const { greeted, rate, p50, p99, failures, memoryMB } = found;
    const row = [options.connections, greeted, rate, p50, p99, failures, memoryMB];
    process.stdout.write(`${table(head, [row.map((value) => figure(value))])}\n`);
  }
  return found.failures === 0 && found.greeted === options.connections ? 0 : 1;
}
