// One part of the MIME tree. Decoding, charset and rendering happen when they are asked for, once.
import type { HtmlFacts } from "../html/facts.ts";
import { widen } from "../html/octets.ts";
import type { MimePart } from "../subject.ts";
import { textAsDeclared, textToUtf8 } from "./charset.ts";
import type { Fields } from "./fields.ts";
import { hasHighBits, lower, trim } from "./octets.ts";
import { decodeBase64, decodeQuotedPrintable } from "./transfer.ts";

/** Renders HTML given as UTF-8 octets: html/render.ts. */
export type HtmlRenderer = (
  text: string,
  source: { readonly decodedLength: number; readonly wide: boolean },
) => HtmlFacts;

/** How parts are read. */
export interface Reading {
  readonly render: HtmlRenderer;
  /** normalize_charset: else only UTF-8 is known, and texts in other charsets stay as they are. */
  readonly normalize: boolean;
}

export interface Rendered {
  readonly type: string;
  /** A charset was decoded. */
  readonly wide: boolean;
  readonly text: string;
  readonly visible: string;
  readonly invisible: string;
  readonly html: HtmlFacts | null;
}

const NOTHING: readonly string[] = [];

export class Part implements MimePart {
  parent: Part | null = null;
  type = "";
  charset: string | null = null;
  boundary: string | null = null;
  name: string | null = null;
  readonly fields: Fields;
  readonly #reading: Reading;
  #children: Part[] | null = null;
  #raw: readonly string[] | null = null;
  #decoded: string | null = null;
  #rendered: Rendered | null | undefined;

  constructor(fields: Fields, reading: Reading) {
    this.fields = fields;
    this.#reading = reading;
  }

  get children(): readonly Part[] {
    return this.#children ?? [];
  }

  /** A multipart without parts is no leaf; what is not read further is one, whatever its type says. */
  get leaf(): boolean {
    return this.#children === null;
  }

  get headerNames(): readonly string[] {
    return this.fields.names;
  }

  header(name: string): readonly string[] {
    return this.fields.values(lower(name));
  }

  rawHeader(name: string): readonly string[] {
    return this.fields.raws(lower(trim(name)));
  }

  get raw(): readonly string[] {
    return this.#raw ?? NOTHING;
  }

  /** Gives it its body. */
  fill(lines: readonly string[]): void {
    this.#raw = lines;
  }

  /** Makes an inner node of it. */
  branch(): void {
    this.#children ??= [];
  }

  /** Takes a child; a message that holds a message has no body of its own any more. */
  add(child: Part): void {
    (this.#children ??= []).push(child);
    child.parent = this;
  }

  forget(): void {
    this.#raw = null;
    this.#decoded = null;
  }

  get decoded(): string {
    if (this.#raw === null) return "";
    return (this.#decoded ??= this.#decode(this.#raw.join("")));
  }

  #decode(raw: string): string {
    const encoding = lower(this.fields.value("content-transfer-encoding") ?? "");
    if (encoding === "quoted-printable") return decodeQuotedPrintable(raw).replaceAll("\r\n", "\n");
    if (encoding !== "base64") return raw;
    const decoded = decodeBase64(raw);
    return /^(?:text|message)\//i.test(this.type) ? decoded.replaceAll("\r\n", "\n") : decoded;
  }

  /** The type that counts for rendering: a name that ends in .html makes HTML of anything. */
  get effectiveType(): string {
    return this.name !== null && /\.s?html?\n?$/i.test(this.name) ? "text/html" : this.type;
  }

  get rendered(): Rendered | null {
    return (this.#rendered ??= this.#makeRendered());
  }

  #makeRendered(): Rendered | null {
    const type = this.effectiveType;
    if (type !== "text/plain" && type !== "text/html") return null;
    const octets = this.decoded;
    const { normalize, render } = this.#reading;
    const { octets: text, wide } = (normalize ? textToUtf8 : textAsDeclared)(octets, this.charset);
    if (type === "text/html" && octets !== "") {
      // QUIRK: what was not decoded is taken for Latin-1 here, whatever it is declared as, if it holds more than ASCII.
      const known = wide || normalize;
      const source = { decodedLength: octets.length, wide: wide || !normalize };
      const html = render(known ? text : widen(text), source);
      const { visible, invisible } = html;
      return { type, wide, text: html.text, visible, invisible, html };
    }
    return { type, wide, text, visible: text, invisible: "", html: null };
  }

  /** Whether a rendered text holds single octets above 127 instead of UTF-8 (html/facts.ts), or nothing above 127. */
  widthOf(which: "text" | "visible" | "invisible"): "wide" | "narrow" | "ascii" {
    const rendered = this.rendered;
    if (rendered === null) return "ascii";
    if (rendered.html?.narrow.has(which) === true) return "narrow";
    if (!this.#reading.normalize && !rendered.wide)
      return hasHighBits(rendered[which]) ? "narrow" : "ascii";
    return rendered.wide || hasHighBits(rendered[which]) ? "wide" : "ascii";
  }
}
