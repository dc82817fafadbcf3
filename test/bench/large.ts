// Many large messages in flight at once through postern: does each arrive unchanged, how much memory does it take, and does
// the event loop stay free? The sink is a process of its own and keeps nothing.
import { createInterface } from "node:readline";
import { monitorEventLoopDelay } from "node:perf_hooks";
import { join } from "node:path";
import { freePort } from "../real/lab/ports.ts";
import type { Digest } from "./digest-body.ts";
import { largeMessages, sendTogether, type LargeMessage } from "./large-messages.ts";
import { postern, ROOT, type Peer } from "./peers.ts";
import { processTree, residentOf, treeCpuSeconds, waitedForCoreMs } from "./procfs.ts";
import { delayOf } from "./relay.ts";
import { figure, table } from "./statistics.ts";
import { stage, type Stage } from "./stage.ts";

export interface LargeOptions {
  readonly count: number;
  readonly megabytes: number;
  readonly workers: number;
  readonly json: boolean;
  readonly profileDir: string | null;
}

const MB = 1024 * 1024;
const SAMPLE_MS = 50;
const GROWTH_LIMIT = 150 * MB;
const P999_LIMIT_MS = 20;
const MAX_LIMIT_MS = 50;

interface Figures {
  readonly seconds: number;
  readonly cpuSeconds: number;
  readonly wrong: readonly string[];
  readonly baseline: number;
  readonly peak: number;
  readonly maxAtStartMs: number;
  readonly p999Ms: number;
  readonly maxMs: number;
  /** The longest that a process of postern was ready to run without a core within one sample, ms. */
  readonly waitedMs: number;
  /** Event-loop delay of this process, which shares the machine: what others cause. */
  readonly ownMaxMs: number;
}

/** Runs it and prints; 0 when every limit is kept, else 1. */
export async function large(options: LargeOptions): Promise<number> {
  const on = stage();
  try {
    const figures = await measure(on, options);
    const checks = [
      {
        what: "arrived with its SHA-256",
        value: `${options.count - figures.wrong.length} of ${options.count}`,
        limit: "all",
        pass: figures.wrong.length === 0,
      },
      {
        what: "resident memory growth, MB",
        value: figure((figures.peak - figures.baseline) / MB),
        limit: "< 150",
        pass: figures.peak - figures.baseline < GROWTH_LIMIT,
      },
      {
        what: "event-loop delay p99.9, ms",
        value: figure(figures.p999Ms),
        limit: "< 20",
        pass: figures.p999Ms < P999_LIMIT_MS,
      },
      {
        what: "event-loop delay at most, ms",
        value: figure(figures.maxMs),
        limit: "< 50",
        pass: figures.maxMs < MAX_LIMIT_MS,
      },
    ];
    if (options.json)
      process.stdout.write(
        `${JSON.stringify({ bench: "large", ...options, figures, checks }, null, 2)}\n`,
      );
    else
      process.stdout.write(
        page(
          options,
          figures,
          checks.map(({ pass, ...rest }) => [
            rest.what,
            rest.value,
            rest.limit,
            pass ? "pass" : "FAIL",
          ]),
        ),
      );
    return checks.every(({ pass }) => pass) ? 0 : 1;
  } finally {
    await on.close();
  }
}

async function measure(on: Stage, options: LargeOptions): Promise<Figures> {
  const arrived = new Map<number, Digest>();
  const sinkPort = await startDigestSink(on, (digest) => arrived.set(digest.id, digest));
  const peer = await postern(options.workers, options.profileDir).start(on, sinkPort);
  const messages = largeMessages(1000, options.count, options.megabytes * MB);
  await sendTogether(peer.port, largeMessages(0, 10, MB));
  const atStart = await delayOf(peer);
  const watch = watched(peer);
  const own = monitorEventLoopDelay({ resolution: 10 });
  own.enable();
  const cpu = treeCpuSeconds(peer.running?.pid ?? 0);
  const begun = performance.now();
  await sendTogether(peer.port, messages);
  const seconds = (performance.now() - begun) / 1000;
  const { baseline, peak, waitedMs } = watch.stop();
  own.disable();
  const cpuSeconds = treeCpuSeconds(peer.running?.pid ?? 0) - cpu;
  const after = await delayOf(peer);
  await peer.running?.stop();
  return {
    seconds,
    cpuSeconds,
    wrong: messages.flatMap((message) => fault(message, arrived.get(message.id))),
    baseline,
    peak,
    maxAtStartMs: atStart?.maxMs ?? NaN,
    p999Ms: after?.p999Ms ?? NaN,
    maxMs: after?.maxMs ?? NaN,
    waitedMs,
    ownMaxMs: own.max / 1e6 - 10,
  };
}

function fault(message: LargeMessage, digest: Digest | undefined): readonly string[] {
  if (digest === undefined) return [`${message.id}: did not arrive`];
  return digest.sha256 === message.sha256
    ? []
    : [`${message.id}: changed (${digest.octets} octets)`];
}

async function startDigestSink(on: Stage, heard: (digest: Digest) => void): Promise<number> {
  const port = await freePort();
  const script = join(ROOT, "test/bench/digest-sink.ts");
  const { child } = await on.start("digest-sink", process.execPath, [script, String(port)], {
    ports: [port],
    piped: true,
  });
  if (child.stdout === null) throw new Error("the sink has no output");
  createInterface({ input: child.stdout }).on("line", (line) => heard(JSON.parse(line) as Digest));
  return port;
}

/** Samples memory and waiting of all of postern's processes until it is stopped. */
function watched(peer: Peer): { stop(): { baseline: number; peak: number; waitedMs: number } } {
  const pids = processTree(peer.running?.pid ?? 0).map(({ pid }) => pid);
  const baseline = residentOf(pids);
  let peak = baseline;
  let waitedMs = 0;
  const before = new Map(pids.map((pid) => [pid, waitedForCoreMs(pid)]));
  const look = () => {
    peak = Math.max(peak, residentOf(pids));
    for (const pid of pids) {
      const now = waitedForCoreMs(pid);
      waitedMs = Math.max(waitedMs, now - (before.get(pid) ?? now));
      before.set(pid, now);
    }
  };
  const timer = setInterval(look, SAMPLE_MS);
  return {
    stop() {
      clearInterval(timer);
      look();
      return { baseline, peak, waitedMs };
    },
  };
}

function page(
  { count, megabytes, workers }: LargeOptions,
  figures: Figures,
  rows: readonly (readonly string[])[],
): string {
  const { seconds, cpuSeconds, wrong } = figures;
  const rate = (count * megabytes) / seconds;
  return `
${count} messages of ${megabytes} MB in flight at once, ${workers} workers: ${figure(seconds)} s (${figure(rate)} MB/s), ${figure(cpuSeconds)} CPU s of postern

${table(["", "measured", "limit", ""], rows)}

resident before: ${figure(figures.baseline / MB)} MB, at most: ${figure(figures.peak / MB)} MB; event loop late before the run: at most ${figure(figures.maxAtStartMs)} ms
a process of postern waited for a core at most ${figure(figures.waitedMs)} ms within ${SAMPLE_MS} ms; the sender's own event loop was late by at most ${figure(figures.ownMaxMs)} ms
${wrong.map((line) => `${line}\n`).join("")}`;
}
