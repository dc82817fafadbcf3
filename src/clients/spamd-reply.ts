// The one reader of what spamd answers to REPORT (spamd's PROTOCOL, version 1.5): status line, headers, a report of exactly
// Content-length octets. Whatever else comes is an error in words, never half a score. Called by spamd-exchange.ts.
import { rulesOf, type ReportRules } from "./spamd-report.ts";

export interface SpamdScored extends ReportRules {
  readonly kind: "scored";
  /** spamd's own total, to a tenth. */
  readonly total: number;
  /** spamd's own threshold; ours is policy's. */
  readonly required: number;
}

export interface SpamdFailure {
  readonly kind: "error";
  /** Short, printable ASCII, for log and findings. */
  readonly why: string;
  /** How it failed, for the metric and for what is asked next. */
  readonly failed: "unreachable" | "silent" | "broken" | "refused" | "busy" | "given-up";
}

export type SpamdReply = SpamdScored | SpamdFailure;

/** A report holds a few lines of the message and a line or two for each rule. */
export const MAX_REPLY: number = 256 * 1024;
const MAX_HEAD = 4 * 1024;
const MAX_HEADERS = 20;
const CUT = "closed in the middle of its answer";

/** Exit codes of sysexits.h, with which spamd says no. */
const CODES: Readonly<Record<number, string>> = {
  64: "usage",
  65: "data error",
  66: "no input",
  67: "no such user",
  68: "no such host",
  69: "unavailable",
  70: "software error",
  71: "system error",
  72: "system file missing",
  73: "cannot create",
  74: "i/o error",
  75: "temporary failure",
  76: "protocol error",
  77: "permission denied",
  78: "configuration error",
  79: "timeout",
};

interface Head {
  readonly code: number;
  readonly text: string;
  readonly headers: ReadonlyMap<string, string>;
  /** Octets up to where the report starts. */
  readonly size: number;
}

/**
 * How many octets the reply has in all, once its head is there; null before that. A head that is none, or an error, ends where
 * its octets end: parseReply says what is wrong.
 */
export function replySize(octets: Buffer): number | null {
  const head = readHead(octets);
  if (head === null) return octets.length > MAX_HEAD ? octets.length : null;
  const length = lengthOf(head);
  return length === null ? octets.length : head.size + length;
}

/** The score, or why there is none. Never throws. */
export function parseReply(octets: Buffer): SpamdReply {
  const begun = octets.toString("latin1", 0, 6) === "SPAMD/" && !octets.includes("\n");
  const status = /^SPAMD\/\d{1,2}\.\d{1,2} (\d{1,3}) ([^\r\n]{0,200})/.exec(
    octets.toString("latin1", 0, Math.min(octets.length, 300)),
  );
  if (status === null) return failure("broken", begun ? CUT : "its answer is none of spamd's");
  const code = Number(status[1]);
  if (code !== 0)
    return failure("refused", `${CODES[code] ?? `code ${code}`}: ${shown(status[2] ?? "")}`);
  const head = readHead(octets);
  if (head === null) return failure("broken", CUT);
  const length = lengthOf(head);
  if (length === null) return failure("broken", "its answer has no Content-length");
  const got = octets.length - head.size;
  if (got !== length) return failure("broken", got < length ? CUT : "its answer is too long");
  const spam =
    /^(?:True|False|Yes|No) ; (-?\d{1,7}(?:\.\d{1,3})?) \/ (-?\d{1,7}(?:\.\d{1,3})?)$/i.exec(
      head.headers.get("spam") ?? "",
    );
  if (spam === null) return failure("broken", "its answer has no score");
  const rules = rulesOf(octets.toString("latin1", head.size));
  return { kind: "scored", total: Number(spam[1]) + 0, required: Number(spam[2]), ...rules };
}

export function failure(failed: SpamdFailure["failed"], why: string): SpamdFailure {
  return { kind: "error", failed, why };
}

function readHead(octets: Buffer): Head | null {
  const text = octets.toString("latin1", 0, Math.min(octets.length, MAX_HEAD));
  const end = text.indexOf("\r\n\r\n");
  if (end < 0) return null;
  const [status = "", ...lines] = text.slice(0, end).split("\r\n");
  const headers = new Map<string, string>();
  for (const line of lines.slice(0, MAX_HEADERS)) {
    const colon = line.indexOf(":");
    const name = line.slice(0, Math.max(0, colon)).toLowerCase();
    if (!headers.has(name)) headers.set(name, line.slice(colon + 1).trim());
  }
  const said = /^SPAMD\/\d{1,2}\.\d{1,2} (\d{1,3}) (.*)$/.exec(status);
  return { code: Number(said?.[1] ?? "-1"), text: said?.[2] ?? "", headers, size: end + 4 };
}

/** null: none was said, or none that we take. */
function lengthOf(head: Head): number | null {
  const text = head.headers.get("content-length") ?? "";
  const length = /^\d{1,7}$/.test(text) ? Number(text) : Infinity;
  return head.code === 0 && head.size + length <= MAX_REPLY ? length : null;
}

function shown(text: string): string {
  return text.replace(/[^\x20-\x7e]/g, "?").slice(0, 100);
}
