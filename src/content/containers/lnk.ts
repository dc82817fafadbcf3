// Shortcuts (MS-SHLLINK): they start what they point to. What lies behind the end of one is a member: malware carries its payload there
// and has the shortcut's command cut it out.
import { Broken } from "./format.ts";
import type { Format } from "./format.ts";
import type { Octets } from "./octets.ts";
import { wholeMember } from "./ole-package.ts";

const HEADER = 76;
const HAS_TARGET = 0x01;
const HAS_INFO = 0x02;
const WIDE = 0x80;
/** Description, relative path, working directory, arguments, icon: counted strings in this order. */
const STRINGS: readonly number[] = [0x04, 0x08, 0x10, 0x20, 0x40];
const MAX_BLOCKS = 1_000;

export const lnk: Format = {
  name: "lnk",
  kinds: ["lnk"],
  *members(file, report) {
    report.attribute("LAUNCH");
    const end = shortcutEnd(file);
    // Some writers leave the last mark out or add a few zeros.
    if (end + 16 < file.size) yield wholeMember(file, end);
  },
};

/** Where the shortcut ends by its own sizes. Throws Broken when they lead out of the file. */
function shortcutEnd(file: Octets): number {
  const number = (at: number, octets: 2 | 4): number => {
    const found = file.read(at, octets);
    if (found.length < octets) throw new Broken("a size leads out of the shortcut");
    return found.readUIntLE(0, octets);
  };
  const flags = number(20, 4);
  let at = HEADER;
  if ((flags & HAS_TARGET) !== 0) at += 2 + number(at, 2);
  if ((flags & HAS_INFO) !== 0) at += Math.max(4, number(at, 4));
  const width = (flags & WIDE) !== 0 ? 2 : 1;
  for (const string of STRINGS) if ((flags & string) !== 0) at += 2 + number(at, 2) * width;
  for (let i = 0; i < MAX_BLOCKS && at + 4 <= file.size; i++) {
    const size = number(at, 4);
    if (size < 4) return at + 4;
    at += size;
  }
  return at;
}
