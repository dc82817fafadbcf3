// Compound files by what they are: Word, Excel, PowerPoint, Visio, Outlook messages, installer packages, password-protected OOXML.
// Members are the files embedded in them, attachments, cabinets, and the sources of macros; ordinary streams are not. The parts are
// read by the files named ole-*.ts beside it.
import { kindsOf, MAGIC_LENGTH } from "../magic.ts";
import type { Format, Member, Report } from "./format.ts";
import { compoundEntries } from "./ole-file.ts";
import type { Entry } from "./ole-file.ts";
import { isMsiName, msiMembers } from "./ole-msi.ts";
import { msgMembers } from "./ole-msg.ts";
import {
  presentationEncrypted,
  presentationObjects,
  wordEncrypted,
  workbookFacts,
} from "./ole-office.ts";
import { nativeMember, wholeMember } from "./ole-package.ts";
import { vbaSources } from "./ole-vba.ts";

/** Streams and storages that decide what a file is, lower case. */
const TELLING: Readonly<Record<string, string>> = {
  worddocument: "doc",
  workbook: "xls",
  book: "xls",
  "powerpoint document": "ppt",
  visiodocument: "vsd",
  "__properties_version1.0": "msg",
  quill: "pub",
  hwpsummaryinformation: "hwp",
};
/** Streams that hold what only a password or a rights server opens. */
const LOCKED = /^(?:encryptedpackage|encryptedsummary|\x09drmcontent|\x09drmviewercontent)$/;
/** Whatever the name of their stream, files of these kinds are members. */
const CARRIED: ReadonlySet<string> = new Set(
  "exe exe-ms dll zip doc rtf pdf cab 7z rar html hta lnk onenote swf chm tnef vbe iso".split(" "),
);
const MSI_CLASSES = /^8[246]100c000000000000c000000000000046$/i;

export const ole: Format = {
  name: "ole",
  kinds: ["doc"],
  *members(file, report) {
    const said = new Set<string>();
    const trouble = (detail: string): void => {
      if (said.size < 4 && !said.has(detail)) report.defect("container-broken", detail);
      said.add(detail);
    };
    const entries = compoundEntries(file, trouble);
    const kind = kindOf(entries);
    if (kind !== null) report.kind(kind);
    const whole = readWhole(entries, file.size, trouble);
    facts(entries, whole, report);
    if (kind === "msi") yield* msiMembers(entries);
    if (kind === "msg") yield* msgMembers(entries);
    yield* macros(entries, whole, report);
    yield* embedded(entries, whole, kind === "msi" || kind === "msg", report);
  },
};

function kindOf(entries: readonly Entry[]): string | null {
  const root = entries[0]!;
  if (MSI_CLASSES.test(root.clsid)) return "msi";
  let found: string | null = null;
  for (const { name, parent } of entries) {
    if (parent !== root) continue;
    if (isMsiName(name)) return "msi";
    found ??= TELLING[name.toLowerCase()] ?? null;
  }
  return found;
}

/**
 * The streams that are read from end to end. Those that share their sectors must not cost more than honest ones, which together are
 * no longer than the file: the others are left out, and told.
 */
function readWhole(
  entries: readonly Entry[],
  size: number,
  trouble: (detail: string) => void,
): ReadonlySet<Entry> {
  const found = new Set<Entry>();
  let left = size;
  for (const entry of entries) {
    if (entry.what !== "stream" || !(WHOLE.test(entry.name) || inVba(entry))) continue;
    left -= entry.octets.size;
    if (left >= 0) found.add(entry);
    else trouble("its streams share their sectors");
  }
  return found;
}

const WHOLE = /^(?:workbook|book|powerpoint document)$/i;
const inVba = ({ parent }: Entry): boolean => parent?.name.toLowerCase() === "vba";

/** What the main streams say of the document; embedded documents in storages of their own count as well. */
function facts(entries: readonly Entry[], whole: ReadonlySet<Entry>, report: Report): void {
  for (const entry of entries) {
    const { name, what, octets } = entry;
    const plain = name.toLowerCase();
    if (LOCKED.test(plain)) report.encrypted();
    if (what !== "stream") continue;
    if (plain === "worddocument" && wordEncrypted(octets)) report.encrypted();
    if (plain === "current user" && presentationEncrypted(octets)) report.encrypted();
    if (whole.has(entry) && plain.endsWith("book")) {
      const { encrypted, macroSheet } = workbookFacts(octets);
      if (encrypted) report.encrypted();
      if (macroSheet) report.attribute("MACRO");
    }
  }
}

/** The sources of all storages that hold a project of macros. */
function* macros(
  entries: readonly Entry[],
  whole: ReadonlySet<Entry>,
  report: Report,
): Generator<Member> {
  const projects = new Map<Entry, Entry[]>();
  for (const entry of entries) {
    const plain = entry.name.toLowerCase();
    if (plain === "_vba_project" || plain === "_vba_project_cur") report.attribute("MACRO");
    const { parent } = entry;
    if (entry.what !== "stream" || parent === null || !inVba(entry)) continue;
    report.attribute("MACRO");
    if (!whole.has(entry)) continue;
    const streams = projects.get(parent);
    if (streams === undefined) projects.set(parent, [entry]);
    else streams.push(entry);
  }
  for (const streams of projects.values()) yield* vbaSources(streams);
}

/** Files and objects that were put into the document. `all`: its streams are members already. */
function* embedded(
  entries: readonly Entry[],
  whole: ReadonlySet<Entry>,
  all: boolean,
  report: Report,
): Generator<Member> {
  for (const entry of entries) {
    const { name, what, octets } = entry;
    if (what !== "stream" || octets.size === 0) continue;
    const plain = name.toLowerCase();
    if (plain === "\x01ole10native") {
      report.attribute("EMBEDDED");
      const member = nativeMember(octets);
      if (member.what === "link") report.attribute("LAUNCH");
      yield member;
    } else if (plain === "\x01ole") {
      if (isLink(octets.read(0, 8))) report.attribute("EXTERNAL");
    } else if (plain === "powerpoint document") {
      if (whole.has(entry)) yield* presentationObjects(octets);
    } else if (!all) {
      const [kind = "dat"] = kindsOf(octets.read(0, MAGIC_LENGTH));
      if (!CARRIED.has(kind)) continue;
      report.attribute("EMBEDDED");
      yield wholeMember(octets);
    }
  }
}

/** MS-OLEDS 2.3.3: the flags say that the object lies elsewhere. */
function isLink(start: Buffer): boolean {
  return start.length === 8 && (start.readUInt32LE(4) & 1) === 1;
}
