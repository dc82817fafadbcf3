// Brings together the members that a format lists by itself with the octets that libarchive unpacks: both go through the archive
// in the same order. Used by sevenzip.ts, rar.ts and cab.ts.
import { Broken } from "./format.ts";
import type { Member, Report } from "./format.ts";
import { unpack } from "./libarchive.ts";
import type { Entry, Unpacker } from "./libarchive.ts";
import type { Octets } from "./octets.ts";

export interface Listed extends Member {
  /** How many octets it has, where the list tells. */
  readonly size?: number | null;
}

/**
 * The listed members in order. Files get octets unless they have some, or are encrypted. The list goes on when libarchive cannot: the
 * rest say what was the matter. Members that only libarchive sees come last, under the names that it knows.
 */
export async function* paired(
  file: Octets,
  listed: Iterable<Listed>,
  report: Report,
): AsyncGenerator<Member> {
  const beside = new Beside(file);
  try {
    for (const member of listed) yield await beside.with(member);
    let more = 0;
    for (; (await beside.next()) !== null; more++) yield beside.member();
    if (more > 0) report.defect("container-hidden-member", `${more} more`);
  } finally {
    beside.close();
  }
}

/** What libarchive makes of an archive that cannot be listed. Throws Broken at the damage. */
export async function* unlisted(file: Octets): AsyncGenerator<Member> {
  const beside = new Beside(file);
  try {
    while ((await beside.next()) !== null) yield beside.member();
    if (beside.stopped !== null) throw beside.stopped;
  } finally {
    beside.close();
  }
}

/** An archive as libarchive goes through it. */
class Beside {
  readonly #file: Octets;
  #unpacker: Unpacker | null = null;
  #entry: Entry | null = null;
  /** Set where libarchive could not go on. */
  stopped: Broken | null = null;

  constructor(file: Octets) {
    this.#file = file;
  }

  /** Goes on to the next entry; null when there is none, or none that can be read. */
  async next(): Promise<Entry | null> {
    this.#entry = null;
    if (this.stopped !== null) return null;
    try {
      this.#unpacker ??= await unpack(this.#file);
      this.#entry = this.#unpacker.next();
      if (this.#entry === null && this.#unpacker.trouble !== "")
        this.stopped = new Broken(this.#unpacker.trouble);
    } catch (error) {
      this.stopped = error instanceof Broken ? error : new Broken(String(error));
    }
    return this.#entry;
  }

  /** The listed member with the octets of the next entry. */
  async with(listed: Listed): Promise<Member> {
    const entry = await this.next();
    if (listed.what !== "file" || listed.encrypted === true || listed.octets) return listed;
    if (entry?.what === "directory") return listed;
    if (entry?.what === "link")
      return { ...listed, ...linkFrom(entry.target, listed.size ?? null) };
    if (entry !== null) return { ...this.member(), ...listed };
    const { kind, message } = this.stopped ?? new Broken("fewer members than listed");
    return { ...listed, defects: [...(listed.defects ?? []), { kind, detail: message }] };
  }

  /** The entry as a member. */
  member(): Member {
    const { name, what, encrypted } = this.#entry!;
    const unpacker = this.#unpacker!;
    const member = { names: name === "" ? [] : [name], what };
    if (what === "directory" || what === "link") return member;
    if (encrypted) return { ...member, encrypted };
    return { ...member, octets: () => unpacker.octets() };
  }

  close(): void {
    this.#unpacker?.close();
  }
}

/** A link that is listed as a file, and is one where links are not known: its octets are the target, else more than libarchive tells. */
function linkFrom(target: string, size: number | null): Partial<Member> {
  const octets = Buffer.from(target);
  if (octets.length === size) return { octets: () => [octets] };
  const detail = "a link that is not a path";
  return { octets: () => [octets], defects: [{ kind: "container-unsupported", detail }] };
}
