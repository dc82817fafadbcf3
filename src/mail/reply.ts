// SMTP replies as values (RFC 5321 4.2, RFC 3463, RFC 2034). A code and its enhanced status are built together, so that
// "451 5.7.1" cannot be written. Servers put them on the wire; everything below hands them around.

export type OkCode = 250;
export type TempfailCode = 421 | 450 | 451 | 452;
export type RejectCode = 500 | 501 | 502 | 503 | 504 | 521 | 550 | 551 | 552 | 553 | 554 | 555;

export type Reply =
  | {
      readonly kind: "ok";
      readonly code: OkCode;
      readonly status: `2.${number}.${number}`;
      readonly text: string;
    }
  | {
      readonly kind: "tempfail";
      readonly code: TempfailCode;
      readonly status: `4.${number}.${number}`;
      readonly text: string;
    }
  | {
      readonly kind: "reject";
      readonly code: RejectCode;
      readonly status: `5.${number}.${number}`;
      readonly text: string;
    };

/** A 250 reply; `text` is what the client reads after the status. */
export const ok = (text: string, status: `2.${number}.${number}` = "2.0.0"): Reply => ({
  kind: "ok",
  code: 250,
  status,
  text,
});

/** A 4xx reply: the client keeps the message and tries again. */
export const tempfail = (
  code: TempfailCode,
  status: `4.${number}.${number}`,
  text: string,
): Reply => ({ kind: "tempfail", code, status, text });

/** A 5xx reply: the client gives up. */
export const reject = (code: RejectCode, status: `5.${number}.${number}`, text: string): Reply => ({
  kind: "reject",
  code,
  status,
  text,
});

/** One line without CRLF, "451 4.3.0 text", for logs and DSNs: bytes outside printable ASCII become "?". */
export function replyLine(reply: Reply): string {
  return `${reply.code} ${reply.status} ${printable(reply.text)}`;
}

/**
 * The reply as it goes on the wire, CRLF included: long text is wrapped into continuation lines of at most 510 octets
 * (RFC 5321 4.5.3.1.5); anything but printable ASCII becomes "?", so that no text can start a line of its own.
 */
export function wireReply(reply: Reply): string {
  const { code, status } = reply;
  const room = 510 - 4 - status.length - 1;
  const text = printable(reply.text);
  const pieces: string[] = [];
  for (let at = 0; at < text.length || pieces.length === 0;) {
    let end = Math.min(text.length, at + room);
    const space = text.lastIndexOf(" ", end);
    if (end < text.length && space > at) end = space + 1;
    pieces.push(text.slice(at, end));
    at = end;
  }
  return pieces
    .map(
      (piece, i) => `${code}${i === pieces.length - 1 ? " " : "-"}${status} ${piece.trimEnd()}\r\n`,
    )
    .join("");
}

function printable(text: string): string {
  return text.replace(/[^\x20-\x7e]/g, "?");
}
