// The header block of a message (RFC 5322 2.2) with its exact bytes.

export interface Field {
  /** As written, without the colon and the white space before it. */
  readonly name: string;
  /** The whole field as it stands, its line ends included. */
  readonly raw: Buffer;
  /** What follows the colon, unfolded (CRLF before white space removed), trimmed; UTF-8 if valid, else Latin-1. */
  readonly value: string;
}

export interface Header {
  readonly fields: readonly Field[];
  /** Octets up to where the body starts, the empty line included. */
  readonly size: number;
}
