// The names of a zip file's members: raw octets that are UTF-8 when a flag says so, else the code page of whoever unpacks them, and
// Info-ZIP's Unicode path beside them. Used by zip.ts for both headers of a member.
import type { Entry } from "./zip-records.ts";

const HIGH =
  "ÇüéâäàåçêëèïîìÄÅÉæÆôöòûùÿÖÜ¢£¥₧ƒáíóúñÑªº¿⌐¬½¼¡«»░▒▓│┤╡╢╖╕╣║╗╝╜╛┐└┴┬├─┼╞╟╚╔╩╦╠═╬╧╨╤╥╙╘╒╓╫╪┘┌█▄▌▐▀αßΓπΣσµτΦΘΩδ∞φε∩≡±≥≤⌠⌡÷≈°∙·√ⁿ²■\u00a0";
const UTF_8_FLAG = 0x0800;
const UNICODE_PATH = 0x7075;
const UTF_8 = new TextDecoder("utf-8", { fatal: true });

/** The names that readers of this header see, the likeliest first; [] when it has none. */
export function namesIn(entry: Entry): string[] {
  const found = new Set<string>();
  const { name, extra } = entry;
  const path = extra.get(UNICODE_PATH);
  // Version 1, a CRC of the other name (which readers check or do not), the name.
  if (path !== undefined && path.length > 5) add(found, utf8(path.subarray(5)));
  const text = utf8(name);
  if ((entry.flags & UTF_8_FLAG) !== 0) add(found, text ?? name.toString("utf8"));
  else {
    add(found, text);
    add(found, codePage437(name));
  }
  return [...found];
}

function add(found: Set<string>, name: string | null): void {
  if (name !== null && name !== "") found.add(name);
}

function utf8(octets: Buffer): string | null {
  try {
    return UTF_8.decode(octets);
  } catch {
    return null; // Not UTF-8: then it is a name of some code page.
  }
}

/** Octets as IBM code page 437, which zip files have when nothing else is said (APPNOTE D.1). */
export function codePage437(octets: Buffer): string {
  return octets
    .toString("latin1")
    .replace(/[\x80-\xff]/g, (char) => HIGH.charAt(char.charCodeAt(0) - 0x80));
}
