// XFORWARD (Postfix's XFORWARD_README): what the MTA tells about the client, attribute by attribute. Called by the SMTP
// listener; what an attribute means is decided where the envelope is filled.
import { decodeXtext } from "./xtext.ts";

/** The attributes that a listener announces, in Postfix's order. */
export const XFORWARD_NAMES = ["NAME", "ADDR", "PORT", "PROTO", "HELO", "IDENT", "SOURCE"] as const;

const MAX_VALUE = 255;
const UNAVAILABLE = "[UNAVAILABLE]";

/**
 * Reads the argument of one XFORWARD command and adds its attributes to `into`. A value of [UNAVAILABLE] removes the
 * name. Values need not be DNS names or addresses (the specification allows anything), but control characters are
 * refused. Returns false, with `into` untouched, on a syntax error, an unknown name or a value over 255 characters.
 */
export function readXforward(argument: string, into: Map<string, string>): boolean {
  const read = new Map<string, string>();
  for (const word of argument.split(" ")) {
    if (word === "") continue;
    const equals = word.indexOf("=");
    const name = word.slice(0, equals).toUpperCase();
    const value = equals < 0 ? null : decodeXtext(word.slice(equals + 1));
    if (value === null || !(XFORWARD_NAMES as readonly string[]).includes(name)) return false;
    if (value.length > MAX_VALUE || /[\x00-\x1f\x7f]/.test(value)) return false;
    read.set(name, value);
  }
  if (read.size === 0) return false;
  for (const [name, value] of read) {
    if (value === "" || value.toUpperCase() === UNAVAILABLE) into.delete(name);
    else into.set(name, value);
  }
  return true;
}
