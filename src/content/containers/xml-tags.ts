// The start tags of an XML text with their attributes, for texts of documents that tell how they are put together. No reader of XML: it
// knows no entities but the predefined ones, and reads comments as if they were text. Linear time. Used by package.ts.

export interface Tag {
  /** Without namespace prefix, lower case. */
  readonly name: string;
  /** By name without prefix, lower case; values with character references resolved. */
  readonly attributes: ReadonlyMap<string, string>;
}

const NAME = /[\w:.-]+/y;
const ATTRIBUTE = /\s*([\w:.-]+)\s*=\s*(?:"([^"]*)"|'([^']*)')/y;
const MAX_ATTRIBUTES = 64;

/** The tags in order. */
export function* tagsOf(text: string): Generator<Tag> {
  for (let at = text.indexOf("<"); at >= 0; at = text.indexOf("<", at)) {
    NAME.lastIndex = ++at;
    const name = NAME.exec(text)?.[0];
    if (name === undefined) continue;
    at += name.length;
    const attributes = new Map<string, string>();
    for (let n = 0; n < MAX_ATTRIBUTES; n++) {
      ATTRIBUTE.lastIndex = at;
      const found = ATTRIBUTE.exec(text);
      if (found === null) break;
      at = ATTRIBUTE.lastIndex;
      attributes.set(localName(found[1]!), resolved(found[2] ?? found[3] ?? ""));
    }
    yield { name: localName(name), attributes };
  }
}

const localName = (name: string): string => name.slice(name.lastIndexOf(":") + 1).toLowerCase();

const PREDEFINED: Readonly<Record<string, string>> = {
  amp: "&",
  lt: "<",
  gt: ">",
  quot: '"',
  apos: "'",
};

function resolved(value: string): string {
  if (!value.includes("&")) return value;
  return value.replace(
    /&(?:#(\d{1,7})|#x([\da-f]{1,6})|([a-z]{2,4}));/gi,
    (whole, ten, hex, name) => {
      if (name !== undefined) return PREDEFINED[String(name)] ?? String(whole);
      const code = ten !== undefined ? Number(ten) : Number.parseInt(String(hex), 16);
      return code <= 0x10ffff ? String.fromCodePoint(code) : String(whole);
    },
  );
}

/** The text of an XML file in UTF-8 or UTF-16. */
export function textOf(octets: Buffer): string {
  const [first, second] = octets;
  if ((first === 0xff && second === 0xfe) || (first === 0x3c && second === 0))
    return octets.toString("utf16le");
  if ((first === 0xfe && second === 0xff) || (first === 0 && second === 0x3c))
    return Buffer.from(octets.subarray(0, octets.length & ~1))
      .swap16()
      .toString("utf16le");
  return octets.toString("utf8");
}
