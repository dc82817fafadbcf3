// What `postern stats` shows, from the counts of a store: a series of hours or days, sums, verdicts and the most frequent names.
import {
  OTHER,
  SPANS,
  startOf,
  type Span,
  type StatCount,
  type TopKind,
} from "../state/stats-store.ts";

export interface VerdictSum {
  readonly direction: string;
  readonly category: string;
  readonly disposition: string;
  readonly count: number;
}

export interface Slot {
  /** The start of the hour or day (UTC), ISO 8601. */
  readonly start: string;
  readonly messages: number;
  readonly recipients: number;
  readonly octets: number;
  /** Mean from the end of DATA to the reply; 0 without messages. */
  readonly ms: number;
  /** By disposition, once per cluster of recipients: may be more than `messages`. */
  readonly dispositions: Readonly<Record<string, number>>;
}

export interface Top {
  readonly names: readonly { readonly name: string; readonly count: number }[];
  /** What stands under no name of its own. */
  readonly other: number;
}

export interface Sums {
  readonly span: Span;
  readonly from: string;
  readonly to: string;
  readonly total: Omit<Slot, "start">;
  readonly series: readonly Slot[];
  readonly verdicts: readonly VerdictSum[];
  readonly top: Readonly<Partial<Record<TopKind, Top>>>;
}

/** The bounds of the last `number` hours or days, the running one included. */
export function boundsOf(span: Span, number: number, now: number): { from: number; to: number } {
  const to = startOf(span, now) + SPANS[span];
  return { from: to - number * SPANS[span], to };
}

export function sumsOf(
  counts: readonly StatCount[],
  asked: {
    readonly span: Span;
    readonly from: number;
    readonly to: number;
    readonly tops: readonly TopKind[];
    readonly limit: number;
  },
): Sums {
  const { span, from, to } = asked;
  const byStart = new Map<number, StatCount[]>();
  for (const count of counts) {
    const slot = byStart.get(count.start);
    if (slot === undefined) byStart.set(count.start, [count]);
    else slot.push(count);
  }
  const series: Slot[] = [];
  for (let start = from; start < to; start += SPANS[span])
    series.push({ start: iso(start), ...slotOf(byStart.get(start) ?? []) });
  return {
    span,
    from: iso(from),
    to: iso(to),
    total: slotOf(counts),
    series,
    verdicts: verdictsOf(counts),
    top: Object.fromEntries(
      asked.tops.map((kind) => [kind, topOf(counts, kind, asked.limit)] as const),
    ),
  };
}

const iso = (ms: number): string => new Date(ms).toISOString().replace(".000Z", "Z");

function slotOf(counts: readonly StatCount[]): Omit<Slot, "start"> {
  const sums = new Map<string, number>();
  const dispositions = new Map<string, number>();
  const add = (map: Map<string, number>, name: string, count: number): void =>
    void map.set(name, (map.get(name) ?? 0) + count);
  for (const { kind, name, count } of counts) {
    if (kind === "sum") add(sums, name, count);
    if (kind === "verdict") add(dispositions, name.split(" ")[2] ?? "", count);
  }
  const messages = sums.get("messages") ?? 0;
  return {
    messages,
    recipients: sums.get("recipients") ?? 0,
    octets: sums.get("octets") ?? 0,
    ms: messages === 0 ? 0 : Math.round(((sums.get("ms") ?? 0) / messages) * 10) / 10,
    dispositions: Object.fromEntries([...dispositions].sort(([a], [b]) => (a < b ? -1 : 1))),
  };
}

function verdictsOf(counts: readonly StatCount[]): VerdictSum[] {
  return ranked(counts, "verdict").map(([name, count]) => {
    const [direction = "", category = "", disposition = ""] = name.split(" ");
    return { direction, category, disposition, count };
  });
}

function topOf(counts: readonly StatCount[], kind: TopKind, limit: number): Top {
  const all = ranked(counts, kind);
  const names = all.filter(([name]) => name !== OTHER).slice(0, limit);
  const sum = (some: readonly (readonly [string, number])[]): number =>
    some.reduce((total, [, count]) => total + count, 0);
  return {
    names: names.map(([name, count]) => ({ name, count })),
    other: sum(all) - sum(names),
  };
}

function ranked(counts: readonly StatCount[], kind: string): (readonly [string, number])[] {
  const sums = new Map<string, number>();
  for (const one of counts)
    if (one.kind === kind) sums.set(one.name, (sums.get(one.name) ?? 0) + one.count);
  return [...sums].sort(([a, m], [b, n]) => n - m || (a < b ? -1 : 1));
}
