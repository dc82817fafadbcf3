// `postern stats [--hours N|--days N] [--top senders|recipients|symbols] [--limit N] [--json|--csv]`: what came and what became of
// it, drawn in plain text. The store comes in `deps`; stats-command.ts wires it. Exit codes: 0 done, 2 the command makes no sense.
import { parseArgs } from "node:util";
import {
  SPAN_KEPT_MS,
  SPANS,
  STAT_KINDS,
  TOP_KINDS,
  type Span,
  type StatCount,
  type StatKind,
  type StatsStore,
  type TopKind,
} from "../state/stats-store.ts";
import { ranking, stackedBar } from "./bars.ts";
import { terminalJson, terminalText } from "./escape.ts";
import { boundsOf, sumsOf, type Slot, type Sums } from "./stats-sums.ts";
import { USAGES } from "./usage.ts";

export interface StatsDeps {
  readonly store: StatsStore;
  readonly out: (text: string) => void;
  readonly err: (text: string) => void;
  /** Characters in a line of the terminal. */
  readonly width: number;
  readonly now: () => number;
}

const OPTIONS = {
  hours: { type: "string" },
  days: { type: "string" },
  top: { type: "string" },
  limit: { type: "string" },
  json: { type: "boolean" },
  csv: { type: "boolean" },
} as const;

class Misused extends Error {}

interface Wanted {
  readonly span: Span;
  readonly number: number;
  /** One table, or null for all with the chart. */
  readonly top: TopKind | null;
  readonly limit: number;
  readonly form: "text" | "json" | "csv";
}

/** Runs the command; resolves with the exit code. Rejects only when the store does not answer. */
export async function stats(args: readonly string[], deps: StatsDeps): Promise<number> {
  let wanted: Wanted;
  try {
    wanted = wantedIn(args);
  } catch (error) {
    if (!(error instanceof Misused) && !(error instanceof TypeError)) throw error;
    deps.err(`postern stats: ${error.message}\n${USAGES.stats}`);
    return 2;
  }
  const { span, number, top, limit } = wanted;
  const bounds = boundsOf(span, number, deps.now());
  const tops = top === null ? TOP_KINDS : [top];
  const kinds: readonly StatKind[] = top === null ? STAT_KINDS : [top];
  const counts = await deps.store.read(span, kinds, bounds.from, bounds.to);
  if (wanted.form === "csv") {
    deps.out(csv(counts));
    return 0;
  }
  const sums = sumsOf(counts, { span, ...bounds, tops, limit });
  if (wanted.form === "json") {
    const { total, series, verdicts, ...rest } = sums;
    const shown = top === null ? { ...rest, total, series, verdicts } : rest;
    deps.out(`${terminalJson(shown)}\n`);
  } else deps.out(`${textOf(sums, top === null, deps.width).join("\n")}\n`);
  return 0;
}

function wantedIn(args: readonly string[]): Wanted {
  const { values } = parseArgs({ args: [...args], options: OPTIONS });
  if (values.hours !== undefined && values.days !== undefined)
    throw new Misused("--hours or --days, not both");
  if (values.json === true && values.csv === true) throw new Misused("--json or --csv, not both");
  const span: Span = values.days === undefined ? "hour" : "day";
  const most = Math.floor(SPAN_KEPT_MS[span] / SPANS[span]);
  return {
    span,
    number: whole(`--${span}s`, values.days ?? values.hours ?? "24", most),
    top: values.top === undefined ? null : topNamed(values.top),
    limit: whole("--limit", values.limit ?? (values.top === undefined ? "10" : "50"), 1000),
    form: values.json === true ? "json" : values.csv === true ? "csv" : "text",
  };
}

function topNamed(plural: string): TopKind {
  const kind = TOP_KINDS.find((name) => `${name}s` === plural);
  if (kind === undefined) throw new Misused("--top is senders, recipients or symbols");
  return kind;
}

function whole(option: string, text: string, most: number): number {
  const number = Number(text);
  if (!/^\d{1,6}$/.test(text) || number < 1 || number > most)
    throw new Misused(`${option} takes a number from 1 to ${most}`);
  return number;
}

const TITLES: Readonly<Record<TopKind, string>> = {
  sender: "senders (domains)",
  recipient: "recipients",
  symbol: "symbols",
};

/** How dispositions are drawn. */
const MARKS: readonly (readonly [mark: string, words: string, dispositions: readonly string[]])[] =
  [
    ["=", "accepted", ["accept"]],
    ["+", "tagged", ["tag"]],
    ["#", "stopped", ["reject", "discard", "bounce"]],
    ["?", "put off", ["tempfail"]],
  ];

function textOf(sums: Sums, chart: boolean, width: number): string[] {
  const lines = chart ? [...chartOf(sums, width), "", ...verdictsOf(sums, width)] : [];
  for (const kind of TOP_KINDS) {
    const top = sums.top[kind];
    if (top === undefined) continue;
    if (lines.length > 0) lines.push("");
    lines.push(`top ${TITLES[kind]}`, ...ranking(top.names, width));
    if (top.other > 0) lines.push(`  and ${top.other} of others`);
    if (top.names.length === 0) lines.push("  none");
  }
  return lines;
}

function chartOf({ span, series, total }: Sums, width: number): string[] {
  const legend = MARKS.map(([mark, words]) => `${mark} ${words}`).join("  ");
  const all = series.map(sumOf);
  const most = Math.max(0, ...all);
  const numbers = String(most).length;
  const stamp = span === "hour" ? 13 : 10;
  const cells = Math.max(1, width - stamp - numbers - 6);
  return [
    `the last ${series.length} ${span}s (UTC): ${total.messages} messages to ${total.recipients} recipients, ${size(total.octets)}, ${total.ms} ms a message`,
    `${" ".repeat(stamp + 2)}${legend}`,
    ...series.map((slot, n) => {
      const shares = MARKS.map(([mark, , names]) => ({
        mark,
        value: names.reduce((sum, name) => sum + (slot.dispositions[name] ?? 0), 0),
      }));
      const when = slot.start.slice(0, stamp).replace("T", " ");
      const number = String(all[n] ?? 0).padStart(numbers);
      return `  ${when}  ${number}  ${stackedBar(shares, most, cells)}`.trimEnd();
    }),
  ];
}

const sumOf = ({ dispositions }: Slot): number =>
  Object.values(dispositions).reduce((sum, count) => sum + count, 0);

function verdictsOf({ verdicts }: Sums, width: number): string[] {
  const rows = verdicts.map(({ direction, category, disposition, count }) => ({
    name: `${direction} ${category} ${disposition}`,
    count,
  }));
  return ["verdicts", ...(rows.length === 0 ? ["  none"] : ranking(rows, width))];
}

function size(octets: number): string {
  const units = ["octets", "KiB", "MiB", "GiB", "TiB"];
  let [value, unit] = [octets, 0];
  for (; value >= 1024 && unit < units.length - 1; unit++) value /= 1024;
  return `${unit === 0 ? value : value.toFixed(1)} ${units[unit] ?? ""}`;
}

/** RFC 4180; a name that a spreadsheet would take for a formula gets an apostrophe in front. */
function csv(counts: readonly StatCount[]): string {
  const sorted = [...counts].sort(
    (a, b) => a.start - b.start || order(a.kind, b.kind) || b.count - a.count,
  );
  const rows = sorted.map(({ start, kind, name, count }) =>
    [new Date(start).toISOString(), kind, field(name), String(count)].join(","),
  );
  return ["start,kind,name,count", ...rows, ""].join("\r\n");
}

const order = (a: StatKind, b: StatKind): number => STAT_KINDS.indexOf(a) - STAT_KINDS.indexOf(b);

function field(name: string): string {
  const text = terminalText(name);
  return `"${(/^[=+\-@]/.test(text) ? `'${text}` : text).replaceAll('"', '""')}"`;
}
