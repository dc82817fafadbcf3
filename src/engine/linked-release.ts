// What a release link does: looking never changes anything (mail scanners follow links), releasing does it once. Whatever the link
// says, only what policy lets recipients release goes out: never a virus, never a banned file. Asked by servers/links.ts.
import type { Destination } from "../mail/destination.ts";
import type { Body } from "../mail/message.ts";
import type { Quarantine } from "../mailstore/quarantine.ts";
import type { KeptAs, QuarantineEntry } from "../mailstore/quarantine-entry.ts";
import { subjectOf } from "../mailstore/quarantine-filter.ts";
import type { RateStore } from "../state/rate-store.ts";
import { readLink, type LinkFacts } from "./release-link.ts";
import { needsPostmaster, release, type ReleaseDeps } from "./release.ts";

export interface LinkedMeans extends Omit<ReleaseDeps, "quarantine"> {
  readonly quarantine: Pick<Quarantine, "read" | "markReleased">;
  /** The key in force. Rejects when it cannot be read. */
  key(): Promise<Buffer>;
  /** Where each release is counted, for all processes and hosts. */
  readonly once: Pick<RateStore, "take">;
  /** Where a release goes that came for this next hop; null = nowhere. */
  destination(nextHop: string | undefined): Destination | null;
  /** What recipients may release themselves. */
  readonly categories: readonly KeptAs[];
  /** Told in one sentence why something failed. */
  readonly warn: (text: string) => void;
}

/** Facts for people about a kept message; all text but `id` comes from strangers. */
export interface Shown {
  readonly id: string;
  readonly sender: string;
  readonly recipient: string;
  readonly subject: string;
  readonly arrived: Date;
  readonly size: number;
  readonly category: KeptAs;
}

export type LinkAnswer =
  | { readonly kind: "ask"; readonly shown: Shown; readonly expires: Date }
  | { readonly kind: "released" | "already"; readonly shown: Shown }
  /** Not signed by us, or not with the key in force. */
  | { readonly kind: "invalid" }
  | { readonly kind: "expired" | "gone" }
  /** Only the postmaster may release it. */
  | { readonly kind: "forbidden"; readonly id: string }
  /** Nothing went out; it can be tried again. */
  | { readonly kind: "later" }
  /** It may have gone out, or is going out now. */
  | { readonly kind: "unsure"; readonly id: string };

export interface LinkedRelease {
  /** Changes nothing. */
  look(token: string): Promise<LinkAnswer>;
  /** Releases, if that is still to be done; `from` is the address of who asks. */
  release(token: string, from: string): Promise<LinkAnswer>;
}

/** Releases under way in one process; more are asked to come later. */
const MAX_RUNNING = 4;
const DAY_MS = 86_400_000;

export function linkedRelease(means: LinkedMeans): LinkedRelease {
  let running = 0;
  const guarded = async (work: () => Promise<LinkAnswer>): Promise<LinkAnswer> => {
    try {
      return await work();
    } catch (error) {
      means.warn(`release link: ${error instanceof Error ? error.message : String(error)}`);
      return { kind: "later" };
    }
  };
  return {
    look: (token) =>
      guarded(async () => {
        const found = await lookUp(token, means);
        return "answer" in found ? found.answer : askOf(found);
      }),
    release: (token, from) =>
      guarded(async () => {
        const found = await lookUp(token, means);
        if ("answer" in found) return found.answer;
        if (running >= MAX_RUNNING) return { kind: "later" };
        running += 1;
        try {
          return await releaseOnce(found, from, means);
        } finally {
          running -= 1;
        }
      }),
  };
}

interface Found {
  readonly link: LinkFacts;
  readonly kept: { readonly entry: QuarantineEntry; readonly body: Body };
}

/** The entry of a link that may be released now, or the answer that is certain already. */
async function lookUp(
  token: string,
  means: LinkedMeans,
): Promise<Found | { readonly answer: LinkAnswer }> {
  const link = readLink(await means.key(), token);
  if (link === null) return { answer: { kind: "invalid" } };
  if (link.expires.getTime() <= means.now().getTime()) return { answer: { kind: "expired" } };
  const kept = await means.quarantine.read(link.id);
  if (kept === null) return { answer: { kind: "gone" } };
  const { entry } = kept;
  const allowed =
    means.categories.includes(entry.keptAs) &&
    needsPostmaster(entry) === null &&
    entry.recipients.some(({ address }) => address === link.recipient);
  if (!allowed) return { answer: { kind: "forbidden", id: entry.id } };
  if (isReleased(entry, link)) return { answer: alreadyOf({ link, kept }) };
  return { link, kept };
}

function isReleased({ released }: QuarantineEntry, { recipient }: LinkFacts): boolean {
  return released.some(({ recipients }) => recipients.includes(recipient));
}

/**
 * The claim is taken before anything goes out, and given back only when it is certain that nothing did: whatever stops us in
 * between, nobody gets two.
 */
async function releaseOnce(found: Found, from: string, means: LinkedMeans): Promise<LinkAnswer> {
  const { link, kept } = found;
  const { id } = kept.entry;
  const destination = means.destination(kept.entry.nextHop);
  if (destination === null) {
    means.warn(`release link: ${id} has nowhere to go: set [outgoing] relay`);
    return { kind: "later" };
  }
  const now = means.now().getTime();
  const take = (amount: 1 | -1): ReturnType<RateStore["take"]> => {
    const period = link.expires.getTime() - now + DAY_MS;
    return means.once.take(`release ${id} ${link.recipient}`, "", amount, 1, period, now);
  };
  if (!(await take(1)).allowed) {
    const again = await means.quarantine.read(id);
    return again !== null && isReleased(again.entry, link)
      ? alreadyOf(found)
      : { kind: "unsure", id };
  }
  try {
    const order = { recipients: [link.recipient], by: `link from [${from}]` };
    const outcome = await release(kept, order, destination, means);
    if (outcome.complete) return { kind: "released", shown: shownOf(found) };
    means.warn(`release link: ${id} was not released: ${outcome.lines.join("; ")}`);
    if (!outcome.nothing) return { kind: "unsure", id };
  } catch (error) {
    means.warn(`release link: ${id}: ${error instanceof Error ? error.message : String(error)}`);
    return { kind: "unsure", id };
  }
  await take(-1);
  return { kind: "later" };
}

function alreadyOf(found: Found): LinkAnswer {
  return { kind: "already", shown: shownOf(found) };
}

function askOf(found: Found): LinkAnswer {
  return { kind: "ask", shown: shownOf(found), expires: found.link.expires };
}

function shownOf({ link, kept: { entry } }: Found): Shown {
  return {
    id: entry.id,
    sender: entry.sender ?? "",
    recipient: link.recipient,
    subject: subjectOf(entry),
    arrived: new Date(entry.time),
    size: entry.size,
    category: entry.keptAs,
  };
}
