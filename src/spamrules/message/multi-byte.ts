// Charsets of several octets a character, to UTF-8 octets. Node has supersets of what Perl's Encode knows; where the difference
// could meet real mail, octets outside Encode's charset count as broken, and characters that the two map differently are changed.
import { TextDecoder } from "node:util";
import { utf8 } from "./octets.ts";
import { decodeJis } from "./jis.ts";
import { decodeCp949, decodeIso2022Kr } from "./korean.ts";
import { decodeUtf32 } from "./utf32.ts";
import { decodeUtf7 } from "./utf7.ts";

interface MultiByte {
  readonly label: string;
  /** Pairs of octets that Encode knows; null: as Node does. */
  readonly pairs: RegExp | null;
  /** What Node makes of an octet pair, what Encode does. */
  readonly swaps: readonly (readonly [string, string])[];
}

const JAPANESE: MultiByte["swaps"] = [
  ["\uff5e", "\u301c"],
  ["\u2225", "\u2016"],
  ["\uff0d", "\u2212"],
  ["\uffe0", "\xa2"],
  ["\uffe1", "\xa3"],
  ["\uffe2", "\xac"],
];
const JIS = /^(?:iso-2022-jp(?:-1)?|7bit-jis)$/;
const KNOWN: Readonly<Record<string, MultiByte>> = {
  "euc-cn": {
    label: "gbk",
    pairs:
      /[\xa1\xa3\xb0-\xd6\xd8-\xf7][\xa1-\xfe]|\xa2[\xb1-\xe2\xe5-\xee\xf1-\xfc]|\xa4[\xa1-\xf3]|\xa5[\xa1-\xf6]|\xa6[\xa1-\xb8\xc1-\xd8]|\xa7[\xa1-\xc1\xd1-\xf1]|\xa8[\xa1-\xba\xc5-\xe9]|\xa9[\xa4-\xef]|\xd7[\xa1-\xf9]/y,
    swaps: [
      ["\xb7", "\u30fb"],
      ["\u2014", "\u2015"],
    ],
  },
  cp936: { label: "gbk", pairs: /\x80|[\x81-\xfe][\x40-\x7e\x80-\xfe]/y, swaps: [] },
  "big5-eten": { label: "big5", pairs: /[\xa1-\xf9][\x40-\x7e\xa1-\xfe]/y, swaps: [] },
  "big5-hkscs": { label: "big5", pairs: null, swaps: [] },
  cp950: { label: "big5", pairs: /[\xa1-\xf9][\x40-\x7e\xa1-\xfe]/y, swaps: [] },
  shiftjis: {
    label: "shift_jis",
    pairs: /[\xa1-\xdf]|[\x81-\x84\x88-\x9f\xe0-\xea][\x40-\x7e\x80-\xfc]/y,
    swaps: JAPANESE,
  },
  cp932: { label: "shift_jis", pairs: null, swaps: [] },
  "euc-jp": { label: "euc-jp", pairs: null, swaps: JAPANESE },
  "euc-kr": { label: "euc-kr", pairs: /[\xa1-\xfe][\xa1-\xfe]/y, swaps: [] },
  "utf-16be": { label: "utf-16be", pairs: null, swaps: [] },
  "utf-16le": { label: "utf-16le", pairs: null, swaps: [] },
};

/** By Encode's name. undefined: no such charset here; null: strict, and it does not fit. */
export function decodeMulti(
  octets: string,
  name: string,
  strict: boolean,
): string | null | undefined {
  if (name === "utf-7") return utf8(decodeUtf7(octets));
  if (name === "iso-2022-kr") return utf8(decodeIso2022Kr(octets));
  if (name === "cp949") return orNull(decodeCp949(octets, strict));
  if (/^utf-32(?:be|le)?$/.test(name)) return orNull(decodeUtf32(octets, name, strict));
  if (JIS.test(name)) return utf8(swapped(decodeJis(octets), JAPANESE));
  const charset = Object.hasOwn(KNOWN, name) ? KNOWN[name] : undefined;
  if (charset === undefined) return undefined;
  const decoder = new TextDecoder(charset.label, { fatal: strict, ignoreBOM: true });
  const decode = (some: string): string => decoder.decode(Buffer.from(some, "latin1"));
  try {
    const runs = charset.pairs === null ? [octets] : runsOf(octets, charset.pairs);
    if (strict && runs.includes("")) return null;
    // Half a character at the end goes without a trace.
    if (runs.at(-1) === "" && /[\x80-\xfe]$/.test(octets)) runs.pop();
    const text = runs.map((run) => (run === "" ? "\ufffd" : decode(run))).join("");
    return utf8(swapped(text, charset.swaps));
  } catch {
    return null;
  }
}

const orNull = (text: string | null): string | null => (text === null ? null : utf8(text));

function swapped(text: string, swaps: MultiByte["swaps"]): string {
  let result = text;
  for (const [from, to] of swaps) result = result.replaceAll(from, to);
  return result;
}

/** What fits, and "" for each octet between that does not. */
function runsOf(octets: string, pairs: RegExp): string[] {
  const runs: string[] = [];
  let from = 0;
  for (let at = 0; at < octets.length;) {
    if (octets.charCodeAt(at) < 128) {
      at += 1;
      continue;
    }
    pairs.lastIndex = at;
    if (pairs.test(octets)) {
      at = pairs.lastIndex;
      continue;
    }
    if (at > from) runs.push(octets.slice(from, at));
    runs.push("");
    from = at += 1;
  }
  if (from < octets.length) runs.push(octets.slice(from));
  return runs;
}
