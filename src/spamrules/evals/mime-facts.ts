// One pass over the parts of a message for the rules that ask about MIME. Used by mime.ts.
import { readContentType } from "../message/content-type.ts";
import { isSpace, lower } from "../message/octets.ts";
import type { MimePart, Subject } from "../subject.ts";
import { fitsLocales } from "./charset-locales.ts";

/** What check_for_mime() can be asked, by SpamAssassin's names, and the numbers behind other functions. */
export interface MimeFacts {
  readonly counts: ReadonlyMap<string, number>;
  readonly htmlParts: number;
  readonly textParts: number;
  readonly multipartRatio: number;
  readonly illegalAscii: number;
  readonly unicodeRatio: number;
  readonly quotedRatio: number;
  /** As parts name them, lower case. */
  readonly charsets: readonly string[];
}

const ASCII_NAMES =
  /us-ascii|ansi_x3\.4-1968|iso-ir-6|ansi_x3\.4-1986|iso_646\.irv:1991|ascii|iso646-us|us|ibm367|cp367|csascii/;
/** Octets that need no quoted-printable. */
const NEEDLESS = /=(?:09|3[0-9ABCEF]|[2456][0-9A-F]|7[0-9A-E])/g;
/** A line of quoted-printable that is longer, its "\n" counted, is long. */
const LONG_LINE = 79;

/** Charsets that are remembered, and how much of each: a name is not longer. */
const MOST_CHARSETS = 1000;
const LONGEST_NAME = 200;

interface Leaf {
  readonly type: string;
  readonly charset: string | null;
  readonly encoding: string;
  readonly attached: boolean;
}

export function mimeFacts(subject: Subject, locales: readonly string[]): MimeFacts {
  const scan = new Scan(locales);
  for (const part of subject.parts) scan.part(part);
  return scan.result(subject);
}

class Scan {
  readonly #locales: readonly string[];
  readonly #counts = new Map<string, number>();
  readonly #charsets: string[] = [];
  readonly #sizes: { readonly type: string; readonly size: number }[] = [];
  #alternative = false;
  #quotedOctets = 0;
  #quotedNeedlessly = 0;
  #illegalAscii = 0;
  #plainOctets = 0;
  #entities = 0;

  constructor(locales: readonly string[]) {
    this.#locales = locales;
  }

  #count(name: string): void {
    this.#counts.set(name, (this.#counts.get(name) ?? 0) + 1);
  }

  part(part: MimePart): void {
    const value = part.header("content-type").at(-1);
    const type = readContentType(value === undefined ? null : `${value}\n`);
    if (type.type === "multipart/alternative") this.#alternative = true;
    const encoding = lower(part.header("content-transfer-encoding").at(-1) ?? "");
    const disposition = lower(part.header("content-disposition").at(-1) ?? "");
    const charset = type.charset === null ? null : lower(type.charset);
    this.#header(type.type, encoding, disposition, charset ?? "");
    if (!part.leaf) return;
    const attached = disposition.includes("attachment");
    const leaf: Leaf = { type: type.type, charset, encoding, attached };
    const isText = leaf.type === "text/plain" || leaf.type === "text/html";
    let size = 0;
    if (leaf.encoding === "quoted-printable") for (const line of part.raw) this.#quoted(line);
    if (leaf.type === "text/plain") this.#plain(leaf, part.raw);
    if (this.#alternative && !attached && isText) for (const line of part.raw) size += line.length;
    if (!attached) this.#sizes.push({ type: leaf.type, size });
  }

  #header(type: string, encoding: string, disposition: string, charset: string): void {
    if (type === "text/html") this.#count("mime_body_html_count");
    else if (type.startsWith("text")) this.#count("mime_body_text_count");
    if (encoding.includes("base64")) this.#count("mime_base64_count");
    else if (encoding.includes("quoted-printable")) this.#count("mime_qp_count");
    if (disposition.includes("attachment")) this.#count("mime_attachment");
    if (
      type.startsWith("text") &&
      encoding.includes("base64") &&
      (charset === "" || charset === "0" || ASCII_NAMES.test(charset)) &&
      !/^(?:attachment|inline)/.test(disposition)
    )
      this.#counts.set("mime_base64_encoded_text", 1);
    if (isOddIso(charset)) this.#counts.set("mime_bad_iso_charset", 1);
    if (!/[a-z]/.test(charset)) return;
    if (this.#charsets.length < MOST_CHARSETS) this.#charsets.push(charset.slice(0, LONGEST_NAME));
    if (!this.#locales.includes("all") && !fitsLocales(charset, this.#locales))
      this.#counts.set("mime_faraway_charset", 1);
  }

  #quoted(line: string): void {
    if (line.startsWith("SPAM: ")) return;
    if (line.length > LONG_LINE) this.#counts.set("mime_qp_long_line", 1);
    this.#quotedOctets += line.length;
    if (!line.includes("=")) return;
    const needless = line.match(NEEDLESS)?.length ?? 0;
    // White space at a line's end may be quoted.
    if (needless > 0) this.#quotedNeedlessly += needless - quotedBlanksAtEnd(line);
  }

  #plain({ charset, encoding }: Leaf, lines: readonly string[]): void {
    const ascii = charset === null || charset === "us-ascii";
    const bare = encoding === "" || encoding === "7bit" || encoding === "8bit";
    for (const line of lines) {
      if (ascii && /[\0\r\x80-\xff]/.test(line)) this.#illegalAscii += 1;
      if (!bare) continue;
      const found = line.includes("&#x") ? (line.match(/&#x[0-9A-F]{4};/g)?.length ?? 0) : 0;
      this.#entities += found;
      this.#plainOctets += line.length - 8 * found;
    }
  }

  result(subject: Subject): MimeFacts {
    const counts = this.#counts;
    const quotedRatio = this.#quotedOctets === 0 ? 0 : this.#quotedNeedlessly / this.#quotedOctets;
    if (this.#quotedOctets > 0) {
      // The number of parts is forgotten then.
      counts.set("mime_qp_count", this.#quotedNeedlessly);
      counts.set("mime_qp_bytes", this.#quotedOctets);
    }
    const unicodeRatio = this.#plainOctets === 0 ? 0 : this.#entities / this.#plainOctets;
    const multipartRatio = this.#alternative ? this.#ratio() : 1;
    if (this.#alternative) counts.set("mime_multipart_alternative", 1);
    if ([...subject.boundaries.values()].some((open) => open !== 0))
      counts.set("mime_missing_boundary", 1);
    counts.set("mime_multipart_ratio", multipartRatio);
    counts.set("mime_qp_ratio", quotedRatio);
    counts.set("mime_text_unicode_ratio", unicodeRatio);
    counts.set("mime_ascii_text_illegal", this.#illegalAscii);
    return {
      counts,
      htmlParts: counts.get("mime_body_html_count") ?? 0,
      textParts: counts.get("mime_body_text_count") ?? 0,
      multipartRatio,
      illegalAscii: this.#illegalAscii,
      unicodeRatio,
      quotedRatio,
      charsets: this.#charsets.flatMap((charset) => charset.split(/[\t-\r ]+/)),
    };
  }

  /** Octets of the last text by those of the last HTML; parts before any multipart/alternative have none. */
  #ratio(): number {
    const html = this.#sizes.findLast(({ type }) => type === "text/html")?.size ?? 0;
    const text = this.#sizes.findLast(({ type }) => type === "text/plain")?.size;
    return text === undefined || html === 0 ? 1 : text / html;
  }
}

/** "iso-" with two more pieces that is none of the usual ones. */
function isOddIso(name: string): boolean {
  const charset = name.slice(0, LONGEST_NAME);
  return (
    /iso-[^\t-\r ]+-[^\t-\r ]+\b/.test(charset) &&
    !/iso-(?:8859-\d{1,2}|2022-(?:jp|kr))\b/.test(charset)
  );
}

function quotedBlanksAtEnd(line: string): number {
  let end = line.length;
  while (end > 0 && isSpace(line.charCodeAt(end - 1))) end -= 1;
  let count = 0;
  while (end >= 3 && /^=(?:09|20)$/.test(line.slice(end - 3, end))) {
    count += 1;
    end -= 3;
  }
  return count;
}
