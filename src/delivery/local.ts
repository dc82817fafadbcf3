// The delivery agent as a Destination: every recipient resolved to mailboxes and remote addresses, each mailbox written once
// per message, each recipient with a reply of its own. Local files are durable before anything is sent on; a recipient is ok
// only when all its targets are. Used by the delivery listener and by the engine's relay `local`.
import type { Copy, Destination, Prepared } from "../mail/destination.ts";
import { refused } from "../mail/destination.ts";
import type { Recipient } from "../mail/message.ts";
import { ok, tempfail } from "../mail/reply.ts";
import type { Reply } from "../mail/reply.ts";
import { fits } from "../mailstore/quota.ts";
import { isOurFault, overQuota, storeFailure } from "./failure.ts";
import type { FileDelivery } from "./mailbox.ts";
import { prepareRemote } from "./remote.ts";
import type { RemotePrepared, RemoteTarget } from "./remote.ts";
import { resolve } from "./resolve.ts";
import type { Target } from "./resolve.ts";
import { report, sharesOf } from "./shares.ts";
import type { LocalOptions, Share } from "./shares.ts";

export type { LocalOptions } from "./shares.ts";

export interface LocalDestination extends Destination {
  /**
   * The answer to RCPT: ok, unknown, over quota, not local. Never rejects. `size` is the octets announced in MAIL, or 0.
   */
  rcpt(recipient: Recipient, size?: number): Promise<Reply>;
}

/** Mailboxes for at most this many files of one message are written at the same time. */
const AT_ONCE = 16;

/** The delivery agent over one mailstore. */
export function localDestination(options: LocalOptions): LocalDestination {
  return {
    rcpt: (recipient, size = 0) => answerRcpt(options, recipient, size),
    prepare: (copy, recipients, deadline) => prepare(options, copy, recipients, deadline),
  };
}

async function answerRcpt(
  options: LocalOptions,
  recipient: Recipient,
  size: number,
): Promise<Reply> {
  try {
    const resolution = resolve(recipient.address, await options.routes());
    if (resolution.kind === "refused") return resolution.reply;
    let full = 0;
    for (const target of resolution.targets) if (await isFull(options, target, size)) full++;
    if (full > 0 && full === resolution.targets.length) return overQuota(false);
    return ok("Recipient ok", "2.1.5");
  } catch (error) {
    report(options, "a recipient could not be looked up", error);
    return storeFailure(error);
  }
}

async function isFull(options: LocalOptions, target: Target, size: number): Promise<boolean> {
  if (target.kind !== "mailbox") return false;
  const quota = target.user?.quota ?? options.quota;
  if (quota === null) return false;
  return !fits(quota, await options.store.usage(target.mailbox, quota, size), size);
}

async function prepare(
  options: LocalOptions,
  copy: Copy,
  recipients: readonly Recipient[],
  deadline: AbortSignal,
): Promise<Prepared> {
  let shares: readonly Share[];
  try {
    deadline.throwIfAborted();
    shares = await sharesOf(options, copy, recipients, deadline);
  } catch (error) {
    if (isOurFault(error)) report(options, `${copy.id}: message could not be delivered`, error);
    return refused(recipients, storeFailure(error));
  }
  const files = [...new Set(shares.flatMap((share) => share.files))];
  const fileReplies = new Map<FileDelivery, Reply>();
  await each(files, async (file) => {
    fileReplies.set(file, await file.prepare());
  });
  const remote = await prepareWanted(options, copy, shares, fileReplies, deadline);
  const prepared: Standing = { shares, files: fileReplies, remotes: remote.replies };
  const replies = shares.map((share) => prepareReply(share, prepared));
  return {
    replies,
    commit: () => commit(prepared, replies, remote),
    abort: async () => {
      await each(readyFiles(prepared), (file) => file.abort());
      await remote.abort();
    },
  };
}

/** How all the deliveries of a message stand. */
interface Standing {
  readonly shares: readonly Share[];
  readonly files: ReadonlyMap<FileDelivery, Reply>;
  /** By key of the target; a target that is missing was not tried, because its recipient waits anyway. */
  readonly remotes: ReadonlyMap<string, Reply>;
}

function readyFiles({ files }: Standing): readonly FileDelivery[] {
  return [...files].filter(([, reply]) => reply.kind === "ok").map(([file]) => file);
}

/** Runs a step for all, some at a time. */
async function each<T>(items: readonly T[], step: (item: T) => Promise<void>): Promise<void> {
  if (items.length === 1) return step(items[0] as T);
  const waiting = items.values();
  const worker = async (): Promise<void> => {
    for (const item of waiting) await step(item);
  };
  await Promise.all(Array.from({ length: Math.min(AT_ONCE, items.length) }, worker));
}

/** The replies of all that a recipient's mail goes to; what was not tried is left out. */
function repliesOf(share: Share, { files, remotes }: Standing): readonly Reply[] {
  const said = [
    ...share.files.map((file) => files.get(file)),
    ...share.remotes.map(({ key }) => remotes.get(key)),
  ];
  return said.filter((reply) => reply !== undefined);
}

function isWaiting(share: Share, standing: Standing): boolean {
  return share.reply !== null || repliesOf(share, standing).some(({ kind }) => kind === "tempfail");
}

/** Ok unless something has to wait, or nothing can be delivered: one full mailbox does not stop a list. */
function prepareReply(share: Share, standing: Standing): Reply {
  if (share.reply !== null) return share.reply;
  const replies = repliesOf(share, standing);
  return (
    replies.find(({ kind }) => kind === "tempfail") ??
    replies.find(({ kind }) => kind === "ok") ??
    (replies[0] as Reply)
  );
}

interface Remote extends RemotePrepared {
  /** Those that the transaction under way holds. */
  readonly held: ReadonlySet<string>;
}

/**
 * Prepares the remote targets of recipients that need not wait. When one of them turns out to have to wait, its other
 * targets are taken out again, by preparing anew without them: else each retry would send them another copy.
 */
async function prepareWanted(
  { outgoing }: LocalOptions,
  copy: Copy,
  shares: readonly Share[],
  files: ReadonlyMap<FileDelivery, Reply>,
  deadline: AbortSignal,
): Promise<Remote> {
  const remotes = new Map<string, Reply>();
  for (;;) {
    const standing: Standing = { shares, files, remotes };
    const wanted = wantedRemotes(standing).filter(({ key }) => {
      const reply = remotes.get(key);
      return reply === undefined || reply.kind === "ok";
    });
    if (outgoing === null || wanted.length === 0) {
      for (const [key, { kind }] of remotes) if (kind === "ok") remotes.delete(key);
      return { ...NOTHING_REMOTE, replies: remotes };
    }
    const prepared = await prepareRemote(outgoing, copy, wanted, deadline);
    for (const [key, { kind }] of remotes) if (kind === "ok") remotes.delete(key);
    for (const [key, reply] of prepared.replies) remotes.set(key, reply);
    const still = new Set(wantedRemotes(standing).map(({ key }) => key));
    const held = wanted.map(({ key }) => key).filter((key) => remotes.get(key)?.kind === "ok");
    if (held.every((key) => still.has(key))) {
      return { ...prepared, replies: remotes, held: new Set(held) };
    }
    await prepared.abort();
  }
}

const NOTHING_REMOTE: Omit<Remote, "replies"> = {
  held: new Set(),
  commit: async () => new Map(),
  abort: async () => {},
};

/** The remote targets of recipients that need not wait, each once. */
function wantedRemotes(standing: Standing): readonly RemoteTarget[] {
  const wanted = new Map<string, RemoteTarget>();
  for (const share of standing.shares) {
    if (isWaiting(share, standing)) continue;
    for (const target of share.remotes) if (!wanted.has(target.key)) wanted.set(target.key, target);
  }
  return [...wanted.values()];
}

/** Files first; what is sent on goes when all files are durable; what nobody waits for is undone. */
async function commit(
  prepared: Standing,
  replies: readonly Reply[],
  remote: Remote,
): Promise<readonly Reply[]> {
  const { shares } = prepared;
  const wanted = new Set(shares.flatMap((s, i) => (replies[i]?.kind === "ok" ? s.files : [])));
  const files = new Map(prepared.files);
  await each(readyFiles(prepared), async (file) => {
    if (wanted.has(file)) files.set(file, await file.commit());
    else await file.abort();
  });
  const stored: Standing = { ...prepared, files };
  const alive = new Set(wantedRemotes(stored).map(({ key }) => key));
  const remotes = new Map(prepared.remotes);
  if ([...remote.held].every((key) => alive.has(key))) {
    for (const [key, reply] of await remote.commit()) remotes.set(key, reply);
  } else {
    // A file of one of their recipients could not be made durable: all of them are tried again.
    await remote.abort();
    for (const key of remote.held) remotes.set(key, NOT_SENT);
  }
  const final: Standing = { shares, files, remotes };
  return shares.map((share, i) => {
    const reply = replies[i] as Reply;
    return reply.kind === "ok" ? gravest(repliesOf(share, final)) : reply;
  });
}

const NOT_SENT = tempfail(451, "4.3.0", "Message could not be stored");

/** The sender hears of the member that could not be reached. */
function gravest(replies: readonly Reply[]): Reply {
  return (
    replies.find(({ kind }) => kind === "tempfail") ??
    replies.find(({ kind }) => kind === "reject") ??
    (replies[0] as Reply)
  );
}
