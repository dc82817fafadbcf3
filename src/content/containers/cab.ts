// Microsoft cabinets: the list of files is read here, the octets come from libarchive (stored, MSZIP,
// LZX; not Quantum).
import { Broken } from "./format.ts";
import type { Format, Member, Report } from "./format.ts";
import type { Octets } from "./octets.ts";
import { paired } from "./paired.ts";
import { namesFrom } from "./raw-names.ts";

const HEADER = 36;
const FILE = 16;
const MAX_NAME = 512;
const HAS_PREVIOUS = 0x01;
const HAS_NEXT = 0x02;
/** Folder numbers from here on mean that the file goes on in another cabinet. */
const CONTINUED = 0xfffd;

export const cab: Format = {
  name: "cab",
  kinds: ["cab"],
  async *members(file, report) {
    const header = file.read(0, HEADER);
    if (header.toString("latin1", 0, 4) !== "MSCF")
      throw new Broken("an InstallShield cabinet", "container-unsupported");
    if (header.length < HEADER) throw new Broken("cab: ends early");
    if ((header.readUInt16LE(30) & (HAS_PREVIOUS | HAS_NEXT)) !== 0)
      report.defect("container-split");
    yield* paired(file, listed(file, header, report), report);
  },
};

function* listed(file: Octets, header: Buffer, report: Report): Generator<Member> {
  let at = header.readUInt32LE(16);
  for (let left = header.readUInt16LE(28); left > 0; left--) {
    const fixed = file.read(at, FILE);
    const name = file.read(at + FILE, MAX_NAME);
    const end = name.indexOf(0);
    if (fixed.length < FILE || end < 0) throw new Broken("cab: ends early");
    at += FILE + end + 1;
    const names = namesFrom(name.subarray(0, end));
    const folder = fixed.readUInt16LE(8);
    if (folder >= CONTINUED) {
      report.defect("container-split");
      yield { names, what: "file", defects: [{ kind: "container-split" }] };
    } else yield { names, what: "file" };
  }
}
