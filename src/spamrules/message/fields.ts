// The header fields of a message or a part as SpamAssassin keeps them: by lower-case name, raw and decoded, the order beside.
import { decodeField } from "./encoded-word.ts";
import { lower, trim } from "./octets.ts";

/** What `ALL` holds at most, counted as SpamAssassin counts. */
const MOST_OCTETS = 65536;
const NONE: readonly string[] = [];

interface Field {
  readonly name: string;
  readonly key: string;
  readonly raw: string;
  decoded: string | null;
}

export class Fields {
  readonly #byKey = new Map<string, Field[]>();
  #order: Field[] = [];

  /** Raw: all that stood behind the colon, folded, with its line end. */
  add(name: string, raw: string): void {
    const key = lower(name);
    const field: Field = { name, key, raw, decoded: null };
    this.#order.push(field);
    const same = this.#byKey.get(key);
    if (same === undefined) this.#byKey.set(key, [field]);
    else same.push(field);
  }

  /** Names as written, in order. */
  get names(): readonly string[] {
    return this.#order.map((field) => field.name);
  }

  /** Unfolded and decoded, without line end. Here and below, the key is the name in lower case. */
  values(key: string): readonly string[] {
    return this.#byKey.get(key)?.map(decoded) ?? NONE;
  }

  /** The last one, which counts where one is meant; null without one. */
  value(key: string): string | null {
    const field = this.#byKey.get(key)?.at(-1);
    return field === undefined ? null : decoded(field);
  }

  raws(key: string): readonly string[] {
    return this.#byKey.get(key)?.map((field) => field.raw) ?? NONE;
  }

  /** Takes fields away whose key fits. */
  remove(pattern: RegExp): void {
    const before = this.#byKey.size;
    for (const key of this.#byKey.keys()) if (pattern.test(key)) this.#byKey.delete(key);
    if (this.#byKey.size < before)
      this.#order = this.#order.filter((field) => this.#byKey.has(field.key));
  }

  /**
   * "Name: value\n" of every field in order, for `ALL`. Past the limit nothing more is taken, counting names in the order in which
   * they first occur, each with all its fields.
   */
  all(): { readonly lines: readonly string[]; readonly truncated: boolean } {
    let left = MOST_OCTETS;
    const taken = new Map<Field, string>();
    let truncated = false;
    outer: for (const fields of this.#byKey.values()) {
      for (const field of fields) {
        const line = `${field.name}: ${decoded(field)}\n`;
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

function decoded(field: Field): string {
  return (field.decoded ??= decodeField(trim(unfold(field.raw)), field.key));
}

function unfold(raw: string): string {
  return raw.replace(/\n[ \t]+/g, " ");
}
