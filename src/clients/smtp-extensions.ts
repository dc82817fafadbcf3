// What a server offered in its answer to EHLO or LHLO (RFC 5321 4.1.1.1); decides which parameters may be sent.
import type { PeerReply } from "./smtp-replies.ts";

export interface Extensions {
  readonly pipelining: boolean;
  readonly size: boolean;
  readonly eightBitMime: boolean;
  readonly smtputf8: boolean;
  readonly dsn: boolean;
  /** Attribute names in the server's order, upper case; empty when XFORWARD is not offered to us. */
  readonly xforward: readonly string[];
  /** Every line as it came, for `probe`. */
  readonly lines: readonly string[];
}

/** Nothing offered: what HELO leaves us with. */
export const NO_EXTENSIONS: Extensions = {
  pipelining: false,
  size: false,
  eightBitMime: false,
  smtputf8: false,
  dsn: false,
  xforward: [],
  lines: [],
};

/** Reads the positive answer to EHLO or LHLO; its first line is the server's name. Unknown keywords are kept in `lines`. */
export function parseExtensions(reply: PeerReply): Extensions {
  const lines = reply.lines.slice(1).filter((line) => line.trim() !== "");
  const offered = new Map<string, readonly string[]>();
  for (const line of lines) {
    const [keyword = "", ...parameters] = line.trim().toUpperCase().split(/\s+/);
    offered.set(keyword, parameters);
  }
  return {
    pipelining: offered.has("PIPELINING"),
    size: offered.has("SIZE"),
    eightBitMime: offered.has("8BITMIME"),
    smtputf8: offered.has("SMTPUTF8"),
    dsn: offered.has("DSN"),
    xforward: (offered.get("XFORWARD") ?? [])
      .filter((name) => /^[A-Z]{1,20}$/.test(name))
      .slice(0, 20),
    lines,
  };
}
