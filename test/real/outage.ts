// Postern is away: 200 messages wait in a real MTA's queue, set up and retried as deploy/ says, and arrive within 2 minutes of its
// return, none lost, none doubled. By hand, as root: `node test/real/outage.ts --minutes 10 [--mta postfix|exim]`; the short form is
// outage.test.ts.
import { parseArgs } from "node:util";
import { until } from "./lab/lab.ts";
import { longLine } from "./lab/samples.ts";
import { HOOKUPS, worldWithPostern, type Hookup, type PosternWorld } from "./lab/world.ts";

/** How soon all mail must be there once postern is back. */
export const COME_BACK_MS = 120_000;
const MESSAGES = 200;
const SENDERS = 8;

export interface Outage {
  /** Messages that the MTA still held when postern came back. */
  readonly queued: number;
  /** From postern's start command to the last message, ms; null when some had not come after COME_BACK_MS. */
  readonly lastMs: number | null;
  readonly lost: readonly string[];
  readonly doubled: readonly string[];
  /** What else the sink got: bounces and warnings of the MTA. */
  readonly others: number;
}

/** After the queue over SMTP, Postfix first. */
export const OUTAGES: readonly Hookup[] = HOOKUPS.filter(
  ({ hookup, via }) => hookup === "after-queue" && via === "smtp",
);

/** Runs one outage of `awayMs`; `tell` hears how it goes. */
export async function outage(
  way: Hookup,
  awayMs: number,
  tell: (text: string) => void,
): Promise<Outage> {
  const world = await worldWithPostern(way);
  try {
    const names = Array.from({ length: MESSAGES }, (_, index) => `outage-${index}`);
    await world.postern.stop();
    const began = Date.now();
    await sendAll(world, names);
    tell(`${way.mta}: ${names.length} messages sent, postern is away`);
    const more = () => awayMs - (Date.now() - began);
    for (let last = Infinity; more() > 0; await pause(Math.min(1000, more()))) {
      if (last - more() < 60_000) continue;
      last = more();
      tell(`${way.mta}: back in ${Math.ceil(last / 1000)} s, ${await queuedOf(world)} queued`);
    }
    const queued = await queuedOf(world);
    const back = Date.now();
    await world.postern.start();
    const lastMs = await arrival(world, names.length, back);
    // Whoever would send a second copy still has it in the queue, or in hand.
    await world.mta
      .queueEmpty(COME_BACK_MS)
      .catch(() => tell(`${way.mta}: the queue is not empty`));
    await pause(2000);
    const copies = names.map((name) => ({ name, count: world.copies(name).length }));
    const total = copies.reduce((sum, { count }) => sum + count, 0);
    return {
      queued,
      lastMs,
      lost: copies.filter(({ count }) => count === 0).map(({ name }) => name),
      doubled: copies.filter(({ count }) => count > 1).map(({ name }) => name),
      others: world.sink.caught.length - total,
    };
  } finally {
    await world.lab.cleanUp();
  }
}

async function sendAll(world: PosternWorld, names: readonly string[]): Promise<void> {
  const left = [...names];
  const work = async (): Promise<void> => {
    for (let name = left.pop(); name !== undefined; name = left.pop()) {
      const { reply } = await world.send(longLine(name, 2000));
      if (!reply.startsWith("250 ")) throw new Error(`the MTA refused ${name}: ${reply}`);
    }
  };
  await Promise.all(Array.from({ length: SENDERS }, work));
}

async function arrival(world: PosternWorld, count: number, back: number): Promise<number | null> {
  const all = () => {
    const names = new Set(world.sink.caught.map(({ data }) => nameOf(data)));
    names.delete(null);
    return names.size >= count;
  };
  const there = await until("all messages", () => all(), COME_BACK_MS).catch(() => false);
  return there ? Date.now() - back : null;
}

/** "outage-7"; null for what is none of our messages. */
function nameOf(data: Buffer): string | null {
  return /^Message-ID: <lab-(outage-\d+)@/m.exec(data.toString("latin1", 0, 4096))?.[1] ?? null;
}

const queuedOf = async (world: PosternWorld) => (await world.mta.queued()).length;
const pause = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));

/** One sentence about a run, and whether it kept the promise. */
export function judged(
  way: Hookup,
  { queued, lastMs, lost, doubled, others }: Outage,
): { readonly text: string; readonly kept: boolean } {
  const kept = lastMs !== null && lastMs <= COME_BACK_MS && lost.length + doubled.length === 0;
  const last =
    lastMs === null ? "not all came" : `the last came after ${(lastMs / 1000).toFixed(1)} s`;
  return {
    text: `${way.mta}: ${queued} waited, ${last}, ${lost.length} lost, ${doubled.length} doubled, ${others} other messages`,
    kept,
  };
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: { minutes: { type: "string", default: "10" }, mta: { type: "string" } },
  });
  const minutes = Number(values.minutes);
  if (!(minutes > 0)) throw new Error(`--minutes: "${values.minutes}" is no number of minutes`);
  const ways = OUTAGES.filter(({ mta }) => values.mta === undefined || mta === values.mta);
  if (ways.length === 0) throw new Error(`--mta: postfix or exim, not "${values.mta ?? ""}"`);
  const tell = (text: string) => void process.stderr.write(`${text}\n`);
  const results = await Promise.all(
    ways.map(async (way) => judged(way, await outage(way, minutes * 60_000, tell))),
  );
  for (const { text, kept } of results) console.log(`${kept ? "ok" : "FAILED"}  ${text}`);
  process.exitCode = results.every(({ kept }) => kept) ? 0 : 1;
}

if (import.meta.main) await main();
