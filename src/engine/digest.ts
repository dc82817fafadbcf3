// The daily digest of held messages: who gets one, what it names, and that it is sent once, however many processes run. A mail
// reaches only recipients of ours, names no virus, and links only to what linked-release.ts would release.
import type { Address } from "../mail/address.ts";
import type { Destination } from "../mail/destination.ts";
import { composeDigest, type HeldMessage } from "../mail/digest.ts";
import { UNKNOWN_CLIENT } from "../mail/message.ts";
import { replyLine } from "../mail/reply.ts";
import type { Quarantine } from "../mailstore/quarantine.ts";
import type { KeptAs, KeptRecipient, QuarantineEntry } from "../mailstore/quarantine-entry.ts";
import { subjectOf } from "../mailstore/quarantine-filter.ts";
import type { RateStore } from "../state/rate-store.ts";
import { logAddress } from "./log-text.ts";
import { signLink } from "./release-link.ts";
import { addressOf, needsPostmaster } from "./release.ts";
import { oneBuffer } from "./report.ts";

export interface DigestMeans {
  readonly hostname: string;
  readonly postmaster: string;
  readonly quarantine: Pick<Quarantine, "list">;
  /** Names this quarantine among those of other hosts that share `once`. */
  readonly store: string;
  readonly once: Pick<RateStore, "take">;
  isLocal(domain: string): boolean;
  /** Addresses and "@domain"; null = every local recipient. */
  readonly recipients: readonly string[] | null;
  readonly maxMessages: number;
  /** Where users reach the links, without a slash at the end; null = no links. */
  readonly url: string | null;
  readonly linkMs: number;
  readonly categories: readonly KeptAs[];
  key(): Promise<Buffer>;
  /** Where mail to this address can be sent without being judged again; null = nowhere. */
  routeTo(address: Address): Destination | null;
  newMailId(): string;
  readonly onResult: (result: "sent" | "failed" | "no_route") => void;
  /** One line of the log each. */
  readonly info: (text: string) => void;
  readonly warn: (text: string) => void;
}

export interface DigestRun {
  /** Messages that came in [since, until). */
  readonly since: Date;
  readonly until: Date;
  readonly now: Date;
  /** What makes it one digest: a second run of this name sends nothing again. null = always send. */
  readonly name: string | null;
  /** Only to these addresses; absent: to all. */
  readonly only?: readonly string[];
}

/** Rows in memory at once, over all recipients; further ones are only counted. */
const MAX_ROWS = 200_000;
const MAX_RECIPIENTS = 100_000;
const SEND_DEADLINE_MS = 60_000;
const REMEMBER_MS = 3 * 86_400_000;

interface Pile {
  readonly address: Address;
  readonly messages: HeldMessage[];
  more: number;
}

/** Sends the digests of one run; true when none is left to be sent by a later run of this name. `stop` ends it between two mails. */
export async function sendDigests(
  run: DigestRun,
  means: DigestMeans,
  stop: AbortSignal,
): Promise<{ readonly complete: boolean; readonly lines: readonly string[] }> {
  const piles = await pilesOf(run, means);
  const lines: string[] = [];
  let complete = true;
  for (const [key, pile] of piles) {
    if (stop.aborted) return { complete: false, lines };
    const result = await sendOnce(key, pile, run, means, stop);
    if (result === null) continue;
    complete &&= result.done;
    const text = `digest: to ${logAddress(pile.address.raw)}: ${result.text}`;
    (result.done ? means.info : means.warn)(text);
    lines.push(text);
  }
  return { complete, lines };
}

/** By recipient, without regard to case: what was held for them and not released. */
async function pilesOf(run: DigestRun, means: DigestMeans): Promise<ReadonlyMap<string, Pile>> {
  const only = run.only === undefined ? null : new Set(run.only.map((raw) => raw.toLowerCase()));
  const wanted = means.recipients?.map((pattern) => pattern.toLowerCase()) ?? null;
  const key = means.url === null ? null : await means.key();
  const piles = new Map<string, Pile>();
  let rows = 0;
  for await (const entry of means.quarantine.list({ since: run.since, before: run.until })) {
    if (needsPostmaster(entry) === "virus") continue;
    for (const recipient of entry.recipients) {
      const name = recipient.address.toLowerCase();
      if (only !== null && !only.has(name)) continue;
      if (wanted !== null && !wanted.some((pattern) => fits(name, pattern))) continue;
      if (!isOwed(entry, recipient)) continue;
      const pile = piles.get(name) ?? newPile(recipient, means);
      if (pile === null || (piles.size >= MAX_RECIPIENTS && !piles.has(name))) continue;
      piles.set(name, pile);
      rows += 1;
      if (rows > MAX_ROWS) pile.more += 1;
      else pile.messages.push(heldOf(entry, recipient, key, run, means));
      // The most suspicious ones are let go of when there are twice as many as can be named.
      if (pile.messages.length >= 2 * means.maxMessages) rows -= shorten(pile, means.maxMessages);
    }
  }
  for (const pile of piles.values()) shorten(pile, means.maxMessages);
  return piles;
}

function isOwed(entry: QuarantineEntry, { address, blocked }: KeptRecipient): boolean {
  return blocked && !entry.released.some(({ recipients }) => recipients.includes(address));
}

function fits(address: string, pattern: string): boolean {
  return pattern.startsWith("@") ? address.endsWith(pattern) : address === pattern;
}

function newPile({ address: raw }: KeptRecipient, means: DigestMeans): Pile | null {
  const address = addressOf(raw);
  if (address === null || !means.isLocal(address.domain)) return null;
  return { address, messages: [], more: 0 };
}

/** Keeps the most harmless; how many it let go of. */
function shorten(pile: Pile, max: number): number {
  pile.messages.sort(
    (a, b) => (a.score ?? 0) - (b.score ?? 0) || b.arrivedAt.getTime() - a.arrivedAt.getTime(),
  );
  const gone = Math.max(0, pile.messages.length - max);
  pile.messages.length -= gone;
  pile.more += gone;
  return gone;
}

function heldOf(
  entry: QuarantineEntry,
  { address, score }: KeptRecipient,
  key: Buffer | null,
  { now }: DigestRun,
  means: DigestMeans,
): HeldMessage {
  const expires = new Date(now.getTime() + means.linkMs);
  const mayRelease = means.categories.includes(entry.keptAs) && needsPostmaster(entry) === null;
  const token =
    key === null || !mayRelease
      ? null
      : signLink(key, { id: entry.id, recipient: address, expires });
  return {
    id: entry.id,
    sender: entry.sender,
    subject: subjectOf(entry).slice(0, 300),
    arrivedAt: new Date(entry.lastTime),
    category: entry.keptAs,
    score,
    link: token === null || means.url === null ? null : `${means.url}/release/${token}`,
  };
}

interface Result {
  /** Nothing is left to do for this recipient. */
  readonly done: boolean;
  readonly text: string;
}

/** Null: somebody else sent it, or is sending it. */
async function sendOnce(
  key: string,
  pile: Pile,
  run: DigestRun,
  means: DigestMeans,
  stop: AbortSignal,
): Promise<Result | null> {
  const now = run.now.getTime();
  const take = async (amount: 1 | -1): Promise<boolean> => {
    if (run.name === null) return true;
    const claim = `digest ${means.store} ${run.name} ${key}`;
    return (await means.once.take(claim, "", amount, 1, REMEMBER_MS, now)).allowed;
  };
  try {
    if (!(await take(1))) return null;
    const result = await send(pile, run, means, stop);
    // What was not taken comes in a later run, unless it may have been taken after all.
    if (!result.done) await take(-1);
    return result;
  } catch (error) {
    means.onResult("failed");
    return { done: false, text: error instanceof Error ? error.message : String(error) };
  }
}

async function send(
  { address, messages, more }: Pile,
  run: DigestRun,
  means: DigestMeans,
  stop: AbortSignal,
): Promise<Result> {
  const route = means.routeTo(address);
  if (route === null) {
    means.onResult("no_route");
    return { done: true, text: "there is no way to send it: set [outgoing] relay" };
  }
  const digestId = means.newMailId();
  const octets = await composeDigest({
    hostname: means.hostname,
    digestId,
    to: address,
    postmaster: means.postmaster,
    messages,
    more,
    since: run.since,
    until: run.until,
    linksUntil: new Date(run.now.getTime() + means.linkMs),
    now: run.now,
  });
  const prepared = await route.prepare(
    {
      id: `digest-${digestId}`,
      mailId: digestId,
      sender: null,
      senderParams: /^[\x00-\x7f]*$/.test(address.raw) ? [] : ["SMTPUTF8"],
      client: UNKNOWN_CLIENT,
      xforward: new Map(),
      body: oneBuffer(octets),
      folder: null,
      tainted: false,
    },
    [{ address, params: ["NOTIFY=NEVER"] }],
    AbortSignal.any([stop, AbortSignal.timeout(SEND_DEADLINE_MS)]),
  );
  const sure = prepared.replies[0]?.kind !== "ok";
  const [reply] = await prepared.commit();
  const sent = reply?.kind === "ok";
  means.onResult(sent ? "sent" : "failed");
  if (sent) return { done: true, text: `${messages.length + more} messages` };
  const why = `not taken: ${reply === undefined ? "no reply" : replyLine(reply)}`;
  // Behind the final dot a tempfail can hide an answer that was lost: better none than two.
  return { done: reply?.kind === "reject" || !sure, text: why };
}
