// How many small messages a second pass a hop: smtp-source → X → smtp-sink for X = nothing, postern with two workers and with one,
// amavisd-new, Haraka, in interleaved rounds of one run, so that whatever else the machine does meets all of them; and how long each
// message takes then, with a sender that looks at the clock. Only ratios within a run count.
import { direct, amavis, haraka, postern, type Candidate, type Peer } from "./peers.ts";
import { loopDelay, type LoopDelay } from "./exposition.ts";
import { sendLoad, startSink, toolsMissing } from "./postfix-tools.ts";
import { timedLoad, type Timed } from "./timed-load.ts";
import { busiestShare, processTree, treeCpuSeconds } from "./procfs.ts";
import { figure, median, medianRatio, roundOf, table } from "./statistics.ts";
import { stage, type Stage } from "./stage.ts";

export interface RelayOptions {
  readonly sessions: readonly number[];
  readonly rounds: number;
  /** How long one round of one peer should take. */
  readonly seconds: number;
  /** Names of the peers to measure; empty = all. */
  readonly only: readonly string[];
  readonly json: boolean;
  /** Where postern's processes of the delay run leave their CPU profiles; null for none. */
  readonly profileDir: string | null;
}

const BODY = 4096;
const WORKERS = 2;

interface Series {
  readonly name: string;
  readonly rates: number[];
  /** CPU seconds of the peer's processes per 1,000 messages, one per round. */
  readonly cpu: number[];
  /** How long messages took, one per round, with a sender of our own. */
  readonly timed: Timed[];
}

interface Steady {
  readonly rate: number;
  /** Of postern's CPU time in its busiest process: 0.5 when two workers share the work evenly. */
  readonly busiest: number;
  readonly atStart: LoopDelay;
  readonly after: LoopDelay;
}

interface Result {
  readonly sessions: number;
  readonly series: readonly Series[];
  readonly steady: Steady | null;
}

/** Runs it and prints; returns the exit code: 2 when a tool is missing. */
export async function relay(options: RelayOptions): Promise<number> {
  const missing = toolsMissing();
  if (missing !== null) {
    process.stderr.write(`relay needs Postfix's load tools: ${missing}\n`);
    return 2;
  }
  const one: Candidate = { ...postern(1), name: "postern with 1 worker" };
  const wanted = [
    ...[direct, postern(WORKERS), one],
    ...[amavis("lean"), amavis("debian"), haraka],
  ].filter(({ name }) => options.only.length === 0 || options.only.includes(name));
  const skipped = wanted.flatMap((candidate) => {
    const why = candidate.missing();
    return why === null ? [] : [{ name: candidate.name, why }];
  });
  for (const { name, why } of skipped) process.stderr.write(`skipped: ${name}: ${why}\n`);
  const there = wanted.filter((candidate) => candidate.missing() === null);
  const stageOfRun = stage();
  try {
    const results: Result[] = [];
    for (const sessions of options.sessions) {
      const result = await measure(stageOfRun, there, sessions, options);
      results.push(result);
      if (!options.json) process.stdout.write(`${page(result, options)}\n`);
    }
    const found = { bench: "relay", workers: WORKERS, body: BODY, results, skipped };
    if (options.json) process.stdout.write(`${JSON.stringify(found, null, 2)}\n`);
    return 0;
  } finally {
    await stageOfRun.close();
  }
}

async function measure(
  on: Stage,
  candidates: readonly Candidate[],
  sessions: number,
  options: RelayOptions,
): Promise<Result> {
  const sinkPort = await startSink(on);
  const peers: Peer[] = [];
  for (const candidate of candidates)
    peers.push({ ...(await candidate.start(on, sinkPort)), name: candidate.name });
  const load = (peer: Peer, messages: number) =>
    sendLoad({ port: peer.port, sessions, messages, size: BODY });
  const sizes = new Map<Peer, number>();
  for (const peer of peers) {
    const cold = Math.max(sessions, 400);
    const first = roundOf(cold / (await load(peer, cold)), options.seconds);
    sizes.set(peer, roundOf(first / (await load(peer, first)), options.seconds));
  }
  const series = peers.map(({ name }): Series => ({ name, rates: [], cpu: [], timed: [] }));
  for (let round = 1; round <= options.rounds; round++) {
    for (const [i, peer] of peers.entries()) {
      const messages = sizes.get(peer) ?? 0;
      const before = peer.running === null ? 0 : treeCpuSeconds(peer.running.pid);
      const rate = messages / (await load(peer, messages));
      const cpu =
        peer.running === null
          ? NaN
          : ((treeCpuSeconds(peer.running.pid) - before) / messages) * 1000;
      const timed = await timedLoad({
        ...{ port: peer.port, sessions, size: BODY },
        seconds: Math.max(1, options.seconds / 2),
      });
      if (timed.failures > 0) throw new Error(`${peer.name}: ${timed.firstFailure}`);
      series[i]?.rates.push(rate);
      series[i]?.cpu.push(cpu);
      series[i]?.timed.push(timed);
      process.stderr.write(
        `${sessions} sessions, round ${round}: ${peer.name} ${figure(rate)}/s, p99 ${figure(timed.p99)} ms\n`,
      );
    }
  }
  for (const { running } of peers) await running?.stop();
  const hasPostern = candidates.some(({ name }) => name === "postern");
  return {
    sessions,
    series,
    steady: hasPostern ? await steady(on, sinkPort, sessions, options) : null,
  };
}

/**
 * A fresh postern under load without a pause: its quantiles are of all its life, so idle rounds in between would flatter them.
 */
async function steady(
  on: Stage,
  sinkPort: number,
  sessions: number,
  options: RelayOptions,
): Promise<Steady | null> {
  const peer = await postern(WORKERS, options.profileDir).start(on, sinkPort);
  const load = (messages: number) => sendLoad({ port: peer.port, sessions, messages, size: BODY });
  const atStart = await delayOf(peer);
  const probe = 4000;
  const messages = roundOf(probe / (await load(probe)), 3 * options.seconds);
  const before = processTree(peer.running?.pid ?? 0);
  const rate = messages / (await load(messages));
  const busiest = busiestShare(before, processTree(peer.running?.pid ?? 0));
  const after = await delayOf(peer);
  await peer.running?.stop();
  return atStart === null || after === null ? null : { rate, busiest, atStart, after };
}

/** postern's event-loop delay since its start, read from /metrics. */
export async function delayOf(peer: Peer): Promise<LoopDelay | null> {
  const response = await fetch(`http://127.0.0.1:${peer.httpPort ?? 0}/metrics`);
  return loopDelay(await response.text());
}

function page(
  { sessions, series, steady: delay }: Result,
  { rounds, seconds }: RelayOptions,
): string {
  const ratesOf = (name: string) => series.find((one) => one.name === name)?.rates ?? [];
  const [bare, reference] = [ratesOf("direct"), ratesOf("amavisd-new")];
  const rows = series.map(({ name, rates, cpu, timed }) => [
    name,
    figure(median(rates)),
    `${figure(Math.min(...rates))}–${figure(Math.max(...rates))}`,
    figure(medianRatio(rates, reference)),
    figure(medianRatio(rates, bare)),
    figure(median(cpu)),
    figure(median(timed.map(({ p50 }) => p50))),
    figure(median(timed.map(({ p99 }) => p99))),
  ]);
  const head = [
    "through",
    "messages/s",
    "least–most",
    "× amavisd-new",
    "× direct",
    "CPU s per 1,000",
    "p50 ms",
    "p99 ms",
  ];
  const delays =
    delay === null
      ? ""
      : `postern alone, ${seconds * 3} s without a pause at ${figure(delay.rate)}/s: event loop late by p99.9 ${figure(delay.after.p999Ms)} ms, at most ${figure(delay.after.maxMs)} ms (at most ${figure(delay.atStart.maxMs)} ms before the first message); the busiest worker did ${figure(100 * delay.busiest)} % of the work\n`;
  return `\n${BODY} octets, ${sessions} sessions, connections reused, medians of ${rounds} interleaved rounds after a warm-up:\n\n${table(head, rows)}\n\n${delays}`;
}
