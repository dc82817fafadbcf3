// Programs that unpack themselves: a 7z, RAR or cabinet behind the program or among its resources. (zip.ts finds its own from the end
// of the file.) Most programs hold none, and nothing is said of them.
import { cab } from "./cab.ts";
import { indexIn } from "./cursor.ts";
import { Broken } from "./format.ts";
import type { Format, Member, Report } from "./format.ts";
import { octetsWithin } from "./octets.ts";
import type { Octets } from "./octets.ts";
import { rar } from "./rar.ts";
import { sevenZip } from "./sevenzip.ts";

/** So far from its start, and from the end of the program proper, an archive's mark is looked for. */
const REACH = 1024 * 1024;
/** Programs that know archives hold their marks too. */
const MAX_MARKS = 8;
const MAX_SECTIONS = 96;
const ARCHIVES: readonly { readonly mark: Buffer; readonly format: Format }[] = [
  { mark: Buffer.from("377abcaf271c00", "hex"), format: sevenZip },
  { mark: Buffer.from("Rar!\x1a\x07", "latin1"), format: rar },
  { mark: Buffer.from("MSCF\0\0\0\0", "latin1"), format: cab },
];

export const sfx: Format = {
  name: "sfx",
  kinds: ["exe"],
  async *members(file, report) {
    for (const { at, format } of candidates(file)) {
      const attempt = new Attempt(report);
      const archive = octetsWithin(file, at, file.size - at);
      yield* membersOf(format, archive, attempt);
      if (attempt.isArchive) return;
    }
  },
};

/** The members if it is an archive. Throws Broken only after it proved to be one. */
async function* membersOf(
  format: Format,
  archive: Octets,
  attempt: Attempt,
): AsyncGenerator<Member> {
  try {
    for await (const member of format.members(archive, attempt)) {
      attempt.isArchive = true;
      yield member;
    }
  } catch (error) {
    if (attempt.isArchive || !(error instanceof Broken)) throw error; // A mark, and no archive behind it.
  }
}

/** Passes on only what is said of an archive that is one. */
class Attempt implements Report {
  readonly #report: Report;
  isArchive = false;

  constructor(report: Report) {
    this.#report = report;
  }

  defect: Report["defect"] = (kind, detail) => {
    if (this.isArchive) this.#report.defect(kind, detail);
  };
  attribute: Report["attribute"] = (name) => this.#report.attribute(name);
  kind: Report["kind"] = () => undefined;
  encrypted: Report["encrypted"] = () => {
    this.isArchive = true;
    this.#report.encrypted();
  };
}

/** Where marks stand, in the order of the file. */
function candidates(file: Octets): { readonly at: number; readonly format: Format }[] {
  const found: { at: number; format: Format }[] = [];
  const behind = endOfProgram(file);
  for (const { mark, format } of ARCHIVES)
    for (const start of new Set([0, behind])) {
      const end = start + REACH;
      for (let at = indexIn(file, mark, start, end); at >= 0 && found.length < MAX_MARKS * 3;) {
        if (!found.some((other) => other.at === at)) found.push({ at, format });
        at = indexIn(file, mark, at + 1, end);
      }
    }
  return found.sort((a, b) => a.at - b.at).slice(0, MAX_MARKS);
}

/** Behind the last section of a PE program; 0 for others. */
function endOfProgram(file: Octets): number {
  const start = file.read(0, 64);
  if (start.length < 64 || start.readUInt16LE(0) !== 0x5a4d) return 0;
  const at = start.readUInt32LE(60);
  const header = file.read(at, 24);
  if (header.length < 24 || header.toString("latin1", 0, 4) !== "PE\0\0") return 0;
  const table = at + 24 + header.readUInt16LE(20);
  let end = 0;
  for (let i = 0; i < Math.min(MAX_SECTIONS, header.readUInt16LE(6)); i++) {
    const section = file.read(table + i * 40, 40);
    if (section.length < 40) break;
    end = Math.max(end, section.readUInt32LE(16) + section.readUInt32LE(20));
  }
  return end < file.size ? end : 0;
}
