// Eval functions of SpamAssassin's HeaderEval plugin that compare the times of a message: Date, Received, and now.
import { parseMailDate } from "../received/date.ts";
import type { EvalContext, Evals } from "./eval.ts";

const HOUR = 3600;
/** Seconds of a twelfth of a year. */
const MONTH = 31556952 / 12;

/** A date and a time with its zone, in a Received line. */
const DATE = /[\t-\r ][^\n]?\d+ [^\t-\r ]{3} \d+ \d+:\d+:\d+ [^\t-\r ]+/;

const timesOf = (lines: readonly string[]): number[] =>
  lines.flatMap((line) => {
    const date = DATE.exec(line)?.[0];
    const time = date === undefined ? null : parseMailDate(date);
    return time === null ? [] : [time];
  });

interface Times {
  /** What Date says, or Resent-Date if there is one. */
  readonly date: number | null;
  /** Of the Received lines that a fetching program did not write. */
  readonly received: readonly number[];
  /** The latest of those that it wrote. */
  readonly fetched: number | null;
  /** Date after the nearest Received time, in seconds; 0 when one of them is missing. */
  readonly shift: number;
}

const headerDate = ({ subject }: EvalContext): number | null => {
  for (const field of ["Resent-Date", "Date"]) {
    for (const value of subject.getAll(field)) {
      const time = value === "" ? null : parseMailDate(value.replace(/\n$/, ""));
      if (time !== null) return time;
    }
  }
  return null;
};

const LOCAL =
  /\bfrom (?:localhost[\t-\r ]|(?:[^\t-\r ]+ ){1,2}[^\t-\r ]*\b127\.0\.0\.1\b)|qmail \d+ invoked by uid \d/;
const FETCHMAIL = /\bby localhost with \w+ \(fetchmail-[\d.]/;

/** Lines that mail wrote, and lines that fetchmail and the hand-over behind it wrote. */
const apart = (lines: readonly string[]): { mail: readonly string[]; local: readonly string[] } => {
  const first = LOCAL.test(lines[0] ?? "") ? 1 : 0;
  const local = FETCHMAIL.test(lines[first] ?? "") ? first + 1 : 0;
  return { mail: lines.slice(local), local: lines.slice(0, local) };
};

/** The smallest difference, the first of equals; that to the last line does not count when it is none and there are others. */
const smallest = (differences: readonly number[]): number => {
  const counted =
    differences.length > 1 && differences.at(-1) === 0 ? differences.slice(0, -1) : differences;
  return counted.reduce(
    (best, one) => (Math.abs(one) < Math.abs(best) ? one : best),
    counted[0] ?? 0,
  );
};

const TIMES = Symbol("times of a message");

const times = (context: EvalContext): Times =>
  context.memo(TIMES, () => {
    const date = headerDate(context);
    const lines = (context.subject.get("Received") ?? "").split("\n");
    const { mail, local } = apart(lines.filter((line) => /[^\t-\r ]/.test(line)));
    const received = timesOf(mail);
    const now = context.subject.circumstances.now / 1000;
    const fetched = timesOf(local).filter((time) => time <= now);
    const shift = date === null ? 0 : smallest(received.map((time) => date - time));
    return { date, received, fetched: fetched.length > 0 ? Math.max(...fetched) : null, shift };
  });

/** When the message came: the middle of what its times say; 0 when they say nothing. */
const receiptOf = ({ date, received, fetched, shift }: Times): number => {
  const possible = [date, received[0] ?? null, fetched].filter((time) => time !== null);
  if (date !== null && received.length > 0) possible.push(date - shift);
  possible.sort((a, b) => b - a);
  return possible[Math.floor((possible.length - 1) / 2)] ?? 0;
};

/** Whether a value is at least and less than so many units; "undef" is no limit. */
const within = (
  value: number,
  unit: number,
  [least = "undef", less = "undef"]: readonly string[],
): boolean =>
  (least === "undef" || value >= unit * Number(least)) &&
  (less === "undef" || value < unit * Number(less));

/** Outlook's ids hold the time, and how far it may be off. */
const OUTLOOK_ID = /^<[0-9a-f]{4}([0-9a-f]{8})\$[0-9a-f]{8}\$[0-9a-f]{8}@/;
const OUTLOOK_FUDGE = 250;
const outlookTime = (seconds: number): number =>
  Math.trunc(seconds * 0.0023283064365387 + 27111902.8329849);

/** Whether an id that looks like Outlook's is of another time than Date and Received. */
const wrongOutlookId = ({ subject }: EvalContext): boolean => {
  const token = OUTLOOK_ID.exec(subject.get("MESSAGEID") ?? "")?.[1];
  if (token === undefined) return false;
  // All Received lines are read as one date: the first that can be seen in them counts.
  return ["Date", "Received"].every((field) => {
    const expected = outlookTime(parseMailDate(subject.get(field) ?? "") ?? 0);
    return Math.abs(parseInt(token, 16) - expected) >= OUTLOOK_FUDGE;
  });
};

export const HEADER_DATES: Evals = {
  /** (hours at least, less than): Date before (negative) or after the time of receipt. */
  check_for_shifted_date: (context, args) => within(times(context).shift, HOUR, args),
  /** (months at least, less than) ago. */
  received_within_months: (context, args) => {
    const now = context.subject.circumstances.now / 1000;
    return within(Math.floor(now) - receiptOf(times(context)), MONTH, args);
  },
  check_outlook_message_id: wrongOutlookId,
};
