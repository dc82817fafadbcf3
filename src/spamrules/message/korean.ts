// Korean as Perl's Encode reads it: cp949, which adds the syllables that EUC-KR lacks and Node does not have, and ISO-2022-KR. Used by
// multi-byte.ts.
import { TextDecoder } from "node:util";

const EUC = /[\0-\x7f]+|[\xa1-\xfe]{2}/y;
const UHC = /[\0-\x7f]+|[\xa1-\xfe]{2}|[\x81-\xa0][A-Za-z\x81-\xfe]|[\xa1-\xc6][A-Za-z\x81-\xa0]/y;
const FIRST = 0xac00;
const LAST = 0xd7a3;

/** cp949 to a JavaScript string; null: strict, and it does not fit. */
export function decodeCp949(octets: string, strict: boolean): string | null {
  // Half a character at the end goes without a trace.
  const text = decode(octets, UHC, (lost, isLast) =>
    isLast && !strict && lost < "\xff" && lost.length === 1 ? "" : "\ufffd",
  );
  return strict && text.includes("\ufffd") ? null : text;
}

/** ISO-2022-KR to a JavaScript string: it ends at an escape that it does not know; what is no character stands as "\xA4". Never fails. */
export function decodeIso2022Kr(octets: string): string {
  const euc = octets
    .replaceAll("\x1b$)C", "")
    .replace(/\x0e([^\x0f]*)\x0f/g, (_all, text: string) =>
      text.replace(/[!-~]/g, (octet) => String.fromCharCode(octet.charCodeAt(0) + 128)),
    )
    .replace(/\x1b[^]*$/, "");
  return decode(euc, EUC, (lost) =>
    lost.replace(/[^]/g, (octet) => `\\x${octet.charCodeAt(0).toString(16).toUpperCase()}`),
  );
}

function decode(
  octets: string,
  character: RegExp,
  otherwise: (lost: string, isLast: boolean) => string,
): string {
  const euc = new TextDecoder("euc-kr");
  const pieces: string[] = [];
  for (let at = 0; at < octets.length;) {
    character.lastIndex = at;
    const found = character.exec(octets)?.[0] ?? octets.slice(at, at + 1);
    at += found.length;
    if (found.charCodeAt(0) < 128) pieces.push(found);
    else if (found.length < 2) pieces.push(otherwise(found, at === octets.length));
    else if (/^[\xa1-\xfe]{2}$/.test(found)) {
      const text = euc.decode(Buffer.from(found, "latin1"));
      pieces.push(text.includes("\ufffd") ? otherwise(found, false) : text);
    } else pieces.push(added()[numberOf(found)] ?? otherwise(found, false));
  }
  return pieces.join("");
}

/** Where a pair stands among those that cp949 adds: 178 in each row up to 0xA0, 84 in each behind, both without gaps. */
function numberOf(pair: string): number {
  const [row, cell] = [pair.charCodeAt(0), pair.charCodeAt(1)];
  const before = row < 0xa1 ? (row - 0x81) * 178 : 32 * 178 + (row - 0xa1) * 84;
  if (cell <= 0x5a) return before + cell - 0x41;
  return before + (cell <= 0x7a ? cell - 0x61 + 26 : cell - 0x81 + 52);
}

let syllables: readonly string[] | null = null;

/** The syllables that EUC-KR lacks, in the order of Unicode. */
function added(): readonly string[] {
  if (syllables !== null) return syllables;
  const rows: number[] = [];
  for (let row = 0xb0; row <= 0xc8; row++)
    for (let cell = 0xa1; cell <= 0xfe; cell++) rows.push(row, cell);
  const common = new Set(new TextDecoder("euc-kr").decode(Buffer.from(rows)));
  const found: string[] = [];
  for (let code = FIRST; code <= LAST; code++) {
    const syllable = String.fromCharCode(code);
    if (!common.has(syllable)) found.push(syllable);
  }
  return (syllables = found);
}
