// Reads one Received line: cleans it up, notes what stands anywhere in it, has the tables read the rest, and makes a relay of it.
import { IP_SOURCE, startsPrivate } from "./addresses.ts";
import { oneBlank } from "../message/octets.ts";
import { authOf } from "./auth.ts";
import { dismisses, readWith, reads, type Draft, type Reading } from "./draft.ts";
import { GENERAL, WEBMAIL } from "./general.ts";
import { readMarked } from "./marked.ts";
import { SILENT, UNSAFE, bareSender, trimmedEnd } from "./silent.ts";

/** A hop as its line tells it, before anything is known of trust. */
export type Hop = Readonly<Omit<Draft, "fetched" | "senderOfNext" | "lookedUp">> & {
  readonly privateIp: boolean;
  readonly noReverseDns: boolean;
};

export interface Read {
  /** null: the line says nothing, or nothing that could be understood. */
  readonly hop: Hop | null;
  readonly unparseable: boolean;
  readonly fetched: boolean;
  readonly senderOfNext: string | null;
}

/** SpamAssassin keeps so much of a field. */
const MAX_LINE = 8192;

/** What precedes the date, from the month on backwards: nothing but digits, perhaps a weekday. */
const TAIL =
  /^ (?:J(?:an|u[nl])|Feb|Ma[ry]|A(?:pr|ug)|Sep|Oct|Nov|Dec) \d+ \d+:\d+(?::\d+)? [^ ]+$/;
const WEEKDAY = /(?:Mon|T(?:ue|hu)|Wed|Fri|S(?:at|un)), $/;

/** Takes the date off the end, and the semicolons before it; a remark after the zone keeps it there. */
const withoutDate = (line: string): string => {
  let at = line.length;
  for (let word = 0; word < 4 && at > 0; word++) at = line.lastIndexOf(" ", at - 1);
  if (at < 0 || !TAIL.test(line.slice(at))) return line;
  let day = at;
  while (day > 0 && /\d/.test(line[day - 1] ?? "")) day--;
  if (day === at) return line;
  const weekday = WEEKDAY.test(line.slice(Math.max(0, day - 5), day)) ? day - 5 : day;
  for (const from of [weekday, day]) {
    let end = from;
    while (end > 0 && (line[end - 1] === " " || line[end - 1] === ";")) end--;
    if (end < from) return line.slice(0, end);
  }
  return line;
};

/** One blank for any white space, none at the ends, no semicolon behind. */
const tidied = (field: string): string => {
  const line = oneBlank(field.slice(0, MAX_LINE));
  const start = line.startsWith(" ") ? 1 : 0;
  let end = line.length;
  if (end > start && line.endsWith(" ")) end--;
  while (end > start && line[end - 1] === ";") {
    end--;
    if (end > start && line[end - 1] === " ") end--;
  }
  return line.slice(start, end);
};

/** Lines that say nothing of a hop, seen at once: of programs, without "from", of local hand-over, of servers that write names only. */
const saysNothing = (line: string): boolean => {
  if (!/^\(?from /i.test(line)) return true;
  if (line.includes("with local for") && /\bwith local for\b/.test(line)) return true;
  const from = /^from ([^ ]+) by [^ ;]+ ?;/i.exec(line)?.[1];
  return from !== undefined && !/^\[[\d.]+\]$/.test(from);
};

const HELO_CHARS = "[-A-Za-z0-9.^+_&:=?!@%*$\\\\/]+";
const HELO_SET = new RegExp(`\\bhelo=(${HELO_CHARS})`);
const HELO_SAID = new RegExp(`\\b(?:HELO|EHLO) (${HELO_CHARS})`);
const SENDER = /(?:return-path:? |envelope-(?:sender|from)[ =])([^ ]+)\b/i;

const drafted = (line: string): Draft => ({
  ip: "",
  helo: HELO_SET.exec(line)?.[1] ?? HELO_SAID.exec(line)?.[1] ?? "",
  rdns: "",
  by: / by ([^ ]+)/.exec(line)?.[1] ?? "",
  id: / id <?([^ <>;]{3,})/.exec(line)?.[1] ?? "",
  ident: "",
  envfrom: null,
  auth: authOf(line),
  lookedUp: false,
  fetched: false,
  senderOfNext: null,
});

/** The way of most lines: "from …". */
const readFrom: Reading = (line, draft) => {
  draft.envfrom = SENDER.exec(line)?.[1] ?? null;
  const outcome =
    readWith(WEBMAIL, line, draft) ??
    readMarked(line, draft) ??
    readWith(GENERAL, line, draft) ??
    readWith(SILENT, line, draft);
  if (outcome === null && (draft.helo === "" || draft.helo === "0")) {
    draft.helo = /^([^ ]+)[^-A-Za-z0-9.]/.exec(line)?.[1] ?? draft.helo;
  }
  return outcome;
};

/** simta and Rockliffe: "FROM … BY … ID …". */
const readUpperCase = reads(
  "{helo} ({rdns} [{ip}]) BY {by} {/(?:\\([^)]+\\) WITH SMTP )?/}ID {/<?(?<id>[^ ]+?)>?(?: FOR <[^>]+>)?$/}",
  {
    lookedUp: true,
    then: (draft) => {
      if (draft.rdns === "unverified") draft.rdns = "";
    },
  },
);

/** Lines that begin with "(from": Norton's gateway, sendmail's command line, Juno's queue. */
const BRACKETED: readonly Reading[] = [
  reads("{helo*} [{ip}]) by {by} (NAVGW {...}) with "),
  dismisses("{/[^ ]+@localhost/}) by {} "),
  dismisses("{/[^ @]+@[^)]+/}) by {/[^ ]+\\(jqueuemail\\)/} id {/[^ ;]+/}"),
];

const ANY_BRACKETED_ADDRESS = new RegExp(`\\[(${IP_SOURCE})\\]`);

const understood = (line: string, draft: Draft): "enough" | "skip" | null => {
  let rest = line;
  let outcome = null;
  if (line.startsWith("from ")) {
    outcome = readFrom((rest = line.slice("from ".length)), draft);
  } else if (line.startsWith("FROM ")) {
    outcome = readUpperCase((rest = line.slice("FROM ".length)), draft);
  } else if (line.startsWith("(from ")) {
    outcome = readWith(BRACKETED, (rest = line.slice("(from ".length)), draft);
  }
  if (outcome !== null) return outcome;
  if (draft.ip === "") draft.ip = ANY_BRACKETED_ADDRESS.exec(rest)?.[1] ?? "";
  return draft.ip !== "" && draft.by !== "" && draft.by !== "0" ? "enough" : null;
};

/** An address without "IPv6:", brackets, zone, and the prefix of an IPv4 address in IPv6. */
const bareIp = (ip: string): string => (/^[\d.]+$/.test(ip) ? ip : withoutDress(ip));

const withoutDress = (ip: string): string =>
  ip
    .replace(/^ipv6:/i, "")
    .replace(/^\[/, "")
    .replace(/\]$/, "")
    .replace(/%[A-Z0-9._~-]*$/i, "")
    .replace(/^0*:0*:(?:0*:)*ffff:(\d+\.\d+\.\d+\.\d+)$/i, "$1");

const safe = (text: string): string => text.replace(UNSAFE, "!");

const hopOf = (draft: Draft): Hop => {
  const named = trimmedEnd(draft.rdns, ".");
  const rdns = /^unknown$/i.test(named) || named.startsWith("[") ? "" : safe(named);
  const ip = safe(bareIp(draft.ip));
  return {
    ip,
    rdns,
    helo: safe(draft.helo),
    by: safe(draft.by.replace(/;$/, "")),
    id: draft.id,
    ident: safe(draft.ident),
    envfrom: draft.envfrom === null ? null : bareSender(draft.envfrom),
    auth: draft.auth,
    privateIp: startsPrivate(ip),
    noReverseDns: rdns === "" && draft.lookedUp,
  };
};

const NOTHING: Read = { hop: null, unparseable: false, fetched: false, senderOfNext: null };

/** Reads one Received field's value. Only its first 8192 octets count. */
export const readReceived = (field: string): Read => {
  const whole = tidied(field);
  if (saysNothing(whole)) return NOTHING;
  const line = withoutDate(whole).replace(")by ", ") by ");
  const draft = drafted(line);
  const outcome = understood(line, draft);
  return {
    hop: outcome === "enough" ? hopOf(draft) : null,
    unparseable: outcome === null,
    fetched: draft.fetched,
    senderOfNext: draft.senderOfNext,
  };
};
