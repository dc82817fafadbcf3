// A message as SpamAssassin's rules see it. Made by prepare.ts from the octets and the envelope; each member is computed when it is first
// asked for. Texts are octets in latin1 strings: UTF-8 after decoding, as came where the word is raw or pristine.
import type { HtmlFacts } from "./html/facts.ts";
import type { Relays } from "./received/relays.ts";
import type { Guess } from "./textcat/guess.ts";
import type { UriDetail } from "./uri/detail.ts";

/**
 * What is known of a message beside its octets. Client and envelope stand in the octets: whoever asks has put a Received line and a
 * Return-Path in front (checks/spam-copy.ts), since SpamAssassin knows no other way.
 */
export interface Circumstances {
  /** Milliseconds since 1970: the time of receipt. */
  readonly now: number;
}

/** A part of the MIME tree, in SpamAssassin's reading of it. */
export interface MimePart {
  readonly parent: MimePart | null;
  readonly children: readonly MimePart[];
  /** It was not read further. A multipart in which no part was found is no leaf, though it has no children. */
  readonly leaf: boolean;
  /** Lower case, after the rules that make unknown text/* to text/plain. */
  readonly type: string;
  readonly charset: string | null;
  readonly boundary: string | null;
  /** From filename= or name=, encoded words decoded; null without one. */
  readonly name: string | null;
  /** By name in any case, in order: `header` gives values unfolded, decoded, trimmed, without "\n"; `rawHeader` as they came, folded, with it. */
  header(name: string): readonly string[];
  rawHeader(name: string): readonly string[];
  readonly headerNames: readonly string[];
  /** The part's lines as they came, with their ends; empty for a part with children. */
  readonly raw: readonly string[];
  /** After quoted-printable or base64; empty for a part with children. */
  readonly decoded: string;
  /** Text parts: what it renders to; type tells what it was treated as ("text/html" also by name). */
  readonly rendered: {
    readonly type: string;
    readonly text: string;
    readonly visible: string;
    readonly invisible: string;
    readonly html: HtmlFacts | null;
  } | null;
}

/** What the parser noted: missing_mime_headers, missing_mime_head_body_separator, truncated_header, mime_epilogue_exists, missing_head_body_separator. */
export type ParseFlag =
  | "missing_mime_headers"
  | "missing_mime_head_body_separator"
  | "truncated_header"
  | "mime_epilogue_exists"
  | "missing_head_body_separator";

export interface Subject {
  readonly circumstances: Circumstances;
  /** A field or pseudo field as rules name it ("From:addr", "ToCc", "ALL:raw", "EnvelopeFrom"), all of that name joined, each ending in "\n" where SpamAssassin's get() does; undefined when there is none. */
  get(field: string): string | undefined;
  /** The same, one element per field or address. */
  getAll(field: string): readonly string[];
  /** Names in order, as written; without X-Spam-*, which `get` does not know either. */
  readonly headerNames: readonly string[];
  readonly pristineHeaders: string;
  readonly pristineBody: string;
  /** For `full` rules. */
  readonly pristine: string;
  readonly root: MimePart;
  /** Leaves and inner parts, in the order of the message. */
  readonly parts: readonly MimePart[];
  /** For `body` rules; element 0 is the Subject. */
  readonly body: readonly string[];
  readonly rawbody: readonly string[];
  /** For Bayes. */
  readonly visibleBody: readonly string[];
  readonly invisibleBody: readonly string[];
  readonly flags: ReadonlySet<ParseFlag>;
  /** Multipart boundaries that occurred: 0 when it ended as often as it began. */
  readonly boundaries: ReadonlyMap<string, number>;
  /** Of the last HTML part; null without one. All of them: htmlParts. */
  readonly html: HtmlFacts | null;
  readonly htmlParts: readonly HtmlFacts[];
  readonly relays: Relays;
  /** For `uri` rules: every cleaned variant, each once. */
  readonly uris: readonly string[];
  /** By the URI as it stood in the text. */
  readonly uriDetails: ReadonlyMap<string, UriDetail>;
  /** null: TextCat is not loaded. Costs as much as many rules. */
  readonly languages: Guess | null;
  /** A URI was too long and was cut. */
  readonly uriTruncated: boolean;
}
