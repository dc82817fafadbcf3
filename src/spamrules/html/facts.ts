// What rendering one HTML part leaves behind for the rules that ask about HTML. Made by render.ts.

export type HtmlText = "text" | "visible" | "invisible";

export interface HtmlFacts {
  /** All text, visible and invisible, white space collapsed as the renderer does; UTF-8 octets, but see `narrow`. */
  readonly text: string;
  readonly visible: string;
  readonly invisible: string;
  /**
   * Which of the three hold Latin-1 octets and not UTF-8: Perl keeps an ASCII part with "&eacute;" in it as single octets, and the
   * body array gets them so, unless a wide text is joined to them (then they become UTF-8). A text of ASCII alone is in neither.
   */
  readonly narrow: ReadonlySet<HtmlText>;
  /** Numbers and flags (1) by SpamAssassin's name: "ratio", "image_area", "bad_tag_ratio", "length", "html_length", "max_size", "font_low_contrast", "html" … Absent: never set. */
  readonly metrics: ReadonlyMap<string, number>;
  /** How often each tag is open more than closed when the part ends, by lower-case name; 0 for tags that were closed. */
  readonly inside: ReadonlyMap<string, number>;
  readonly titles: readonly string[];
  readonly anchors: readonly string[];
  /** With their "<!--" and "-->". */
  readonly comments: readonly string[];
  readonly scripts: readonly string[];
  /** Addresses in attributes, each once, in order. */
  readonly links: readonly HtmlLink[];
  /** An address was longer than 8192 characters and was cut. */
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
