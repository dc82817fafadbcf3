// How text looks at each place of a page: a stack of styles by tag, from attributes and inline CSS alone, as SpamAssassin keeps it. Called by
// render.ts for the tags that TextStyles.KNOWS names.
import type { Attributes } from "./attributes.ts";
import { backgroundColour } from "./background.ts";
import { colourOf, INVALID, isUnseen, rgbOf, TRANSPARENT } from "./colours.ts";
import { plainDigits, plainSpaces } from "./octets.ts";

interface Style {
  readonly tag: string;
  foreground: string;
  background: string;
  size: number;
  display: string;
  visibility: string;
  /** Found out when first asked. */
  unseen: Unseen | null | undefined;
}

/** Thrown where SpamAssassin's renderer dies: what it has rendered so far is all that is kept. */
export class RenderingDies extends Error {}

/** Attributes that count, by tag. A bgcolor does not: it is read and then forgotten. */
const COUNTS: ReadonlyMap<string, ReadonlySet<string>> = new Map(
  Object.entries({
    basefont: ["color", "face", "size"],
    body: ["text", "bgcolor", "link", "alink", "vlink", "background"],
    font: ["color", "face", "size"],
    marquee: ["bgcolor", "background"],
    table: ["bgcolor", "style"],
    td: ["bgcolor", "style"],
    tr: ["bgcolor", "style"],
    span: ["style"],
    p: ["style"],
    div: ["style"],
    a: ["style"],
  }).map(([tag, names]) => [tag, new Set(names)]),
);

/** Why text is not seen: "contrast" and "colour" are noted, "other" is not. */
export type Unseen = "contrast" | "colour" | "other";

export class TextStyles {
  static readonly KNOWS: ReadonlySet<string> = new Set([...COUNTS.keys(), "th", "big", "small"]);
  maxSize = 3;
  minSize = 3;
  #baseSize = 3;
  readonly #stack: Style[] = [
    {
      tag: "",
      foreground: "#000000",
      background: "#ffffff",
      size: 3,
      display: "",
      visibility: "",
      unseen: undefined,
    },
  ];
  /** How many of each tag are on the stack. */
  readonly #open = new Map<string, number>();

  open(name: string, attributes: Attributes): void {
    const tag = name === "th" ? "td" : name;
    if (tag === "basefont") {
      const size = /^[\t-\r ]*(\d+)/.exec(plain(attributes, "size"))?.[1];
      if (size !== undefined) {
        this.#baseSize = Number(size);
        return;
      }
    }
    if (tag === "td" || tag === "tr") this.#closeCells(tag);
    const style: Style = { ...this.#top, tag };
    // Unless attributes say more, text here is seen as it is around.
    if (attributes.size > 0 || tag === "big" || tag === "small") style.unseen = undefined;
    if (tag === "big") style.size += 1;
    else if (tag === "small") style.size -= 1;
    else this.#apply(style, attributes);
    this.#stack.push(style);
    this.#open.set(tag, (this.#open.get(tag) ?? 0) + 1);
  }

  /** Closes everything down to the tag; nothing when it is not open. A <body> is never closed. */
  close(name: string): void {
    const tag = name === "th" ? "td" : name;
    if (tag === "body" || (this.#open.get(tag) ?? 0) === 0) return;
    while (this.#pop() !== tag);
  }

  /** Why text here is not seen; null when it is. */
  unseen(): Unseen | null {
    const top = this.#top;
    if (top.unseen === undefined) top.unseen = whyUnseen(top);
    return top.unseen;
  }

  get #top(): Style {
    const top = this.#stack[this.#stack.length - 1];
    if (top === undefined) throw new Error("the first style is never closed");
    return top;
  }

  #pop(): string {
    const { tag } = this.#top;
    this.#stack.pop();
    this.#open.set(tag, (this.#open.get(tag) ?? 0) - 1);
    return tag;
  }

  /** A new cell or row ends cells and fonts, a new row also a row, if one of its kind is open at all. */
  #closeCells(tag: "td" | "tr"): void {
    if ((this.#open.get(tag) ?? 0) === 0) return;
    for (;;) {
      const top = this.#top.tag;
      if (top !== "font" && top !== "td" && (tag === "td" || top !== "tr")) return;
      this.#pop();
    }
  }

  #apply(style: Style, attributes: Attributes): void {
    const counts = COUNTS.get(style.tag);
    for (const [name, value] of attributes) {
      if (counts?.has(name) !== true) continue;
      const text = plainSpaces(value.octets, value.wide);
      if (name === "text" || name === "color") style.foreground = colourOf(text);
      else if (name === "size") this.#setSize(style, plain(attributes, name));
      else if (name === "style") this.#inline(style, text);
      // Sizes are noted with every attribute that counts, not only with a size.
      if (style.size > this.maxSize) this.maxSize = style.size;
      else if (style.size < this.minSize) this.minSize = style.size;
    }
  }

  #setSize(style: Style, text: string): void {
    const [, sign, digits] = /^[\t-\r ]*([+-]?)(\d+)/.exec(text) ?? [];
    if (digits === undefined) return;
    const size = Number(digits);
    if (sign === "") style.size = size;
    else style.size = this.#baseSize + (sign === "-" ? -size : size);
  }

  #inline(style: Style, css: string): void {
    for (const part of css.split(";")) declare(style, part);
    if (style.background === TRANSPARENT) style.background = this.#top.background;
    if (style.foreground === TRANSPARENT) style.foreground = style.background;
  }
}

function whyUnseen({ foreground, background, size, display, visibility }: Style): Unseen | null {
  if (isUnseen(foreground, background)) return "contrast";
  if (foreground === INVALID || background === INVALID) return "colour";
  const isHidden = display.toLowerCase() === "none" || visibility.toLowerCase() === "hidden";
  return size <= 1 || isHidden ? "other" : null;
}

/** One declaration of inline CSS. */
function declare(style: Style, part: string): void {
  const colon = part.indexOf(":");
  if (colon < 0) return;
  const name = skipStart(part.slice(0, colon));
  const lowerName = name.toLowerCase();
  const value = valueOf(part.slice(colon + 1));
  if (lowerName === "color" || lowerName === "background-color") {
    if (value !== null) {
      const colour = declaredColour(value.toLowerCase());
      if (colour === null) return;
      if (lowerName === "color") style.foreground = colour;
      else style.background = colour;
    }
  } else if (name === "background") {
    if (value === null) return;
    const colour = backgroundColour(value.toLowerCase());
    if (colour === undefined) throw new RenderingDies();
    if (colour !== null) style.background = colour;
  } else if (value !== null && /[^\t-\r ]/.test(value)) {
    // Names count in lower case only.
    const property = name.replace(/[\t-\r ]+$/, "");
    if (property === "display") style.display = value;
    else if (property === "visibility") style.visibility = value;
  }
}

/** null: leave it as it is. */
function declaredColour(value: string): string | null {
  const colour = withoutImportant(value);
  if (colour.includes("rgb")) return rgbOf(colour);
  if (colour === "inherit") return null;
  return colour === TRANSPARENT ? colour : colourOf(colour);
}

/** Without "! important" at its end. */
function withoutImportant(value: string): string {
  const end = value.endsWith("important") ? value.lastIndexOf("!") : -1;
  if (end < 0 || /[^\t-\r ]/.test(value.slice(end + 1, -"important".length))) return value;
  return value.slice(0, end).replace(/(?<![\t-\r ])[\t-\r ]+$/, "");
}

function skipStart(text: string): string {
  return text.replace(/^[\t-\r ]+/, "");
}

/**
 * What a pattern `\s*(.+?)\s*$` finds after the colon; null: nothing. White space alone is a value, too: the last of it that is no line
 * feed. A value over two lines is none.
 */
function valueOf(text: string): string | null {
  const start = skipStart(text);
  if (start === "") return text.replace(/\n/g, "").slice(-1) || null;
  const value = start.replace(/(?<![\t-\r ])[\t-\r ]+$/, "");
  return value.includes("\n") ? null : value;
}

/** "" without it. */
function plain(attributes: Attributes, name: string): string {
  const value = attributes.get(name);
  return value === undefined ? "" : plainDigits(value.octets, value.wide);
}
