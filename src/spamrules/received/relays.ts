// The hops of a message, as its Received fields tell them, and how far they are believed. Made by trust.ts.

export interface Relay {
  readonly ip: string;
  readonly rdns: string;
  readonly helo: string;
  readonly by: string;
  readonly ident: string;
  /** null: the line does not say; "": the null sender. */
  readonly envfrom: string | null;
  readonly id: string;
  /** How the client proved itself, "ESMTPSA", "GMX", …; "" when it did not. */
  readonly auth: string;
  /** Handed in to an MSA of ours. */
  readonly msa: boolean;
  readonly internal: boolean;
  readonly trusted: boolean;
  readonly privateIp: boolean;
  readonly noReverseDns: boolean;
  /** Index of the Received field it came from, from the top. */
  readonly field: number;
}

export interface Relays {
  /** Nearest first. */
  readonly all: readonly Relay[];
  readonly trusted: readonly Relay[];
  readonly untrusted: readonly Relay[];
  readonly internal: readonly Relay[];
  readonly external: readonly Relay[];
  readonly unparseable: number;
  /** Index of the last trusted and the last internal Received field; -1 without one: for ALL-TRUSTED and its like. */
  readonly lastTrustedField: number;
  readonly lastInternalField: number;
  /** "[ ip=… rdns=… helo=… by=… ident=… envfrom=… intl=0 id=… auth= msa=0 ]" joined by blanks. */
  text(of: "trusted" | "untrusted" | "internal" | "external"): string;
}
