// From what looks like an address in the text to a URI with a scheme, or to nothing. Called by find.ts.
import { lower } from "../message/octets.ts";
import { isFqdn, type Boundaries } from "./domain.ts";
import { decodePercent } from "./percent.ts";
import { sightings, type Sighting } from "./scan.ts";

export interface TextUri {
  readonly uri: string;
  readonly types: readonly string[];
}

const TYPES = {
  full: ["parsed"],
  schemeless: ["parsed", "schemeless"],
  unlinked: ["parsed", "unlinked", "schemeless"],
} as const;
/** Not taken as the end of an address. */
const TRAILING = "-~!@#^&*()_+=:;'?,.";

/** Addresses in the lines of a body, each spelling once, in order. */
export function textUris(lines: readonly string[], boundaries: Boundaries): TextUri[] {
  const found: TextUri[] = [];
  const seen = new Set<string>();
  for (const line of lines)
    for (const sighting of sightings(line, boundaries.topLevel)) {
      const text = cutEnd(sighting.text);
      if (seen.has(text)) continue;
      seen.add(text);
      const uri = complete(sighting, text, boundaries);
      if (uri !== null) found.push(uri);
    }
  return found;
}

/** A ")" without a "(" before it ends an address; punctuation at the end does not belong to it. */
function cutEnd(text: string): string {
  const close = text.indexOf(")");
  const open = text.indexOf("(");
  let end = close >= 0 && (open < 0 || open > close) ? close : text.length;
  while (end > 0 && TRAILING.includes(text.charAt(end - 1))) end -= 1;
  return text.slice(0, end);
}

function complete(sighting: Sighting, text: string, boundaries: Boundaries): TextUri | null {
  if (sighting.kind === "mail" && !text.includes("@")) return null;
  if (sighting.host !== null && !isFqdn(sighting.host, true)) return null;
  if (/^[cm]id:/i.test(text) || /^\w+:\/{0,2}$/i.test(text)) return null;
  const found = withScheme(text);
  if (found === null || !/^mailto:/i.test(found.uri)) return found;
  const uri = /%[0-9a-f]{2}/i.test(found.uri) ? decodePercent(found.uri) : found.uri;
  const host = /@([^?&>]*)/.exec(uri)?.[1]?.replace(/(?:%20)+$/, "");
  return host !== undefined && boundaries.isValid(host) ? { uri, types: found.types } : null;
}

function withScheme(text: string): TextUri | null {
  if (/^(?:https?|ftp|mailto):/i.test(text)) return { uri: text, types: TYPES.full };
  const start = lower(text.slice(0, 6));
  if (start.startsWith("ftp.")) return { uri: `ftp://${text}`, types: TYPES.schemeless };
  if (/^www\d{0,2}\./.test(start)) return { uri: `http://${text}`, types: TYPES.schemeless };
  const at = text.indexOf("@");
  if (at >= 0) {
    const slash = text.indexOf("/");
    if (slash >= 0 && text.lastIndexOf("@") > slash + 1)
      return { uri: `http://${text}`, types: TYPES.schemeless };
    if (text.indexOf(".", at + 2) < 0 || text.includes("&nbsp;")) return null;
    const address = text.replace(/^(?:skype|e?-?mail)?:+/i, "");
    return { uri: `mailto:${address}`, types: TYPES.schemeless };
  }
  return text.includes(".") ? { uri: `http://${text}`, types: TYPES.unlinked } : null;
}
