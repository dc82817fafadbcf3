// Windows installer packages: a database of tables and streams in a compound file. Stream names hold two characters of a 64-letter
// alphabet in one UTF-16 unit. Its cabinets and binaries are the members. Used by ole.ts.
import type { Member } from "./format.ts";
import type { Entry } from "./ole-file.ts";
import { wholeMember } from "./ole-package.ts";

const LETTERS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz._";
const PAIRS = 0x3800;
const SINGLES = 0x4800;
/** Stands before the name of a table. */
const TABLE = 0x4840;

/** True for a name that only an installer package has. */
export function isMsiName(name: string): boolean {
  const first = name.charCodeAt(0);
  return first >= PAIRS && first <= TABLE;
}

/** The name as it was before it was packed; a table's starts with "!". */
export function msiName(name: string): string {
  let found = "";
  for (let i = 0; i < name.length; i++) {
    const unit = name.charCodeAt(i);
    if (unit === TABLE) found += "!";
    else if (unit >= SINGLES && unit < TABLE) found += LETTERS[unit - SINGLES];
    else if (unit >= PAIRS && unit < SINGLES)
      found += LETTERS[(unit - PAIRS) & 63]! + LETTERS[(unit - PAIRS) >> 6]!;
    else found += name[i];
  }
  return found;
}

/** All streams that are neither tables nor the summary. */
export function* msiMembers(entries: readonly Entry[]): Generator<Member> {
  for (const { what, name, octets } of entries) {
    if (what !== "stream" || octets.size === 0) continue;
    const plain = msiName(name);
    if (!plain.startsWith("!") && !plain.startsWith("\x05")) yield wholeMember(octets, 0, [plain]);
  }
}
