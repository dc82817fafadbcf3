// What spamd answers, octet for octet, in the dialect of each version of its protocol; and rspamd's answer that Exim reads. Texts are
// octets in latin1 strings. Used by spamd.ts.
import { shownScore, tenth } from "../spamrules/report-text.ts";
import type { SpamdMethod, SpamdRequest } from "./spamd-reader.ts";

export interface SpamdSays {
  readonly spam: boolean;
  readonly total: number;
  readonly required: number;
  /** Names of the rules that hit, without "__". */
  readonly rules: readonly string[];
  /** Asked for by REPORT, and by REPORT_IFSPAM of spam. */
  readonly report: string | null;
  /** Asked for by PROCESS and HEADERS. */
  readonly mail: Uint8Array | null;
}

/** Whole answers. */
export const PONG = "SPAMD/1.5 0 PONG\r\n";
export const protocolError = (why: string): string => `SPAMD/1.0 76 Bad header line: ${why}\r\n`;
export const unavailable = (why: string): string => `SPAMD/1.0 69 Service Unavailable: ${why}\r\n`;
export const timedOut = (why: string): string => `SPAMD/1.0 79 Timeout: ${why}\r\n`;

/** What else than points a request asks of the engine. */
export function wanted(method: SpamdMethod): "report" | "mail" | null {
  if (method === "REPORT" || method === "REPORT_IFSPAM") return "report";
  return method === "PROCESS" || method === "HEADERS" ? "mail" : null;
}

export function answerWords(
  { method, version }: Pick<SpamdRequest, "method" | "version">,
  says: SpamdSays,
): Buffer {
  const ok = "SPAMD/1.1 0 EX_OK\r\n";
  const word = says.spam ? ["True", "Yes"] : ["False", "No"];
  const score = shownScore(says.total, says.required);
  const spam = `Spam: ${method === "REPORT_IFSPAM" ? word[1] : word[0]} ; ${score} / ${tenth(says.required)}\r\n`;
  if (method === "CHECK") return octets(`${ok}${spam}\r\n`);
  if (method === "PROCESS" || method === "HEADERS") {
    const whole = Buffer.from(says.mail ?? []);
    const mail = method === "HEADERS" ? headerOf(whole) : whole;
    const length = `Content-length: ${mail.length}\r\n`;
    if (version >= 1.3) return Buffer.concat([octets(`${ok}${length}${spam}\r\n`), mail]);
    if (version >= 1.2) return Buffer.concat([octets(`${ok}${length}\r\n`), mail]);
    return Buffer.concat([octets("SPAMD/1.0 0 EX_OK\r\n"), mail]);
  }
  const text = textOf(method, says);
  // Exim asks as 1.2 and reads this alone: a Content-length beside Spam would be no answer to it.
  if (version < 1.3) return octets(`${ok}${spam}\r\n${text}${method === "SYMBOLS" ? "\r\n" : ""}`);
  return octets(`${ok}Content-length: ${text.length}\r\n${spam}\r\n${text}`);
}

function textOf(method: SpamdMethod, { rules, report, spam }: SpamdSays): string {
  if (method === "SYMBOLS") return [...rules].sort().join(",");
  return method === "REPORT_IFSPAM" && !spam ? "" : (report ?? "");
}

/** Up to and with the first empty line. */
function headerOf(mail: Buffer): Buffer {
  const end = /\r?\n\r?\n/.exec(mail.toString("latin1"));
  return end === null ? mail : mail.subarray(0, end.index + end[0].length);
}

export interface TellDid {
  readonly set: readonly string[];
  readonly removed: readonly string[];
}

export function tellWords({ set, removed }: TellDid): string {
  const did = [
    ...(set.length > 0 ? [`DidSet: ${set.join(",")}\r\n`] : []),
    ...(removed.length > 0 ? [`DidRemove: ${removed.join(",")}\r\n`] : []),
  ];
  return `SPAMD/1.1 0 EX_OK\r\n${did.join("")}\r\n\r\n`;
}

export interface RspamdSays {
  readonly spam: boolean;
  readonly score: number;
  /** From where on it is spam, and from where on it is refused. */
  readonly required: number;
  readonly reject: number;
  /** rspamd's word: "no action", "add header", "soft reject", "reject". */
  readonly action: string;
  readonly symbols: readonly { readonly symbol: string; readonly score: number }[];
}

/** Exim reads the first three lines; the rest becomes $spam_report. */
export function rspamdWords({
  spam,
  score,
  required,
  reject,
  action,
  symbols,
}: RspamdSays): string {
  const two = (points: number): string => points.toFixed(2);
  const lines = [
    "RSPAMD/1.3 0 EX_OK",
    `Metric: default; ${spam ? "True" : "False"}; ${two(score)} / ${two(required)} / ${two(reject)}`,
    `Action: ${action}`,
    ...symbols.map((one) => `Symbol: ${one.symbol}(${two(one.score)})`),
  ];
  return `${lines.join("\r\n")}\r\n\r\n`;
}

const octets = (text: string): Buffer => Buffer.from(text, "latin1");
