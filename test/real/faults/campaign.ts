// A campaign: fault after fault strikes one estate while mail flows over all its roads, then every message is looked for. Used by the
// suite (short) and by main.ts (long).
import type { Numbered } from "../lab/parcels.ts";
import { ledger, type Ledger } from "../lab/ledger.ts";
import { until } from "../lab/lab.ts";
import { accounts, type Account } from "./accounts.ts";
import { estate, type Estate, type Road } from "./estate.ts";
import { DEADLINE_OF_TRY_MS, pause, type Fault } from "./fault.ts";
import { mixedMail, type Sent } from "./mixed-mail.ts";
import { whereabouts, type Whereabouts } from "./whereabouts.ts";

export interface Campaign {
  readonly faults: readonly Fault[];
  /** Messages for each of them. */
  readonly messages: number;
  /** Milliseconds for each fault at least: a quick machine sends more messages then. */
  readonly leastMs: number;
  readonly connectionsPerRoad: number;
  readonly tell: (text: string) => void;
  /** Ends it early; what was sent so far is settled. */
  readonly signal?: AbortSignal;
}

export interface Outcome {
  readonly accounts: readonly Account[];
  readonly places: Whereabouts["places"];
  /** Copies that are damaged or in a wrong place. */
  readonly wrong: readonly string[];
  readonly deferred: number;
  /** What postern logged as errors that no fault explains: our own bugs. */
  readonly bugs: readonly string[];
}

/** What is still on its way when a fault is over must have come after this long. */
const SETTLE_MS = 90_000;
/** Longer than any deadline: a try without an answer shows as stuck. */
const SILENCE_MS = 45_000;

export async function campaign(how: Campaign): Promise<Outcome> {
  const place = await estate();
  try {
    const book = new Map<number, Sent>();
    const post = ledger({ silenceMs: SILENCE_MS });
    const another = mixedMail(book);
    for (const fault of how.faults)
      if (how.signal?.aborted !== true) await one(fault, place, post, another, how);
    await until("the next hop's last line", () => quiet(place));
    const found = await whereabouts(place, book);
    const deadlines = new Map(how.faults.map(({ name, deadlineMs }) => [name, deadlineMs]));
    return {
      accounts: accounts(book, post, found, (fault) => deadlines.get(fault) ?? DEADLINE_OF_TRY_MS),
      places: found.places,
      wrong: found.wrong,
      deferred: post.deferred,
      bugs: bugsIn(place.filter.log()),
    };
  } finally {
    await place.lab.cleanUp();
  }
}

async function one(
  fault: Fault,
  place: Estate,
  post: Ledger,
  another: (road: Road, during: string) => Numbered,
  { messages, leastMs, connectionsPerRoad, tell, signal }: Campaign,
): Promise<void> {
  const begun = performance.now();
  let left = messages;
  const flowing = () =>
    signal?.aborted !== true && (left > 0 || performance.now() - begun < leastMs);
  const next = (road: Road) => () => {
    if (!flowing()) return null;
    left--;
    return another(road, fault.name);
  };
  const giveUp = new AbortController();
  const carriers = place.roads.flatMap((road) =>
    Array.from({ length: connectionsPerRoad }, () =>
      post.carry(road, next(road), () => (left > 0 ? 0 : 50), giveUp.signal),
    ),
  );
  const all = Promise.all(carriers);
  all.catch(() => undefined); // awaited below
  await fault.strike(place, flowing);
  const timer = setTimeout(() => giveUp.abort(), SETTLE_MS);
  await all;
  clearTimeout(timer);
  const seconds = (performance.now() - begun) / 1000;
  tell(`${fault.name}: ${messages - left} messages in ${seconds.toFixed(1)} s`);
}

/** Whether the next hop has told nothing new for a while. */
async function quiet({ hop }: Estate): Promise<boolean> {
  const before = hop.taken.length;
  await pause(500);
  return hop.taken.length === before;
}

function bugsIn(log: string): readonly string[] {
  const words = /AssertionError|TypeError|ReferenceError|RangeError|uncaught|unhandled/i;
  return [...new Set(log.split("\n").filter((line) => words.test(line)))].slice(0, 20);
}
