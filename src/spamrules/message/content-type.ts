// What SpamAssassin reads out of a Content-Type: parameters by loose patterns, a missing or unknown text type made text/plain.
import { lower } from "./octets.ts";

export interface ContentType {
  readonly type: string;
  readonly boundary: string | null;
  readonly charset: string | null;
  readonly name: string | null;
  /** No type was given, or an empty one; type says text/plain all the same. */
  readonly missing: boolean;
}

const SPACE = "[\\t-\\r ]";
const BOUNDARY = new RegExp(
  `\\bboundary${SPACE}*=${SPACE}*("[^"]+|[^\\t-\\r ";]+(?=[\\t-\\r ;]|$))`,
  "i",
);
const CHARSET = new RegExp(`\\bcharset${SPACE}*=${SPACE}*["']?([^\\n]*?)["']?(?:;|\\n?$)`, "i");
const NAME = new RegExp(`\\b(?:file)?name${SPACE}*=${SPACE}*["']?([^\\n]*?)["']?(?:;|\\n?$)`, "i");
const CONTINUED = new RegExp(
  `\\b(?:file)?name\\*(\\d+)${SPACE}*=${SPACE}*["']?([^\\n]*?)["']?(?:;|\\n?$)`,
  "ig",
);
const CONTINUED_START = new RegExp(`\\b(?:file)?name\\*0${SPACE}*=`, "i");
/** Pieces of a continued name that are believed: SpamAssassin makes as many as the largest number says. */
const MOST_PIECES = 1000;
const UNFIT = /[\x00-\x20\x7f-\xff"(),:-?@[-\]]/g;

/** From the unfolded, decoded field value (with or without its "\n"); null or "" for a part without one. */
export function readContentType(value: string | null): ContentType {
  const given = value !== null && value !== "" && value !== "0";
  const text = given ? value : "text/plain; charset=us-ascii";
  const type = lower(
    text
      .replace(/^[\t-\r ]+/, "")
      .replace(/;[^]*$/, "")
      .replace(/^([^/]+(?:\/[^/\t-\r ]*)?)[^]*$/, "$1"),
  );
  const empty = type === "" || type === "0";
  const plain =
    empty || (/^text\b/.test(type) && !/^text\/(?:x-vcard|calendar|html)\n?$/.test(type));
  return {
    type: (plain ? "text/plain" : type).replace(UNFIT, ""),
    boundary: BOUNDARY.exec(text)?.[1]?.replaceAll('"', "") ?? null,
    charset: CHARSET.exec(text)?.[1] ?? null,
    name: nameOf(text),
    missing: !given || empty,
  };
}

/** RFC 2231 continuations only when there is no plain name; their percent signs stay. */
function nameOf(text: string): string | null {
  const plain = NAME.exec(text)?.[1] ?? null;
  if ((plain !== null && plain !== "" && plain !== "0") || !CONTINUED_START.test(text))
    return plain;
  const pieces = new Map<number, string>();
  for (const [, number = "", piece = ""] of text.matchAll(CONTINUED))
    if (pieces.size < MOST_PIECES) pieces.set(Number(number), piece);
  return [...pieces]
    .sort(([a], [b]) => a - b)
    .map(([, piece]) => piece)
    .join("");
}
