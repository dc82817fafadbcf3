// Dot-stuffing (RFC 5321 4.5.2): octets as they stand between 354 and the final dot. Used by the SMTP and LMTP client;
// the way back (un-stuffing) is lines.ts.

const LF = 0x0a;
const DOT = 0x2e;
const LF_DOT: Buffer = Buffer.from("\n.");
const END_AT_START: Buffer = Buffer.from(".\r\n");
const END_IN_LINE: Buffer = Buffer.from("\r\n.\r\n");

/**
 * The octets of `chunk` with every dot that starts a line doubled; the chunk itself when there is none (no copy).
 * `atLineStart`: nothing came before, or what came before ended in LF. A dot after a bare LF is doubled too: bodies have
 * none, and if one slipped in, a lenient peer could read "LF . CRLF" as the end of the message. Linear time.
 */
export function dotStuff(chunk: Buffer, atLineStart: boolean): Buffer {
  const first = atLineStart && chunk[0] === DOT;
  let at = chunk.indexOf(LF_DOT);
  if (at === -1) return first ? Buffer.concat([chunk.subarray(0, 1), chunk]) : chunk;

  const dots: number[] = first ? [0] : [];
  // Beyond this density one call of indexOf per dot costs more than looking at every octet.
  const many = 16 + (chunk.length >> 6);
  for (; at !== -1; at = chunk.indexOf(LF_DOT, at + 2)) {
    if (dots.length > many) return stuffDense(chunk, atLineStart);
    dots.push(at + 1);
  }
  const out = Buffer.allocUnsafe(chunk.length + dots.length);
  let from = 0;
  let to = 0;
  for (const dot of dots) {
    to += chunk.copy(out, to, from, dot + 1);
    from = dot;
  }
  chunk.copy(out, to, from);
  return out;
}

/** What ends the data. `atLineStart`: nothing came before, or a CRLF did; else the last line is completed first. */
export function endOfData(atLineStart: boolean): Buffer {
  return atLineStart ? END_AT_START : END_IN_LINE;
}

function stuffDense(chunk: Buffer, atLineStart: boolean): Buffer {
  // A stuffed dot needs a line end before it, so at most every second octet is one (and perhaps the first).
  const out = Buffer.allocUnsafe(chunk.length + (chunk.length >> 1) + 1);
  let to = 0;
  let previous = atLineStart ? LF : DOT;
  for (let i = 0; i < chunk.length; i++) {
    const octet = chunk[i] as number;
    if (octet === DOT && previous === LF) out[to++] = DOT;
    out[to++] = octet;
    previous = octet;
  }
  return out.subarray(0, to);
}
