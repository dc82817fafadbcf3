// Envelope addresses (RFC 5321 4.1.2, RFC 6531): the octets as they came, beside a form to compare with.

export interface Address {
  /** What stood between < and >, as it came (source route included), UTF-8; written out again unchanged. */
  readonly raw: string;
  /** Local part with quoting removed, case kept. */
  readonly local: string;
  /** Lower case, A-labels; "" when there is none ("postmaster"). An address literal keeps its brackets. */
  readonly domain: string;
}
