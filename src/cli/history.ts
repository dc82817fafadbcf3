// `postern history list|show|explain`: what came, what was decided and why, a month back. The reader comes in `deps`; history-command.ts
// wires it. Exit codes: 0 done, 1 nothing found, 2 the command makes no sense.
import { parseArgs } from "node:util";
import type { HistoryReader } from "../state/history-read.ts";
import type { HistoryFinding, HistoryPart, HistoryRow } from "../state/history-row.ts";
import { terminalJson, terminalText } from "./escape.ts";
import { USAGES } from "./usage.ts";

export interface HistoryDeps {
  readonly reader: Pick<HistoryReader, "rows" | "named">;
  readonly out: (text: string) => void;
  readonly err: (text: string) => void;
  readonly now: () => number;
}

const OPTIONS = {
  json: { type: "boolean" },
  hours: { type: "string" },
  days: { type: "string" },
  limit: { type: "string" },
  sender: { type: "string" },
  recipient: { type: "string" },
  client: { type: "string" },
  category: { type: "string" },
  disposition: { type: "string" },
  symbol: { type: "string" },
} as const;

class Misused extends Error {}
type Flags = Readonly<Partial<Record<keyof typeof OPTIONS, string | boolean>>>;

export function history(args: readonly string[], deps: HistoryDeps): number {
  try {
    const { values, positionals } = parseArgs({
      args: [...args],
      options: OPTIONS,
      allowPositionals: true,
    });
    const [command, ...words] = positionals;
    if (command === "list" && words.length === 0) return list(values, deps);
    const [name, ...more] = words;
    if ((command === "show" || command === "explain") && name !== undefined && more.length === 0)
      return explain(name, values.json === true, deps);
    throw new Misused("list, or explain with one ID");
  } catch (error) {
    if (!(error instanceof Misused) && !(error instanceof TypeError)) throw error;
    deps.err(`postern history: ${error.message}\n${USAGES.history}`);
    return 2;
  }
}

function whole(option: string, value: string | boolean | undefined, otherwise: number): number {
  if (value === undefined) return otherwise;
  if (typeof value !== "string" || !/^[1-9]\d{0,6}$/.test(value))
    throw new Misused(`${option} takes a number`);
  return Number(value);
}

function list(flags: Flags, { reader, out, err, now }: HistoryDeps): number {
  const limit = whole("--limit", flags.limit, 50);
  const ms =
    flags.hours === undefined
      ? whole("--days", flags.days, 1) * 86_400_000
      : whole("--hours", flags.hours, 24) * 3_600_000;
  const wanted = filterOf(flags);
  let shown = 0;
  for (const row of reader.rows(now() - ms, now() + 1)) {
    if (!wanted(row)) continue;
    if (shown++ === limit) {
      err(`only the newest ${limit} are shown: --limit shows more\n`);
      break;
    }
    out(flags.json === true ? `${terminalJson(row)}\n` : `${lineOf(row)}\n`);
  }
  return shown > 0 ? 0 : 1;
}

/** Addresses match without regard to case, whole or as "@domain". */
function filterOf(flags: Flags): (row: HistoryRow) => boolean {
  const text = (name: keyof typeof OPTIONS): string | null => {
    const value = flags[name];
    return typeof value === "string" ? value.toLowerCase() : null;
  };
  const like = (pattern: string | null, address: string): boolean =>
    pattern === null ||
    (pattern.startsWith("@")
      ? address.toLowerCase().endsWith(pattern)
      : address.toLowerCase() === pattern);
  const same = (wanted: string | null, value: string): boolean =>
    wanted === null || wanted === value.toLowerCase();
  const [sender, recipient, client] = [text("sender"), text("recipient"), text("client")];
  const [category, disposition, symbol] = [text("category"), text("disposition"), text("symbol")];
  return (row) =>
    like(sender === "<>" ? "" : sender, row.sender ?? "") &&
    same(client, row.client.address ?? "") &&
    (symbol === null || row.findings.some((finding) => same(symbol, finding.symbol))) &&
    row.recipients.some(
      (one) =>
        like(recipient, one.address) &&
        same(category, one.category) &&
        same(disposition, one.disposition),
    );
}

const when = (ms: number): string => new Date(ms).toISOString().replace(/\.\d+Z$/, "Z");

function lineOf(row: HistoryRow): string {
  const [first] = row.recipients;
  const more = row.recipients.length + row.moreRecipients - 1;
  const verdicts = [
    ...new Set(row.recipients.map((one) => `${one.disposition} ${one.category}`)),
  ].join(", ");
  const to = `<${first?.address ?? ""}>${more > 0 ? ` and ${more} more` : ""}`;
  return terminalText(
    `${when(row.time)}  ${row.mailId}  ${row.client.address ?? "unknown"}  <${row.sender ?? ""}> -> ${to}  ${verdicts}`,
  );
}

function explain(name: string, json: boolean, { reader, out, err }: HistoryDeps): number {
  const rows = reader.named(name, 20);
  if (rows.length === 0) {
    err(`the history knows no message ${terminalText(name)}\n`);
    return 1;
  }
  for (const row of rows)
    out(json ? `${terminalJson(row)}\n` : `${textOf(row).map(terminalText).join("\n")}\n`);
  return 0;
}

function textOf(row: HistoryRow): string[] {
  const { client } = row;
  const names = [client.name, client.helo].filter((name) => name !== null);
  const values = row.header.flatMap(([name, value]) =>
    value === null ? [] : [`  ${name}: ${value}`],
  );
  return [
    `${when(row.time)}  ${row.mailId}  (${row.id})  rules ${row.rules}  ${row.ms} ms`,
    `  from <${row.sender ?? ""}>, client ${client.address ?? "unknown"}${names.length > 0 ? ` (${names.join(", ")})` : ""}, ${row.mode}, ${row.origin}, ${row.size} octets`,
    ...values,
    ...(row.parts ?? []).slice(1).map(partLine),
    ...row.recipients.flatMap((one) => recipientLines(row, one)),
    ...(row.moreRecipients > 0 ? [`  and ${row.moreRecipients} more recipients`] : []),
    ...(row.quarantine === null ? [] : [`  kept as ${row.quarantine}`]),
    `  asked: ${Object.entries(row.checks)
      .map(([check, ms]) => `${check} ${ms} ms`)
      .join(", ")}`,
  ];
}

function partLine(part: HistoryPart): string {
  const marks = [part.encrypted === true ? "encrypted" : "", ...(part.attributes ?? [])];
  const extra = [...marks, ...(part.defects ?? [])].filter((mark) => mark !== "");
  const names = part.names.length > 0 ? ` ${part.names.join(" | ")}` : "";
  return `  part ${part.path} ${part.type} [${part.kinds.join(",")}] ${part.size} octets${names}${extra.length > 0 ? ` (${extra.join(", ")})` : ""}`;
}

/** The verdict of one recipient, what decided it, and every finding that counted, the decisive one first. */
function recipientLines(row: HistoryRow, one: HistoryRow["recipients"][number]): string[] {
  const folder = one.folder === null ? "" : `, folder ${one.folder}`;
  const why =
    one.because === null
      ? ""
      : ` because of ${one.because}${one.rule === null ? "" : ` (${one.rule})`}`;
  const counted = row.findings.filter(
    ({ recipient }) => recipient === undefined || recipient === one.address,
  );
  const first = counted.filter(({ symbol }) => symbol === one.because);
  const rest = counted.filter(({ symbol }) => symbol !== one.because);
  return [
    `  <${one.address}> ${one.disposition}${folder}${one.quarantine ? ", a copy kept" : ""}: ${one.category}, score ${one.score}${why}`,
    `    ${one.how}: ${one.reply}`,
    ...[...first, ...rest].map(findingLine),
  ];
}

function findingLine(finding: HistoryFinding): string {
  const { symbol, category, score, detail, rule, waives } = finding;
  const spares = waives === undefined ? "" : `, spares it ${waives.join(", ")}`;
  return `    ${symbol} ${category} ${score} ${detail}${rule === undefined ? "" : ` (${rule})`}${spares}`;
}
