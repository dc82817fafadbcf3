// A message that Exim gave its spam condition (variant=rspamd) judged as it stands before the queue, by all checks: client, envelope and
// login come with it. Changes nothing: no copy is kept, no line about a message is logged. What to do with it is the asker's to say.
import { parseAddress, type Address } from "../mail/address.ts";
import type { Body, Transaction } from "../mail/message.ts";
import type { Disposition } from "../verdict/policy.ts";
import { judge, type Bench, type Judged, type JudgeOptions } from "./judge.ts";
import { isReply, receive, type Surroundings } from "./receive.ts";

/** By lower-case header name: from, rcpt, helo, hostname, ip, user, queue-id. */
export type RspamFacts = ReadonlyMap<string, readonly string[]>;

export interface AnswerRspamMeans {
  readonly around: Surroundings;
  bench(): Bench;
  readonly judging: Omit<JudgeOptions, "signal">;
  /** Whose policy counts when no recipient is named. */
  readonly recipient: Address;
  readonly budgetMs: number;
}

export interface RspamAnswer {
  readonly spam: boolean;
  readonly score: number;
  readonly required: number;
  readonly reject: number;
  readonly action: string;
  readonly symbols: readonly { readonly symbol: string; readonly score: number }[];
}

/** rspamd's words, gravest last. A discard is a reject to somebody who can still refuse. */
const ACTIONS: Readonly<Record<Disposition, string>> = {
  accept: "no action",
  tag: "add header",
  discard: "reject",
  bounce: "reject",
  reject: "reject",
  tempfail: "soft reject",
};
const ORDER = ["no action", "add header", "soft reject", "reject"];
const MAX_SYMBOLS = 200;
const MAX_RECIPIENTS = 1000;

/** The verdict of the recipient who is worst off: Exim asks once for all. Rejects only if the octets cannot be read. */
export async function answerRspam(
  body: Body,
  facts: RspamFacts,
  listener: string,
  means: AnswerRspamMeans,
): Promise<RspamAnswer | { readonly failed: string }> {
  const budget = new AbortController();
  const timer = setTimeout(() => budget.abort(), means.budgetMs);
  try {
    const login = facts.get("user")?.[0] ?? "";
    const origin = login === "" ? "auto" : "outbound";
    const intake = { mode: "before-queue", origin, client: "xforward" } as const;
    const around = { ...means.around, maxReceived: Infinity };
    const transaction = transactionOf(facts, listener, means.recipient);
    const message = await receive(transaction, await behindMboxLine(body), intake, around);
    if (isReply(message)) return { failed: message.text };
    const { judged } = await judge(message, means.bench(), {
      ...means.judging,
      signal: budget.signal,
    });
    return answerOf(judged);
  } finally {
    clearTimeout(timer);
  }
}

function answerOf(judged: readonly Judged[]): RspamAnswer | { readonly failed: string } {
  const worst = [...judged].sort((a, b) => gravity(b) - gravity(a))[0];
  if (worst === undefined) return { failed: "no verdict" };
  const { verdict, policy } = worst;
  return {
    spam: verdict.score >= policy.tag2Level,
    score: bounded(verdict.score),
    required: bounded(policy.tag2Level),
    reject: bounded(policy.killLevel),
    action: ACTIONS[verdict.disposition],
    symbols: verdict.findings
      .slice(0, MAX_SYMBOLS)
      .map(({ symbol, score }) => ({ symbol: symbol.replace(/[^\w.-]/g, "_"), score })),
  };
}

const gravity = ({ verdict }: Judged): number =>
  ORDER.indexOf(ACTIONS[verdict.disposition]) * 1e6 + bounded(verdict.score);

/** A level may be infinite: never. */
const bounded = (points: number): number => Math.max(-99_999, Math.min(99_999, points));

function transactionOf(facts: RspamFacts, listener: string, somebody: Address): Transaction {
  const one = (name: string): string => facts.get(name)?.[0]?.trim() ?? "";
  const inBrackets = (text: string): string => text.replace(/^\s*<?|>?\s*$/g, "");
  const xforward = new Map<string, string>();
  if (one("ip") !== "") xforward.set("ADDR", one("ip"));
  if (one("hostname") !== "") xforward.set("NAME", one("hostname"));
  if (one("helo") !== "") xforward.set("HELO", one("helo"));
  const recipients = (facts.get("rcpt") ?? [])
    .slice(0, MAX_RECIPIENTS)
    .flatMap((text) => parseAddress(inBrackets(text)) ?? []);
  return {
    listener,
    peer: "",
    peerPort: 0,
    greeting: one("helo") === "" ? "localhost" : one("helo"),
    protocol: "ESMTP",
    xforward,
    sender: parseAddress(inBrackets(one("from"))),
    senderParams: [],
    recipients: (recipients.length === 0 ? [somebody] : recipients).map((address) => ({
      address,
      params: [],
    })),
    startedAt: new Date(),
  };
}

const MAX_MBOX_LINE = 1024;

/** Exim sends an mbox: without its first line it is the message. */
async function behindMboxLine(body: Body): Promise<Body> {
  let start = Buffer.alloc(0);
  for await (const piece of body.bytes ?? body.open()) {
    start = Buffer.concat([start, piece.subarray(0, MAX_MBOX_LINE)]);
    if (start.length >= MAX_MBOX_LINE) break;
  }
  const line = /^From [^\n]*\n/.exec(start.toString("latin1", 0, MAX_MBOX_LINE));
  return line === null ? body : without(body, line[0].length);
}

function without(body: Body, octets: number): Body {
  const { bytes } = body;
  const open = async function* (): AsyncGenerator<Buffer> {
    let missing = octets;
    for await (const piece of bytes ?? body.open()) {
      const rest = piece.subarray(Math.min(missing, piece.length));
      missing -= piece.length - rest.length;
      if (rest.length > 0) yield rest;
    }
  };
  let missing = octets;
  const rest = bytes?.flatMap((piece) => {
    const kept = piece.subarray(Math.min(missing, piece.length));
    missing -= piece.length - kept.length;
    return kept.length > 0 ? [kept] : [];
  });
  return { size: body.size - octets, bytes: rest ?? null, open };
}
