// What OpenDocument files (ISO/IEC 26300-3) are and what they can do, by their mimetype, the names of their members and the manifest.
// Used by package.ts.
import type { Attribute } from "../../mail/attributes.ts";
import { tagsOf } from "./xml-tags.ts";

const PREFIX = "application/vnd.oasis.opendocument.";
const KINDS: Readonly<Record<string, string>> = {
  text: "odt",
  "text-template": "ott",
  "text-master": "odm",
  "text-web": "oth",
  spreadsheet: "ods",
  "spreadsheet-template": "ots",
  presentation: "odp",
  "presentation-template": "otp",
  graphics: "odg",
  "graphics-template": "otg",
  chart: "odc",
  formula: "odf",
  base: "odb",
  database: "odb",
};

/** The short type by the content of the member "mimetype", lower case; null when it is none of these. */
export function odfKind(mimetype: string): string | null {
  if (!mimetype.startsWith(PREFIX)) return null;
  const rest = mimetype.slice(PREFIX.length);
  return Object.hasOwn(KINDS, rest) ? KINDS[rest]! : "odf";
}

/** Lists of libraries are there without macros, too. */
const LISTS = /\/(?:script-l[bc]|dialog-l[bc])\.xml$/;

/** What the name of a member (lower case) says of the document. */
export function odfName(name: string): Attribute | null {
  if (/^basic\/[^/]+\/[^/]+/.test(name) && !LISTS.test(name)) return "MACRO";
  if (/^scripts\/[^/]+\/.+/.test(name) && !name.endsWith("/")) return "MACRO";
  return /^object \d+$/.test(name) ? "EMBEDDED" : null;
}

/** Whether the manifest says that members are encrypted; their sizes and names stay readable. */
export function odfManifest(text: string): boolean {
  for (const { name } of tagsOf(text)) if (name === "encryption-data") return true;
  return false;
}
