// A line that is folded within a quoted value (RFC 5322 2.2.3 lets nobody do that): most readers keep the white space behind the line
// end, some drop it, so that "evil.e" and "xe" become one word. Used by entity.ts for boundaries and names.
import { MAX_LENGTH, parseParameters, type Parameterized } from "./parameters.ts";

const LF = 0x0a;

/** `read` with the readings added that some take from the same field when it is folded within quotes; else `read` itself. */
export function withFoldsClosed(read: Parameterized, raw: Buffer, room: number): Parameterized {
  const lf = raw.indexOf(LF);
  if (lf < 0 || lf >= raw.length - 1 || !raw.includes('"')) return read;
  const text = raw.toString("latin1", 0, MAX_LENGTH);
  if (!foldsInQuotes(text)) return read;
  const closed = text.slice(text.indexOf(":") + 1).replace(/\r?\n[ \t]+/g, "");
  // The octets may be UTF-8; where they are not, the names are Latin-1 in both readings.
  const octets = Buffer.from(closed, "latin1");
  const decoded = octets.toString();
  const other = parseParameters((decoded.includes("\ufffd") ? closed : decoded).trim(), room);
  const parameters = new Map(read.parameters);
  for (const [name, values] of other.parameters)
    parameters.set(name, [...new Set([...(parameters.get(name) ?? []), ...values])]);
  return { ...read, parameters };
}

function foldsInQuotes(text: string): boolean {
  let quoted = false;
  for (let at = 0; at < text.length - 1; at++) {
    const char = text.charCodeAt(at);
    if (char === 0x5c) at++;
    else if (char === 0x22) quoted = !quoted;
    else if (char === LF && quoted) return true;
  }
  return false;
}
