// Outlook messages kept as compound files (MS-OXMSG): the attachments, and the bodies that can carry something. A property is a
// stream whose name says its number and type. Used by ole.ts.
import type { Member } from "./format.ts";
import type { Entry } from "./ole-file.ts";
import { wholeMember } from "./ole-package.ts";
import { plainRtf } from "./rtf-compressed.ts";

const ATTACHMENT = /^__attach_version1\.0_#/i;
const PROPERTY = /^__substg1\.0_([0-9A-F]{4})([0-9A-F]{4})/i;
const DATA = "3701";
const MIME_TYPE = "370e";
/** Properties that name an attachment: the long name, the short one, the one shown, the file it was taken from. */
const NAMES = ["3707", "3704", "3001", "370d"];
const MAX_TEXT = 4_096;

/** Attachments and bodies, those of messages within the message included. */
export function* msgMembers(entries: readonly Entry[]): Generator<Member> {
  const inside = new Map<Entry, Entry[]>();
  for (const entry of entries) {
    if (entry.what !== "stream" || entry.octets.size === 0) continue;
    const [, id = "", type = ""] = PROPERTY.exec(entry.name) ?? [];
    const number = id.toLowerCase();
    if (number === "1013") yield { ...wholeMember(entry.octets), type: "text/html" };
    if (number === "1009" && type === "0102")
      yield {
        names: [],
        what: "file",
        type: "application/rtf",
        octets: () => plainRtf(entry.octets),
      };
    if (entry.parent !== null && ATTACHMENT.test(entry.parent.name)) {
      const properties = inside.get(entry.parent);
      if (properties === undefined) inside.set(entry.parent, [entry]);
      else properties.push(entry);
    }
  }
  for (const properties of inside.values()) yield* attachment(properties);
}

function* attachment(properties: readonly Entry[]): Generator<Member> {
  const texts = new Map<string, string>();
  let data: Entry | null = null;
  for (const entry of properties) {
    const [, id = "", type = ""] = PROPERTY.exec(entry.name) ?? [];
    const number = id.toLowerCase();
    if (number === DATA && type === "0102") data = entry;
    if (type === "001F") texts.set(number, text(entry, "utf16le"));
    if (type === "001E") texts.set(number, text(entry, "latin1"));
  }
  const names = NAMES.map((number) => texts.get(number) ?? "").filter((name) => name !== "");
  // Without data it is a message or an object in a storage, whose streams stand for themselves; its name still counts.
  const type = texts.get(MIME_TYPE)?.toLowerCase() ?? "";
  if (data === null) return;
  const member = wholeMember(data.octets, 0, [...new Set(names)]);
  yield type === "" ? member : { ...member, type };
}

function text(entry: Entry, encoding: "utf16le" | "latin1"): string {
  return entry.octets
    .read(0, MAX_TEXT)
    .toString(encoding)
    .replace(/\0[^]*$/, "");
}
