// How long mail takes while something that postern asks is down: p99 over the first seconds, which are that dependency's own deadline
// and a second at most, and 30 s later, when nobody asks it any more. By hand, as root: `node test/real/faults/latency.ts [WORD]`.
import { table } from "../../bench/statistics.ts";
import { inject } from "../lab/inject.ts";
import { rbldnsd } from "../lab/rbldnsd.ts";
import { lab } from "../lab/lab.ts";
import { parcel } from "../lab/parcels.ts";
import { BUDGET_MS, DEADLINE_MS, estate, REDIS_MS, type Estate } from "./estate.ts";
import { pause } from "./fault.ts";

export interface Latency {
  readonly name: string;
  readonly deadlineMs: number;
  /** p99 in ms: nothing down; from the first message on after it went down; from 30 s on. */
  readonly normalMs: number;
  readonly downMs: number;
  readonly laterMs: number;
}

interface Outage {
  readonly name: string;
  readonly deadlineMs: number;
  down(at: Estate): Promise<void> | void;
  up(at: Estate): Promise<void> | void;
}

const DNS_MS = 4000;

function outages(dns: { freeze(): void; thaw(): void }): readonly Outage[] {
  const frozen = (name: "clamd" | "spamd" | "redis", deadlineMs: number): Outage => ({
    name: `${name}, frozen`,
    deadlineMs,
    down: (at) => at[name].freeze(),
    up: (at) => at[name].thaw(),
  });
  const killed = (name: "clamd" | "spamd" | "redis", deadlineMs: number): Outage => ({
    name: `${name}, killed`,
    deadlineMs,
    down: (at) => at[name].kill(),
    up: (at) => at[name].start(),
  });
  const list = [
    ["clamd", DEADLINE_MS],
    ["spamd", DEADLINE_MS],
    ["redis", REDIS_MS],
  ] as const;
  return [
    ...list.flatMap(([name, ms]) => [frozen(name, ms), killed(name, ms)]),
    { name: "DNS, frozen", deadlineMs: DNS_MS, down: () => dns.freeze(), up: () => dns.thaw() },
  ];
}

/** Measures the outages whose name contains `word`. */
export async function latencies(word: string, tell: (text: string) => void): Promise<Latency[]> {
  const room = await lab("latency");
  const dns = room.add(await rbldnsd(room.dir));
  const lists = { "dnsxl.rules": "list bl.test=127.0.0.[2..11]*3 for=client\nthreshold 3\n" };
  const more = `[dns]\nservers = ["${dns.address}"]\nbudget = "${DNS_MS}ms"\n`;
  try {
    const place = await estate(more, lists);
    room.add({ stop: () => place.lab.cleanUp() });
    const found: Latency[] = [];
    for (const outage of outages(dns).filter(({ name }) => name.includes(word))) {
      // Scoring takes longer than all else: only where it is measured a message is small enough for it.
      const octets = outage.name.startsWith("spamd") ? 200 : 3000;
      await sample(place, 3000, octets);
      const normalMs = await sample(place, 6000, octets);
      await outage.down(place);
      const downMs = await sample(place, 10_000, octets);
      await sample(place, 20_000, octets);
      const laterMs = await sample(place, 8000, octets);
      await outage.up(place);
      await pause(6000);
      found.push({ ...outage, normalMs, downMs, laterMs });
      tell(reportOf(found.slice(-1)));
    }
    return found;
  } finally {
    await room.cleanUp();
  }
}

let count = 0;

/** p99 of messages sent over four connections for `ms`, each from another client. */
async function sample({ roads }: Estate, ms: number, octets: number): Promise<number> {
  const port = roads.find(({ name }) => name === "smtp to a next hop")?.port ?? 0;
  const took: number[] = [];
  const end = performance.now() + ms;
  const client = async (): Promise<void> => {
    while (performance.now() < end) {
      const id = ++count;
      const { wire } = parcel(id, octets, [], "clean");
      const data = Buffer.from(wire.toString("latin1").replace(/\.\r\n$/, ""), "latin1");
      const begun = performance.now();
      await inject({
        ...{ port, from: "ann@sender.example", to: ["u1@ours.example"], data },
        xforward: { ADDR: `192.0.${(id >> 8) % 256}.${id % 256}`, NAME: "mx.sender.example" },
        timeoutMs: 3 * BUDGET_MS,
      });
      took.push(performance.now() - begun);
      await pause(50);
    }
  };
  await Promise.all(Array.from({ length: 4 }, client));
  took.sort((a, b) => a - b);
  return took[Math.min(took.length - 1, Math.floor(took.length * 0.99))] ?? NaN;
}

/** Twice the normal, but a busy machine's own jitter is nobody's outage. */
const JITTER_MS = 150;

export function isKept({ deadlineMs, normalMs, downMs, laterMs }: Latency): boolean {
  return downMs <= deadlineMs + 1000 && laterMs <= Math.max(2 * normalMs, normalMs + JITTER_MS);
}

export function reportOf(list: readonly Latency[]): string {
  const rows = list.map((one) => [
    one.name,
    String(one.deadlineMs),
    one.normalMs.toFixed(0),
    one.downMs.toFixed(0),
    one.laterMs.toFixed(0),
    isKept(one) ? "yes" : "NO",
  ]);
  return table(
    ["down", "its deadline, ms", "p99 before", "p99 at once", "p99 30 s later", "kept"],
    rows,
  );
}

if (import.meta.main) {
  const list = await latencies(process.argv[2] ?? "", (text) => void console.error(text));
  console.log(reportOf(list));
  process.exitCode = list.every(isKept) ? 0 : 1;
}
