// The body hash of DKIM (RFC 6376 3.4.3, 3.4.4, 3.7): canonicalisation and hashing of a body that arrives in pieces, in linear
// time whatever the body looks like. Used by dkim-sign.ts, and for verification by checks/auth-dkim.ts.
import { createHash, type Hash } from "node:crypto";

export type BodyCanonicalization = "simple" | "relaxed";

const CR = 0x0d;
const LF = 0x0a;
const SPACE = 0x20;
const TAB = 0x09;
const CRLF = Buffer.from("\r\n");
const BREAKS = Buffer.from("\r\n".repeat(512));

/** One hash over one canonical form. Feed it with update(), end it with digest(), which may be called once. */
export class BodyHash {
  /** Octets that came. */
  byteLength = 0;
  /** Octets of the canonical form. */
  canonicalizedLength = 0;
  /** Octets of it that went into the hash: less when there is a limit. */
  bodyHashedBytes = 0;
  private readonly hash: Hash;
  private readonly relaxed: boolean;
  private readonly limit: number;
  /** Line ends that count only if something follows. */
  private breaks = 0;
  private space = false;
  private cr = false;
  private out: Buffer = Buffer.alloc(0);

  /** `limit`: the value of l=, or null for the whole body. */
  constructor(canonicalization: BodyCanonicalization, algorithm: string, limit: number | null) {
    this.hash = createHash(algorithm);
    this.relaxed = canonicalization === "relaxed";
    this.limit = limit ?? Infinity;
  }

  update(piece: Buffer): void {
    this.byteLength += piece.length;
    if (piece.length === 0) return;
    const plain = !this.relaxed || !(piece.includes(SPACE) || piece.includes(TAB));
    if (plain && this.whole(piece)) return;
    this.walk(piece);
  }

  digest(encoding: "base64" = "base64"): string {
    if (this.cr) {
      this.flush();
      this.write(Buffer.from([CR]));
      this.cr = false;
      this.canonicalEnd();
    } else if (this.canonicalizedLength > 0 || !this.relaxed) this.canonicalEnd();
    return this.hash.digest(encoding);
  }

  /** A body with content ends with one CRLF; the simple form of an empty body is CRLF too. */
  private canonicalEnd(): void {
    this.write(CRLF);
  }

  /** Hashes a piece without blanks as it stands, but for the line ends at its end. False when it has to be walked. */
  private whole(piece: Buffer): boolean {
    if (this.cr || this.space) return false;
    let end = piece.length;
    while (end >= 2 && piece[end - 1] === LF && piece[end - 2] === CR) end -= 2;
    // A CR may be half a line end, an LF behind it the other half, or alone: the slow way knows.
    if (end > 0 && (piece[end - 1] === CR || piece[end - 1] === LF)) return false;
    if (end > 0) {
      this.flush();
      this.write(piece.subarray(0, end));
    }
    this.breaks += (piece.length - end) / 2;
    return true;
  }

  private walk(piece: Buffer): void {
    // Each octet gives at most two: a CR and a blank that were held back, or a line end for a bare LF.
    const room = piece.length * 2 + 4;
    if (this.out.length < room) this.out = Buffer.allocUnsafe(room);
    const { out, relaxed } = this;
    let { breaks, space, cr } = this;
    let carried = breaks > 0;
    let at = 0;
    for (let i = 0; i < piece.length; i++) {
      const octet = piece[i] as number;
      if (octet === LF) {
        cr = false;
        space = false;
        breaks++;
        continue;
      }
      const lone = cr;
      cr = octet === CR;
      const blank = relaxed && (octet === SPACE || octet === TAB);
      if (lone || !(blank || cr)) {
        if (carried) {
          // Line ends of earlier pieces, any number of them, in front of all that is written here.
          this.breaks = breaks;
          this.writeBreaks();
          carried = false;
        } else for (; breaks > 0; breaks--) at = lineEnd(out, at);
        breaks = 0;
        if (space) out[at++] = SPACE;
        space = false;
        if (lone) out[at++] = CR;
      }
      if (blank) space = true;
      else if (!cr) out[at++] = octet;
    }
    if (at > 0) this.write(out.subarray(0, at));
    Object.assign(this, { breaks, space, cr });
  }

  private flush(): void {
    if (this.breaks > 0) this.writeBreaks();
    if (this.space) this.write(Buffer.from([SPACE]));
    this.space = false;
  }

  private writeBreaks(): void {
    for (let left = this.breaks; left > 0; left -= BREAKS.length / 2)
      this.write(left * 2 < BREAKS.length ? BREAKS.subarray(0, left * 2) : BREAKS);
    this.breaks = 0;
  }

  private write(octets: Buffer): void {
    this.canonicalizedLength += octets.length;
    const left = this.limit - this.bodyHashedBytes;
    if (left <= 0) return;
    const part = octets.length > left ? octets.subarray(0, left) : octets;
    this.bodyHashedBytes += part.length;
    this.hash.update(part);
  }
}

function lineEnd(out: Buffer, at: number): number {
  out[at] = CR;
  out[at + 1] = LF;
  return at + 2;
}
