// What the values of a PDF tell: scripts, actions that start something, embedded files with their names, forms. Used by pdf.ts.
import type { Report } from "./format.ts";
import type { Place } from "./pdf-scan.ts";
import { isDict, nameOf, refOf, textOf } from "./pdf-values.ts";
import type { Dict, Value } from "./pdf-values.ts";

const MAX_FILES = 5_000;
const MAX_NAMES = 16;
const NAME_KEYS = ["UF", "F", "DOS", "Unix", "Mac"] as const;

/** A name of an embedded file; `place`: the object that it stands in, null in an object stream, which is encrypted as a whole. */
export interface FileName {
  readonly octets: Buffer;
  readonly place: Place | null;
}

export class PdfFacts {
  /** Names of embedded files by the number of their stream. */
  readonly files = new Map<number, FileName[]>();
  /** Numbers of the streams that are XML forms. */
  readonly forms = new Set<number>();
  readonly #report: Report;

  constructor(report: Report) {
    this.#report = report;
  }

  /** Looks for what a document does in these values and all that lies in them. */
  look(values: readonly Value[], place: Place | null): void {
    const waiting: Value[] = [...values];
    for (let value = waiting.pop(); value !== undefined; value = waiting.pop()) {
      if (Array.isArray(value)) for (const one of value) waiting.push(one);
      else if (isDict(value)) {
        this.#lookAt(value, place);
        for (const one of value.values()) if (typeof one === "object") waiting.push(one);
      }
    }
  }

  #lookAt(dict: Dict, place: Place | null): void {
    const report = this.#report;
    const action = nameOf(dict.get("S"));
    if (dict.has("JS") || dict.has("JavaScript") || action === "JavaScript")
      report.attribute("JAVASCRIPT");
    if (action === "Launch" || action === "GoToE") report.attribute("LAUNCH");
    if (dict.has("RichMedia") || dict.has("RichMediaContent")) report.attribute("EMBEDDED");
    const form = dict.get("XFA");
    for (const one of Array.isArray(form) ? form : [form]) {
      const number = refOf(one);
      if (number !== null && this.forms.size < MAX_FILES) this.forms.add(number);
    }
    const files = dict.get("EF");
    // Where EF is an object of its own, nothing but its keys shows what it is.
    for (const key of NAME_KEYS) {
      const number = refOf(dict.get(key));
      if (number !== null) this.file(number, []);
    }
    if (!isDict(files)) return;
    const names: FileName[] = [];
    for (const key of NAME_KEYS) {
      const octets = textOf(dict.get(key));
      if (octets !== null && octets.length > 0) names.push({ octets, place });
    }
    for (const file of files.values()) {
      const number = refOf(file);
      if (number !== null) this.file(number, names);
    }
  }

  /** Perhaps an embedded file, by the number of its stream. */
  file(number: number, names: readonly FileName[]): void {
    let known = this.files.get(number);
    if (known === undefined) {
      if (this.files.size >= MAX_FILES) {
        this.#report.defect("container-too-many-members", `more than ${MAX_FILES} files`);
        return;
      }
      this.files.set(number, (known = []));
    }
    for (const name of names) if (known.length < MAX_NAMES) known.push(name);
  }
}

/** ISO 32000-1, 7.9.2.2: UTF-16 with a mark, UTF-8 with a mark, else about Latin-1. */
export function nameText(octets: Buffer): string {
  if (octets[0] === 0xfe && octets[1] === 0xff)
    return Buffer.from(octets.subarray(2, octets.length & ~1))
      .swap16()
      .toString("utf16le");
  if (octets[0] === 0xff && octets[1] === 0xfe) return octets.toString("utf16le", 2);
  if (octets[0] === 0xef && octets[1] === 0xbb) return octets.toString("utf8", 3);
  return octets.toString("latin1");
}
