// Addresses in the attributes of a page, and the texts of its <a>, as SpamAssassin gathers them. Called by render.ts.
import type { Attributes } from "./attributes.ts";
import type { Decoded } from "./entities.ts";
import type { HtmlLink } from "./facts.ts";
import { characters, firstCharacters, narrowest, trimmed } from "./octets.ts";
import { resolveUri } from "./resolve.ts";

const MAX_CHARACTERS = 8192;
/** Octets that resolved addresses may have together: a long <base> and many short links would multiply otherwise. */
const MAX_RESOLVED = 32 * 1024 * 1024;

interface Gathered {
  readonly types: Set<string>;
  readonly texts: string[][];
}

/** Which attribute holds an address, by tag. */
const SOURCES: ReadonlyMap<string, string> = new Map([
  ...["body", "table", "tr", "td"].map((tag) => [tag, "background"] as const),
  ...["a", "area", "link"].map((tag) => [tag, "href"] as const),
  ...["img", "frame", "iframe", "embed", "script", "bgsound"].map((tag) => [tag, "src"] as const),
  ["form", "action"],
]);

export class Links {
  truncated = false;
  readonly #gathered = new Map<string, Gathered>();
  #base = "";
  #resolved = 0;
  /** The texts of the <a> that was opened last. */
  #text: string[] = [];

  static knows(tag: string): boolean {
    return SOURCES.has(tag) || tag === "base" || tag === "meta";
  }

  /** Notes the addresses of a start tag; may correct the attributes. */
  note(tag: string, attributes: Map<string, Decoded>): void {
    if (tag === "base") {
      this.#setBase(attributes.get("href"));
      return;
    }
    if (tag === "meta") {
      this.#noteRefresh(attributes);
      return;
    }
    const source = SOURCES.get(tag) ?? "";
    if (source === "href" || source === "src") mend(attributes, source);
    const value = attributes.get(source);
    if (value !== undefined) {
      if (source === "href" && value.octets.includes("\xef\xbb\xbf")) {
        attributes.set(source, { ...value, octets: value.octets.replace(/\xef\xbb\xbf/g, "") });
      }
      this.#push(tag, attributes.get(source) ?? value);
    }
    const safe = source === "href" ? attributes.get("data-saferedirecturl") : undefined;
    if (safe !== undefined) this.#push(tag, safe);
  }

  /** An <a> begins: a new text for its address, which is not resolved here; "" without one. */
  openAnchor(attributes: Attributes): void {
    const href = attributes.get("href");
    this.#text = [];
    this.#of(href === undefined ? "" : this.#canonical(href)).texts.push(this.#text);
  }

  addText(octets: string): void {
    this.#text.push(octets);
  }

  all(): HtmlLink[] {
    return [...this.#gathered].map(([uri, { types, texts }]) => ({
      uri,
      types: [...types],
      anchorTexts: texts.map((pieces) => narrowest(pieces.join(""))),
    }));
  }

  #of(uri: string): Gathered {
    let gathered = this.#gathered.get(uri);
    if (gathered === undefined) {
      gathered = { types: new Set(), texts: [] };
      this.#gathered.set(uri, gathered);
    }
    return gathered;
  }

  #push(tag: string, value: Decoded): void {
    this.#pushUri(tag, this.#canonical(value));
  }

  #pushUri(tag: string, uri: string): void {
    if (uri === "") return;
    if (/^(?:data|mailto|file|cid|tel):/i.test(uri)) {
      this.#of(uri).types.add(tag);
      return;
    }
    if (this.#resolved > MAX_RESOLVED) return;
    const target = resolveUri(this.#base, uri);
    this.#resolved += target.length;
    if (target !== "") this.#of(target).types.add(tag);
  }

  #canonical(value: Decoded): string {
    const { wide } = value;
    const uri = trimmed(value.octets, wide);
    const fits = uri.length <= MAX_CHARACTERS || characters(uri, wide) <= MAX_CHARACTERS;
    if (!fits) this.truncated = true;
    const kept = fits ? uri : firstCharacters(uri, MAX_CHARACTERS, wide);
    return wide ? narrowest(kept) : kept;
  }

  #setBase(href: Decoded | undefined): void {
    if (href === undefined || href.octets === "" || href.octets === "0") return;
    const uri = this.#canonical(href);
    this.#pushUri("base", uri);
    if (!/^(?:https?|ftp):/i.test(uri)) return;
    const base = withoutFile(uri);
    this.#base = base.endsWith("/") ? base : `${base}/`;
  }

  /** <meta http-equiv=refresh content="5; url=…">. */
  #noteRefresh(attributes: Attributes): void {
    const content = attributes.get("content");
    if (content === undefined || !/refresh/i.test(attributes.get("http-equiv")?.octets ?? "")) {
      return;
    }
    const { octets, wide } = content;
    const found = [...octets.matchAll(/\burl[\t-\r ]*=/gi)];
    if (found.length === 0) return;
    // The last "url=" that begins on the first line; all of it when there is none.
    const lineEnds = octets.indexOf("\n");
    const last = found.filter(({ index }) => lineEnds < 0 || index < lineEnds).pop();
    const start = last === undefined ? 0 : last.index + last[0].length;
    let uri = last === undefined ? octets : octets.slice(start).replace(/^[\t-\r ]+/, "");
    const semicolon = uri.indexOf(";");
    if (semicolon >= 0) {
      const lineEnd = uri.indexOf("\n", semicolon);
      uri =
        uri.slice(0, semicolon).replace(/(?<![\t-\r ])[\t-\r ]+$/, "") +
        (lineEnd < 0 ? "" : uri.slice(lineEnd));
    }
    this.#push("meta", { octets: uri, wide });
  }
}

/** Attributes such as "title/href" stand for the attribute itself. */
function mend(attributes: Map<string, Decoded>, source: "href" | "src"): void {
  const names = [...attributes.keys()].filter((name) => name.includes("/"));
  for (const name of names) {
    const value = attributes.get(name);
    const slash = name.indexOf("/");
    if (
      value === undefined ||
      slash < 0 ||
      !(source === "href" ? /\w\/href/ : /\w\/src/).test(name)
    )
      continue;
    attributes.delete(name);
    attributes.set(source, value);
  }
}

/** Without a last part such as "index.html". */
function withoutFile(uri: string): string {
  const host = /^[a-z]+:\/{0,2}[^/]+\//i.exec(uri)?.[0];
  if (host === undefined) return uri;
  const path = uri.slice(host.length);
  const dot = path.lastIndexOf(".");
  const extension = path.slice(dot + 1);
  if (dot < 0 || extension.includes("/") || extension.length < 2 || extension.length > 4) {
    return uri;
  }
  let start = dot;
  while (start > 0 && path[start - 1] !== "/" && path[start - 1] !== ".") start -= 1;
  if (start === dot || path.slice(0, start).includes("\n")) return uri;
  return host + path.slice(0, start);
}
