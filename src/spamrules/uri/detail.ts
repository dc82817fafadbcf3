// What is known of one address found in a message. Made by find.ts.

export interface UriDetail {
  /** Every cleaned variant, the address as it stood first. */
  readonly cleaned: readonly string[];
  /** Where it was found: "parsed" (plain text), "a", "img", "form", "dkim", "domainkeys", "unlinked", "schemeless". */
  readonly types: ReadonlySet<string>;
  /** Text between <a> and </a>. */
  readonly anchorTexts: readonly string[];
  /** Host to its registered domain. */
  readonly hosts: ReadonlyMap<string, string>;
}
