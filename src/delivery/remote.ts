// Alias targets in other domains: handed to [outgoing], all that share an envelope sender in one transaction. A field of ours
// lets a message that comes back be recognised as going in a circle. Used by local.ts.
import { createHash } from "node:crypto";
import type { Copy, Destination, Prepared } from "../mail/destination.ts";
import type { Body, Recipient } from "../mail/message.ts";
import type { Address } from "../mail/address.ts";
import type { Reply } from "../mail/reply.ts";

/** One remote address of a message; `key` names it within the message. */
export interface RemoteTarget {
  readonly key: string;
  readonly address: Address;
  /** Envelope sender of an expansion with an owner-alias; absent: as it came. */
  readonly sender?: Address;
  /** ESMTP parameters of the recipient it comes from. */
  readonly params: readonly string[];
  /** The recipient that led here, as viaMark() names it. */
  readonly via: string;
}

export interface RemotePrepared {
  /** By key. */
  readonly replies: ReadonlyMap<string, Reply>;
  /** Final replies by key. Never rejects. */
  commit(): Promise<ReadonlyMap<string, Reply>>;
  /** Never rejects. */
  abort(): Promise<void>;
}

/** A name for a local recipient that says nothing to others: 16 characters of base64url. */
export function viaMark(recipient: string): string {
  return createHash("sha256").update(`via ${recipient}`).digest("base64url").slice(0, 16);
}

/** Prepares all targets, one transaction per envelope sender, one after the other. Never rejects. */
export async function prepareRemote(
  outgoing: Destination,
  copy: Copy,
  targets: readonly RemoteTarget[],
  deadline: AbortSignal,
): Promise<RemotePrepared> {
  const groups = Map.groupBy(targets, ({ sender }) => sender?.raw ?? "");
  const prepared: { members: readonly RemoteTarget[]; prepared: Prepared }[] = [];
  for (const members of groups.values()) {
    const sent = forwarded(copy, members);
    const recipients = members.map(recipientOf);
    prepared.push({ members, prepared: await outgoing.prepare(sent, recipients, deadline) });
  }
  const replies = new Map<string, Reply>();
  for (const { members, prepared: group } of prepared) note(replies, members, group.replies);
  const commit = async (): Promise<ReadonlyMap<string, Reply>> => {
    const final = new Map<string, Reply>();
    for (const { members, prepared: group } of prepared) {
      note(final, members, isReady(group) ? await group.commit() : group.replies);
    }
    return final;
  };
  const abort = async (): Promise<void> => {
    for (const { prepared: group } of prepared) if (isReady(group)) await group.abort();
  };
  return { replies, commit, abort };
}

function isReady({ replies }: Prepared): boolean {
  return replies.some(({ kind }) => kind === "ok");
}

function note(
  replies: Map<string, Reply>,
  members: readonly RemoteTarget[],
  said: readonly Reply[],
): void {
  for (const [at, { key }] of members.entries()) replies.set(key, said[at] as Reply);
}

/** RFC 3461 5.2.7: an alias passes the parameters on, a list with an owner does not. */
function recipientOf({ address, params, sender }: RemoteTarget): Recipient {
  return { address, params: sender === undefined ? params : [] };
}

function forwarded(copy: Copy, members: readonly RemoteTarget[]): Copy {
  const marks = new Set(members.map(({ via }) => via).filter((via) => via !== ""));
  const head = [...marks].map((via) => `X-Postern-Via: ${via}\r\n`).join("");
  const body = head === "" ? copy.body : prefixed(Buffer.from(head), copy.body);
  const sender = members[0]?.sender;
  return {
    ...copy,
    body,
    folder: null,
    ...(sender === undefined ? {} : { sender, senderParams: own(copy) }),
  };
}

/** A new sender asks for no delivery reports of its own. */
function own({ senderParams }: Copy): readonly string[] {
  return senderParams.filter((param) => !/^(RET|ENVID|AUTH)=/i.test(param));
}

function prefixed(head: Buffer, body: Body): Body {
  const following = async function* (rest: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
    yield head;
    yield* rest;
  };
  const bytes = body.bytes === null ? null : [head, ...body.bytes];
  return {
    size: head.length + body.size,
    bytes,
    open: () => following(body.open()),
    lend: () => following(body.lend?.() ?? body.open()),
  };
}
