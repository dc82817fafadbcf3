// Readings for Exim's Received lines, in the formats that it had and those that administrators gave it.
import { IP_SOURCE } from "./addresses.ts";
import { reads, type Draft, type Reading } from "./draft.ts";

/** HELO and ident stand in brackets after the address, in either order, or neither does. */
export const remarks = (draft: Draft, text: string): void => {
  const helo = /helo=([^ ]+)/.exec(text);
  if (helo?.[1] !== undefined) draft.helo = helo[1];
  const rest = helo === null ? text : text.replace(helo[0], "");
  const ident = /ident=([^ ]*)/.exec(rest);
  if (ident?.[1] !== undefined) draft.ident = ident[1];
};

const EXIM_ADDRESS_FIRST = new RegExp(`^\\[(${IP_SOURCE})\\] \\(([^\\n]*?)\\) by ([^ ]+) `);
const EXIM_NAME_FIRST = new RegExp(`^([^ ]+) \\(\\[(${IP_SOURCE})\\]([^\\n]*?)\\) by ([^ ]+) `);
const EXIM_ANY_ADDRESS = new RegExp(` \\[(${IP_SOURCE})(?:\\.\\d+)?\\] `);

/** [192.0.2.1] (helo=a.example ident=b) by c.example with … */
const eximAddressFirst: Reading = (line, draft) => {
  const found = EXIM_ADDRESS_FIRST.exec(line);
  if (found === null) return null;
  [, draft.ip = "", , draft.by = ""] = found;
  remarks(draft, found[2] ?? "");
  return "enough";
};

/** a.example ([192.0.2.1]:4711 helo=b.example ident=c) by d.example with …: without helo= the first name is both. */
const eximNameFirst: Reading = (line, draft) => {
  const found = EXIM_NAME_FIRST.exec(line);
  if (found === null) return null;
  [, draft.rdns = "", draft.ip = "", , draft.by = ""] = found;
  draft.helo = draft.rdns;
  remarks(draft, found[3] ?? "");
  return "enough";
};

/** Exim's format is the administrator's to choose: takes what looks like something. Enough with an address; else it stays as a guess. */
const eximAnyhow: Reading = (line, draft) => {
  draft.rdns = /^([^ ]+) /.exec(line)?.[1] ?? draft.rdns;
  draft.helo = / \(([^ ]+)\) /.exec(line)?.[1] ?? draft.helo;
  draft.ip = EXIM_ANY_ADDRESS.exec(line)?.[1] ?? draft.ip;
  const by = /by ([^ ]+) /.exec(line)?.[1];
  if (by === undefined) return null;
  draft.by = by;
  return draft.ip === "" ? null : "enough";
};

/** Handed over on the machine itself: no hop. */
const local: Reading = (line) =>
  line.includes("with local") && /\bwith local(?:-[^ ]+)? /.test(line) ? "skip" : null;

export const EXIM: readonly Reading[] = [
  local,
  eximAddressFirst,
  eximNameFirst,
  reads("{host} [{ip}]{/(?::\\d+)?/} by {by} "),
  eximAnyhow,
];
