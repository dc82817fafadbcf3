// What rendering one HTML part leaves behind for the rules that ask about HTML. Made by render.ts.

/** Text that came between the tags of one kind ("<a>", "<title>", comments, scripts), in order. */
export interface HtmlFacts {
  /** All text, visible and invisible, white space collapsed as it is for `body` rules. */
  readonly text: string;
  readonly visible: string;
  readonly invisible: string;
  /** Named counts and ratios, by SpamAssassin's name: "ratio", "image_area", "bad_tag_ratio", "obfuscation_ratio", "length", "html_length", "non_space_len", "max_size", "font_low_contrast" … Absent: never set. */
  readonly metrics: ReadonlyMap<string, number>;
  /** How often each tag is open more than closed when it ends, and how often it began: by lower-case name. */
  readonly inside: ReadonlyMap<string, number>;
  readonly tagCounts: ReadonlyMap<string, number>;
  readonly titles: readonly string[];
  readonly anchors: readonly string[];
  readonly comments: readonly string[];
  readonly scripts: readonly string[];
  readonly charsets: string;
  /** Addresses in attributes, each once, in order. */
  readonly links: readonly HtmlLink[];
  /** An address was longer than 8192 octets and was cut. */
  readonly linkTruncated: boolean;
}

/**
 * What is known of one address. SpamAssassin keeps types by the address as resolved against <base>, but anchor texts by the href as
 * written (white space trimmed, "" for an <a> without href): so there are entries with texts and no type.
 */
export interface HtmlLink {
  readonly uri: string;
  /** Tags that named it: "a", "img", "form", … lower case; may be empty. */
  readonly types: readonly string[];
  /** One for each <a> with this href, also when it is empty. */
  readonly anchorTexts: readonly string[];
}
