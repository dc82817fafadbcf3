// Two scorers beside one another: one is served, the other is asked the same and compared, in its own time. So an operator sees what a
// change of scorer would change before it is made.
import type { Body } from "../mail/message.ts";
import type { NoOpinion, Opinion, Scorer } from "./spam-scorer.ts";

/** What two scorers made of one message. */
export interface Difference {
  readonly onlyServed: readonly string[];
  readonly onlyOther: readonly string[];
  readonly served: number;
  readonly other: number;
}

export interface BothMeans {
  /** Its answers count. */
  readonly served: Scorer;
  readonly other: Scorer;
  /** Milliseconds for the other one. */
  readonly otherMs: number;
  /** Messages at the other one at once; those beyond are not compared. */
  readonly atOnce: number;
  /** null: they agree. `id` is the message's log id. */
  compared(difference: Difference | null, id: string): void;
  /** There is nothing to compare: one side has no answer, or there were too many. */
  uncompared(why: string, id: string): void;
}

/** Points to a tenth lie within this of exact ones (4.9 stands for 4.96 below a threshold of 5). */
const ROUNDING = 0.11;
const EXACT = 0.011;

/** Reads the body into memory: it must be of a bounded size. */
export function both(means: BothMeans): Scorer {
  let under = 0;
  const compare = async (
    octets: Body,
    first: Promise<Opinion | NoOpinion>,
    asked: Parameters<Scorer["score"]>[1],
  ) => {
    under++;
    try {
      const [served, other] = await Promise.all([
        first,
        means.other.score(octets, asked, AbortSignal.timeout(means.otherMs)),
      ]);
      if (served.kind === "error") means.uncompared(served.why, asked.id);
      else if (other.kind === "error") means.uncompared(other.why, asked.id);
      else if (served.partial !== null || other.partial !== null)
        means.uncompared(served.partial ?? other.partial ?? "", asked.id);
      else means.compared(differenceOf(served, other), asked.id);
    } finally {
      under--;
    }
  };
  return {
    async score(body, asked, signal) {
      const octets = await inMemory(body);
      const answer = means.served.score(octets, asked, signal);
      if (under < means.atOnce) void compare(octets, answer, asked);
      else means.uncompared(`${under} messages are being compared already`, asked.id);
      return answer;
    },
  };
}

/** null when they agree, as far as the coarser one of them tells. */
export function differenceOf(served: Opinion, other: Opinion): Difference | null {
  // A report without a table names no rules: then only totals can be compared.
  const named =
    (served.rules.length > 0 || served.exact) && (other.rules.length > 0 || other.exact);
  const missing = (from: Opinion, of: Opinion): string[] => {
    const there = new Set(from.rules.map(({ name }) => name));
    return of.rules.map(({ name }) => name).filter((name) => !there.has(name));
  };
  const onlyServed = named ? missing(other, served) : [];
  const onlyOther = named ? missing(served, other) : [];
  const apart = Math.abs(served.total - other.total);
  const tolerance = served.exact && other.exact ? EXACT : ROUNDING;
  if (onlyServed.length + onlyOther.length === 0 && apart <= tolerance) return null;
  return { onlyServed, onlyOther, served: served.total, other: other.total };
}

async function inMemory(body: Body): Promise<Body> {
  const pieces: Buffer[] = [];
  for await (const piece of body.bytes ?? body.lend?.() ?? body.open())
    pieces.push(Buffer.from(piece));
  return {
    size: body.size,
    bytes: pieces,
    open: async function* () {
      yield* pieces;
    },
  };
}
