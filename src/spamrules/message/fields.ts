// The header fields of a message or a part as SpamAssassin keeps them: by lower-case name, raw and decoded, the order beside.
import { decodeField } from "./encoded-word.ts";
import { lower, trim } from "./octets.ts";

/** What `ALL` holds at most, counted as SpamAssassin counts. */
const MOST_OCTETS = 65536;
const NONE: readonly string[] = [];

interface Field {
  readonly name: string;
  readonly raw: string;
  decoded: string | null;
}

export class Fields {
  readonly #byKey = new Map<string, Field[]>();
  #order: Field[] = [];

  /** Raw: all that stood behind the colon, folded, with its line end. */
  add(name: string, raw: string): void {
    const field: Field = { name, raw, decoded: null };
    this.#order.push(field);
    const key = lower(name);
    const same = this.#byKey.get(key);
    if (same === undefined) this.#byKey.set(key, [field]);
    else same.push(field);
  }

  /** Names as written, in order. */
  get names(): readonly string[] {
    return this.#order.map((field) => field.name);
  }

  has(name: string): boolean {
    return this.#byKey.has(lower(name));
  }

  /** Unfolded and decoded, without line end. */
  values(name: string): readonly string[] {
    const key = lower(name);
    return this.#byKey.get(key)?.map((field) => decoded(field, key)) ?? NONE;
  }

  /** The last one, which counts where one is meant; null without one. */
  value(name: string): string | null {
    const key = lower(name);
    const field = this.#byKey.get(key)?.at(-1);
    return field === undefined ? null : decoded(field, key);
  }

  raws(name: string): readonly string[] {
    return this.#byKey.get(lower(trim(name)))?.map((field) => field.raw) ?? NONE;
  }

  /** Takes fields away whose lower-case name fits. */
  remove(pattern: RegExp): void {
    for (const key of this.#byKey.keys()) if (pattern.test(key)) this.#byKey.delete(key);
    this.#order = this.#order.filter((field) => this.#byKey.has(lower(field.name)));
  }

  /**
   * "Name: value\n" of every field in order, for `ALL`. Past the limit nothing more is taken, counting names in the order in which
   * they first occur, each with all its fields.
   */
  all(): { readonly lines: readonly string[]; readonly truncated: boolean } {
    let left = MOST_OCTETS;
    const taken = new Map<Field, string>();
    let truncated = false;
    outer: for (const [key, fields] of this.#byKey) {
      for (const field of fields) {
        const line = `${field.name}: ${decoded(field, key)}\n`;
        left -= line.length;
        if (left < 0) {
          truncated = true;
          break outer;
        }
        taken.set(field, line);
      }
    }
    const lines = this.#order.flatMap((field) => taken.get(field) ?? []);
    return { lines, truncated };
  }
}

function decoded(field: Field, key: string): string {
  return (field.decoded ??= decodeField(trim(unfold(field.raw)), key));
}

function unfold(raw: string): string {
  return raw.replace(/\n[ \t]+/g, " ");
}
