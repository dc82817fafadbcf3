// Charsets of one octet a character, to UTF-8 octets, with the gaps that Perl's Encode leaves in them: the web, whose tables Node
// has, fills gaps with control characters.
import { TextDecoder } from "node:util";
import { utf8 } from "./octets.ts";

/** For octets 128 to 255: UTF-8 octets; null: not assigned. */
export type UpperHalf = readonly (string | null)[];

const REPLACEMENT = "\xef\xbf\xbd";

/** Upper halves that Node does not have. */
const CODE_PAGES: Readonly<Record<string, string>> = {
  cp437:
    "ÇüéâäàåçêëèïîìÄÅÉæÆôöòûùÿÖÜ¢£¥₧ƒáíóúñÑªº¿⌐¬½¼¡«»░▒▓│┤╡╢╖╕╣║╗╝╜╛┐└┴┬├─┼╞╟╚╔╩╦╠═╬╧╨╤╥╙╘╒╓╫╪┘┌█▄▌▐▀αßΓπΣσµτΦΘΩδ∞φε∩≡±≥≤⌠⌡÷≈°∙·√ⁿ²■\u00a0",
  cp850:
    "ÇüéâäàåçêëèïîìÄÅÉæÆôöòûùÿÖÜø£Ø×ƒáíóúñÑªº¿®¬½¼¡«»░▒▓│┤ÁÂÀ©╣║╗╝¢¥┐└┴┬├─┼ãÃ╚╔╩╦╠═╬¤ðÐÊËÈıÍÎÏ┘┌█▄¦Ì▀ÓßÔÒõÕµþÞÚÛÙýÝ¯´\u00ad±‗¾¶§÷¸°¨·¹³²■\u00a0",
  cp852:
    "ÇüéâäůćçłëŐőîŹÄĆÉĹĺôöĽľŚśÖÜŤťŁ×čáíóúĄąŽžĘę¬źČş«»░▒▓│┤ÁÂĚŞ╣║╗╝Żż┐└┴┬├─┼Ăă╚╔╩╦╠═╬¤đĐĎËďŇÍÎě┘┌█▄ŢŮ▀ÓßÔŃńňŠšŔÚŕŰýÝţ´\u00ad˝˛ˇ˘§÷¸°¨˙űŘř■\u00a0",
};
/** Charsets of Node that fit but for what patch() mends. */
const LABELS: Readonly<Record<string, string>> = {
  "iso-8859-9": "windows-1254",
  "iso-8859-11": "windows-874",
  cp866: "ibm866",
  cp874: "windows-874",
  macroman: "macintosh",
  maccyrillic: "x-mac-cyrillic",
  macukrainian: "x-mac-cyrillic",
};

const tables = new Map<string, UpperHalf | null>();

/** By Encode's name; null when it is none of these. */
export function upperHalf(name: string): UpperHalf | null {
  let table = tables.get(name);
  if (table === undefined) {
    table = make(name);
    // Names come from a fixed list of patterns, but numbers in them from strangers.
    if (tables.size < 256) tables.set(name, table);
  }
  return table;
}

function make(name: string): UpperHalf | null {
  if (name === "ascii") return Array.from({ length: 128 }, () => null);
  if (name === "iso-8859-1")
    return Array.from({ length: 128 }, (_, at) => utf8(String.fromCharCode(128 + at)));
  const page = CODE_PAGES[name];
  if (page !== undefined) return Array.from(page, utf8);
  if (
    !/^(?:iso-8859-(?:[2-9]|1[013-6])|koi8-[ru]|cp(?:12\d\d|866|874)|mac(?:roman|cyrillic|ukrainian))$/.test(
      name,
    )
  )
    return null;
  let decoder: TextDecoder;
  try {
    decoder = new TextDecoder(LABELS[name] ?? name.replace(/^cp/, "windows-"));
  } catch {
    // RangeError: a number that no charset has.
    return null;
  }
  return Array.from({ length: 128 }, (_, at) =>
    patch(name, 128 + at, decoder.decode(Uint8Array.of(128 + at))),
  );
}

function patch(name: string, octet: number, character: string): string | null {
  if (name.startsWith("iso-8859-") && octet < 160) return utf8(String.fromCharCode(octet));
  if (name === "koi8-u" && octet === 0xae) return utf8("\u255d");
  if (name === "koi8-u" && octet === 0xbe) return utf8("\u256c");
  if (character === "\ufffd" || (name === "cp1255" && octet === 0xca)) return null;
  const point = character.charCodeAt(0);
  // A control character among the letters of Windows: a gap.
  return point >= 128 && point < 160 && name.startsWith("cp") && name !== "cp1256"
    ? null
    : utf8(character);
}

/** UTF-8 octets; null when strict and some octet is not assigned, else it becomes U+FFFD. */
export function decodeSingle(octets: string, table: UpperHalf, strict: boolean): string | null {
  const output = Buffer.allocUnsafe(octets.length * 3);
  let to = 0;
  for (let at = 0; at < octets.length; at += 1) {
    const code = octets.charCodeAt(at);
    if (code < 128) {
      output[to++] = code;
      continue;
    }
    const entry = table[code - 128] ?? (strict ? null : REPLACEMENT);
    if (entry === null) return null;
    for (let k = 0; k < entry.length; k += 1) output[to++] = entry.charCodeAt(k);
  }
  return output.toString("latin1", 0, to);
}
