// winmail.dat: what Outlook sends beside a message (MS-OXTNEF). A row of attributes; attachments have their data in one and their names in
// others, newer ones in a list of MAPI properties. The body as RTF or HTML is a member too, since other programs never show it.
import type { Format, Member, Report } from "./format.ts";
import { octetsWithin, pieces } from "./octets.ts";
import type { Octets } from "./octets.ts";
import { plainRtf } from "./rtf-compressed.ts";
import { mapiProperties } from "./tnef-properties.ts";

/** Attributes by number; the type, which stands before it, some writers leave out. */
const MESSAGE_PROPERTIES = 0x9003;
const RENDERING = 0x9002;
const ATTACHMENT_PROPERTIES = 0x9005;
const ATTACHMENT_DATA = 0x800f;
const ATTACHMENT_TITLE = 0x8010;
const TRANSPORT_NAME = 0x9001;
const HEAD = 9;
const MAX_NAME = 4_096;
const MAX_NAMES = 16;
const MAX_ATTRIBUTES = 1_000_000;

const DATA = 0x3701;
const BODY_HTML = 0x1013;
const BODY_RTF = 0x1009;
const MIME_TYPE = 0x370e;
/** Where an attachment's names stand, the likeliest first: the long name, the shown one, title, short name, the transport's. */
const NAMES: readonly number[] = [0x3707, 0x3001, ATTACHMENT_TITLE, 0x3704, 0x370c, TRANSPORT_NAME];
/** MAPI objects start with the identifier of their interface. */
const INTERFACE = 16;
const MESSAGE_INTERFACE = "0703020000000000c000000000000046";

interface Attachment {
  readonly names: { readonly from: number; readonly text: string }[];
  type: string;
  readonly data: { readonly octets: Octets; readonly nested: boolean }[];
}

export const tnef: Format = {
  name: "tnef",
  kinds: ["tnef"],
  *members(file, report) {
    let attachment: Attachment | null = null;
    for (const { id, value } of attributes(file, report)) {
      if (id === RENDERING) {
        if (attachment !== null) yield* attachmentMembers(attachment);
        attachment = { names: [], type: "", data: [] };
      }
      if (id === MESSAGE_PROPERTIES) yield* bodies(value, report);
      if (id === ATTACHMENT_TITLE || id === TRANSPORT_NAME) {
        attachment ??= { names: [], type: "", data: [] };
        name(attachment, id, value.read(0, MAX_NAME).toString("latin1"));
      }
      if (id === ATTACHMENT_DATA) {
        attachment ??= { names: [], type: "", data: [] };
        attachment.data.push({ octets: value, nested: false });
      }
      if (id === ATTACHMENT_PROPERTIES) {
        attachment ??= { names: [], type: "", data: [] };
        properties(attachment, value, report);
      }
    }
    if (attachment !== null) yield* attachmentMembers(attachment);
  },
};

/** The attributes of both levels; a length that lies ends them. */
function* attributes(file: Octets, report: Report): Generator<{ id: number; value: Octets }> {
  let at = 6;
  for (let i = 0; i < MAX_ATTRIBUTES; i++) {
    const head = file.read(at, HEAD);
    if (head.length === 0) return;
    if (head.length < HEAD || (head[0] !== 1 && head[0] !== 2)) {
      // Some carriers put line ends behind it.
      if (/[^\s\0]/.test(head.toString("latin1")))
        report.defect("container-broken", "an attribute has no head");
      return;
    }
    const length = head.readUInt32LE(5);
    yield { id: head.readUInt16LE(1), value: octetsWithin(file, at + HEAD, length) };
    if (at + HEAD + length > file.size) report.defect("container-broken", "an attribute is cut");
    // A checksum of two octets follows.
    at += HEAD + length + 2;
  }
}

function name({ names }: Attachment, from: number, text: string): void {
  const plain = text.replace(/\0[^]*$/, "");
  if (plain !== "" && names.length < MAX_NAMES) names.push({ from, text: plain });
}

function properties(attachment: Attachment, value: Octets, report: Report): void {
  for (const { id, text, octets, object } of mapiProperties(value, broken(report))) {
    if (NAMES.includes(id)) name(attachment, id, text());
    if (id === MIME_TYPE) attachment.type = text().toLowerCase();
    if (id !== DATA) continue;
    const nested = object && octets.read(0, INTERFACE).toString("hex") === MESSAGE_INTERFACE;
    const start = object ? INTERFACE : 0;
    attachment.data.push({ octets: octetsWithin(octets, start, octets.size), nested });
  }
}

function* attachmentMembers({ names, type, data }: Attachment): Generator<Member> {
  const sorted = names.sort((a, b) => NAMES.indexOf(a.from) - NAMES.indexOf(b.from));
  const given = [...new Set(sorted.map(({ text }) => text))];
  for (const { octets, nested } of data) {
    const declared = nested ? "application/ms-tnef" : type;
    yield {
      names: given,
      what: "file",
      ...(declared === "" ? {} : { type: declared }),
      octets: () => pieces(octets),
    };
  }
}

/** The bodies that only Outlook shows. */
function* bodies(value: Octets, report: Report): Generator<Member> {
  for (const { id, octets } of mapiProperties(value, broken(report))) {
    if (id === BODY_HTML)
      yield { names: [], what: "file", type: "text/html", octets: () => pieces(octets) };
    if (id === BODY_RTF)
      yield { names: [], what: "file", type: "application/rtf", octets: () => plainRtf(octets) };
  }
}

const broken = (report: Report) => (): void => report.defect("container-broken", "its properties");
