// Rich Text: the objects that it carries as hexadecimal digits, and what it fetches or starts when it is opened. Word takes almost
// anything for RTF, and writers of malware use that: digits between nested groups, white space, \bin data, an odd number of digits.
// Where readers differ about what the digits of an object are, each reading is a member.
import { Cursor } from "./cursor.ts";
import type { Format, Member, Report } from "./format.ts";
import type { Octets } from "./octets.ts";
import { oleObject } from "./ole-package.ts";
import { objectDigits } from "./rtf-digits.ts";
import { controlWord } from "./rtf-words.ts";

const BACKSLASH = 0x5c;
const OPEN = 0x7b;
const CLOSE = 0x7d;
const MAX_TEXT = 512;
const MAX_OBJECTS = 1_500;
/** Objects that start within the digits of another one. */
const MAX_NESTED = 16;

export const rtf: Format = {
  name: "rtf",
  kinds: ["rtf"],
  *members(file, report) {
    const cursor = new Cursor(file);
    let objects = 0;
    let nested = 0;
    let end = 0;
    for (let octet = cursor.next(); octet >= 0; octet = cursor.next()) {
      if (octet !== BACKSLASH) continue;
      const word = controlWord(cursor);
      if (word.name === "bin") cursor.seek(cursor.at + Math.max(0, word.value));
      if (word.name === "objautlink" || word.name === "objupdate") report.attribute("LAUNCH");
      if (word.name === "template") external(text(cursor), report);
      if (word.name === "fldinst") field(text(cursor), report);
      if (word.name !== "objdata") continue;
      if (cursor.at < end) nested++;
      if (++objects > MAX_OBJECTS || nested > MAX_NESTED) {
        report.defect("container-too-many-members", `${objects} objects, ${nested} in others`);
        return;
      }
      report.attribute("EMBEDDED");
      const found = objectDigits(file, cursor.at);
      end = Math.max(end, found.end);
      for (const reading of found.readings) yield* objectMembers(reading, report);
    }
  },
};

function* objectMembers(octets: Octets, report: Report): Generator<Member> {
  const { members, linked } = oleObject(octets);
  if (linked !== null) external(linked, report);
  yield* members;
}

/** The text from here to the end of the group, groups within it included; what is longer than MAX_TEXT is cut. The cursor stays. */
function text(cursor: Cursor): string {
  const start = cursor.at;
  let found = "";
  let depth = 0;
  for (let i = 0; i < 8 * MAX_TEXT && found.length < MAX_TEXT; i++) {
    const octet = cursor.next();
    if (octet < 0 || (octet === CLOSE && depth-- === 0)) break;
    if (octet === OPEN) depth++;
    else if (octet === BACKSLASH) found += symbol(cursor);
    else if (octet >= 0x20 && octet !== CLOSE) found += String.fromCharCode(octet);
  }
  cursor.seek(start);
  return found;
}

/** What a control word or symbol adds to the text. */
function symbol(cursor: Cursor): string {
  const next = cursor.peek();
  if (next === BACKSLASH || next === OPEN || next === CLOSE)
    return String.fromCharCode(cursor.next());
  if (next === 0x27) {
    cursor.next();
    const code = parseInt(String.fromCharCode(cursor.next(), cursor.next()), 16);
    return Number.isNaN(code) ? "" : String.fromCharCode(code);
  }
  const { name, value } = controlWord(cursor);
  if (name !== "u") return "";
  // What readers without Unicode show stands behind it: one character, as it is or as \'hh.
  if (cursor.peek() === BACKSLASH) cursor.seek(cursor.at + 4);
  else if (cursor.peek() !== OPEN && cursor.peek() !== CLOSE) cursor.next();
  return String.fromCharCode(value & 0xffff);
}

const ELSEWHERE = /^\W{0,8}(?:[a-z][a-z0-9+.-]+:\/|\\\\|\/\/)/i;

function external(target: string, report: Report): void {
  if (ELSEWHERE.test(target.trim())) report.attribute("EXTERNAL");
}

/** Fields that start a program or fetch a file when they are brought up to date. */
function field(instruction: string, report: Report): void {
  const [, word = "", rest = ""] = /^\s*([a-z]+)\b(.*)$/is.exec(instruction) ?? [];
  if (/^(?:dde|ddeauto)$/i.test(word)) report.attribute("LAUNCH");
  if (/^(?:includepicture|includetext|import|include|link)$/i.test(word) && /:\/|\\\\/.test(rest))
    report.attribute("EXTERNAL");
}
