// Reads the body of DATA on the receiving side of the `large` bench, in pieces as they arrive: undoes dot-stuffing, finds the
// end, and digests everything from our first header field on (a hop may put its own fields in front). Shares no code with the
// product that it checks. RFC 5321 §4.5.2.
import { createHash } from "node:crypto";

/** The first field of every message of the bench; its value is the message's number. */
export const MARK = "X-Bench-Message: ";

export interface Digest {
  readonly id: number;
  readonly sha256: string;
  /** Octets that were digested. */
  readonly octets: number;
}

export interface DigestBody {
  /** Takes the next octets; null until the end was among them, then the digest and what followed the end. */
  take(piece: Buffer): { readonly digest: Digest; readonly rest: Buffer } | null;
}

const LINE_DOT = Buffer.from("\r\n.");
/** Octets from which a dot-stuffed line or the end may still be forming. */
const KEEP = 4;

/** A reader for one body, to be fed from the first octet after DATA's 354 on. */
export function digestBody(): DigestBody {
  const hash = createHash("sha256");
  // The end may be the first line of all: an imagined CRLF in front makes that line like any other.
  let held: Buffer = Buffer.from("\r\n");
  let imagined = held.length;
  let head: Buffer | null = Buffer.alloc(0);
  let id = -1;
  let octets = 0;

  const emit = (data: Buffer) => {
    const real = data.subarray(imagined);
    imagined = Math.max(0, imagined - data.length);
    let own = real;
    if (head !== null) {
      head = Buffer.concat([head, real]);
      const match = new RegExp(`(?:^|\n)(${MARK}(\\d+))\r\n`).exec(head.toString("latin1"));
      if (match?.[1] === undefined) return;
      id = Number(match[2]);
      own = head.subarray(match.index + match[0].indexOf(MARK));
      head = null;
    }
    hash.update(own);
    octets += own.length;
  };

  return {
    take(piece) {
      const data = Buffer.concat([held, piece]);
      let from = 0;
      for (;;) {
        const at = data.indexOf(LINE_DOT, from);
        const enough = at < 0 ? data.length - KEEP : at + 5 <= data.length ? at + 5 : at;
        if (at < 0 || enough === at) {
          const until = Math.max(from, enough);
          emit(data.subarray(from, until));
          held = data.subarray(until);
          return null;
        }
        emit(data.subarray(from, at + 2));
        from = at + 3;
        if (data[from] !== 13 || data[from + 1] !== 10) continue;
        return {
          digest: { id, sha256: hash.digest("hex"), octets },
          rest: data.subarray(from + 2),
        };
      }
    },
  };
}
