// RAR: the blocks are read here, for names, encryption and volumes; stored members are read as they stand, others come from libarchive.
import { Broken } from "./format.ts";
import type { Format, Member, Report } from "./format.ts";
import { octetsWithin, pieces } from "./octets.ts";
import type { Octets } from "./octets.ts";
import { paired } from "./paired.ts";
import { rar4Events } from "./rar4-headers.ts";
import { rar5Events } from "./rar5-headers.ts";

/** A member as its block tells of it. */
export interface RarMember {
  readonly is: "member";
  readonly names: readonly string[];
  readonly what: Member["what"];
  readonly encrypted: boolean;
  /** Goes on in another volume, or began in one. */
  readonly split: boolean;
  /** Where its octets stand as they are; null when they are packed. */
  readonly stored: { readonly start: number; readonly size: number } | null;
}

/** What stands in an archive's blocks. "volume": it is one of several. "encrypted": from here on even the blocks are. */
export type RarEvent = RarMember | { readonly is: "volume" | "encrypted" };

const MARK = "Rar!\x1a\x07";

export const rar: Format = {
  name: "rar",
  kinds: ["rar"],
  async *members(file, report) {
    const mark = file.read(0, 8).toString("latin1");
    if (mark === `${MARK}\x01\0`)
      yield* paired(file, listed(file, rar5Events(file), report), report);
    else if (mark.startsWith(`${MARK}\0`))
      yield* paired(file, listed(file, rar4Events(file), report), report);
    else throw new Broken("rar: older than 1.5, or newer than 5", "container-unsupported");
  },
};

function* listed(file: Octets, events: Iterable<RarEvent>, report: Report): Generator<Member> {
  for (const event of events) {
    if (event.is === "member") yield memberOf(file, event);
    else if (event.is === "volume") report.defect("container-split");
    else report.encrypted();
  }
}

function memberOf(file: Octets, event: RarMember): Member {
  const { names, what, encrypted, split, stored } = event;
  if (what !== "file") return { names, what };
  const defects = split ? [{ kind: "container-split" as const }] : [];
  if (encrypted) return { names, what, encrypted, defects };
  if (stored === null) return { names, what, defects };
  return { names, what, defects, octets: () => plain(file, stored.start, stored.size) };
}

function* plain(file: Octets, start: number, size: number): Generator<Buffer> {
  yield* pieces(octetsWithin(file, start, size));
  if (start + size > file.size) throw new Broken("rar: ends early");
}
