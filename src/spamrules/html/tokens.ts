// Cuts HTML into tags, text, comments and declarations exactly as HTML::Parser 3.81 does with marked sections on (its habits are its own:
// no browser and no other parser agrees). Called by render.ts. Linear time.
import { asciiLower } from "./octets.ts";
import { isNameFirstAt, isSpaceAt, skipSpace } from "./scan.ts";
import { declaration, endTag, instruction, NOT_MARKUP, startTag } from "./markup.ts";

/** What is found, in order. Octets are as they came: references are not decoded. */
export interface HtmlEvents {
  /** `tokens`: see startTag() in markup.ts; of `octets`. */
  start(name: string, octets: string, tokens: readonly number[]): void;
  end(name: string): void;
  /** `isLiteral`: references in it are none (scripts, styles, CDATA). */
  text(octets: string, isLiteral: boolean): void;
  /** With its marks. */
  comment(octets: string): void;
  declaration(octets: string): void;
  /** Not called when the text ends in an ignored section. */
  finish(): void;
}

/** Elements whose content is not searched for tags; true: references in it are none either. */
const LITERAL: ReadonlyMap<string, boolean> = new Map([
  ["script", true],
  ["style", true],
  ["xmp", true],
  ["iframe", true],
  ["plaintext", true],
  ["title", false],
  ["textarea", false],
]);
/** At the end of the text, the rest of these is text; the others are closed and the rest is looked through again. */
const REST_IS_TEXT: ReadonlySet<string> = new Set(["plaintext", "xmp", "iframe", "textarea"]);

/** What <![NAME[ asks for, weakest first: the strongest open one counts. */
const SECTION_KINDS: ReadonlyMap<string, number> = new Map([
  ["include", 1],
  ["rcdata", 2],
  ["cdata", 3],
  ["ignore", 4],
]);
const RCDATA = 2;
const CDATA = 3;
const IGNORE = 4;

export class HtmlTokens {
  readonly #events: HtmlEvents;
  /** Not understood yet. */
  #rest = "";
  #literal: string | null = null;
  #isLiteral = false;
  /** Elements that are known not to end any more in the octets at hand. */
  readonly #endless = new Set<string>();
  /** An element that the end of the text closed; told of before the next event that is neither text nor comment. */
  #pendingEnd: string | null = null;
  /** The strongest kind up to each open marked section. */
  readonly #sections: number[] = [];
  /** The last of them; 0 outside. */
  #section = 0;
  /** Comments end at the first ">", since one was found to have no other end. */
  commentsEndAtGreater = false;

  constructor(events: HtmlEvents) {
    this.#events = events;
  }

  /** Takes the next octets; what cannot be told yet waits. */
  parse(octets: string): void {
    const all = this.#rest + octets;
    this.#endless.clear();
    this.#rest = all.slice(this.#scan(all, 0));
  }

  /** The text has ended. */
  finish(): void {
    const all = this.#rest;
    let at = 0;
    while (at < all.length) {
      if (this.#literal !== null) {
        if (REST_IS_TEXT.has(this.#literal)) break;
        if (this.#literal === "title") this.#pendingEnd = this.#literal;
        else this.end(this.#literal);
        this.#literal = null;
        at = this.#scan(all, at);
      } else if (!this.commentsEndAtGreater && all[at] === "<") {
        this.commentsEndAtGreater = true;
        at = this.#scan(all, at);
      } else {
        const next = all[at + 1] ?? "!";
        if (all[at] === "<" && ("/!?".includes(next) || isNameFirstAt(all, at + 1))) {
          this.comment(all.slice(at));
          at = all.length;
        }
        break;
      }
    }
    if (at < all.length) this.#text(all.slice(at));
    this.#rest = "";
    if (this.nothing()) this.#events.finish();
  }

  start(octets: string, tokens: readonly number[]): void {
    const name = asciiLower(octets.slice(tokens[0], tokens[1]));
    if (this.nothing()) this.#events.start(name, octets, tokens);
    const isLiteral = LITERAL.get(name);
    if (isLiteral === undefined) return;
    this.#literal = name;
    this.#isLiteral = isLiteral;
  }

  end(name: string): void {
    if (this.nothing()) this.#events.end(asciiLower(name));
  }

  comment(octets: string): void {
    if (this.#section !== IGNORE) this.#events.comment(octets);
  }

  declaration(octets: string): void {
    if (this.nothing()) this.#events.declaration(octets);
  }

  /** Something that nobody is told of; true unless all is ignored here. */
  nothing(): boolean {
    const ended = this.#pendingEnd;
    if (ended !== null) {
      this.#pendingEnd = null;
      this.end(ended);
    }
    return this.#section !== IGNORE;
  }

  /** A marked section begins; `names` in lower case. */
  openSection(names: readonly string[]): void {
    let kind = this.#section;
    for (const name of names) kind = Math.max(kind, SECTION_KINDS.get(name) ?? 0);
    this.#sections.push(kind);
    this.#section = kind;
    this.#isLiteral = kind === CDATA;
    this.nothing();
  }

  #closeSection(): void {
    this.nothing();
    this.#sections.pop();
    this.#section = this.#sections[this.#sections.length - 1] ?? 0;
    this.#isLiteral = this.#section === CDATA;
  }

  #text(octets: string): void {
    if (this.#section !== IGNORE) this.#events.text(octets, this.#isLiteral);
  }

  /** Goes through `all` as far as can be told; gives where it stopped. */
  #scan(all: string, from: number): number {
    /** Where text began that nobody was told of yet. */
    let begun = from;
    let at = from;
    for (;;) {
      while (this.#literal !== null) {
        begun = this.#literalText(all, begun, this.#literal);
        if (this.#literal !== null) return begun;
        at = begun;
      }
      while (this.#section === RCDATA || this.#section === CDATA) {
        const end = all.indexOf("]]>", at);
        if (end < 0) return begun;
        begun = at = this.#sectionEnd(all, begun, end);
      }
      if (this.#sections.length > 0) {
        [begun, at] = this.#textInSection(all, begun, at);
      } else {
        const found = all.indexOf("<", at);
        at = found < 0 ? all.length : found;
      }
      if (at !== begun) {
        if (all[at] !== "<") return this.#lastText(all, begun);
        this.#text(all.slice(begun, at));
        begun = at;
      }
      if (all.length - at < 3) return at;
      const next = this.#markup(all, begun);
      if (next === begun) return begun;
      if (next === NOT_MARKUP) at = begun + 1;
      else begun = at = next;
    }
  }

  /** What starts with "<" at `from`: its end, `from` when it has none, NOT_MARKUP when it is text. */
  #markup(all: string, from: number): number {
    if (isNameFirstAt(all, from + 1)) return startTag(this, all, from);
    const next = all[from + 1];
    if (next === "/") return endTag(this, all, from);
    if (next === "!") return declaration(this, all, from);
    return next === "?" ? instruction(this, all, from) : NOT_MARKUP;
  }

  /** Text up to the end tag of an element whose content is not searched; `begun` when there is none. */
  #literalText(all: string, begun: number, name: string): number {
    if (name === "plaintext" || this.#endless.has(name)) return begun;
    for (let at = all.indexOf("</", begun); at >= 0; at = all.indexOf("</", at + 1)) {
      const nameEnd = at + 2 + name.length;
      if (asciiLower(all.slice(at + 2, nameEnd)) !== name) continue;
      const end = skipSpace(all, nameEnd);
      if (all[end] !== ">") continue;
      if (begun !== at) this.#text(all.slice(begun, at));
      this.end(name);
      this.#literal = null;
      this.#isLiteral = false;
      return end + 1;
    }
    this.#endless.add(name);
    return begun;
  }

  #sectionEnd(all: string, begun: number, end: number): number {
    if (begun !== end) this.#text(all.slice(begun, end));
    this.#closeSection();
    return end + 3;
  }

  /** To the next "<", closing sections on the way; an octet after "]" or "]]" that ends none is passed over, a "<" too. */
  #textInSection(all: string, from: number, start: number): [number, number] {
    let begun = from;
    let at = start;
    while (at < all.length && all[at] !== "<") {
      if (all[at] === "]" && this.#section !== 0) {
        if (all[at + 1] === "]" && all[at + 2] === ">") {
          this.#text(all.slice(begun, at));
          this.#closeSection();
          begun = at = at + 3;
          continue;
        }
        at += all[at + 1] === "]" ? 2 : 1;
      }
      at += 1;
    }
    return [begun, Math.min(at, all.length)];
  }

  /** Text at the end: its last word waits, with the white space before it; white space alone waits, too. */
  #lastText(all: string, begun: number): number {
    let at = all.length;
    if (!isSpaceAt(all, at - 1)) while (at > begun && !isSpaceAt(all, at - 1)) at -= 1;
    while (at > begun && isSpaceAt(all, at - 1)) at -= 1;
    if (at !== begun) this.#text(all.slice(begun, at));
    return at;
  }
}
