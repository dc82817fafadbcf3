// Dates of mail as SpamAssassin reads them: more forgiving than RFC 5322, and with its own way out of impossible ones. For the eval
// functions that compare Date with Received.
import { oneBlank } from "../message/octets.ts";

const MONTHS = "jan feb mar apr may jun jul aug sep oct nov dec".split(" ");
const MONTH = "(Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)";

const USUAL = new RegExp(` (\\d+) ${MONTH} (\\d{4}) `, "i");
/** asctime's order. The time is taken away with it: such dates are of midnight. */
const BY_CTIME = new RegExp(` ${MONTH} +(\\d+) \\d+:\\d+:\\d+ (\\d{4}) `, "i");
const SHORT_YEAR = new RegExp(` (\\d+) ${MONTH} (\\d{2,3}) `, "i");

/** Minutes east of Greenwich, as +hhmm. */
const ZONES: Readonly<Record<string, string>> = {
  UT: "+0000",
  UTC: "+0000",
  NDT: "-0230",
  AST: "-0400",
  ADT: "-0300",
  NST: "-0330",
  EST: "-0500",
  EDT: "-0400",
  CST: "-0600",
  CDT: "-0500",
  MST: "-0700",
  MDT: "-0600",
  PST: "-0800",
  PDT: "-0700",
  HST: "-1000",
  AKST: "-0900",
  AKDT: "-0800",
  HADT: "-0900",
  HAST: "-1000",
  GMT: "+0000",
  BST: "+0100",
  IST: "+0100",
  WET: "+0000",
  WEST: "+0100",
  CET: "+0100",
  CEST: "+0200",
  EET: "+0200",
  EEST: "+0300",
  MSK: "+0300",
  MSD: "+0400",
  MET: "+0100",
  MEZ: "+0100",
  MEST: "+0200",
  MESZ: "+0200",
  BRST: "-0200",
  BRT: "-0300",
  AEST: "+1000",
  AEDT: "+1100",
  ACST: "+0930",
  ACDT: "+1030",
  AWST: "+0800",
  NZST: "+1200",
  NZDT: "+1300",
  JST: "+0900",
  KST: "+0900",
  HKT: "+0800",
  SGT: "+0800",
  PHT: "+0800",
  IDT: "+0300",
};

interface Day {
  readonly year: number;
  readonly month: number;
  readonly day: number;
}

/** Two digits are 2000 to 2049 or 1950 to 1999, three are years since 1900. */
const fullYear = (text: string): number => {
  const year = Number(text);
  if (text.length === 2 && year < 50) return year + 2000;
  return text.length === 4 ? year : year + 1900;
};

/** The day, and what the text says beside it. */
const takeDay = (text: string): { day: Day; rest: string } | null => {
  const found = USUAL.exec(text) ?? BY_CTIME.exec(text) ?? SHORT_YEAR.exec(text);
  if (found === null) return null;
  const [whole, first = "", second = "", year = ""] = found;
  const [day, month] = /^\d/.test(first) ? [first, second] : [second, first];
  return {
    day: { year: fullYear(year), month: MONTHS.indexOf(month.toLowerCase()) + 1, day: Number(day) },
    rest: text.replace(whole, () => " "),
  };
};

const daysIn = (year: number, month: number): number => {
  if (month !== 2) return [4, 6, 9, 11].includes(month) ? 30 : 31;
  return year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0) ? 29 : 28;
};

/** A day too many is the first of the next month; years go from 1970 to 2037. null for days that are none even so. */
const possible = ({ year, month, day }: Day): Day | null => {
  const tooMany = day > daysIn(year, month);
  const next = tooMany
    ? { year: month === 12 ? year + 1 : year, month: (month % 12) + 1, day: 1 }
    : { year, month, day };
  const within = { ...next, year: Math.min(2037, Math.max(1970, next.year)) };
  return within.day < 1 || within.day > daysIn(within.year, within.month) ? null : within;
};

const zoneOf = (rest: string): string => {
  const number = / ([-+]\d{4}) /.exec(rest)?.[1];
  if (number !== undefined) return number;
  const name = /\b([A-Z]{2,4}(?:-DST)?)\b/.exec(rest)?.[1] ?? "";
  return (Object.hasOwn(ZONES, name) && ZONES[name]) || "-0000";
};

/** Seconds since 1970; null when no date can be seen. Impossible times are moved to the next possible; unknown zones are Greenwich. */
export const parseMailDate = (text: string): number | null => {
  const taken = takeDay(oneBlank(` ${text} `.replace(/, */g, " ")));
  if (taken === null) return null;
  const clock = / (\d?\d):(\d\d)(?::(\d\d))? /.exec(taken.rest);
  const zone = zoneOf(clock === null ? taken.rest : taken.rest.replace(clock[0], " "));
  const day = possible(taken.day);
  if (day === null) return null;
  const hour = Math.min(23, Number(clock?.[1] ?? 0));
  const minute = Math.min(59, Number(clock?.[2] ?? 0));
  const second = Math.min(59, Number(clock?.[3] ?? 0));
  const time = Date.UTC(day.year, day.month - 1, day.day, hour, minute, second) / 1000;
  const offset = (Number(zone.slice(1, 3)) * 60 + Number(zone.slice(3))) * 60;
  return zone.startsWith("-") ? time + offset : Math.max(0, time - offset);
};
