// A stream of the clamd listener judged as a message before the queue, by the checks of its content alone: nobody knows client,
// sender or recipients. Changes nothing: no copy is kept, no line about a message is logged. The MTA that asked refuses it.
import type { ScanReply } from "../clients/clamd-reply.ts";
import type { Address } from "../mail/address.ts";
import type { Body, Transaction } from "../mail/message.ts";
import type { Verdict } from "../verdict/decide.ts";
import { STOPS } from "../verdict/policy.ts";
import { judge, type Bench, type JudgeOptions } from "./judge.ts";
import { isReply, receive, type Surroundings } from "./receive.ts";

export interface AnswerScanMeans {
  readonly around: Surroundings;
  /** The rules in force and the checks of content over them. */
  bench(): Bench;
  readonly judging: Omit<JudgeOptions, "signal" | "isLocal">;
  /** Whose policy counts: somebody of ours whom no line of policy.rules names. */
  readonly recipient: Address;
  readonly budgetMs: number;
}

/**
 * What policy says of the octets: "infected" when mail that holds them is stopped, with the virus' name or the category's
 * ("Banned.…"); "error" when it would be put off. Rejects only if they cannot be read.
 */
export async function answerScan(
  body: Body,
  listener: string,
  means: AnswerScanMeans,
): Promise<ScanReply> {
  const budget = new AbortController();
  const timer = setTimeout(() => budget.abort(), means.budgetMs);
  try {
    const intake = { mode: "before-queue", origin: "inbound", client: "xforward" } as const;
    const around = { ...means.around, maxReceived: Infinity };
    const message = await receive(transactionOf(listener, means.recipient), body, intake, around);
    if (isReply(message)) return { kind: "error", why: message.text };
    const options = { ...means.judging, isLocal: () => true, signal: budget.signal };
    const { judged } = await judge(message, means.bench(), options);
    const verdict = judged[0]?.verdict;
    return verdict === undefined ? { kind: "error", why: "no verdict" } : replyOf(verdict);
  } finally {
    clearTimeout(timer);
  }
}

const MAX_NAME = 200;

/** A verdict in clamd's words. Virus names have no spaces and no parentheses: Exim cuts them there. */
export function replyOf({ disposition, category, because }: Verdict): ScanReply {
  if (!STOPS[disposition]) return { kind: "clean" };
  const detail = because?.detail ?? "";
  if (disposition === "tempfail")
    return { kind: "error", why: `${because?.symbol ?? category}: ${detail}` };
  const word = category.charAt(0).toUpperCase() + category.slice(1);
  const name = category === "virus" ? detail : `${word}.${detail}`;
  return { kind: "infected", name: name.replace(/[^\w.,/+=@-]+/g, "_").slice(0, MAX_NAME) };
}

function transactionOf(listener: string, recipient: Address): Transaction {
  return {
    listener,
    peer: "",
    peerPort: 0,
    greeting: "localhost",
    protocol: "LMTP",
    xforward: new Map(),
    sender: null,
    senderParams: [],
    recipients: [{ address: recipient, params: [] }],
    startedAt: new Date(),
  };
}
