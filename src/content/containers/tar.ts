// Tar archives: old, ustar, pax (POSIX.1-2001) and GNU, long names, numbers in base 256, sparse files. Where readers disagree on how many
// octets a member has, both ways are walked, so that no header hides in what one of them skips.
import type { DefectKind } from "../../mail/defects.ts";
import { Broken } from "./format.ts";
import type { Format, Member, Report } from "./format.ts";
import { octetsWithin, pieces } from "./octets.ts";
import type { Octets } from "./octets.ts";
import { BLOCK, headerAt, isZero, paxRecords } from "./tar-header.ts";
import type { Header } from "./tar-header.ts";

/** A pax header or a long name is kept up to so many octets. */
const MAX_KEPT = 64 * 1024;
/** Zero blocks are skipped in pieces of this size. */
const ZEROS = 64 * 1024;

export const tar: Format = {
  name: "tar",
  kinds: ["tar"],
  extensions: ["tar", "ova", "gem"],
  members: (file, report) => new Tape(file, report).members(),
};

/** What the headers in front of a member say of it. */
interface Ahead {
  readonly pax: ReadonlyMap<string, string>;
  readonly longName?: string;
}

const NOTHING: Ahead = { pax: new Map() };

class Tape {
  readonly #file: Octets;
  readonly #report: Report;
  /** Headers that were read; each is read once, whichever way leads there. */
  readonly #seen = new Set<number>();
  /** Where other readers would go on. */
  readonly #forks: number[] = [];
  /** pax records for all members. */
  readonly #global = new Map<string, string>();

  constructor(file: Octets, report: Report) {
    this.#file = file;
    this.#report = report;
  }

  *members(): Generator<Member> {
    if (headerAt(this.#file, 0) === null) throw new Broken("tar: no header");
    let broken: Broken | null = null;
    try {
      yield* this.#walk(0, false);
    } catch (error) {
      if (!(error instanceof Broken)) throw error;
      broken = error;
    }
    // What the main way leaves out is looked at even when it ends in damage.
    for (let fork = this.#forks.pop(); fork !== undefined; fork = this.#forks.pop()) {
      try {
        yield* this.#walk(fork, true);
      } catch (error) {
        if (!(error instanceof Broken)) throw error;
      }
    }
    if (broken !== null) throw broken;
  }

  /** From header to header; on a fork only headers that no other way met. */
  *#walk(start: number, hidden: boolean): Generator<Member> {
    let ahead: Ahead = NOTHING;
    let ended = hidden;
    for (let at = start; at < this.#file.size;) {
      if (this.#seen.has(at)) return;
      const block = this.#file.read(at, BLOCK);
      if (isZero(block)) {
        if (hidden) return;
        at = this.#afterZeros(at);
        ended = true;
        continue;
      }
      const header = headerAt(this.#file, at);
      if (header === null) {
        if (hidden) return;
        if (!ended) throw new Broken("tar: bad header");
        return this.#report.defect("container-trailing-data");
      }
      this.#seen.add(at);
      const size = sizeOf(header, ahead, this.#global);
      const data = at + BLOCK + header.sparseBlocks * BLOCK;
      const next = data + Math.ceil(size / BLOCK) * BLOCK;
      const before = this.#ahead(header, ahead, data, size);
      if (before !== null) ahead = before;
      else {
        this.#fork(header, data, size);
        yield* this.#member(header, ahead, octetsWithin(this.#file, data, size), size, ended);
        ahead = NOTHING;
      }
      at = next;
    }
  }

  /** What a header that stands in front of another says; null for a member. */
  #ahead(header: Header, ahead: Ahead, data: number, size: number): Ahead | null {
    const text = (): Buffer => this.#file.read(data, Math.min(size, MAX_KEPT));
    switch (header.type) {
      case "x":
      case "X":
        return { ...ahead, pax: paxRecords(text()) };
      case "g":
        for (const [key, value] of paxRecords(text())) this.#global.set(key, value);
        return ahead;
      case "L":
        return { ...ahead, longName: text().toString("utf8").replace(/\0.*$/s, "") };
      case "K":
      case "V":
        return ahead;
      default:
        return null;
    }
  }

  /** Readers that know no pax header go by the size in the old one; links and directories have octets for some. */
  #fork(header: Header, data: number, size: number): void {
    const other = header.size !== size ? header.size : header.what === "file" ? size : 0;
    if (other !== size) this.#forks.push(data + Math.ceil(other / BLOCK) * BLOCK);
  }

  *#member(
    header: Header,
    ahead: Ahead,
    octets: Octets,
    size: number,
    hidden: boolean,
  ): Generator<Member> {
    const defects: { kind: DefectKind; detail?: string }[] = [];
    if (hidden) defects.push({ kind: "container-hidden-member" });
    const names = new Set(namesOf(header, ahead, this.#global));
    names.delete("");
    // A file of no octets, or what only some take for one.
    const what =
      header.what === "file" && header.name.endsWith("/") && size === 0 ? "directory" : header.what;
    const isFile = what === "file" || size > 0;
    const start = ahead.pax.get("GNU.sparse.major") === "1" ? mapLength(octets) : 0;
    yield {
      names: [...names],
      what: isFile ? "file" : what,
      defects,
      ...(isFile && {
        *octets() {
          yield* pieces(octetsWithin(octets, start, octets.size - start));
          if (octets.size < size) throw new Broken("tar: cut off");
        },
      }),
    };
  }

  /** The first octet after blocks of zeros; some readers go on there. */
  #afterZeros(from: number): number {
    let at = from;
    while (at < this.#file.size) {
      const piece = this.#file.read(at, ZEROS);
      const other = piece.findIndex((octet) => octet !== 0);
      if (other >= 0) return at + Math.floor(other / BLOCK) * BLOCK;
      at += piece.length;
    }
    return at;
  }
}

/** Readers that know no longer name go by the old one, of which its writer mostly kept the start. */
function namesOf(
  { name }: Header,
  { pax, longName }: Ahead,
  global: ReadonlyMap<string, string>,
): string[] {
  const long = pax.get("GNU.sparse.name") ?? pax.get("path") ?? longName ?? global.get("path");
  if (long === undefined || long === "") return [name];
  return long.startsWith(name) ? [long] : [long, name];
}

function sizeOf(header: Header, ahead: Ahead, global: ReadonlyMap<string, string>): number {
  const said = ahead.pax.get("size") ?? global.get("size");
  if (said === undefined || !/^\d{1,15}$/.test(said)) return header.size;
  // The size of what is stored, not of the sparse file.
  return Number(said);
}

/** The octets of a map of holes in front of a sparse file's own (GNU format 1.0): decimal lines, the first the number of pairs. */
function mapLength(octets: Octets): number {
  const text = octets.read(0, MAX_KEPT).toString("latin1");
  const lines = /^(\d{1,6})\n/.exec(text);
  if (lines === null) return 0;
  let at = lines[0].length;
  for (let left = Number(lines[1]) * 2; left > 0 && at > 0; left--) at = text.indexOf("\n", at) + 1;
  return Math.ceil(at / BLOCK) * BLOCK;
}
