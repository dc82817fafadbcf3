// `npm run fuzz -- [MINUTES] [SEED]`: hostile messages through the first reading and all others (10 minutes by default, at least 100,000).
// Prints the slowest message and how resident memory grew; exit code 1 when one threw or took over a second of CPU.
import { LimitHit } from "../../src/content/budget.ts";
import { octetsOf } from "../../src/content/containers/octets.ts";
import { otherReadings } from "../../src/content/readings.ts";
import { DEFAULT_TREE_LIMITS } from "../../src/content/tree.ts";
import { treeWalk } from "../../src/content/tree-walk.ts";
import { hostileMail, numbers } from "../fakes/hostile-mail.ts";

const minutes = Number(process.argv[2] ?? 10);
const seed = Number(process.argv[3] ?? Date.now() % 1_000_000);
const next = numbers(seed);
const end = Date.now() + minutes * 60_000;
const mib = (octets: number): number => Math.round(octets / 1024 / 1024);

function read(message: Buffer): number {
  const before = process.threadCpuUsage();
  const walk = treeWalk(DEFAULT_TREE_LIMITS, () => false);
  for (let at = 0; at < message.length; at += 32_768)
    walk.walker.write(message.subarray(at, at + 32_768));
  const known = new Set(walk.tree().parts.map(({ sha256 }) => sha256));
  try {
    for (const { octets } of otherReadings(octetsOf(message), DEFAULT_TREE_LIMITS, known))
      for (const some of octets()) if (some.length === 0) throw new Error("no octets");
  } catch (error) {
    if (!(error instanceof LimitHit)) throw error;
    limits++;
  }
  const { user, system } = process.threadCpuUsage(before);
  return (user + system) / 1000;
}

let count = 0;
let limits = 0;
let slowest = 0;
let slowestSize = 0;
let baseline = 0;
let peak = 0;
while (Date.now() < end || count < 100_000) {
  const message = hostileMail(next);
  let took: number;
  try {
    took = read(message);
  } catch (error) {
    console.log(JSON.stringify(message.toString("latin1").slice(0, 5_000)));
    throw error;
  }
  if (took > slowest) {
    slowest = took;
    slowestSize = message.length;
    if (took > 300)
      console.log(
        `${took.toFixed(0)} ms: ${message.length} octets, number ${count} of seed ${seed}: ${JSON.stringify(message.toString("latin1").slice(-300))}`,
      );
  }
  if (++count % 1_000 === 0) {
    const { rss } = process.memoryUsage();
    // The first thousands compile the code and let the heap find its size.
    if (count === 5_000) baseline = rss;
    if (count > 5_000) peak = Math.max(peak, rss);
  }
}
console.log(
  `seed ${seed}: ${count} messages, none threw, ${limits} hit the limit of other readings`,
);
console.log(`slowest: ${slowest.toFixed(0)} ms of CPU for ${slowestSize} octets`);
console.log(`resident memory: ${mib(baseline)} MiB after 5,000, at most ${mib(peak)} MiB later`);
if (slowest > 1_000) process.exitCode = 1;
