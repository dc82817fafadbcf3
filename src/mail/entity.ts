// What a part's header says about its content (RFC 2045, RFC 2046, RFC 2183), with every reading that differs noted as a
// defect. Called by the MIME walker once per part; content/ takes the names from what is kept here.
import { defect } from "./defects.ts";
import type { DefectKind } from "./defects.ts";
import { MAX_BOUNDARY } from "./boundaries.ts";
import { decodeWords } from "./encoded-word.ts";
import { USUAL, type Habits } from "./habits.ts";
import { withFoldsClosed } from "./folded-value.ts";
import type { Field, Header } from "./header.ts";
import type { Defect } from "./message.ts";
import { MAX_LENGTH, parseParameters, parseToken } from "./parameters.ts";
import type { Parameterized } from "./parameters.ts";
import type { Encoding } from "./transfer.ts";

export interface Entity {
  /** "1" is the root, "1/2" its second child. */
  readonly path: string;
  readonly parent: Entity | null;
  /** 1 for the root. */
  readonly depth: number;
  readonly header: Header;
  /** Declared media type as most readers take it, lower case. */
  readonly type: string;
  readonly disposition: string | null;
  readonly encoding: Encoding;
  /** True when the transfer encoding is one of the names of uuencode; the octets come as they stand. */
  readonly uuencoded: boolean;
  /** How the content is read on: split, as a message, or not at all. */
  readonly structure: "leaf" | "multipart" | "message";
  /** The delimiter of a multipart, without the leading dashes; empty otherwise. */
  readonly boundary: Buffer;
  /** Every Content-Type and Content-Disposition field, read; for the names. */
  readonly declared: readonly Parameterized[];
  /** Grows while the part is read. */
  readonly defects: Defect[];
}

export interface Place {
  readonly path: string;
  readonly parent: Entity | null;
  readonly depth: number;
}

const MESSAGE_TYPES: ReadonlySet<string> = new Set([
  "message/rfc822",
  "message/global",
  "message/news",
]);
/** Types below message/ that are no messages. */
const NO_MESSAGES: ReadonlySet<string> = new Set([
  "message/partial",
  "message/external-body",
  "message/delivery-status",
  "message/disposition-notification",
  "message/feedback-report",
  "message/global-delivery-status",
  "message/global-disposition-notification",
  "message/global-headers",
]);
const NO_BOUNDARY = Buffer.alloc(0);

/** Adds a defect unless one of its kind is there. */
export function noteOnce({ defects }: Entity, kind: DefectKind, detail = ""): void {
  if (!defects.some((one) => one.kind === kind)) defects.push(defect(kind, detail));
}

/** Reads the header of a part; `found` are the defects that reading the header block gave. */
export function entityOf(
  header: Header,
  place: Place,
  found: readonly Defect[],
  habits: Habits = USUAL,
): Entity {
  const defects = [...found];
  const note = (kind: DefectKind, detail = ""): void => {
    defects.push(defect(kind, detail));
  };
  const mime = mimeFields(header, habits);
  const types = readAll(mime.type, "conflicting-content-type", note);
  const dispositions = readAll(mime.disposition, "conflicting-disposition", note);
  noteRepetitions(mime.version, "conflicting-mime-version", note);
  const declared = [...types, ...dispositions];
  if (declared.length > 0) noteNames(declared, note);
  const counts = habits.field === "first" ? types[0] : types.at(-1);
  const spaced = hasSpacedType(habits.field === "first" ? mime.type[0] : mime.type.at(-1));
  if (spaced) note("odd-media-type");
  const type =
    spaced && habits.strictTypes ? "text/plain" : typeOf(counts, place.parent, note, habits);
  const transfer = readTransferEncoding(mime.encoding, note, habits);
  const message = MESSAGE_TYPES.has(type) || (habits.looseTypes && type.startsWith("message/"));
  let structure: Entity["structure"] = message ? "message" : "leaf";
  let boundary: Buffer = NO_BOUNDARY;
  if (type.startsWith("multipart/")) {
    boundary = boundaryOf(counts, place.path, note, habits);
    if (boundary.length > 0) structure = "multipart";
    if (transfer.encoding !== "identity") note("encoded-multipart", transfer.encoding);
  }
  if (structure === "message" && transfer.encoding !== "identity") {
    note("encoded-message", transfer.encoding);
  }
  if (type.startsWith("message/") && !MESSAGE_TYPES.has(type) && !NO_MESSAGES.has(type))
    note("unknown-message-type", type);
  if (type === "message/partial") note("message-partial");
  if (type === "message/external-body") note("external-body");
  return {
    ...place,
    header,
    type,
    disposition: dispositions[0]?.value ?? null,
    encoding: isUndone(structure, habits) ? transfer.encoding : "identity",
    uuencoded: transfer.uuencoded,
    structure,
    boundary,
    declared,
    defects,
  };
}

type Note = (kind: DefectKind, detail?: string) => void;

/** True when the transfer encoding of such a part is undone. */
function isUndone(structure: Entity["structure"], habits: Habits): boolean {
  if (structure === "multipart") return habits.decodesMultipart;
  return structure === "leaf" || habits.decodesMessage;
}

interface MimeFields {
  readonly type: Field[];
  readonly disposition: Field[];
  readonly encoding: Field[];
  readonly version: Field[];
}

function mimeFields(header: Header, habits: Habits): MimeFields {
  const found: MimeFields = { type: [], disposition: [], encoding: [], version: [] };
  for (const written of header.fields) {
    const field = habits.garbageIsField ? repaired(written) : written;
    // The four names have 12, 19, 25 and 12 letters; this runs for every field of every message.
    const { length } = field.name;
    if (length !== 12 && length !== 19 && length !== 25) continue;
    if (!habits.spaceBeforeColon && field.raw[length] !== COLON) continue;
    switch (field.name.toLowerCase()) {
      case "content-type":
        found.type.push(field);
        break;
      case "content-disposition":
        found.disposition.push(field);
        break;
      case "content-transfer-encoding":
        found.encoding.push(field);
        break;
      case "mime-version":
        found.version.push(field);
        break;
      default:
    }
  }
  return found;
}

const COLON = 0x3a;

/** What a reader sees who looks for the names of MIME fields anywhere at the start of a line. */
function repaired(field: Field): Field {
  if (field.name !== "" && !/[^!-~]/.test(field.name)) return field;
  const text = field.raw.toString("latin1", 0, MAX_LENGTH).replace(/\r?\n(?=[ \t])/g, "");
  const colon = text.indexOf(":");
  const name = text.slice(0, Math.max(0, Math.min(colon, 80))).replace(/[^!-9;-~]/g, "");
  return { name, raw: field.raw, value: text.slice(colon + 1).trim() };
}

function readAll(fields: readonly Field[], conflict: DefectKind, note: Note): Parameterized[] {
  noteRepetitions(fields, conflict, note);
  // More repetitions than this say nothing new; each is read under several readings.
  let room = MAX_LENGTH;
  const some = fields.length <= 8 ? fields : [...fields.slice(0, 7), fields.at(-1)!];
  const read = some.map(({ value, raw }) => {
    const one = withFoldsClosed(parseParameters(value, room), raw, room);
    room -= Math.min(room, value.length);
    return one;
  });
  if (read.some((one) => one.cut)) note("overlong-field", fields[0]!.name);
  return read;
}

function noteRepetitions(fields: readonly Field[], conflict: DefectKind, note: Note): void {
  const [first] = fields;
  if (first === undefined || fields.length < 2) return;
  const same = fields.every((field) => looksSame(first.value, field.value));
  // The detail is cut long before this.
  const shown = fields.slice(0, 8).map((field) => field.value.slice(0, 200));
  note(same ? "repeated-mime-field" : conflict, shown.join(" | "));
}

/** True when both are equal but for white space and case. A character at a time: values can be a MiB of either. */
function looksSame(a: string, b: string): boolean {
  if (a === b) return true;
  let i = 0;
  let j = 0;
  for (;;) {
    while (i < a.length && isSpace(a, i)) i++;
    while (j < b.length && isSpace(b, j)) j++;
    if (i >= a.length || j >= b.length) return i >= a.length && j >= b.length;
    if (a[i] !== b[j] && a[i]!.toLowerCase() !== b[j]!.toLowerCase()) return false;
    i++;
    j++;
  }
}

function isSpace(text: string, at: number): boolean {
  const code = text.charCodeAt(at);
  return code === 0x20 || (code >= 0x09 && code <= 0x0d) || (code >= 0xa0 && /\s/.test(text[at]!));
}

/** True when white space stands within the media type: most readers drop it, some know no such type. */
function hasSpacedType(field: Field | undefined): boolean {
  if (field === undefined) return false;
  const slash = field.value.indexOf("/");
  if (slash < 1) return false;
  const before = field.value.charCodeAt(slash - 1);
  const behind = field.value.charCodeAt(slash + 1);
  return before === 0x20 || before === 0x09 || behind === 0x20 || behind === 0x09;
}

function typeOf(
  field: Parameterized | undefined,
  parent: Entity | null,
  note: Note,
  habits: Habits,
): string {
  if (field === undefined)
    return parent?.type === "multipart/digest" ? "message/rfc822" : "text/plain";
  if (habits.looseTypes) return looseType(field);
  if (field.commented && !field.value.startsWith("text/"))
    note("comment-in-mime-value", field.value);
  if (/^[!#$%&'*+\-.^_`{|}~\w]+\/[!#$%&'*+\-.^_`{|}~\w]+$/.test(field.value)) {
    if (/^multipart(?!\/)/.test(field.value)) note("bad-multipart-type", field.value);
    else if (field.parameters.has("boundary") && !field.value.startsWith("multipart/"))
      note("stray-boundary", field.value);
    return field.value;
  }
  const split = field.parameters.has("boundary") || /multipart|^message/.test(field.value);
  note(split ? "bad-multipart-type" : "bad-content-type", field.value);
  // Readers that look at the start only split "multipart" and "multipart/" all the same.
  if (field.value.startsWith("multipart")) return "multipart/mixed";
  return "text/plain";
}

/** The media type that stands anywhere in the value; a boundary makes it a multipart. */
function looseType({ value, parameters }: Parameterized): string {
  const type = /[\w.+-]+\/[\w.+-]+/.exec(value)?.[0] ?? "text/plain";
  if (type.startsWith("multipart/")) return type;
  return parameters.has("boundary") ? "multipart/mixed" : type;
}

function boundaryOf(
  field: Parameterized | undefined,
  path: string,
  note: Note,
  habits: Habits,
): Buffer {
  const readings = boundaryReadings(field);
  const chosen = readings[Math.min(habits.boundary, readings.length - 1)] ?? "";
  const text = habits.guess.get(path) ?? chosen;
  // Octets outside ASCII are not the same text, and so not the same octets again, for every reader.
  const written = field?.parameters.get("boundary") ?? [];
  if (Math.max(readings.length, written.length) > 1 || /[^\x00-\x7f]/.test(text))
    note("conflicting-boundary", readings.join(" | "));
  if (text === "") {
    note("missing-boundary");
    return NO_BOUNDARY;
  }
  // The value was read as UTF-8 only when its octets are valid UTF-8; this gives the same octets back.
  const octets = Buffer.from(text.trimEnd());
  if (octets.length > MAX_BOUNDARY) {
    note("overlong-boundary", `${octets.length} octets`);
    return NO_BOUNDARY;
  }
  if (octets.length > 70 || !/^[\w'()+,\-./:=? ]+$/.test(text)) note("odd-boundary", text);
  return octets;
}

/** Every boundary that some reader sees, the likeliest first; none is empty. */
function boundaryReadings(field: Parameterized | undefined): string[] {
  const found = new Set<string>();
  for (const reading of field?.parameters.get("boundary") ?? []) {
    if (reading.trim() === "") continue;
    found.add(reading);
    // White space in front of it: kept by the letter, lost by the usual trimming.
    if (/^\s/.test(reading)) found.add(reading.trim());
  }
  return [...found];
}

const IDENTITY: ReadonlySet<string> = new Set(["7bit", "8bit", "binary"]);
const ODD_IDENTITY =
  /^(?:|7-?bits?|8-?bits?|bin|none|plain|text|us-ascii|ascii|iso-8859-\d+|utf-8|identity|[\w-]+\/[\w-]+)$/;
/** From behind the name on, a value that needs no unfolding and no trimming behind it, which not all readers do. */
const BARE = /^[ \t]*:[ \t]*[!-~]+\r?\n?$/;
const UUENCODE = /^(?:x-)?uue(?:ncode)?$/;

function readTransferEncoding(
  fields: readonly Field[],
  note: Note,
  habits: Habits,
): { encoding: Encoding; uuencoded: boolean } {
  noteRepetitions(fields, "conflicting-transfer-encoding", note);
  const counts = habits.field === "first" ? fields[0] : fields.at(-1);
  const text = counts?.value.toLowerCase() ?? "7bit";
  if (IDENTITY.has(text)) return { encoding: "identity", uuencoded: false };
  if (text === "base64" || text === "quoted-printable") {
    const bare = BARE.test(counts!.raw.toString("latin1", counts!.name.length));
    if (!bare) note("odd-transfer-encoding", "white space around it");
    const encoding = bare ? text : (habits.oddEncoding ?? text);
    return { encoding, uuencoded: false };
  }
  const token = parseToken(text);
  if (text.includes("(")) note("comment-in-mime-value", text);
  else if (token !== text) note("odd-transfer-encoding", text);
  if (habits.oddEncoding !== null) return { encoding: habits.oddEncoding, uuencoded: false };
  if (token === "base64" || token === "quoted-printable")
    return { encoding: token, uuencoded: false };
  if (UUENCODE.test(token)) return { encoding: "identity", uuencoded: true };
  if (!IDENTITY.has(token)) {
    note(ODD_IDENTITY.test(token) ? "odd-transfer-encoding" : "unknown-transfer-encoding", text);
  }
  return { encoding: "identity", uuencoded: false };
}

/** Notes names whose readings end in different extensions: what one reader opens the other runs. */
function noteNames(declared: readonly Parameterized[], note: Note): void {
  for (const { parameters } of declared) {
    for (const key of ["filename", "name"]) {
      const readings = parameters.get(key);
      if (readings === undefined || readings.length < 2) continue;
      const extensions = new Set<string>();
      for (const reading of readings) {
        const shown = reading.includes("=?") ? decodeWords(reading) : reading;
        const extension = /\.(\w{1,10})\W*$/.exec(shown)?.[1];
        if (extension !== undefined) extensions.add(extension.toLowerCase());
      }
      if (extensions.size > 1) {
        note("conflicting-names", readings.join(" | "));
        return;
      }
    }
  }
}
