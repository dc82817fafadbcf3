// NTFS volumes: the files of the master file table under their names, without paths, and their alternate streams. Used by disk.ts.
import { Broken } from "./format.ts";
import type { Member } from "./format.ts";
import { attributesOf, octetsOf, recordFrom } from "./ntfs-records.ts";
import type { Attribute, Geometry } from "./ntfs-records.ts";
import type { Octets } from "./octets.ts";
import { distinct } from "./raw-names.ts";

/** The first ones are the file system's own. */
const FIRST_RECORD = 24;
const MAX_RECORDS = 200_000;
const MAX_STREAMS = 32;
const FILE_NAME = 0x30;
const DATA = 0x80;
const ATTRIBUTE_LIST = 0x20;
const IN_USE = 1;
const DIRECTORY = 2;
/** Flags of an attribute. */
const COMPRESSED = 0x00ff;
const ENCRYPTED = 0x4000;

export function isNtfs(volume: Octets): boolean {
  return volume.read(3, 8).toString("latin1") === "NTFS    ";
}

/** The files and directories. Throws Broken at the damage, or when there are too many. */
export function* ntfsMembers(volume: Octets): Generator<Member> {
  const geometry = geometryOf(volume);
  const { record, table: start } = geometry;
  const first = recordFrom(volume.read(start, record), geometry);
  const runs = first === null ? undefined : attributesOf(first).find(isPlainData);
  if (runs === undefined) throw new Broken("ntfs: no file table");
  let number = 0;
  for (const octets of recordsIn(octetsOf(volume, geometry, runs), record)) {
    if (++number > MAX_RECORDS)
      throw new Broken("ntfs: too many records", "container-too-many-members");
    if (number <= FIRST_RECORD) continue;
    const file = recordFrom(octets, geometry);
    if (file !== null) yield* membersOf(volume, geometry, file);
  }
}

const isPlainData = ({ type, name }: Attribute): boolean => type === DATA && name === "";

function geometryOf(volume: Octets): Geometry {
  const boot = volume.read(0, 512);
  if (boot.length < 512) throw new Broken("ntfs: ends early");
  const sector = boot.readUInt16LE(11);
  const perCluster = boot[13]! > 0x80 ? 2 ** (256 - boot[13]!) : boot[13]!;
  const cluster = sector * perCluster;
  const size = boot.readInt8(64);
  const record = size < 0 ? 2 ** -size : size * cluster;
  const known = [256, 512, 1024, 2048, 4096].includes(sector) && cluster <= 2 * 1024 * 1024;
  if (!known || cluster === 0 || record < 512 || record > 65_536)
    throw new Broken("ntfs: bad boot sector");
  return { sector, cluster, record, table: Number(boot.readBigUInt64LE(48)) * cluster };
}

/** The table's octets, cut into records. */
function* recordsIn(octets: Iterable<Buffer>, size: number): Generator<Buffer> {
  let kept = Buffer.alloc(0);
  for (const piece of octets) {
    const all = kept.length === 0 ? piece : Buffer.concat([kept, piece]);
    let at = 0;
    for (; at + size <= all.length; at += size) yield all.subarray(at, at + size);
    kept = Buffer.from(all.subarray(at));
  }
}

/** A file with its streams; nothing for records that are not used, or go on with another. */
function* membersOf(volume: Octets, geometry: Geometry, record: Buffer): Generator<Member> {
  const flags = record.readUInt16LE(22);
  const base = record.readUIntLE(32, 6);
  if ((flags & IN_USE) === 0) return;
  const attributes = attributesOf(record);
  const names = distinct(attributes.filter(({ type }) => type === FILE_NAME).map(nameOf));
  if ((flags & DIRECTORY) !== 0) {
    if (base === 0) yield { names, what: "directory" };
    return;
  }
  const streams = attributes.filter(({ type }) => type === DATA).slice(0, MAX_STREAMS);
  // Octets in other records are members too, without a name: from those records.
  if (streams.length === 0 && attributes.some(({ type }) => type === ATTRIBUTE_LIST))
    yield { names, what: "file" };
  for (const stream of streams) yield streamOf(volume, geometry, names, stream);
}

function streamOf(
  volume: Octets,
  geometry: Geometry,
  names: readonly string[],
  stream: Attribute,
): Member {
  const named = names.map((name) => (stream.name === "" ? name : `${name}:${stream.name}`));
  const member = { names: named, what: "file" as const };
  if ((stream.flags & ENCRYPTED) !== 0) return { ...member, encrypted: true };
  if ((stream.flags & COMPRESSED) !== 0 && stream.runs !== null)
    return {
      ...member,
      defects: [{ kind: "container-unsupported", detail: "compressed by NTFS" }],
    };
  return { ...member, octets: () => octetsOf(volume, geometry, stream) };
}

/** The name in a file name attribute. */
function nameOf({ inside }: Attribute): string | null {
  if (inside === null || inside.length < 66) return null;
  return inside.toString("utf16le", 66, 66 + inside[64]! * 2);
}
