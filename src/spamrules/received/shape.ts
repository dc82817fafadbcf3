// A notation for lines that mail servers write, so that the tables of readings look like the lines they read:
//   "{helo} ({rdns} [{ip}]) by {by} ("
// Everything outside braces stands for itself. Made once, when the tables are loaded.
import { IP_SOURCE, LOCALHOST_SOURCE } from "./addresses.ts";

/** What a reading can find in a line; `host` is name by DNS and HELO in one. */
export const SLOTS = ["ip", "helo", "rdns", "by", "ident", "id", "envfrom", "host"] as const;
export type Slot = (typeof SLOTS)[number];

const SPECIAL: Readonly<Record<string, string>> = {
  /** A word that nobody needs, and one that may be empty. */
  "": "[^ ]+",
  "*": "[^ ]*",
  /** An address that nobody needs. */
  IP: IP_SOURCE,
  LOCALHOST: LOCALHOST_SOURCE,
  /** Brackets that may be missing. */
  "[": "\\[?",
  "]": "\\]?",
  HELO: "(?:HELO|EHLO)",
  /** Anything, as little as possible; anything, as much as possible. */
  "...": "[^\\n]*?",
  "....": "[^\\n]*",
  /** The end of the line. */
  $: "$",
};

/** {ip} an address, {NAME} a word, {NAME*} a word or nothing, {/…/} a pattern as it is, {once: …} not tried again once it was found. */
const piece = (inner: string): string => {
  if (SPECIAL[inner] !== undefined) return SPECIAL[inner];
  if (inner === "ip") return `(?<ip>${IP_SOURCE})`;
  if (inner.startsWith("/")) return inner.slice(1, -1);
  const word = /^([a-z]+)(\*?)$/.exec(inner);
  const name = word?.[1];
  if (name === undefined || !(SLOTS as readonly string[]).includes(name)) {
    throw new Error(`no such slot in a shape: ${inner}`);
  }
  return `(?<${name}>[^ ]${word?.[2] === "*" ? "*" : "+"})`;
};

const escape = (text: string): string => text.replace(/[\\^$.*+?()[\]{}|/]/g, "\\$&");

/**
 * The source of a pattern for a shape. "<<" and ">>" enclose what is looked for once only: where several places in a word would do, the
 * first try counts, whatever follows; without that, lines made of such places cost the square of their length.
 */
const source = (shape: string): string => {
  let out = "";
  let held = 0;
  for (const token of shape.split(/(\{\/.*?\/\}|\{[^}]*\}|<<|>>)/)) {
    if (token === "<<") out += `(?=(?<held${held}>`;
    else if (token === ">>") out += `))\\k<held${held++}>`;
    else if (token.startsWith("{") && token.endsWith("}")) out += piece(token.slice(1, -1));
    else out += escape(token);
  }
  return out;
};

/** A pattern for lines that begin with this shape. */
export const startsLike = (shape: string): RegExp => new RegExp(`^${source(shape)}`);

/** A pattern for lines that hold this shape anywhere. */
export const holds = (shape: string): RegExp => new RegExp(source(shape));
