// The ledger settled: per fault how many messages were sent and acknowledged, how many of these are nowhere, how many are somewhere
// twice and why, how long the slowest one took. Used by the suite and by main.ts.
import { table } from "../../bench/statistics.ts";
import type { Ledger } from "../lab/ledger.ts";
import type { Sent } from "./mixed-mail.ts";
import { keyOf, type Whereabouts } from "./whereabouts.ts";

export interface Account {
  readonly fault: string;
  readonly sent: number;
  /** Recipients: named, and answered with 250. */
  readonly recipients: number;
  readonly acknowledged: number;
  /** Acknowledged and nowhere, in words. */
  readonly lost: readonly string[];
  /** Second copies because our reply to the client was lost behind its dot. */
  readonly replyLost: number;
  /** Second copies because the next hop's reply was lost behind our dot. */
  readonly hopReplyLost: number;
  /** Second copies without such an excuse, in words. */
  readonly doubled: readonly string[];
  /** Tries beyond the first. */
  readonly retries: number;
  /** No answer within the deadline, in words. */
  readonly stuck: readonly string[];
  readonly slowestMs: number;
  /** Refused with 5xx, or never acknowledged, in words. */
  readonly open: readonly string[];
}

/** One account per fault, in the order of the messages. `deadlineOf` says how long one try may take during a fault. */
export function accounts(
  book: ReadonlyMap<number, Sent>,
  { entries }: Ledger,
  { copies }: Whereabouts,
  deadlineOf: (fault: string) => number,
): readonly Account[] {
  const faults = [...new Set([...book.values()].map(({ during }) => during))];
  return faults.map((fault) => {
    const mine = [...book].filter(([, { during }]) => during === fault);
    const all = mine.map(([id, sent]) => one(id, sent, entries.get(id), copies, deadlineOf(fault)));
    const sum = (of: (account: Account) => number) => all.reduce((n, next) => n + of(next), 0);
    return {
      fault,
      sent: sum((a) => a.sent),
      recipients: sum((a) => a.recipients),
      acknowledged: sum((a) => a.acknowledged),
      lost: all.flatMap((a) => a.lost),
      replyLost: sum((a) => a.replyLost),
      hopReplyLost: sum((a) => a.hopReplyLost),
      doubled: all.flatMap((a) => a.doubled),
      retries: sum((a) => a.retries),
      stuck: all.flatMap((a) => a.stuck),
      slowestMs: all.reduce((most, a) => Math.max(most, a.slowestMs), 0),
      open: all.flatMap((a) => a.open),
    };
  });
}

type Entry = Ledger["entries"] extends ReadonlyMap<number, infer E> ? E : never;

function one(
  id: number,
  { road, kind, to, during }: Sent,
  entry: Entry | undefined,
  copies: Whereabouts["copies"],
  deadlineMs: number,
): Account {
  const name = `message ${id} (${kind}, ${road.name})`;
  const acknowledged = entry?.acknowledged ?? new Map<string, string>();
  const lost: string[] = [];
  let extra = 0;
  let hopReplyLost = 0;
  for (const recipient of to) {
    const there = copies.get(keyOf(id, recipient)) ?? { count: 0, unheard: 0 };
    const reply = acknowledged.get(recipient);
    if (there.count === 0 && reply !== undefined)
      lost.push(`${name}, to ${recipient}, was told "${reply}"`);
    const more = Math.max(0, there.count - 1);
    const unheard = Math.min(more, there.unheard);
    hopReplyLost += unheard;
    extra += more - unheard;
  }
  const replyLost = Math.min(extra, entry?.unanswered ?? 0);
  const slowestMs = entry?.slowestMs ?? 0;
  const refusals = entry?.refusals ?? [];
  const isOpen = refusals.length > 0 || acknowledged.size !== to.length;
  return {
    fault: during,
    sent: 1,
    recipients: to.length,
    acknowledged: acknowledged.size,
    lost,
    replyLost,
    hopReplyLost,
    doubled: extra > replyLost ? [`${name}: ${extra} second copies, ${replyLost} excused`] : [],
    retries: Math.max(0, (entry?.tries ?? 1) - 1),
    stuck: slowestMs > deadlineMs ? [`${name}: ${Math.round(slowestMs)} ms`] : [],
    slowestMs,
    open: isOpen
      ? [
          `${name}: ${acknowledged.size} of ${to.length} after ${entry?.tries ?? 0} tries ${refusals.join(" | ")}`,
        ]
      : [],
  };
}

/** Whether the promise was kept. */
export function kept(account: Account): boolean {
  const { lost, doubled, stuck, open } = account;
  return lost.length + doubled.length + stuck.length + open.length === 0;
}

/** The table, with its sums, and every broken promise in words below. */
export function report(list: readonly Account[]): string {
  const sum = (of: (account: Account) => number) => list.reduce((n, a) => n + of(a), 0);
  const row = (name: string, some: readonly Account[]) => {
    const of = (figure: (a: Account) => number) => String(some.reduce((n, a) => n + figure(a), 0));
    const slowest = some.reduce((most, a) => Math.max(most, a.slowestMs), 0);
    return [
      name,
      of((a) => a.sent),
      of((a) => a.acknowledged),
      of((a) => a.lost.length),
      of((a) => a.replyLost),
      of((a) => a.hopReplyLost),
      of((a) => a.doubled.length),
      of((a) => a.retries),
      of((a) => a.stuck.length),
      of((a) => a.open.length),
      (slowest / 1000).toFixed(1),
    ];
  };
  const head = ["fault", "messages", "recipients acknowledged", "lost", "twice: our reply lost"];
  head.push("twice: next hop's reply lost", "twice: no excuse", "retries", "stuck", "open");
  const rows = [...list.map((a) => row(a.fault, [a])), row("all", list)];
  const words = list.flatMap((a) =>
    [
      ...a.lost.map((text) => `LOST ${text}`),
      ...a.doubled.map((text) => `TWICE ${text}`),
      ...a.stuck.map((text) => `STUCK ${text}`),
      ...a.open.map((text) => `OPEN ${text}`),
    ]
      .slice(0, 10)
      .map((text) => `${a.fault}: ${text}`),
  );
  const bad = sum((a) => a.lost.length + a.doubled.length + a.stuck.length + a.open.length);
  return [table([...head, "slowest, s"], rows), ...words, bad === 0 ? "" : `${bad} promises broken`]
    .join("\n")
    .trim();
}
