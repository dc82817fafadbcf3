// ISO 9660 images: the primary tree with its Rock Ridge names and the Joliet trees beside it, which may differ: what any reader shows
// is a member, once for each place on the disc, under all its names. A UDF file system beside or instead of it is read too.
import { Broken } from "./format.ts";
import type { Format, Member, Report } from "./format.ts";
import { directoriesOf } from "./iso-records.ts";
import type { IsoRecord, IsoTree } from "./iso-records.ts";
import { octetsWithin, pieces } from "./octets.ts";
import type { Octets } from "./octets.ts";
import { distinct } from "./raw-names.ts";
import { isUdf, udfMembers } from "./udf.ts";

const SECTOR = 2048;
const FIRST = 16;
const MAX_DESCRIPTORS = 32;
const PRIMARY = 1;
const SUPPLEMENTARY = 2;
const TERMINATOR = 255;
/** Escape sequences of Joliet: UCS-2 of levels 1 to 3. */
const JOLIET = new Set(["%/@", "%/C", "%/E"]);
/** Where Apple's file systems have their mark. */
const HFS_MARK = 1024;

export const iso: Format = {
  name: "iso",
  kinds: ["iso", "udf"],
  extensions: ["iso", "img", "udf"],
  *members(file, report) {
    const trees = treesOf(file);
    const udf = isUdf(file);
    if (trees.length === 0 && !udf) throw new Broken("iso: no volume");
    const mark = file.read(HFS_MARK, 2).toString("latin1");
    if (trees.length > 0 && (mark === "BD" || mark === "H+"))
      report.defect("container-unsupported", "an HFS file system beside");
    yield* isoMembers(file, trees, report);
    if (udf) yield* udfMembers(file, report);
  },
};

/** The trees that the volume descriptors tell of. */
function treesOf(file: Octets): IsoTree[] {
  const trees: IsoTree[] = [];
  for (let i = 0; i < MAX_DESCRIPTORS; i++) {
    const descriptor = file.read((FIRST + i) * SECTOR, SECTOR);
    if (descriptor.length < SECTOR || descriptor.toString("latin1", 1, 6) !== "CD001") break;
    const type = descriptor[0]!;
    if (type === TERMINATOR) break;
    if (type !== PRIMARY && type !== SUPPLEMENTARY) continue;
    const wide = type === SUPPLEMENTARY && JOLIET.has(descriptor.toString("latin1", 88, 91));
    const block = descriptor.readUInt16LE(128);
    if (![512, 1024, 2048].includes(block)) throw new Broken("iso: bad block size");
    trees.push({
      wide,
      block,
      root: { at: descriptor.readUInt32LE(158) * block, size: descriptor.readUInt32LE(166) },
    });
  }
  return trees;
}

/** The files of all trees: those of the same octets are one member. */
function* isoMembers(file: Octets, trees: readonly IsoTree[], report: Report): Generator<Member> {
  const found = new Map<string, { record: IsoRecord; names: Set<string> }>();
  let broken: Broken | null = null;
  try {
    for (const tree of trees)
      for (const record of directoriesOf(file, tree)) {
        const places = record.extents.map(({ at, size }) => `${at}+${size}`).join();
        const key = `${record.what} ${record.extents.some(({ size }) => size > 0) ? places : record.names.join("/")}`;
        const same = found.get(key) ?? { record, names: new Set() };
        for (const name of record.names) same.names.add(name);
        found.set(key, same);
      }
  } catch (error) {
    if (!(error instanceof Broken)) throw error;
    broken = error;
  }
  for (const { record, names } of found.values()) yield memberOf(file, record, names);
  if (broken !== null) report.defect(broken.kind, broken.message);
}

function memberOf(file: Octets, record: IsoRecord, names: ReadonlySet<string>): Member {
  const { what, extents, packed } = record;
  const member = { names: distinct([...names]), what };
  if (what !== "file") return member;
  return {
    ...member,
    // zisofs: only Linux unpacks it, others show the octets as they are.
    defects: packed ? [{ kind: "container-unsupported", detail: "zisofs" }] : [],
    *octets() {
      for (const { at, size } of extents) {
        yield* pieces(octetsWithin(file, at, size));
        if (at + size > file.size) throw new Broken("iso: ends early");
      }
    },
  };
}
