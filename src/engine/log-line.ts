// The log lines of one message in amavis' grammar, which logwatch, AWStats, fail2ban and people read: at most one Passed
// and one Blocked line. Called once per message by engine/record.ts; log-json.ts tells the same facts to machines.
import { isIP } from "node:net";
import { points } from "../verdict/spam-fields.ts";
import { logAddress, logReason, logText, logWord } from "./log-text.ts";

/** amavis' words for what a message is, gravest first. */
export const CCATS = [
  "INFECTED",
  "BANNED",
  "UNCHECKED",
  "SPAM",
  "SPAMMY",
  "BAD-HEADER",
  "OVERSIZED",
  "MTA-BLOCKED",
  "OTHER",
  "CLEAN",
] as const;
export type Ccat = (typeof CCATS)[number];

export type LogAction =
  | "Relayed"
  | "RelayedTagged"
  | "Discarded"
  | "Rejected"
  | "Bounced"
  | "NoBounce"
  | "TempFailed"
  | "Accepted";

/** Local recipient × origin: Inbound, Internal, Outbound, OpenRelay (neither). */
export type LogDirection = "Inbound" | "Internal" | "Outbound" | "OpenRelay";

export interface LogRecipient {
  /** Raw, without brackets. */
  readonly address: string;
  /** True: on its way (or delivered); false: stopped, or refused by the next hop. */
  readonly passed: boolean;
  readonly ccat: Ccat;
  readonly action: LogAction;
  readonly direction: LogDirection;
  /** Queue id of the next hop, or null. */
  readonly queuedAs: string | null;
  /** SMTP reply for this recipient, for JSON only; null = none. */
  readonly reply: string | null;
}

export interface LogRecord {
  /** "02689-06". */
  readonly id: string;
  readonly mailId: string;
  readonly mode: "after-queue" | "before-queue";
  readonly origin: "inbound" | "outbound";
  /** null = unknown. */
  readonly clientAddress: string | null;
  readonly clientPort: number | null;
  /** The oldest public address of the Received trace, or null. */
  readonly oldestAddress: string | null;
  /** The client is in our own networks. */
  readonly clientLocal: boolean;
  readonly sender: string | null;
  readonly recipients: readonly LogRecipient[];
  readonly score: number | null;
  readonly size: number;
  /** "exe,.exe-ms,invoice.pdf.exe" or null. */
  readonly banned: string | null;
  readonly viruses: readonly string[];
  /** Kind of header fault, amavis' minor 1–8, or null. */
  readonly badHeader: number | null;
  /** The MTA's queue id, or null. */
  readonly ident: string | null;
  /** Value of Message-ID, or null. */
  readonly messageId: string | null;
  /** "m/spam-msGhV3Jkvkf8.gz", or null when nothing was kept. */
  readonly quarantine: string | null;
  readonly elapsedMs: number;
  /** Symbols with points, for JSON. */
  readonly tests: readonly { readonly symbol: string; readonly score: number }[];
  readonly rulesVersion: string | null;
}

/** Longest line that amavis writes; readers join what it splits only at exactly this length. */
const MAX_LINE = 980;
const MAX_RECIPIENTS = 1_100;

/**
 * One line for the recipients that passed and one for those that did not (either may be missing), each without prefix
 * and line end. A line above 980 characters is split as amavis does: "…..." and "(id) ...…".
 */
export function logLines(record: LogRecord): string[] {
  const passed = record.recipients.filter((r) => r.passed);
  const blocked = record.recipients.filter((r) => !r.passed);
  const lines: string[] = [];
  if (passed.length > 0) lines.push(...split(record.id, text("Passed", passed, record)));
  if (blocked.length > 0) lines.push(...split(record.id, text("Blocked", blocked, record)));
  return lines;
}

/**
 * amavis' line about what took how long: "(02689-06) size: 397, TIMING [total 309 ms] - access: 0.1 (0%), spam: 290.5 (94%)". Checks
 * of one tier run side by side, so their shares may add up to more than all.
 */
export function timingLine(
  { id, size, elapsedMs }: Pick<LogRecord, "id" | "size" | "elapsedMs">,
  timings: ReadonlyMap<string, number>,
): string {
  const share = (ms: number): number =>
    Math.min(100, Math.round((100 * ms) / Math.max(elapsedMs, 0.001)));
  const parts = [...timings].map(
    ([name, ms]) => `${logWord(name)}: ${ms.toFixed(1)} (${share(ms)}%)`,
  );
  const total = Math.max(0, Math.round(elapsedMs));
  return `(${logWord(id)}) size: ${size}, TIMING [total ${total} ms] - ${parts.join(", ")}`;
}

/** "RelayedInbound", "RejectedInbound,Quarantined": what was done for all recipients, each word once, sorted. */
export function actionsOf(record: LogRecord): string {
  const words = new Set(record.recipients.map((r) => `${r.action}${r.direction}`));
  const sorted = [...words].sort();
  return (record.quarantine === null ? sorted : [...sorted, "Quarantined"]).join(",");
}

/** The gravest word among these recipients; "CLEAN" for none. */
export function gravest(recipients: readonly LogRecipient[]): Ccat {
  const present = new Set(recipients.map((r) => r.ccat));
  return CCATS.find((ccat) => present.has(ccat)) ?? "CLEAN";
}

function text(verb: string, recipients: readonly LogRecipient[], record: LogRecord): string {
  const shown = recipients.slice(0, MAX_RECIPIENTS).map((r) => logAddress(r.address));
  const queued = [...new Set(recipients.map((r) => logWord(r.queuedAs ?? "")))].filter(Boolean);
  const tail = [
    named("quarantine", record.quarantine === null ? "" : logWord(record.quarantine)),
    named("Queue-ID", logWord(record.ident ?? "")),
    named("Message-ID", messageId(record.messageId)),
    named("mail_id", logWord(record.mailId)),
    `Hits: ${record.score === null ? "-" : points(record.score)}`,
    `size: ${record.size}`,
    named("queued_as", queued.slice(0, 20).join("/")),
    `${Math.max(0, Math.round(record.elapsedMs))} ms`,
  ];
  const head = `${verb} ${ccatText(gravest(recipients), record)} {${actionsOf(record)}}, ${clientText(record)}`;
  return `${head}${logAddress(record.sender)} -> ${shown.join(",")}, ${tail.filter(Boolean).join(", ")}`;
}

function named(name: string, value: string): string {
  return value === "" ? "" : `${name}: ${value}`;
}

function ccatText(ccat: Ccat, record: LogRecord): string {
  switch (ccat) {
    case "INFECTED": {
      const names = record.viruses.slice(0, 10).join(", ");
      return `INFECTED (${logReason(names === "" ? "unnamed" : names)})`;
    }
    case "BANNED":
      return `BANNED (${logReason(record.banned ?? "unnamed")})`;
    case "BAD-HEADER":
      return record.badHeader === null ? ccat : `${ccat}-${Math.trunc(record.badHeader) % 10}`;
    default:
      return ccat;
  }
}

function clientText(record: LogRecord): string {
  const local = record.clientLocal ? "LOCAL " : "";
  const address = ipOf(record.clientAddress);
  const port = record.clientPort === null ? "" : `:${Math.trunc(record.clientPort)}`;
  const oldest = ipOf(record.oldestAddress);
  const client = address === "" ? "" : `[${address}]${port} `;
  return `${local}${client}${oldest === "" ? "" : `[${oldest}] `}`;
}

function ipOf(address: string | null): string {
  return address !== null && isIP(address) !== 0 ? address.replace(/%.*/, "") : "";
}

function messageId(value: string | null): string {
  if (value === null) return "";
  const bare = value.trim().replace(/^<|>$/g, "");
  return bare === "" ? "" : `<${logText(bare, 250)}>`;
}

function split(id: string, message: string): string[] {
  const mark = `(${logWord(id)}) `;
  const lines: string[] = [];
  let rest = message;
  let lead = mark;
  while (lead.length + rest.length > MAX_LINE) {
    // Readers strip blanks at the end of a piece, and with it the join would be wrong: there is none, "..." ends it.
    const room = MAX_LINE - lead.length - 3;
    lines.push(`${lead}${rest.slice(0, room)}...`);
    rest = rest.slice(room);
    lead = `${mark}...`;
  }
  lines.push(`${lead}${rest}`);
  return lines;
}
