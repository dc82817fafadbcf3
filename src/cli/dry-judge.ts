// Judging a message that nobody sent: what `scan` and `rules check` share. The facts come from the command line or a case file;
// nothing is delivered, kept or remembered.
import type { Config } from "../config.ts";
import { judge, type Bench, type Judgement } from "../engine/judge.ts";
import { isReply, receive, type Surroundings } from "../engine/receive.ts";
import { isLocal } from "../judging.ts";
import { parseAddress, type Address } from "../mail/address.ts";
import type { Body, Message, Transaction } from "../mail/message.ts";
import { UsageError } from "./options.ts";

export interface DryFacts {
  readonly client: {
    readonly address: string | null;
    readonly name: string | null;
    readonly helo: string | null;
  };
  /** null is the null sender. */
  readonly sender: string | null;
  readonly recipients: readonly string[];
  readonly mode: "after-queue" | "before-queue";
  readonly origin: "inbound" | "outbound" | "auto";
}

export interface DryJudged {
  readonly message: Message;
  readonly judgement: Judgement;
}

/** Judges one message; `around` and `bench` are made once for many. Throws UsageError for facts that are no addresses. */
export async function dryJudge(
  body: Body,
  facts: DryFacts,
  bench: Bench,
  around: Surroundings,
  config: Config,
  local: (domain: string) => boolean = isLocal(config),
): Promise<DryJudged> {
  const intake = { mode: facts.mode, origin: facts.origin, client: "xforward" } as const;
  const message = await receive(transactionOf(facts), body, intake, {
    ...around,
    maxReceived: Infinity,
  });
  if (isReply(message)) throw new Error(message.text);
  const judgement = await judge(message, bench, {
    isLocal: local,
    checkDeadlineMs: config.limits.check_deadline,
    signal: new AbortController().signal,
  });
  return { message, judgement };
}

function transactionOf(facts: DryFacts): Transaction {
  const { client } = facts;
  const xforward = new Map<string, string>();
  if (client.address !== null) xforward.set("ADDR", client.address);
  if (client.name !== null) xforward.set("NAME", client.name);
  if (client.helo !== null) xforward.set("HELO", client.helo);
  return {
    listener: "scan",
    peer: "",
    peerPort: 0,
    greeting: "localhost",
    protocol: "LMTP",
    xforward,
    sender: facts.sender === null ? null : addressOf(facts.sender),
    senderParams: [],
    recipients: facts.recipients.map((raw) => ({ address: addressOf(raw), params: [] })),
    startedAt: new Date(),
  };
}

function addressOf(raw: string): Address {
  const address = parseAddress(raw);
  if (address === null) throw new UsageError(`"${raw}" is no address`);
  return address;
}

/** The octets with every line end made CRLF: files on disk mostly have LF. */
export function withCrlf(octets: Buffer): Buffer {
  let bare = 0;
  for (let at = octets.indexOf(10); at >= 0; at = octets.indexOf(10, at + 1))
    if (octets[at - 1] !== 13) bare++;
  if (bare === 0) return octets;
  const out = Buffer.allocUnsafe(octets.length + bare);
  let from = 0;
  let to = 0;
  for (let at = octets.indexOf(10); at >= 0; at = octets.indexOf(10, at + 1)) {
    if (octets[at - 1] === 13) continue;
    to += octets.copy(out, to, from, at);
    out[to++] = 13;
    from = at;
  }
  octets.copy(out, to, from);
  return out;
}
