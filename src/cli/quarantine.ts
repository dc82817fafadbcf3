// `postern quarantine list|show|release|delete|expire`: what an operator does with kept messages. The store and the way
// out come in `deps`; main.ts wires them. Exit codes: 0 done, 1 something failed, 2 the command makes no sense.
import { parseArgs } from "node:util";
import { logAddress } from "../engine/log-text.ts";
import type { Destination } from "../mail/destination.ts";
import { DEFAULT_MAX_HEADER_BYTES } from "../mail/header.ts";
import type { Quarantine } from "../mailstore/quarantine.ts";
import { KEPT_AS, type QuarantineEntry } from "../mailstore/quarantine-entry.ts";
import { isMailId } from "../sys/ids.ts";
import { terminalLines, terminalText } from "./escape.ts";
import { release } from "./quarantine-release.ts";

export interface QuarantineIo {
  /** Standard output and error. `out` resolves when more may be written. */
  readonly out: (data: string | Buffer) => Promise<void>;
  readonly err: (text: string) => void;
}

export interface QuarantineDeps {
  readonly quarantine: Quarantine;
  /** Where released mail goes; null when nothing is configured. */
  readonly destination: Destination | null;
  readonly hostname: string;
  readonly now: () => Date;
  readonly newMailId: () => string;
  /** Writes one line in amavis' grammar to the mail log. */
  readonly log: (line: string) => void;
  readonly maxAgeMs: number;
  readonly maxBytes: number;
  readonly deadlineMs: number;
}

const USAGE = `usage: postern quarantine list [--json] [--category C] [--recipient R] [--since 2d]
       postern quarantine show ID [--headers|--raw|--json]
       postern quarantine release ID [RECIPIENT…]
       postern quarantine delete ID…
       postern quarantine expire
`;
const OPTIONS = {
  json: { type: "boolean" },
  headers: { type: "boolean" },
  raw: { type: "boolean" },
  category: { type: "string" },
  recipient: { type: "string" },
  since: { type: "string" },
} as const;
const ALLOWED: Readonly<Record<string, readonly string[]>> = {
  list: ["json", "category", "recipient", "since"],
  show: ["json", "headers", "raw"],
  release: [],
  delete: [],
  expire: [],
};

interface Flags {
  readonly json?: boolean;
  readonly headers?: boolean;
  readonly raw?: boolean;
  readonly category?: string;
  readonly recipient?: string;
  readonly since?: string;
}

interface Told {
  readonly flags: Flags;
  readonly words: readonly string[];
  readonly io: QuarantineIo;
  readonly deps: QuarantineDeps;
}

/** Runs one subcommand; resolves with the exit code. Rejects only when the store cannot be read. */
export async function quarantine(
  args: readonly string[],
  io: QuarantineIo,
  deps: QuarantineDeps,
): Promise<number> {
  let flags: Flags;
  let words: string[];
  try {
    const parsed = parseArgs({ args: [...args], options: OPTIONS, allowPositionals: true });
    flags = { ...parsed.values };
    words = parsed.positionals;
  } catch (error) {
    return usage(io, error instanceof Error ? error.message : String(error));
  }
  const command = words.shift() ?? "";
  const allowed = Object.hasOwn(ALLOWED, command) ? ALLOWED[command] : undefined;
  if (allowed === undefined) return usage(io, `no such subcommand: "${command}"`);
  const stray = Object.keys(flags).find((name) => !allowed.includes(name));
  if (stray !== undefined) return usage(io, `${command} takes no --${stray}`);
  const told: Told = { flags, words, io, deps };
  switch (command) {
    case "list":
      return list(told);
    case "show":
      return show(told);
    case "release":
      return releaseOne(told);
    case "delete":
      return remove(told);
    default:
      return expire(told);
  }
}

async function list({ flags, words, io, deps }: Told): Promise<number> {
  if (words.length > 0) return usage(io, `list takes no "${words[0] ?? ""}"`);
  const { category, recipient } = flags;
  if (category !== undefined && !KEPT_AS.some((known) => known === category)) {
    return usage(io, `no such category: "${category}" (${KEPT_AS.join(", ")})`);
  }
  const since = flags.since === undefined ? undefined : sinceOf(flags.since, deps.now());
  if (since === null) return usage(io, `--since wants a number and s, m, h, d or w: "2d"`);
  const rows: { readonly time: string; readonly text: string }[] = [];
  for await (const entry of deps.quarantine.list({ category, recipient, since })) {
    if (flags.json === true) await io.out(`${JSON.stringify(entry)}\n`);
    else rows.push({ time: entry.lastTime, text: row(entry) });
  }
  rows.sort((a, b) => (a.time < b.time ? -1 : 1));
  for (const { text } of rows) await io.out(`${text}\n`);
  return 0;
}

function row(entry: QuarantineEntry): string {
  const [first] = entry.recipients;
  const more = entry.recipients.length > 1 ? ` +${entry.recipients.length - 1}` : "";
  const released = entry.released.length > 0 ? " (released)" : "";
  const to = `${logAddress(first?.address ?? "")}${more}`;
  const from = logAddress(entry.sender);
  const subject = terminalText((entry.subject ?? "").slice(0, 80));
  const when = entry.lastTime.slice(0, 16).replace("T", " ");
  return `${entry.id}  ${when}  ${entry.keptAs.padEnd(9)}  ${String(entry.size).padStart(9)}  ${from} -> ${to}  ${subject}${released}`;
}

async function show({ flags, words, io, deps }: Told): Promise<number> {
  const [id, ...rest] = words;
  if (id === undefined || rest.length > 0) return usage(io, "show takes one id");
  const found = await find(id, io, deps);
  if (typeof found === "number") return found;
  if (flags.json === true) {
    await io.out(`${JSON.stringify(found.entry, null, 2)}\n`);
    return 0;
  }
  try {
    if (flags.raw === true) {
      for await (const piece of found.body.open()) await io.out(piece);
      return 0;
    }
    const head: Buffer[] = [];
    let size = 0;
    for await (const piece of found.body.open()) {
      head.push(piece);
      size += piece.length;
      if (flags.headers === true && size > DEFAULT_MAX_HEADER_BYTES) break;
    }
    const octets = Buffer.concat(head);
    const end = octets.indexOf("\r\n\r\n");
    const shown = flags.headers === true && end >= 0 ? octets.subarray(0, end + 2) : octets;
    await io.out(`${terminalLines(shown)}\n`);
    return 0;
  } catch (error) {
    return failed(io, `${id}: ${error instanceof Error ? error.message : String(error)}`);
  }
}

async function releaseOne({ words, io, deps }: Told): Promise<number> {
  const [id, ...recipients] = words;
  if (id === undefined) return usage(io, "release takes an id");
  const found = await find(id, io, deps);
  if (typeof found === "number") return found;
  if (deps.destination === null)
    return failed(io, "released mail has nowhere to go: set [outgoing] relay");
  const outcome = await release(found, recipients, deps.destination, deps);
  for (const line of outcome.lines) await io.out(`${terminalText(line)}\n`);
  return outcome.complete ? 0 : 1;
}

async function remove({ words, io, deps }: Told): Promise<number> {
  if (words.length === 0) return usage(io, "delete takes at least one id");
  const bad = words.find((id) => !isMailId(id));
  if (bad !== undefined) return usage(io, `"${bad}" is no id: 12 letters, digits, - and _`);
  let code = 0;
  for (const id of words) {
    if (!(await deps.quarantine.remove(id))) code = failed(io, `${id}: no such entry`);
  }
  return code;
}

async function expire({ words, io, deps }: Told): Promise<number> {
  if (words.length > 0) return usage(io, `expire takes no "${words[0] ?? ""}"`);
  const { maxAgeMs, maxBytes } = deps;
  let removed = 0;
  for (;;) {
    const run = await deps.quarantine.expire({ maxAgeMs, maxBytes, now: deps.now() });
    removed += run.removed;
    if (run.more && run.removed > 0) continue;
    await io.out(`${removed} removed, ${run.entries} kept, ${run.bytes} octets\n`);
    return 0;
  }
}

async function find(
  id: string,
  io: QuarantineIo,
  deps: QuarantineDeps,
): Promise<NonNullable<Awaited<ReturnType<Quarantine["read"]>>> | number> {
  if (!isMailId(id)) return usage(io, `"${id}" is no id: 12 letters, digits, - and _`);
  return (await deps.quarantine.read(id)) ?? failed(io, `${id}: no such entry`);
}

/** "2d" before now; null when it is no such thing. */
function sinceOf(text: string, now: Date): Date | null {
  const [, figure, unit] = /^(\d{1,6})([smhdw])$/.exec(text) ?? [];
  if (figure === undefined || unit === undefined) return null;
  const seconds = { s: 1, m: 60, h: 3_600, d: 86_400, w: 604_800 }[unit] ?? 1;
  return new Date(Math.max(0, now.getTime() - Number(figure) * seconds * 1_000));
}

function usage(io: QuarantineIo, problem: string): number {
  io.err(`postern quarantine: ${terminalText(problem)}\n${USAGE}`);
  return 2;
}

function failed(io: QuarantineIo, problem: string): number {
  io.err(`postern quarantine: ${terminalText(problem)}\n`);
  return 1;
}
