// `postern quarantine list`: the flags of a search as a filter, and a line or a JSON object for each entry. Called by quarantine.ts.
import { logAddress } from "../engine/log-text.ts";
import { KEPT_AS } from "../mailstore/quarantine-entry.ts";
import { subjectOf, type Filter } from "../mailstore/quarantine-filter.ts";
import { terminalText } from "./escape.ts";
import type { NodeEntry } from "./quarantine-nodes.ts";

export const LIST_FLAGS = [
  "category",
  "sender",
  "recipient",
  "subject",
  "since",
  "before",
  "larger",
  "smaller",
] as const;

export type ListFlags = { readonly [flag in (typeof LIST_FLAGS)[number]]?: string } & {
  readonly json?: boolean;
};

/** What the flags ask for, or what is wrong with them. */
export function filterOf(flags: ListFlags, now: Date): Filter | string {
  const { category, sender, recipient, subject } = flags;
  if (category !== undefined && !KEPT_AS.some((known) => known === category))
    return `no such category: "${category}" (${KEPT_AS.join(", ")})`;
  const since = timeOf(flags.since, now);
  const before = timeOf(flags.before, now);
  if (since === null || before === null)
    return `--${since === null ? "since" : "before"} wants a number and s, m, h, d or w: "2d"`;
  const minSize = octetsOf(flags.larger);
  const maxSize = octetsOf(flags.smaller);
  if (minSize === null || maxSize === null)
    return `--${minSize === null ? "larger" : "smaller"} wants octets: "5000", "100K", "5M"`;
  return { category, sender, recipient, subject, since, before, minSize, maxSize };
}

/** Writes the entries: JSON as they come, lines oldest first; the node in front where there are several. */
export async function listEntries(
  entries: AsyncIterable<NodeEntry>,
  json: boolean,
  out: (text: string) => Promise<void>,
): Promise<void> {
  const rows: { readonly time: string; readonly text: string }[] = [];
  for await (const entry of entries) {
    if (json) await out(`${JSON.stringify(entry)}\n`);
    else rows.push({ time: entry.lastTime, text: row(entry) });
  }
  rows.sort((a, b) => (a.time < b.time ? -1 : 1));
  for (const { text } of rows) await out(`${text}\n`);
}

function row(entry: NodeEntry): string {
  const [first] = entry.recipients;
  const more = entry.recipients.length > 1 ? ` +${entry.recipients.length - 1}` : "";
  const released = entry.released.length > 0 ? " (released)" : "";
  const to = `${logAddress(first?.address ?? "")}${more}`;
  const from = logAddress(entry.sender);
  const subject = terminalText(subjectOf(entry).slice(0, 80));
  const when = entry.lastTime.slice(0, 16).replace("T", " ");
  const node = entry.node === undefined ? "" : `${terminalText(entry.node).padEnd(12)}  `;
  return `${node}${entry.id}  ${when}  ${entry.keptAs.padEnd(9)}  ${String(entry.size).padStart(9)}  ${from} -> ${to}  ${subject}${released}`;
}

/** "2d" before now; undefined without a text, null when it is no such thing. */
function timeOf(text: string | undefined, now: Date): Date | undefined | null {
  if (text === undefined) return undefined;
  const [, figure, unit] = /^(\d{1,6})([smhdw])$/.exec(text) ?? [];
  if (figure === undefined || unit === undefined) return null;
  const seconds = { s: 1, m: 60, h: 3_600, d: 86_400, w: 604_800 }[unit] ?? 1;
  return new Date(Math.max(0, now.getTime() - Number(figure) * seconds * 1_000));
}

function octetsOf(text: string | undefined): number | undefined | null {
  if (text === undefined) return undefined;
  const [, figure, unit] = /^(\d{1,12})([KMG]?)$/i.exec(text) ?? [];
  if (figure === undefined) return null;
  return (
    Number(figure) * ({ K: 1024, M: 1024 ** 2, G: 1024 ** 3 }[(unit ?? "").toUpperCase()] ?? 1)
  );
}
