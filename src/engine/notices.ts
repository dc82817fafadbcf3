// Notices about stopped mail, after the answer and apart from it: whatever happens here, the client has heard already. Policy
// (`notice=`) says who is told; this file keeps it bounded: one at a time, a rate, no notice about a notice. They travel with
// the null sender through [outgoing] or our own delivery, which do not filter, and a message that is itself automatic with the
// null sender is never told about: so there is no loop even where [outgoing] leads back to a filter.
import type { Address } from "../mail/address.ts";
import { parseAddress } from "../mail/address.ts";
import type { Destination } from "../mail/destination.ts";
import { firstField } from "../mail/header.ts";
import { UNKNOWN_CLIENT, type Message } from "../mail/message.ts";
import {
  composeNotice,
  type LimitPassed,
  type Stopped,
  type ToPostmaster,
} from "../mail/notice.ts";
import { replyLine } from "../mail/reply.ts";
import { isMailId, mailId } from "../sys/ids.ts";
import type { Log } from "../sys/log.ts";
import type { Metrics } from "../sys/metrics.ts";
import { STOPS, type Notice } from "../verdict/policy.ts";
import { reasonOf } from "../verdict/replies.ts";
import type { Outcome } from "./apply.ts";
import { logAddress } from "./log-text.ts";
import { noticeRate, type NoticeLimits } from "./notice-rate.ts";
import type { Answered } from "./record.ts";
import { oneBuffer } from "./report.ts";

export interface NoticeMeans {
  readonly hostname: string;
  /** Whose postmaster is told: a domain of ours. */
  readonly domain: string;
  /** Where mail to this address can be sent without being judged again; null = nowhere. */
  routeTo(address: Address): Destination | null;
  readonly log: Log;
  readonly metrics: Metrics;
  readonly limits?: NoticeLimits;
}

export interface Notices {
  /** Sends later what policy asks for; returns at once and never throws. `retried`: the client hears 4xx for the message. */
  tell(answered: Answered, retried: boolean): void;
  /** The same for somebody who passed a limit; the caller sees to it that this is not said too often. */
  limitPassed(limit: LimitPassed): void;
  /** Resolves when all is sent, at the latest after `ms`; what is left then is given up. */
  drain(ms: number): Promise<void>;
}

const SEND_DEADLINE_MS = 30_000;
/** Messages that the client will bring again and that the postmaster knows about. */
const MAX_KNOWN = 1_000;

/** The notices of one process; the rate is per process. */
export function notices(means: NoticeMeans): Notices {
  return new Sender(means);
}

type Task = {
  readonly kind: Notice;
  readonly to: Address;
} & (
  | {
      readonly about: Stopped;
      readonly says: ToPostmaster | { readonly kind: "recipient"; readonly postmaster: string };
    }
  | { readonly about: null; readonly says: LimitPassed }
);

/** What log lines call it. */
const idOf = ({ about }: Task): string => about?.id ?? "limit";

class Sender implements Notices {
  readonly #means: NoticeMeans;
  readonly #postmaster: Address | null;
  readonly #rate: ReturnType<typeof noticeRate>;
  readonly #known = new Set<string>();
  readonly #stop = new AbortController();
  /** The end of the queue: notices go out one after the other. */
  #last: Promise<void> = Promise.resolve();
  #routeMissing = false;

  constructor(means: NoticeMeans) {
    this.#means = means;
    this.#postmaster = parseAddress(`postmaster@${means.domain}`);
    this.#rate = noticeRate(means.limits);
  }

  tell(answered: Answered, retried: boolean): void {
    try {
      const stopped = answered.outcomes.filter((outcome) => isNoticed(outcome, retried));
      if (stopped.length === 0) return;
      for (const task of this.#tasksOf(answered, stopped)) this.#queue(task);
    } catch (error) {
      this.#failed(answered.message.envelope.id, error);
    }
  }

  limitPassed(limit: LimitPassed): void {
    if (this.#postmaster === null) return;
    this.#queue({ kind: "postmaster", to: this.#postmaster, about: null, says: limit });
  }

  async drain(ms: number): Promise<void> {
    const timer = setTimeout(() => this.#stop.abort(), ms);
    const late = new Promise<void>((resolve) =>
      this.#stop.signal.addEventListener("abort", () => resolve(), { once: true }),
    );
    await Promise.race([this.#last, late]);
    clearTimeout(timer);
  }

  #tasksOf(answered: Answered, stopped: readonly Outcome[]): Task[] {
    const { message } = answered;
    const wanted = (kind: Notice): Outcome[] =>
      stopped.filter(({ judged }) => judged.verdict.notices.includes(kind));
    if (isAutomatic(message)) {
      this.#count("postmaster", "suppressed", wanted("postmaster").length > 0 ? 1 : 0);
      this.#count("recipient", "suppressed", wanted("recipient").length);
      return [];
    }
    return [
      ...this.#postmasterTask(answered, wanted("postmaster")),
      ...this.#recipientTasks(answered, wanted("recipient")),
    ];
  }

  #postmasterTask(answered: Answered, about: readonly Outcome[]): Task[] {
    const [first] = about;
    const to = this.#postmaster;
    if (first === undefined || to === null || this.#isKnown(answered.message, about)) return [];
    const { address, name, helo, ident } = answered.message.envelope.client;
    const recipients = about.map((outcome) => ({
      raw: outcome.judged.recipient.address.raw,
      how: HOW[outcome.how],
    }));
    const says = {
      kind: "postmaster",
      recipients,
      client: { address, name, helo, ident },
    } as const;
    return [{ kind: "postmaster", to, about: stoppedOf(answered, first), says }];
  }

  /** Only our own recipients: to others the notice would be the backscatter that the stop avoids. */
  #recipientTasks(answered: Answered, about: readonly Outcome[]): Task[] {
    const ours = about.filter(({ judged }) => judged.local);
    this.#count("recipient", "suppressed", about.length - ours.length);
    const says = {
      kind: "recipient",
      postmaster: this.#postmaster?.raw ?? "postmaster",
    } as const;
    return ours.map((outcome) => ({
      kind: "recipient",
      to: outcome.judged.recipient.address,
      about: stoppedOf(answered, outcome),
      says,
    }));
  }

  /** A message that is refused for now comes again and again: once is enough. */
  #isKnown(message: Message, about: readonly Outcome[]): boolean {
    if (!about.every(({ how }) => how === "tempfailed")) return false;
    const { envelope, header, body } = message;
    const messageId = (firstField(header, "message-id")?.value ?? `size ${body.size}`).slice(
      0,
      500,
    );
    const whom = envelope.recipients.map(({ address }) => address.raw).join(" ");
    const key = `${envelope.sender?.raw ?? ""} ${messageId} ${whom.slice(0, 2_000)}`;
    if (this.#known.has(key)) return true;
    const [oldest] = this.#known;
    if (this.#known.size >= MAX_KNOWN && oldest !== undefined) this.#known.delete(oldest);
    this.#known.add(key);
    return false;
  }

  #queue(task: Task): void {
    const { kind, to, says } = task;
    const id = idOf(task);
    const route = this.#means.routeTo(to);
    if (route === null) {
      this.#count(kind, "no_route", 1);
      // Once: as long as the configuration stays, every notice would say the same.
      if (!this.#routeMissing)
        this.#means.log.warn(
          `notice: (${id}) there is no way to send notices to ${logAddress(to.raw)}: set [outgoing] relay`,
        );
      this.#routeMissing = true;
      return;
    }
    // Limits have a rate of their own: a flood of viruses must not hide that an account was stolen.
    const key = says.kind === "limit" ? `limit ${says.what}` : `${kind} ${to.raw}`;
    const leftOut = this.#rate.admit(key, performance.now());
    if (leftOut === null) {
      this.#count(kind, "limited", 1);
      return;
    }
    this.#last = this.#last.then(() => this.#send(task, route, leftOut));
  }

  /** Never rejects. */
  async #send(task: Task, route: Destination, leftOut: number): Promise<void> {
    const { kind, to } = task;
    const id = idOf(task);
    if (this.#stop.signal.aborted) return this.#count(kind, "failed", 1);
    const noticeId = mailId();
    try {
      const { hostname } = this.#means;
      const now = new Date();
      const octets = await composeNotice({ ...task, hostname, noticeId, leftOut, now });
      const prepared = await route.prepare(
        {
          id,
          mailId: noticeId,
          sender: null,
          senderParams: /^[\x00-\x7f]*$/.test(to.raw) ? [] : ["SMTPUTF8"],
          client: UNKNOWN_CLIENT,
          xforward: new Map(),
          body: oneBuffer(octets),
          folder: null,
          tainted: false,
        },
        [{ address: to, params: ["NOTIFY=NEVER"] }],
        AbortSignal.any([this.#stop.signal, AbortSignal.timeout(SEND_DEADLINE_MS)]),
      );
      const [reply] = await prepared.commit();
      const sent = reply?.kind === "ok";
      this.#count(kind, sent ? "sent" : "failed", 1);
      if (!sent)
        this.#means.log.warn(
          `notice: (${id}) to ${logAddress(to.raw)} was not taken: ${reply === undefined ? "no reply" : replyLine(reply)}`,
        );
    } catch (error) {
      this.#count(kind, "failed", 1);
      this.#failed(id, error);
    }
  }

  #count(kind: Notice, result: string, by: number): void {
    if (by > 0) this.#means.metrics.notices.inc({ kind, result }, by);
  }

  #failed(id: string, error: unknown): void {
    const text = error instanceof Error ? error.message : String(error);
    this.#means.log.error(`notice: (${id}) could not be made: ${text}`);
  }
}

const HOW: Readonly<Record<Outcome["how"], string>> = {
  "handed-on": "delivered",
  discarded: "discarded",
  bounced: "stopped, the sender was sent a report if one may be sent",
  rejected: "refused",
  tempfailed: "refused for now: the client will try again",
};

/** Stopped by a verdict that asks for a notice; over SMTP not while the message will come again for another's sake. */
function isNoticed({ judged, how, skipped, byNextHop }: Outcome, retried: boolean): boolean {
  const { disposition, notices: wanted } = judged.verdict;
  if (wanted.length === 0 || skipped || byNextHop || !STOPS[disposition]) return false;
  return (retried || how === "tempfailed") === (disposition === "tempfail");
}

/** A report or notice of somebody's, perhaps our own come back. */
function isAutomatic({ envelope, header }: Message): boolean {
  if (envelope.sender !== null && envelope.sender.raw !== "") return false;
  const value = firstField(header, "auto-submitted")?.value;
  return value !== undefined && !/^no\b/i.test(value);
}

function stoppedOf({ message, quarantine }: Answered, { judged }: Outcome): Stopped {
  const { envelope, header } = message;
  const { verdict } = judged;
  return {
    id: envelope.id,
    mailId: envelope.mailId,
    category: verdict.category === "clean" ? "unchecked" : verdict.category,
    why: reasonOf(verdict),
    sender: envelope.sender?.raw ?? null,
    subject: firstField(header, "subject")?.value.slice(0, 2_000) ?? null,
    arrivedAt: envelope.startedAt,
    ...keptAt(verdict.quarantine ? quarantine : null, message),
  };
}

/** Where the copy is. A retry keeps the copy of the first try, under its id: "l/banned-loA9jh2ZADqZ.gz". */
function keptAt(path: string | null, message: Message): Pick<Stopped, "quarantineId" | "keptIn"> {
  if (path === null) return { quarantineId: null };
  if (!/^[A-Za-z0-9]\/[a-z]+-.{12}\.gz$/.test(path)) return { quarantineId: null, keptIn: path };
  const id = path.slice(-15, -3);
  return { quarantineId: isMailId(id) ? id : message.envelope.mailId };
}
