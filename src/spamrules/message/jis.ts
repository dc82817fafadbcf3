// ISO-2022-JP as Perl's Encode reads it: the text ends at the first octet above 127 and at an escape it does not know, and what is no
// character stands as "\xA4".
import { TextDecoder } from "node:util";

const SWITCH = /(?:(\x1b\$\(D)|\x1b\$@|\x1b&@\x1b\$B|\x1b\$B|(\x1b\([BJ])|(\x1b\(I))([^\x1b]*)/g;
/** ASCII, half-width kana, a character of JIS X 0212 or 0208. */
const CHARACTER = /[\0-\x7f]+|\x8e[\xa1-\xdf]|\x8f[\xa1-\xfe]{2}|[\xa1-\xfe]{2}/y;

/** To a JavaScript string. Never fails. */
export function decodeJis(octets: string): string {
  const end = octets.search(/[\x80-\xff]/);
  const euc = (end < 0 ? octets : octets.slice(0, end))
    .replace(SWITCH, (_all, jis0212?: string, ascii?: string, kana?: string, text = "") => {
      if (ascii !== undefined) return text as string;
      const high = (text as string).replace(/[!-~]/g, raise);
      if (kana !== undefined) return high.replace(/[\xa1-\xdf]/g, "\x8e$&");
      return jis0212 === undefined ? high : high.replace(/[\xa1-\xfe]{2}/g, "\x8f$&");
    })
    .replace(/\x1b[^]*$/, "");
  return decodeEuc(euc);
}

function raise(octet: string): string {
  return String.fromCharCode(octet.charCodeAt(0) + 128);
}

function decodeEuc(euc: string): string {
  const decoder = new TextDecoder("euc-jp");
  const pieces: string[] = [];
  for (let at = 0; at < euc.length;) {
    CHARACTER.lastIndex = at;
    const found = CHARACTER.exec(euc)?.[0];
    if (found === undefined) {
      // Half a character at the end goes without a trace.
      if (at < euc.length - 1) pieces.push(quoted(euc.slice(at, at + 1)));
      at += 1;
      continue;
    }
    const text = found.charCodeAt(0) < 128 ? found : decoder.decode(Buffer.from(found, "latin1"));
    pieces.push(text.includes("\ufffd") ? quoted(found) : text);
    at += found.length;
  }
  return pieces.join("");
}

function quoted(octets: string): string {
  return octets.replace(/[^]/g, (octet) => `\\x${octet.charCodeAt(0).toString(16).toUpperCase()}`);
}
