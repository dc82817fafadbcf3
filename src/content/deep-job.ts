// What a thread of the deep reading does with one message: walks it again, looks into its containers and reads it as others would. It
// tells what it finds while it works, since it may be killed. Called by deep-thread.ts.
import type { WalkLimits } from "../mail/mime.ts";
import type { JobOutput } from "../sys/thread-side.ts";
import { Budget, LimitHit, type DeepLimits } from "./budget.ts";
import { octetsOf, octetsOfFile, type Octets } from "./containers/octets.ts";
import type { DeepNote } from "./deep-notes.ts";
import type { LooksInto } from "./looks-into.ts";
import type { OtherReadings } from "./read-others.ts";
import { readMail } from "./walk-mail.ts";

/** One message. */
export interface DeepJob {
  /** The message itself, or null: then it is in the file. */
  readonly octets: ArrayBuffer | null;
  readonly descriptor: number;
  readonly size: number;
  readonly walk: WalkLimits;
  readonly limits: DeepLimits;
  /** Where large members are kept while they are read. */
  readonly directory: string;
}

/** What is sent beside the notes. */
export interface SentPayload {
  readonly path: string;
  readonly octets: ArrayBuffer;
}

/** Notes (deep-notes.ts, as JSON) and payloads go to `out`. Rejects only with a fault of ours or of the system. */
export async function readDeep(
  job: DeepJob,
  out: JobOutput,
  looks: LooksInto,
  others: OtherReadings,
): Promise<void> {
  const { walk, limits, directory, size } = job;
  const tell = (note: DeepNote): void => void out.note(JSON.stringify(note));
  const payload = (path: string, octets: Buffer): void => {
    const copy = new Uint8Array(octets).buffer;
    out.send({ path, octets: copy } satisfies SentPayload, [copy]);
  };
  const budget = new Budget(limits, size);
  const room = { directory, looks };
  try {
    await readMail(octetsOfJob(job), null, 0, { budget, walk, room, tell, payload, others });
  } catch (error) {
    if (!(error instanceof LimitHit)) throw error;
    tell({ do: "unread", why: error.sentence });
  }
}

function octetsOfJob({ octets, descriptor, size }: DeepJob): Octets {
  return octets === null ? octetsOfFile(descriptor, size) : octetsOf(Buffer.from(octets));
}
