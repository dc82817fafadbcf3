// Carries out what another node asks about a message that is kept here: show, release, delete. A release is noted on disk right
// before the last step, so that whatever stops us, nobody gets two copies. Called by held-nodes.ts.
import type { Destination } from "../mail/destination.ts";
import type { Quarantine } from "../mailstore/quarantine.ts";
import type { RequestNotes } from "../mailstore/request-notes.ts";
import { MAX_SHOWN, type HeldAnswer, type HeldOrder } from "./held-order.ts";
import { logText } from "./log-text.ts";
import { needsPostmaster, release, type ReleaseDeps } from "./release.ts";

export interface HeldMeans extends Omit<ReleaseDeps, "quarantine"> {
  readonly quarantine: Pick<Quarantine, "read" | "markReleased" | "remove">;
  readonly notes: Pick<RequestNotes, "read" | "begin" | "finish">;
  /** Where a release goes that came for this next hop; null = nowhere. */
  destination(nextHop: string | undefined): Destination | null;
}

const MAX_LINES = 100;

/** Does it once; a second time gives the first answer. Rejects when the disk fails: then it may be tried again. */
export async function carryOut(order: HeldOrder, means: HeldMeans): Promise<HeldAnswer> {
  if (order.do === "show") return show(order.id, means);
  const noted = await means.notes.read(order.request);
  if (noted !== null && noted !== "begun") return JSON.parse(noted.answer) as HeldAnswer;
  const answer =
    noted === "begun"
      ? await interrupted(order, means)
      : order.do === "delete"
        ? await remove(order, means)
        : await releaseOnce(order, means);
  await means.notes.finish(order.request, JSON.stringify(answer));
  return answer;
}

async function show(id: string, { quarantine }: HeldMeans): Promise<HeldAnswer> {
  const found = await quarantine.read(id);
  if (found === null) return not(`${id}: no such entry`);
  const entry = JSON.stringify(found.entry);
  if (found.entry.size > MAX_SHOWN) return { done: true, lines: [], entry };
  try {
    const pieces: Buffer[] = [];
    for await (const piece of found.body.open()) pieces.push(piece);
    return { done: true, lines: [], entry, message: Buffer.concat(pieces).toString("base64") };
  } catch (error) {
    return not(`${id}: ${error instanceof Error ? error.message : String(error)}`);
  }
}

async function remove({ id, by }: HeldOrder, means: HeldMeans): Promise<HeldAnswer> {
  if (!(await means.quarantine.remove(id))) return not(`${id}: no such entry`);
  means.log(`audit: ${id} deleted by ${logText(by)}`);
  return { done: true, lines: [] };
}

type ReleaseOrder = Extract<HeldOrder, { do: "release" }>;

async function releaseOnce(order: ReleaseOrder, means: HeldMeans): Promise<HeldAnswer> {
  const { id, recipients, request } = order;
  const found = await means.quarantine.read(id);
  if (found === null) return not(`${id}: no such entry`);
  if (needsPostmaster(found.entry) === "virus" && !order.virus)
    return not(`${id} holds a virus: release --virus ${id} if you mean it`);
  const destination = means.destination(found.entry.nextHop);
  if (destination === null) return not("released mail has nowhere to go: set [outgoing] relay");
  const way = notedBefore(destination, () => means.notes.begin(request));
  const released = await release(found, { recipients, by: byOf(order) }, way, means);
  return { done: released.complete, lines: released.lines.slice(0, MAX_LINES) };
}

/** The destination, with a note between preparation and last step; rejects when the note is there already, or cannot be made. */
function notedBefore(destination: Destination, note: () => Promise<boolean>): Destination {
  return {
    async prepare(copy, recipients, deadline) {
      const prepared = await destination.prepare(copy, recipients, deadline);
      const commit: typeof prepared.commit = async () => {
        const first = await note().catch(async (error: unknown) => {
          await prepared.abort();
          throw error;
        });
        if (first) return prepared.commit();
        await prepared.abort();
        throw new Error("another process has begun this release");
      };
      return { replies: prepared.replies, commit, abort: () => prepared.abort() };
    },
  };
}

/** A process of ours died after it had begun: the entry tells whether it got so far as to note the release. */
async function interrupted(order: HeldOrder, means: HeldMeans): Promise<HeldAnswer> {
  const found = await means.quarantine.read(order.id);
  const by = byOf(order);
  const release = found?.entry.released.find((one) => one.by === by);
  if (release !== undefined)
    return { done: true, lines: release.recipients.map((raw) => `${raw}: released`) };
  means.log(
    `audit: ${order.id} may have been released by ${logText(by)}: interrupted, not repeated`,
  );
  return not(
    `${order.id}: the node was interrupted in the last step: it may have been released, and is not released again by itself. The log of the next hop tells; if it is not there, release it again`,
  );
}

function byOf({ by, request }: HeldOrder): string {
  return `${by}, request ${request}`;
}

function not(line: string): HeldAnswer {
  return { done: false, lines: [line] };
}
