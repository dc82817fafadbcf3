// PDF: what a document does when it is opened (JavaScript, launch actions), the files embedded in it, and whether it opens only with
// a password. Objects are found by looking through the whole file and through its object streams; tables of references are not used.
import { Cursor } from "./cursor.ts";
import { Broken } from "./format.ts";
import type { Format, Member, Report } from "./format.ts";
import { octetsOf, octetsWithin } from "./octets.ts";
import type { Octets } from "./octets.ts";
import { nameText, PdfFacts } from "./pdf-facts.ts";
import type { FileName } from "./pdf-facts.ts";
import { pdfCipher } from "./pdf-crypt.ts";
import type { PdfCipher } from "./pdf-crypt.ts";
import { unfiltered } from "./pdf-filters.ts";
import { objectPlaces } from "./pdf-scan.ts";
import type { Place } from "./pdf-scan.ts";
import { StreamEnds } from "./pdf-streams.ts";
import { isDict, isName, nameOf, objectValues, refOf, textOf, wordOf } from "./pdf-values.ts";
import type { Dict, Value } from "./pdf-values.ts";

/** Object streams are unpacked so far, together. */
const MAX_OBJECT_STREAMS = 64 * 1024 * 1024;
const MAX_OBJECT_STREAM = 16 * 1024 * 1024;
/** Streams whose places are kept. */
const MAX_STREAMS = 200_000;
/** Forms are searched for scripts so far. */
const MAX_FORM = 1024 * 1024;

export const pdf: Format = {
  name: "pdf",
  kinds: ["pdf"],
  *members(file, report) {
    const reading = new Reading(file, report);
    reading.outer();
    reading.inner();
    reading.forms();
    yield* reading.members();
  },
};

/** A stream object: its dictionary and where its octets start. */
interface Stream {
  readonly place: Place;
  readonly dict: Dict;
  readonly at: number;
}

class Reading {
  readonly #file: Octets;
  readonly #report: Report;
  readonly #ends: StreamEnds;
  /** Where the streams of a number stand, one for each revision. */
  readonly #streams = new Map<number, Place[]>();
  readonly #objectStreams: Place[] = [];
  readonly #numbers = new Map<number, number>();
  readonly #facts: PdfFacts;
  /** Octets that may still be looked at: objects that claim each other's octets must not cost more than honest ones. */
  #budget: number;
  #unpacked = 0;
  #encrypt: Value | undefined;
  #id: Buffer = Buffer.alloc(0);
  #cipher: PdfCipher | null = null;

  constructor(file: Octets, report: Report) {
    this.#file = file;
    this.#report = report;
    this.#facts = new PdfFacts(report);
    this.#budget = 4 * file.size + 1024 * 1024;
    this.#ends = new StreamEnds(file);
  }

  /** Looks through the file itself. */
  outer(): void {
    let streams = 0;
    for (const place of objectPlaces(this.#file)) {
      const values = this.#valuesAt(place);
      if (values === null) return;
      const [value] = values;
      if (typeof value === "number") this.#numbers.set(place.number, value);
      this.#facts.look(values, place);
      if (!isDict(value)) continue;
      if (place.number < 0 || isName(value.get("Type"), "XRef")) this.#trailer(value);
      if (wordOf(values[1]) !== "stream") continue;
      if (++streams > MAX_STREAMS) {
        this.#report.defect("container-too-many-members", `more than ${MAX_STREAMS} streams`);
        return;
      }
      const places = this.#streams.get(place.number);
      if (places === undefined) this.#streams.set(place.number, [place]);
      else places.push(place);
      if (isName(value.get("Type"), "ObjStm")) this.#objectStreams.push(place);
      if (isName(value.get("Type"), "EmbeddedFile")) this.#facts.file(place.number, []);
    }
  }

  /** True when only a password opens it; known once the file itself was looked through. */
  get #locked(): boolean {
    return this.#encrypt !== undefined && this.#cipher === null;
  }

  #trailer(dict: Dict): void {
    this.#encrypt ??= dict.get("Encrypt");
    const id = dict.get("ID");
    if (this.#id.length === 0) this.#id = textOf(Array.isArray(id) ? id[0] : undefined) ?? this.#id;
  }

  /** Looks through the object streams. */
  inner(): void {
    this.#openLock();
    if (this.#locked) return;
    for (const place of this.#objectStreams) {
      const stream = this.#streamAt(place);
      if (stream === null) continue;
      const found: Buffer[] = [];
      let size = 0;
      try {
        for (const piece of this.#octetsOf(stream)) {
          found.push(Buffer.from(piece));
          if ((size += piece.length) > MAX_OBJECT_STREAM) break;
        }
      } catch (error) {
        if (!(error instanceof Broken)) throw error;
        this.#report.defect(error.kind, `object stream: ${error.message}`);
      }
      if (size > MAX_OBJECT_STREAM || (this.#unpacked += size) > MAX_OBJECT_STREAMS) {
        this.#report.defect("container-too-large", "object streams");
        if (this.#unpacked > MAX_OBJECT_STREAMS) return;
      }
      this.#facts.look(objectValues(new Cursor(octetsOf(Buffer.concat(found)))), null);
    }
  }

  /** An encryption whose user password is empty keeps nobody out. */
  #openLock(): void {
    const encrypt = this.#encrypt;
    if (encrypt === undefined) return;
    const number = refOf(encrypt);
    let dict = isDict(encrypt) ? encrypt : null;
    for (const place of number === null ? [] : objectPlaces(this.#file)) {
      if (place.number !== number) continue;
      const [value] = this.#valuesAt(place) ?? [];
      if (isDict(value)) dict = value;
    }
    this.#cipher = dict === null ? null : pdfCipher(dict, this.#id);
    if (this.#cipher === null) this.#report.encrypted();
  }

  #valuesAt(place: Place): Value[] | null {
    return this.#objectAt(place)?.values ?? null;
  }

  #objectAt(place: Place): { values: Value[]; end: number } | null {
    if (this.#budget < 0) {
      this.#report.defect("container-broken", "objects lie in one another");
      return null;
    }
    const cursor = new Cursor(this.#file, place.at);
    const values = objectValues(cursor);
    this.#budget -= cursor.at - place.at;
    return { values, end: cursor.at };
  }

  #streamAt(place: Place): Stream | null {
    const found = this.#objectAt(place);
    if (found === null) return null;
    const [dict, word] = found.values;
    return isDict(dict) && wordOf(word) === "stream" ? { place, dict, at: found.end } : null;
  }

  /** The octets of a stream, unpacked; no more than it has. */
  *#octetsOf({ place, dict, at }: Stream): Generator<Buffer> {
    const said = dict.get("Length");
    const ref = refOf(said);
    const length = ref === null ? said : this.#numbers.get(ref);
    const { start, end } = this.#ends.of(at, typeof length === "number" ? length : null);
    const raw = octetsWithin(this.#file, start, end - start);
    const open = this.#cipher === null ? raw : this.#cipher.open(raw, place, dict);
    yield* unfiltered(open, dict);
  }

  /** Looks for scripts in forms. */
  forms(): void {
    let left = MAX_OBJECT_STREAMS;
    for (const number of this.#facts.forms) {
      for (const place of this.#streams.get(number) ?? []) {
        const stream = this.#streamAt(place);
        if (stream === null || left <= 0) return;
        const text = startOf(this.#octetsOf(stream), MAX_FORM);
        left -= text.length;
        if (/<(?:[a-z]+:)?script\b/i.test(text.toString("latin1")))
          this.#report.attribute("JAVASCRIPT");
      }
    }
  }

  *members(): Generator<Member> {
    const locked = this.#locked;
    for (const [number, found] of this.#facts.files) {
      const names = locked ? [] : [...new Set(found.map((name) => this.#nameText(name)))];
      for (const place of this.#streams.get(number) ?? []) {
        const stream = this.#streamAt(place);
        if (stream === null) continue;
        this.#report.attribute("EMBEDDED");
        const type = nameOf(stream.dict.get("Subtype"))?.toLowerCase();
        yield {
          names,
          what: "file",
          ...(type === undefined ? {} : { type }),
          ...(locked ? { encrypted: true } : { octets: () => this.#octetsOf(stream) }),
        };
      }
    }
  }

  #nameText({ octets, place }: FileName): string {
    return nameText(
      place === null || this.#cipher === null ? octets : this.#cipher.text(octets, place),
    );
  }
}

/** Up to `most` octets, fewer when the stream is damaged. */
function startOf(from: Iterable<Buffer>, most: number): Buffer {
  const found: Buffer[] = [];
  let size = 0;
  try {
    for (const piece of from) {
      found.push(Buffer.from(piece));
      if ((size += piece.length) >= most) break;
    }
  } catch (error) {
    if (!(error instanceof Broken)) throw error;
  }
  return Buffer.concat(found);
}
