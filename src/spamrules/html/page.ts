// One page under way: takes tags and text as they come and keeps what SpamAssassin's renderer keeps. Made and asked by render.ts.
import { attributesOf } from "./attributes.ts";
import { type Decoded, decodeEntities } from "./entities.ts";
import { Links } from "./links.ts";
import { widen } from "./octets.ts";
import { Pieces } from "./pieces.ts";
import { isTorn, tornWord } from "./seams.ts";
import { TextStyles } from "./style.ts";
import { isOffice, type Tag, tagOf } from "./tags.ts";
import { fontFaceIsBad, imageArea } from "./traits.ts";
import type { HtmlEvents } from "./tokens.ts";

const NONE = new Map<string, Decoded>();

export class Page implements HtmlEvents {
  readonly pieces = new Pieces();
  readonly styles = new TextStyles();
  readonly links = new Links();
  /** Balance by tag; a tag that was only closed stands at 0. */
  readonly inside = new Map<string, number>();
  /** Flags that were raised, by SpamAssassin's name. */
  readonly flags = new Set<string>(["html"]);
  readonly titles: string[] = [];
  readonly comments: string[] = [];
  readonly scripts: string[] = [];
  readonly anchors: string[][] = [];
  readonly tornWords = new Set<string>();
  torn: number | undefined;
  imageArea = 0;
  tags: number | undefined;
  closedExtra = 0;
  elements: number | undefined;
  tagsSeen: number | undefined;
  elementsSeen: number | undefined;
  /** The end came; without it, most of what was counted is not told. */
  isFinished = false;
  readonly #wide: boolean;

  constructor(wide: boolean) {
    this.#wide = wide;
  }

  start(name: string, octets: string, tokens: readonly number[]): void {
    const tag = tagOf(name);
    this.#count(name, 1, tag);
    if (tag === undefined) return;
    const attributes =
      tag.isAsked && tokens.length > 2 ? attributesOf(octets, tokens, this.#wide) : NONE;
    if (tag.isStyled) this.styles.open(name, attributes);
    if (tag.white !== "") this.pieces.addWhite(tag.white);
    if (tag.isLinked && attributes.size > 0) this.links.note(name, attributes);
    this.#look(name, attributes);
  }

  end(name: string): void {
    const tag = tagOf(name);
    this.#count(name, -1, tag);
    if (tag === undefined) return;
    if (tag.isStyled) this.styles.close(name);
    if (tag.white !== "") this.pieces.addWhite(tag.white);
  }

  text(octets: string, isLiteral: boolean): void {
    const text = isLiteral
      ? { octets, wide: this.#wide }
      : decodeEntities(octets, this.#wide, true);
    if (this.#isInside("script")) {
      this.scripts.push(this.#utf8(text));
      return;
    }
    if (this.#isInside("style")) return;
    if (this.#isInside("a")) this.#addAnchorText(this.#utf8(text));
    if (this.#isInside("title")) {
      const last = this.titles.length - 1;
      this.titles[last] = (this.titles[last] ?? "") + this.#utf8(text);
    }
    const isHidden = hasInk(text) && this.#isUnseen();
    const before = this.pieces.last;
    if (before !== undefined) this.#noteSeam(before, text);
    this.pieces.addText(text, isHidden);
  }

  comment(octets: string): void {
    this.comments.push(this.#utf8({ octets, wide: this.#wide }));
  }

  declaration(octets: string): void {
    if (!/^<!doctype/i.test(octets)) return;
    this.elements = (this.elements ?? 0) + 1;
    this.tags = (this.tags ?? 0) + 1;
    this.inside.set("!doctype", 0);
  }

  finish(): void {
    this.isFinished = true;
  }

  #isInside(tag: string): boolean {
    return (this.inside.get(tag) ?? 0) > 0;
  }

  #count(name: string, change: 1 | -1, tag: Tag | undefined): void {
    const before = this.inside.get(name);
    if (tag === undefined ? isOffice(name) : tag.isElement) {
      this.elements = (this.elements ?? 0) + 1;
      if (before === undefined) this.elementsSeen = (this.elementsSeen ?? 0) + 1;
    }
    this.tags = (this.tags ?? 0) + 1;
    if (before === undefined) this.tagsSeen = (this.tagsSeen ?? 0) + 1;
    const now = (before ?? 0) + change;
    if (now < 0) this.closedExtra += 1;
    this.inside.set(name, Math.max(now, 0));
  }

  /** What single tags tell beside style and links. */
  #look(name: string, attributes: ReadonlyMap<string, Decoded>): void {
    if (name === "font") {
      const face = attributes.get("face");
      if (face !== undefined && fontFaceIsBad(face)) this.flags.add("font_face_bad");
    } else if (name === "img") {
      if (this.#isInside("a")) this.#addAnchorText("<img>\n");
      this.imageArea += imageArea(attributes);
    } else if (name === "form") {
      if (/mailto:/i.test(attributes.get("action")?.octets ?? "")) {
        this.flags.add("form_action_mailto");
      }
    } else if (name === "object" || name === "embed") {
      this.flags.add("embeds");
    } else if (name === "a") {
      this.links.openAnchor(attributes);
      this.anchors.push([]);
    } else if (name === "title") {
      this.titles.push("");
    }
  }

  #addAnchorText(octets: string): void {
    this.links.addText(octets);
    this.anchors[this.anchors.length - 1]?.push(octets);
  }

  #isUnseen(): boolean {
    const reason = this.styles.unseen();
    if (reason === "contrast") this.flags.add("font_low_contrast");
    if (reason === "colour") this.flags.add("font_invalid_color");
    return reason !== null;
  }

  #noteSeam(before: Decoded, text: Decoded): void {
    if (!isTorn(before, text)) return;
    this.torn = (this.torn ?? 0) + 1;
    const word = tornWord(before, text);
    if (word !== null) this.tornWords.add(word);
  }

  #utf8({ octets, wide }: Decoded): string {
    return wide ? octets : widen(octets);
  }
}

const INK = /[^\t-\r ]/;

/** Something else than white space, "Â" and a no-break space together being white space by a slip of SpamAssassin's. */
function hasInk({ octets, wide }: Decoded): boolean {
  if (!INK.test(octets)) return false;
  if (!octets.includes("\xc2")) return true;
  return INK.test(octets.replace(wide ? /\xc3\x82\xc2\xa0/g : /\xc2\xa0/g, ""));
}
