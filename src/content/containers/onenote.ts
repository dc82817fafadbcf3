// OneNote sections (MS-ONESTORE): the files that were dropped into a page. Each lies in an object with a mark of its own
// (FileDataStoreObject, 2.6.13), so the revision store around them need not be understood; names are read by onenote-names.ts.
import { indexIn } from "./cursor.ts";
import type { Format, Member } from "./format.ts";
import { octetsWithin, pieces } from "./octets.ts";
import type { Octets } from "./octets.ts";
import { embeddedNames } from "./onenote-names.ts";

const OBJECT = Buffer.from("e716e3bd65261145a4c48d4d0b7a9eac", "hex");
/** Mark, length, and twelve octets that say nothing. */
const HEAD = 36;
const MAX_FILES = 1_500;
/** Where a file says which of the two ways of storing it uses; the one of web services has no such objects. */
const FORMAT_AT = 48;
const PACKAGED = "2fe98d63d4a6c14b9a36b3fc2511a5b7";

export const onenote: Format = {
  name: "onenote",
  kinds: ["onenote"],
  *members(file, report) {
    if (file.read(FORMAT_AT, 16).toString("hex") === PACKAGED)
      report.defect("container-unsupported", "a section as web services store it");
    let names: ((object: number) => readonly string[]) | null = null;
    let files = 0;
    for (let at = indexIn(file, OBJECT); at >= 0; at = indexIn(file, OBJECT, at)) {
      if (++files > MAX_FILES) {
        report.defect("container-too-many-members", `more than ${MAX_FILES} files`);
        return;
      }
      names ??= embeddedNames(file);
      report.attribute("EMBEDDED");
      yield embedded(file, at, names(at));
      at += OBJECT.length;
    }
  },
};

function embedded(file: Octets, at: number, names: readonly string[]): Member {
  const head = file.read(at, HEAD);
  const size = head.length < HEAD ? 0 : Number(head.readBigUInt64LE(16));
  const octets = octetsWithin(file, at + HEAD, size);
  const cut = { kind: "container-broken", detail: "an embedded file is cut" } as const;
  return {
    names,
    what: "file",
    ...(octets.size < size ? { defects: [cut] } : {}),
    octets: () => pieces(octets),
  };
}
