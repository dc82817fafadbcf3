// What a clamd says, read strictly: a scan has three outcomes, and whatever is not a clean or an infected reply to the letter is
// an error. Called by the clamd clients; servers/clamd.ts answers with the same three values.

export type ScanReply =
  | { readonly kind: "clean" }
  /** The name in printable ASCII, at most 200 characters. */
  | { readonly kind: "infected"; readonly name: string }
  /** Nothing is known about the octets. `unreachable`: no connection came about, so that nothing was sent. */
  | { readonly kind: "error"; readonly why: string; readonly unreachable?: true };

/** Octets of one reply; clamd's are below 1 KiB. */
export const MAX_REPLY = 4096;

const MAX_NAME = 200;
const MAX_WORDS = 120;

/**
 * The reply to zINSTREAM with its NUL (or nINSTREAM with its newline), or what came of it. Nothing at all is an error too: a
 * clamd that ends in the middle of a scan says just that.
 */
export function parseScanReply(octets: Buffer): ScanReply {
  const text = octets.toString("latin1").replace(/[\0\n]$/, "");
  if (text === "") return { kind: "error", why: "closed without a reply" };
  if (text === "stream: OK") return { kind: "clean" };
  const name = /^stream: ([^\0\r\n]+) FOUND$/.exec(text)?.[1];
  if (name !== undefined) return { kind: "infected", name: printable(name).slice(0, MAX_NAME) };
  return { kind: "error", why: `said "${printable(text).slice(0, MAX_WORDS)}"` };
}

/** An error in our own words. */
export const scanError = (why: string): ScanReply => ({ kind: "error", why });

export interface ClamdVersion {
  /** "1.4.3" */
  readonly program: string;
  /** Number and time of the daily database; null when clamd has none (only databases of its operator). */
  readonly database: { readonly number: number; readonly at: Date } | null;
}

const VERSION =
  /^ClamAV ([\w.+~-]{1,60})(?:\/(\d{1,9})\/(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun) ((?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec) {1,2}\d{1,2} \d\d:\d\d:\d\d \d{4}))?$/;

/** The reply to zVERSION, "ClamAV 1.4.3/27500/Thu Jan  2 10:34:00 2025" in clamd's local time; null when it is none. */
export function parseVersion(octets: Buffer): ClamdVersion | null {
  const match = VERSION.exec(octets.toString("latin1").replace(/[\0\n]$/, ""));
  if (match === null) return null;
  const [, program = "", number, time] = match;
  if (number === undefined || time === undefined) return { program, database: null };
  const at = new Date(time.replace(/ {2}/, " "));
  return Number.isNaN(at.getTime()) ? null : { program, database: { number: Number(number), at } };
}

const printable = (text: string): string => text.replace(/[^\x20-\x7e]/g, "?");
