// What is known of the patterns of a rule book: looked up, or else found out. Used by program.ts; kept in a file by pattern-cache.ts.
import type { PerlPattern } from "../rulebook.ts";
import { type Facts, factsOf, type NoFacts } from "./facts.ts";

type Entry = readonly [key: string, facts: Facts | NoFacts];

export class KnownPatterns {
  readonly #before: ReadonlyMap<string, Facts | NoFacts>;
  readonly #asked = new Map<string, Facts | NoFacts>();
  #isNew = false;

  /** As entries() gave them. */
  constructor(entries: Iterable<Entry> = []) {
    this.#before = new Map(entries);
  }

  /** Never throws. */
  facts(perl: PerlPattern): Facts | NoFacts {
    const key = `${perl.flags}/${perl.source}`;
    let facts = this.#asked.get(key);
    if (facts !== undefined) return facts;
    facts = this.#before.get(key);
    if (facts === undefined) {
      facts = factsOf(perl);
      this.#isNew = true;
    }
    this.#asked.set(key, facts);
    return facts;
  }

  /** Whether anything had to be found out. */
  get isNew(): boolean {
    return this.#isNew;
  }

  /** Those that were asked for. */
  entries(): readonly Entry[] {
    return [...this.#asked];
  }
}
