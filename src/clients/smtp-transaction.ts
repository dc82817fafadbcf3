// One message on one connection, as the two phases of a Destination: everything but the final dot, then the dot (or not).
// The dialogue itself is in smtp-dialogue.ts, the octets in smtp-body.ts; called by smtp.ts.
import assert from "node:assert/strict";
import type { Copy, Prepared } from "../mail/destination.ts";
import type { Recipient } from "../mail/message.ts";
import { reject, type Reply } from "../mail/reply.ts";
import { sendBody, type Rest } from "./smtp-body.ts";
import { isFailure, type Failure } from "./smtp-connection.ts";
import type { Line } from "./smtp-dial.ts";
import { converse, isPositive, type Commands } from "./smtp-dialogue.ts";
import {
  isSendable,
  mailLine,
  needsUtf8,
  rcptLine,
  wantsUtf8,
  xforwardLines,
} from "./smtp-parameters.ts";
import { failureReply, relayedReply } from "./smtp-relayed.ts";
import type { PeerReply } from "./smtp-replies.ts";

export interface Request {
  readonly copy: Copy;
  readonly recipients: readonly Recipient[];
  readonly deadline: AbortSignal;
}

export interface Terms {
  /** The next hop's name for replies. */
  readonly mta: string;
  readonly nextHop: { readonly protocol: "smtp" | "lmtp" };
  readonly commandMs: number;
  readonly bodyMs: number;
  readonly dataDoneMs: number;
  /** The connection was used before, so that finding it dead says nothing about the server. */
  readonly mayRetry: boolean;
  readonly tell: (kind: "failure" | "unknown", failure: Failure) => void;
  /** Hands the connection back. */
  readonly give: () => void;
}

type Outcome = PeerReply | Failure | Reply;

/**
 * Sends the message up to the withheld dot. Null when the connection turned out to be dead before anything was lost and
 * `mayRetry` says so: the same request may start again elsewhere. The connection is given back, now or after commit.
 */
export async function transact(
  line: Line,
  request: Request,
  terms: Terms,
): Promise<Prepared | null> {
  const { copy, recipients, deadline } = request;
  const { connection } = line;
  const refusals = recipients.map((recipient) => refusalOf(copy, recipient, line, terms.mta));
  if (!refusals.includes(null)) return settled(refusals as Reply[], terms);

  const onAbort = (): void => connection.fail("timeout", "deadline");
  deadline.addEventListener("abort", onAbort, { once: true });
  if (deadline.aborted) onAbort();
  try {
    const chosen = recipients.filter((_, i) => refusals[i] === null);
    const answers = await converse(line, commands(line, copy, chosen), terms.commandMs);
    if (answers.stale && terms.mayRetry) {
      connection.fail("closed", "stale");
      terms.give();
      return null;
    }
    let next = 0;
    const outcomes: Outcome[] = refusals.map(
      (own) => own ?? (answers.rcpts[next++] as PeerReply | Failure),
    );
    const rest = answers.data ? await sendBody(connection, copy.body, terms.bodyMs) : null;
    if (rest !== null && !isFailure(rest)) return ready(line, outcomes, rest, request, terms);
    const final = rest === null ? outcomes : outcomes.map((one) => (isOpen(one) ? rest : one));
    const failure = final.find((one) => "failed" in one);
    assert(!final.some(isOpen), "without a withheld dot nobody is accepted");
    if (failure !== undefined) terms.tell("failure", failure);
    return settled(
      final.map((one) => replyOf(one, copy, terms)),
      terms,
    );
  } finally {
    deadline.removeEventListener("abort", onAbort);
  }
}

/** Nobody left to send to: the replies stand. */
function settled(replies: readonly Reply[], terms: Terms): Prepared {
  terms.give();
  return { replies, commit: async () => replies, abort: async () => {} };
}

function ready(
  { connection }: Line,
  outcomes: readonly Outcome[],
  rest: Rest,
  { copy }: Request,
  terms: Terms,
): Prepared {
  const replies = outcomes.map((one) => replyOf(one, copy, terms));
  let committed: Promise<readonly Reply[]> | null = null;

  const commit = async (): Promise<readonly Reply[]> => {
    const open = outcomes.filter(isOpen).length;
    const expected = terms.nextHop.protocol === "lmtp" ? open : 1;
    const unsent = connection.fault;
    if (unsent === null) connection.write(rest.last, expected);
    const finals: (PeerReply | Failure)[] = [];
    while (finals.length < expected) {
      const answer = await connection.read(
        unsent === null ? "fwd-data-end" : "fwd-data-contents",
        terms.dataDoneMs,
      );
      finals.push(answer);
      if (!isFailure(answer)) {
        if (answer.code < 400 && !isPositive(answer))
          connection.fail("garbage", "3xx after the dot");
        continue;
      }
      terms.tell(unsent === null ? "unknown" : "failure", answer);
      while (finals.length < expected) finals.push(answer);
    }
    terms.give();
    let next = 0;
    return outcomes.map((one, i) => {
      if (!isOpen(one)) return replies[i] as Reply;
      return replyOf(finals[expected === 1 ? 0 : next++] as PeerReply | Failure, copy, terms);
    });
  };

  return {
    replies,
    commit: () => (committed ??= commit()),
    abort: async () => {
      if (committed !== null) return;
      committed = Promise.resolve(replies);
      // After 354 the only way to take a message back is to close without the dot.
      connection.fail("closed", "taken back");
      terms.give();
    },
  };
}

function commands(line: Line, copy: Copy, recipients: readonly Recipient[]): Commands {
  const { connection, offered } = line;
  const xforward = xforwardLines(copy, offered, connection.forwarded);
  if (xforward.length > 0) connection.forwarded = true;
  const smtputf8 =
    offered.smtputf8 && (wantsUtf8(copy) || recipients.some((one) => needsUtf8(one.address.raw)));
  return {
    before: connection.needsReset ? ["RSET", ...xforward] : xforward,
    mail: mailLine(copy, offered, smtputf8),
    rcpts: recipients.map((one) => rcptLine(one, offered)),
  };
}

/** What we refuse ourselves, without asking the server; null = nothing. */
function refusalOf(
  copy: Copy,
  { address }: Recipient,
  { offered }: Line,
  mta: string,
): Reply | null {
  if (copy.sender !== null && !isSendable(copy.sender.raw)) {
    return reject(553, "5.1.7", `id=${copy.id} - Sender address cannot be sent on`);
  }
  if (!isSendable(address.raw)) {
    return reject(553, "5.1.3", `id=${copy.id} - Recipient address cannot be sent on`);
  }
  if (!offered.smtputf8 && (wantsUtf8(copy) || needsUtf8(address.raw))) {
    return reject(
      553,
      "5.6.7",
      `id=${copy.id} - SMTPUTF8 is needed and not offered by MTA(${mta})`,
    );
  }
  return null;
}

function isOpen(one: Outcome): boolean {
  return "lines" in one && isPositive(one);
}

function replyOf(one: Outcome, copy: Copy, { mta }: Terms): Reply {
  if ("kind" in one) return one;
  return isFailure(one) ? failureReply(one, mta, copy.id) : relayedReply(one, mta, copy.id);
}
