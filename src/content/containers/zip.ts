// Zip files (PKWARE APPNOTE): every member that any reader would unpack. What the central directory lists comes first; then the rest of
// the octets is searched for headers, which readers of streams, of damaged files or of another end record see.
import type { DefectKind } from "../../mail/defects.ts";
import { Extents } from "./extents.ts";
import { Broken } from "./format.ts";
import type { Format, Member, Report } from "./format.ts";
import type { Octets } from "./octets.ts";
import { packageOf } from "./package.ts";
import type { Package } from "./package.ts";
import { namesIn } from "./zip-names.ts";
import { describe, describeAlone } from "./zip-member.ts";
import type { Described } from "./zip-member.ts";
import { readingOf } from "./zip-octets.ts";
import { centralAt, DESCRIPTOR, endsOf, isEncrypted, localAt } from "./zip-records.ts";
import type { End, Entry } from "./zip-records.ts";
import { DESCRIPTOR_ROOM, isPlausible, marksIn } from "./zip-search.ts";

export const zip: Format = {
  name: "zip",
  kinds: ["zip"],
  extensions: [
    ..."zip zipx jar apk kmz docx docm dotx dotm xlsx xlsm xlsb xltx xltm xlam".split(" "),
    ..."pptx pptm ppsx ppsm potx potm ppam vsdx vsdm odt ods odp odg ott ots otp".split(" "),
  ],
  members: (file, report) => new Archive(file, report).members(),
};

/** So many names are looked at to see whether the archive is a document, and so much of the members that tell. */
const NAMES_LOOKED_AT = 4096;
const CONTENT_LOOKED_AT = 1024 * 1024;

/** Programs and scripts with a zip file behind them. Of those without nothing is said. */
export const zipProgram: Format = {
  name: "zip-program",
  kinds: ["exe"],
  async *members(file, report) {
    const directory = directoryOf(file, endsOf(file));
    if (directory !== null && centralAt(file, directory.start) !== null)
      yield* new Archive(file, report).members();
  },
};

interface Directory {
  readonly start: number;
  /** What is added to the offsets in it: the octets in front of the archive. */
  readonly base: number;
  readonly end: End;
}

/** The directory of the last end record that has one. */
function directoryOf(file: Octets, ends: readonly End[]): Directory | null {
  for (const end of ends) {
    for (const { at, size, offset, entries } of end.wide === null ? [end] : [end.wide, end]) {
      if (entries === 0 && size === 0) return { start: at, base: 0, end };
      for (const start of [at - size, offset])
        if (centralAt(file, start) !== null) return { start, base: start - offset, end };
    }
  }
  return null;
}

const keyOf = (central: Entry, local: Entry): string =>
  `${local.at} ${central.name.toString("latin1")}`;

class Archive {
  readonly #file: Octets;
  readonly #report: Report;
  readonly #extents = new Extents();
  /** Headers that were given: by the place of the local one, and by place and name in the directory. */
  readonly #given = new Set<string>();
  readonly #said = new Set<DefectKind>();
  #package: Package | null = null;
  #bases: readonly number[] = [0];
  /** Where the member that was given last ended. */
  #end = 0;

  constructor(file: Octets, report: Report) {
    this.#file = file;
    this.#report = report;
  }

  async *members(): AsyncGenerator<Member> {
    const ends = endsOf(this.#file);
    const directory = directoryOf(this.#file, ends);
    this.#splitOf(directory?.end ?? ends[0]);
    if (directory !== null) {
      this.#bases = directory.base === 0 ? [0] : [directory.base, 0];
      await this.#recognise(directory);
      yield* this.#listed(directory);
    }
    yield* this.#unlisted(directory !== null);
    if (directory === null) throw new Broken("zip: no central directory");
    if (Math.max(...ends.map((end) => end.end)) < this.#file.size)
      this.#say("container-trailing-data");
  }

  #splitOf(end: End | undefined): void {
    const mark = this.#file.read(0, 4);
    const marked = mark.length === 4 && mark.readUInt32LE(0) === DESCRIPTOR;
    if (marked || (end !== undefined && (end.wide ?? end).disk > 0)) this.#say("container-split");
  }

  /** One defect of a kind is enough. */
  #say(kind: DefectKind, detail?: string): void {
    if (this.#said.has(kind)) return;
    this.#said.add(kind);
    this.#report.defect(kind, detail);
  }

  /** A document, a program package, or a mere archive? */
  async #recognise({ start }: Directory): Promise<void> {
    const entries = new Map<string, Entry>();
    for (let entry = centralAt(this.#file, start); entry !== null;) {
      for (const name of namesIn(entry)) if (!entries.has(name)) entries.set(name, entry);
      entry = entries.size < NAMES_LOOKED_AT ? centralAt(this.#file, entry.end) : null;
    }
    this.#package = await packageOf([...entries.keys()], (name) =>
      this.#startOf(entries.get(name)),
    );
    if (this.#package === null) return;
    const { kind, document } = this.#package;
    if (document) this.#report.kind(kind, "zip");
    else this.#report.kind(kind);
  }

  /** The first octets of a member; none when it cannot be read. */
  async #startOf(central: Entry | undefined): Promise<Buffer> {
    const local = central === undefined ? undefined : this.#localsOf(central)[0];
    if (central === undefined || local === undefined || isEncrypted(local)) return Buffer.alloc(0);
    const announced = { ...central, known: true };
    const reading = readingOf(this.#file, central.method, local.end, announced);
    const got: Buffer[] = [];
    let length = 0;
    try {
      for await (const piece of reading?.pieces() ?? []) {
        got.push(Buffer.from(piece));
        length += piece.length;
        if (length >= CONTENT_LOOKED_AT) break;
      }
    } catch (error) {
      if (!(error instanceof Broken)) throw error; // What came before the damage counts.
    }
    return Buffer.concat(got);
  }

  /** What the directory lists, until something else than an entry comes. */
  async *#listed({ start }: Directory): AsyncGenerator<Member> {
    let at = start;
    for (let entry = centralAt(this.#file, at); entry !== null; entry = centralAt(this.#file, at)) {
      at = entry.end;
      yield* this.#central(entry, false);
    }
    this.#extents.add(start, at);
  }

  async *#central(central: Entry, hidden: boolean): AsyncGenerator<Member> {
    const locals = this.#localsOf(central);
    if (locals.length === 0 && !hidden) {
      const kind = central.disk > 0 ? "container-split" : "container-broken";
      const names = this.#package?.namesOf(namesIn(central)) ?? namesIn(central);
      yield { names, what: "file", defects: [{ kind, detail: "no local header" }] };
    }
    for (const local of locals) {
      if (this.#given.has(keyOf(central, local))) continue;
      this.#given.add(keyOf(central, local)).add(`${local.at}`);
      yield* this.#member(describe(central, local), hidden);
    }
  }

  /**
   * Local headers where the directory puts them: behind what stands in front of the archive, or counted from the file's start.
   * Those with the right name; when there is none, any.
   */
  #localsOf(central: Entry): Entry[] {
    const found = this.#bases
      .map((base) => localAt(this.#file, central.offset + base))
      .filter((local) => local !== null);
    const right = found.filter((local) => local.name.equals(central.name));
    return right.length > 0 ? right : found.slice(0, 1);
  }

  /** One member; twice when its headers let readers decode it in two ways. */
  async *#member(described: Described, hidden: boolean): AsyncGenerator<Member> {
    const { local, encrypted, directory } = described;
    const names = this.#package?.namesOf(described.names) ?? described.names;
    const defects = [...described.defects];
    if (hidden) defects.push({ kind: "container-hidden-member" });
    for (const { method, announced } of described.ways) {
      const reading =
        encrypted || directory ? null : readingOf(this.#file, method, local.end, announced);
      const end = local.end + announced.compressed;
      if (this.#extents.touches(local.at, end)) this.#say("container-overlap");
      if (encrypted) this.#report.encrypted();
      const unread = reading === null && !encrypted && !directory;
      const watch = this.#package?.watch(described.names, this.#report) ?? null;
      yield {
        names,
        what: directory ? "directory" : "file",
        encrypted,
        defects: unread
          ? [...defects, { kind: "container-unsupported", detail: `method ${method}` }]
          : defects,
        ...(reading !== null && {
          octets: () => (watch === null ? reading.pieces() : watch(reading.pieces())),
        }),
      };
      if (reading?.lied() === true) this.#say("container-headers-differ", "size");
      this.#end = reading?.end() ?? end;
      this.#extents.add(local.at, this.#end);
    }
  }

  /** Members by headers in octets that nothing accounts for. `listed`: a directory was read, which leaves them out. */
  async *#unlisted(listed: boolean): AsyncGenerator<Member> {
    let at = 0;
    for (const gap of [...this.#extents.gaps(this.#file.size)]) {
      let behind = Math.max(at, gap.start);
      for (const found of marksIn(this.#file, behind, gap.end)) {
        if (found < at) continue;
        at = found + 4;
        const local = localAt(this.#file, found);
        const central = local === null ? centralAt(this.#file, found) : null;
        if (central !== null) {
          at = Math.max(at, central.end);
          yield* this.#central(central, listed);
        }
        if (local === null || this.#given.has(`${local.at}`)) continue;
        // Right behind a member, readers of streams believe what they find; elsewhere the mark may be chance.
        if (local.at - behind > DESCRIPTOR_ROOM && !isPlausible(local)) continue;
        this.#given.add(keyOf(local, local)).add(`${local.at}`);
        yield* this.#member(describeAlone(this.#file, local), listed);
        behind = at = Math.max(at, this.#end);
      }
    }
  }
}
