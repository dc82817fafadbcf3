// What Office documents in a zip file (ECMA-376, Open Packaging Conventions) are and what they can do: the kind by the content type of
// the main part, macros, embedded files, and what is fetched from elsewhere. Used by package.ts.
import type { Attribute } from "../../mail/attributes.ts";
import { tagsOf } from "./xml-tags.ts";

/** Where the parts' content types stand, lower case. */
export const CONTENT_TYPES = "[content_types].xml";

/** The kind by the start of the main part's content type, lower case; the first that matches. */
const KINDS: readonly (readonly [string, string])[] = [
  ["application/vnd.openxmlformats-officedocument.wordprocessingml.document.main", "docx"],
  ["application/vnd.openxmlformats-officedocument.wordprocessingml.template.main", "dotx"],
  ["application/vnd.ms-word.document.macroenabled.main", "docm"],
  ["application/vnd.ms-word.template.macroenabledtemplate.main", "dotm"],
  ["application/vnd.openxmlformats-officedocument.spreadsheetml.sheet.main", "xlsx"],
  ["application/vnd.openxmlformats-officedocument.spreadsheetml.template.main", "xltx"],
  ["application/vnd.ms-excel.sheet.macroenabled.main", "xlsm"],
  ["application/vnd.ms-excel.template.macroenabled.main", "xltm"],
  ["application/vnd.ms-excel.addin.macroenabled.main", "xlam"],
  ["application/vnd.ms-excel.sheet.binary.macroenabled.main", "xlsb"],
  ["application/vnd.openxmlformats-officedocument.presentationml.presentation.main", "pptx"],
  ["application/vnd.openxmlformats-officedocument.presentationml.template.main", "potx"],
  ["application/vnd.openxmlformats-officedocument.presentationml.slideshow.main", "ppsx"],
  ["application/vnd.ms-powerpoint.presentation.macroenabled.main", "pptm"],
  ["application/vnd.ms-powerpoint.template.macroenabled.main", "potm"],
  ["application/vnd.ms-powerpoint.slideshow.macroenabled.main", "ppsm"],
  ["application/vnd.ms-powerpoint.addin.macroenabled.main", "ppam"],
  ["application/vnd.ms-visio.drawing.macroenabled.main", "vsdm"],
  ["application/vnd.ms-visio.drawing.main", "vsdx"],
  ["application/vnd.ms-visio.template.macroenabled.main", "vstm"],
  ["application/vnd.ms-visio.template.main", "vstx"],
  ["application/vnd.ms-package.xps-fixeddocumentsequence", "xps"],
];

/** The kind when the content types do not say it: by the folder of the parts. */
const FOLDERS: readonly (readonly [string, string])[] = [
  ["word/", "docx"],
  ["xl/", "xlsx"],
  ["ppt/", "pptx"],
  ["visio/", "vsdx"],
];

/** The short type; null when these are no Office documents. `names` in lower case, `types` the text of the content types. */
export function ooxmlKind(names: readonly string[], types: string): string | null {
  const declared = [...contentTypes(types)];
  for (const [start, kind] of KINDS)
    if (declared.some((type) => type.startsWith(start))) return kind;
  for (const [folder, kind] of FOLDERS)
    if (names.some((name) => name.startsWith(folder))) return kind;
  return null;
}

function* contentTypes(text: string): Generator<string> {
  for (const { attributes } of tagsOf(text)) {
    const type = attributes.get("contenttype");
    if (type !== undefined) yield type.toLowerCase();
  }
}

/** What the name of a part (lower case) says of the document. */
export function ooxmlName(name: string): Attribute | null {
  if (/(?:^|\/)vbaproject\.bin$/.test(name) || /(?:^|\/)macrosheets\//.test(name)) return "MACRO";
  return /(?:^|\/)embeddings\/./.test(name) ? "EMBEDDED" : null;
}

// A binary workbook is "macroEnabled" with and without macros.
const MACRO_TYPE = /vbaproject|macrosheet|(?<!binary\.)macroenabled/;

/** What the text of the content types says. */
export function ooxmlTypes(text: string): Attribute[] {
  for (const type of contentTypes(text)) if (MACRO_TYPE.test(type)) return ["MACRO"];
  return [];
}

/** Relationships whose target is fetched, by the last word of their type, lower case; links that wait for a click are not among them. */
const FETCHED = new Set(
  "attachedtemplate oleobject frame subdocument afchunk control package".split(" "),
);

/** What the text of a part's relationships says. */
export function ooxmlRelationships(text: string): Attribute[] {
  const found = new Set<Attribute>();
  for (const { name, attributes } of tagsOf(text)) {
    if (name !== "relationship") continue;
    const type = (attributes.get("type") ?? "").toLowerCase();
    const kind = type.slice(type.lastIndexOf("/") + 1);
    if (kind === "vbaproject" || kind.endsWith("macrosheet")) found.add("MACRO");
    const external = (attributes.get("targetmode") ?? "").trim().toLowerCase() === "external";
    if (external && FETCHED.has(kind) && isElsewhere(attributes.get("target") ?? ""))
      found.add("EXTERNAL");
  }
  return [...found];
}

/** Not on the reader's own disk: Word writes the path of the author's template into every document. */
function isElsewhere(target: string): boolean {
  const plain = target
    .trim()
    .toLowerCase()
    .replace(/\\/g, "/")
    .replace(/^file:\/*(?=[a-z]:|[a-z]%3a)/, "");
  if (/^[a-z]:/.test(plain) || /^[a-z]%3a/.test(plain)) return false;
  if (plain.startsWith("file:///") && !plain.startsWith("file:////")) return false;
  return plain.startsWith("//") || /^[a-z][a-z0-9+.-]*:/.test(plain);
}
