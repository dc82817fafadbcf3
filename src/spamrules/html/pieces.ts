// The rendered text of a page, piece by piece as it comes: text has its white space collapsed, tags add white space of their own. Called by
// page.ts.
import type { Decoded } from "./entities.ts";
import { widen } from "./octets.ts";

/** White space that is not one blank. */
const UNEVEN = /[\t-\r]| {2}/;
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
    let text = UNEVEN.test(octets) ? octets.replace(/[\t-\r ]+/g, " ") : octets;
    if (text.includes("\xc2")) text = text.replace(wide ? WIDE_PAIR : NARROW_PAIR, " ");
    if (this.#endsInWhite && !isHidden && text.startsWith(" ")) text = text.slice(1);
    this.#push(text, wide, isHidden);
    this.#endsInWhite = false;
  }

  /** All of it. */
  all(): Decoded {
    return this.#join(() => true);
  }

  /** What is hidden, or what is not. */
  only(hidden: boolean): Decoded {
    return this.#join((at) => this.#isHidden[at] === hidden);
  }

  get hasHidden(): boolean {
    return this.#isHidden.includes(true);
  }

  /** Wide as soon as one of the pieces is. */
  #join(isChosen: (at: number) => boolean): Decoded {
    const chosen: string[] = [];
    const areWide: boolean[] = [];
    for (const [at, text] of this.#texts.entries()) {
      if (!isChosen(at)) continue;
      chosen.push(text);
      areWide.push(this.#isWide[at] === true);
    }
    const wide = areWide.includes(true);
    if (wide && areWide.includes(false)) {
      // What is not wide is white space and ASCII nearly always.
      for (const [at, text] of chosen.entries()) if (areWide[at] !== true) chosen[at] = widen(text);
    }
    return { octets: chosen.join(""), wide };
  }

  #push(text: string, wide: boolean, isHidden: boolean): void {
    this.#texts.push(text);
    this.#isWide.push(wide);
    this.#isHidden.push(isHidden);
  }
}
