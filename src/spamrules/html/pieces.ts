// The rendered text of a page, piece by piece as it comes: text has its white space collapsed, tags add white space of their own. Called by
// page.ts.
import type { Decoded } from "./entities.ts";
import { widen } from "./octets.ts";

/** Perl's "\xc2\xa0" is meant to be a no-break space but means two characters: "Â" before one. In a wide text they are four octets. */
const WIDE_PAIR = /\xc3\x82\xc2\xa0/g;
const NARROW_PAIR = /\xc2\xa0/g;

export class Pieces {
  readonly #texts: string[] = [];
  readonly #isWide: boolean[] = [];
  readonly #isHidden: boolean[] = [];
  #endsInWhite = false;

  /** The piece that came last; undefined before the first. */
  get last(): Decoded | undefined {
    const at = this.#texts.length - 1;
    const octets = this.#texts[at];
    return octets === undefined ? undefined : { octets, wide: this.#isWide[at] === true };
  }

  /** White space that a tag stands for: always seen; takes the place of a blank before it. */
  addWhite(white: string): void {
    const at = this.#texts.length - 1;
    const before = this.#texts[at];
    if (before?.endsWith(" ") === true && !this.#endsInWhite && this.#isHidden[at] !== true) {
      this.#texts[at] = before.slice(0, -1);
    }
    this.#push(white, false, false);
    this.#endsInWhite = true;
  }

  addText({ octets, wide }: Decoded, isHidden: boolean): void {
    let text = octets.replace(/[\t-\r ]+/g, " ");
    if (text.includes("\xc2")) text = text.replace(wide ? WIDE_PAIR : NARROW_PAIR, " ");
    if (this.#endsInWhite && !isHidden && text.startsWith(" ")) text = text.slice(1);
    this.#push(text, wide, isHidden);
    this.#endsInWhite = false;
  }

  /** All of it, or what is hidden, or what is not; wide as soon as one of its pieces is. */
  joined(hidden: boolean | null): Decoded {
    const chosen: string[] = [];
    let wide = false;
    for (const [at, text] of this.#texts.entries()) {
      if (hidden !== null && this.#isHidden[at] !== hidden) continue;
      chosen.push(text);
      wide ||= this.#isWide[at] === true;
    }
    if (!wide) return { octets: chosen.join(""), wide };
    // Pieces that are not wide are ASCII nearly always.
    let at = 0;
    for (const [index, text] of this.#texts.entries()) {
      if (hidden !== null && this.#isHidden[index] !== hidden) continue;
      if (this.#isWide[index] !== true) chosen[at] = widen(text);
      at += 1;
    }
    return { octets: chosen.join(""), wide };
  }

  #push(text: string, wide: boolean, isHidden: boolean): void {
    this.#texts.push(text);
    this.#isWide.push(wide);
    this.#isHidden.push(isHidden);
  }
}
