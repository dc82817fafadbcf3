// Policy decisions a second and their delay: the same requests, as Postfix writes them, to postern (SQLite, Redis) and postgrey in
// interleaved rounds of one run; one process each, greylisting of everybody, a delay of one second so that there are passes.
import { execFileSync } from "node:child_process";
import { chownSync, cpSync, existsSync, mkdirSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { freePorts } from "../real/lab/ports.ts";
import { ROOT } from "./peers.ts";
import { treeCpuSeconds } from "./procfs.ts";
import { figure, median, table } from "./statistics.ts";
import { stage, type Running, type Stage } from "./stage.ts";

export interface PolicyBenchOptions {
  readonly connections: number;
  readonly rounds: number;
  readonly seconds: number;
  readonly json: boolean;
  /** Where postern's processes leave CPU profiles; null for none. */
  readonly profileDir: string | null;
}

interface Candidate {
  readonly name: string;
  missing(): string | null;
  start(on: Stage, profileDir: string | null): Promise<Started>;
}

interface Started {
  readonly port: number;
  readonly running: Running;
}

interface Series {
  readonly name: string;
  readonly rates: number[];
  readonly p99: number[];
  /** CPU seconds per 1,000 decisions. */
  readonly cpu: number[];
  /** How often each action was the answer, over all rounds. */
  readonly actions: Map<string, number>;
}

const postern = (store: "SQLite" | "Redis"): Candidate => ({
  name: `postern, ${store}`,
  missing: () =>
    store === "SQLite" || existsSync("/usr/bin/redis-server")
      ? null
      : "not installed (Debian: apt-get install redis-server)",
  async start(on, profileDir) {
    const [port = 0, httpPort = 0, redisPort = 0] = await freePorts(3);
    const dir = join(on.dir, `postern-${port}`);
    cpSync(join(ROOT, "rules"), join(dir, "rules"), { recursive: true });
    if (store === "Redis") {
      const data = join(dir, "redis");
      mkdirSync(data);
      const args = ["--port", String(redisPort), "--dir", data, "--appendonly", "yes"];
      await on.start(`redis-${port}`, "/usr/bin/redis-server", args, { ports: [redisPort] });
    }
    const file = join(dir, "postern.toml");
    const redis = store === "Redis" ? `[redis]\nurl = "redis://127.0.0.1:${redisPort}"\n` : "";
    writeFileSync(file, toml(port, httpPort) + redis);
    const profile = `--cpu-prof --cpu-prof-dir=${profileDir ?? ""}`;
    const running = await on.start(
      `postern-${port}`,
      process.execPath,
      [join(ROOT, "src/main.ts"), "serve", "--config", file],
      { ports: [port, httpPort], env: profileDir === null ? {} : { NODE_OPTIONS: profile } },
    );
    return { port, running };
  },
});

const toml = (port: number, httpPort: number) => `[server]
workers = 1
[[listener]]
protocol = "policy"
listen = "127.0.0.1:${port}"
[[listener]]
protocol = "http"
listen = "127.0.0.1:${httpPort}"
[next_hop]
relay = "smtp:127.0.0.1:1"
[delivery]
domains = ["example.com"]
[dns]
servers = "off"
[greylist]
when = "always"
delay = "1s"
`;

const postgrey: Candidate = {
  name: "postgrey",
  missing: () =>
    existsSync("/usr/sbin/postgrey")
      ? process.getuid?.() === 0
        ? null
        : "needs root (it changes to the user postgrey)"
      : "not installed (Debian: apt-get install postgrey)",
  async start(on) {
    const [port = 0] = await freePorts(1);
    const dbdir = join(on.dir, `postgrey-${port}`);
    mkdirSync(dbdir, { mode: 0o700 });
    const idOf = (flag: string) => Number(execFileSync("id", [flag, "postgrey"]).toString());
    chownSync(dbdir, idOf("-u"), idOf("-g"));
    const args = [`--inet=127.0.0.1:${port}`, `--dbdir=${dbdir}`, "--delay=1"];
    const running = await on.start(`postgrey-${port}`, "/usr/sbin/postgrey", args, {
      ports: [port],
    });
    return { port, running };
  },
};

/** Runs it and prints; returns the exit code. */
export async function policy(options: PolicyBenchOptions): Promise<number> {
  const wanted = [postgrey, postern("SQLite"), postern("Redis")];
  const there = wanted.filter((candidate) => {
    const why = candidate.missing();
    if (why !== null) process.stderr.write(`skipped: ${candidate.name}: ${why}\n`);
    return why === null;
  });
  const on = stage();
  try {
    const results = [];
    for (const work of ["new", "mixed"] as const)
      results.push({ work, series: await measure(on, there, work, options) });
    if (options.json)
      process.stdout.write(
        `${JSON.stringify({ bench: "policy", connections: options.connections, results: results.map(({ work, series }) => ({ work, series: series.map((one) => ({ ...one, actions: Object.fromEntries(one.actions) })) })) }, null, 2)}\n`,
      );
    else for (const { work, series } of results) process.stdout.write(page(work, series, options));
    return 0;
  } finally {
    await on.close();
  }
}

type Work = "new" | "mixed";

async function measure(
  on: Stage,
  candidates: readonly Candidate[],
  work: Work,
  { connections, rounds, seconds, profileDir }: PolicyBenchOptions,
): Promise<readonly Series[]> {
  const started: Started[] = [];
  for (const candidate of candidates) started.push(await candidate.start(on, profileDir));
  const series = candidates.map(({ name }): Series => ({
    name,
    rates: [],
    p99: [],
    cpu: [],
    actions: new Map(),
  }));
  let serial = 0;
  for (let round = 0; round <= rounds; round++) {
    for (const [i, { port, running }] of started.entries()) {
      const mine = series[i];
      if (mine === undefined) continue;
      // The first round warms up, and makes the triplets that the mixed work knows.
      const before = treeCpuSeconds(running.pid);
      const load = await drive(port, connections, seconds, work, (serial += 10_000_000));
      const cpu = ((treeCpuSeconds(running.pid) - before) / load.delays.length) * 1000;
      if (round === 0) continue;
      const rate = load.delays.length / load.seconds;
      const p99 = quantile(load.delays, 0.99);
      mine.rates.push(rate);
      mine.p99.push(p99);
      mine.cpu.push(cpu);
      for (const [word, count] of load.actions) {
        const action = word.toUpperCase();
        mine.actions.set(action, (mine.actions.get(action) ?? 0) + count);
      }
      process.stderr.write(
        `${work}, round ${round}: ${mine.name} ${figure(rate)}/s, p99 ${figure(p99)} ms\n`,
      );
    }
  }
  for (const { running } of started) await running.stop();
  return series;
}

/** Of every five requests of the mixed work one is new, four are of these triplets. */
const KNOWN = 2000;
const CLIENTS = 500;

/** A name from the alphabet, of one length: postgrey and postern both fold digits in senders. */
const WORD = 9;
function writeLetters(octets: Buffer, at: number, number: number): void {
  let left = number;
  for (let place = at + WORD - 1; place >= at; place--) {
    octets[place] = A + (left % 10);
    left = Math.floor(left / 10);
  }
}
const A = "a".charCodeAt(0);
const NET = "198.19.243.7".length;
const address = (net: number): string => `198.${18 + (net >> 8)}.${net & 255}.7`;

const TEMPLATE = `request=smtpd_access_policy
protocol_state=RCPT
protocol_name=ESMTP
client_name=mx.@WORDWORD.example
client_port=40123
reverse_client_name=mx.@WORDWORD.example
server_address=192.0.2.25
server_port=25
helo_name=mx.@WORDWORD.example
sender=@WORDWORD@@WORDWORD.example
recipient=user@example.com
recipient_count=0
queue_id=
instance=@WORDWORD.5f1e2d3c.0
size=4711
etrn_domain=
stress=
sasl_method=
sasl_username=
sasl_sender=
ccert_subject=
ccert_issuer=
ccert_fingerprint=
ccert_pubkey_fingerprint=
encryption_protocol=
encryption_cipher=
encryption_keysize=0
policy_context=inbound
client_address=`;

/** Writes requests into octets of its own: the client shares the machine with what it measures, so it does little. */
function requests(work: Work, serial: number): (n: number) => Buffer {
  const octets = Buffer.from(`${TEMPLATE}${" ".repeat(NET)}\n\n`, "latin1");
  const words: number[] = [];
  for (let at = -1; (at = octets.indexOf("@WORDWORD", at + 1)) >= 0;) words.push(at);
  const end = TEMPLATE.length;
  return (n) => {
    const known = work === "mixed" && n % 5 !== 0;
    const triplet = known ? (n * 7919) % KNOWN : serial + n;
    for (const at of words) writeLetters(octets, at, triplet);
    const length = octets.write(`${address(triplet % CLIENTS)}\n\n`, end, "latin1");
    return octets.subarray(0, end + length);
  };
}

interface Load {
  /** Milliseconds of each decision. */
  readonly delays: number[];
  readonly seconds: number;
  readonly actions: ReadonlyMap<string, number>;
}

/** Asks for `seconds`; each connection waits for its answer before it asks again, as smtpd does. */
async function drive(
  port: number,
  connections: number,
  seconds: number,
  work: Work,
  serial: number,
): Promise<Load> {
  const delays: number[] = [];
  const actions = new Map<string, number>();
  let n = 0;
  const start = performance.now();
  const end = start + seconds * 1000;
  const one = () =>
    new Promise<void>((resolve, reject) => {
      const request = requests(work, serial);
      let asked = 0;
      let text = "";
      const ask = () => {
        const octets = request(n++);
        asked = performance.now();
        socket.write(octets);
      };
      const read = (length: number, octets: Uint8Array): boolean => {
        text += Buffer.from(octets.buffer, octets.byteOffset, length).toString("latin1");
        if (!text.endsWith("\n\n")) return true;
        const now = performance.now();
        delays.push(now - asked);
        const [word = "?"] = text.slice("action=".length, 40).split(/[ \n]/, 1);
        actions.set(word, (actions.get(word) ?? 0) + 1);
        text = "";
        if (now < end) ask();
        else {
          socket.destroy();
          resolve();
        }
        return true;
      };
      // One buffer of its own for what comes: a stream would make new ones, for every answer.
      const onread = { buffer: Buffer.alloc(4096), callback: read };
      const socket = connect({ port, host: "127.0.0.1", noDelay: true, onread });
      socket.on("connect", ask);
      socket.on("error", reject);
      socket.on("close", () => reject(new Error("the server closed the connection")));
    });
  await Promise.all(Array.from({ length: connections }, one));
  return { delays, seconds: (performance.now() - start) / 1000, actions };
}

function quantile(values: readonly number[], q: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * q))] ?? NaN;
}

const WORK: Readonly<Record<Work, string>> = {
  new: "every triplet is new",
  mixed: `one of five triplets is new, four come back (of ${KNOWN})`,
};

function page(
  work: Work,
  series: readonly Series[],
  { connections, rounds, seconds }: PolicyBenchOptions,
): string {
  const reference = series.find(({ name }) => name === "postgrey");
  const rows = series.map((one) => {
    const ratios = one.rates.map((rate, round) => rate / (reference?.rates[round] ?? NaN));
    const all = [...one.actions.values()].reduce((sum, count) => sum + count, 0);
    const deferred = (one.actions.get("DEFER_IF_PERMIT") ?? 0) / all;
    return [
      one.name,
      figure(median(one.rates)),
      `${figure(Math.min(...one.rates))}–${figure(Math.max(...one.rates))}`,
      figure(median(ratios)),
      figure(median(one.p99)),
      figure(median(one.cpu)),
      `${Math.round(deferred * 100)} %`,
    ];
  });
  const head = [
    "policy",
    "decisions/s",
    "least–most",
    "× postgrey",
    "p99 ms",
    "CPU s per 1,000",
    "deferred",
  ];
  return `\n${WORK[work]}; ${connections} connections, one process, medians of ${rounds} interleaved rounds of ${seconds} s after a warm-up (ratios round by round):\n\n${table(head, rows)}\n`;
}
