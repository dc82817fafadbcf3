// How a reader of mail takes what the standards leave open or forbid. The usual habits are those of the first walk; content/
// readings.ts walks an ambiguous message again under others. Used by the header and MIME readers.
import type { LineHabit } from "./line-habits.ts";
import type { Encoding } from "./transfer.ts";

export interface Habits {
  /** Where lines end. */
  readonly lines: LineHabit;
  /** Which of several fields with one name counts. */
  readonly field: "first" | "last";
  /** Which of several readings of the boundary parameter counts: its index; past the last one: the last. */
  readonly boundary: number;
  /** The boundary of a multipart that names none which occurs, by the part's path. */
  readonly guess: ReadonlyMap<string, string>;
  /** A line that merely starts with the boundary is a delimiter. */
  readonly prefixes: boolean;
  /** Only the boundary of the innermost multipart that is still open counts. */
  readonly innermostOnly: boolean;
  /** What follows an end boundary belongs to no part of that multipart. */
  readonly endIsFinal: boolean;
  /** A boundary ends the header of a part before its empty line. */
  readonly boundaryCutsHeader: boolean;
  /** The header ends at a line that is no field: there the body starts. */
  readonly garbageEndsHeader: boolean;
  /** A line with the name of a MIME field in it is that field, whatever stands before the name or the colon. */
  readonly garbageIsField: boolean;
  /** A field counts although white space stands before its colon. */
  readonly spaceBeforeColon: boolean;
  /** Any value with a media type in it has that type, and every message/* holds a message. */
  readonly looseTypes: boolean;
  /** A media type with white space in it is none: the part is text. */
  readonly strictTypes: boolean;
  /** What a transfer encoding that is not exactly named is read as; null: what it resembles. */
  readonly oddEncoding: Encoding | null;
  /** The transfer encoding of a multipart is undone before it is split. */
  readonly decodesMultipart: boolean;
  /** The transfer encoding of a message is undone before it is read. */
  readonly decodesMessage: boolean;
  /** Base64 ends at its first padding. */
  readonly paddingEnds: boolean;
  /** "-" and "_" are digits of base64. */
  readonly urlAlphabet: boolean;
  /** "==" is an equals sign in quoted-printable. */
  readonly equalsPairs: boolean;
}

/** The habits of the first walk. */
export const USUAL: Habits = {
  lines: "usual",
  field: "first",
  boundary: 0,
  guess: new Map(),
  prefixes: false,
  innermostOnly: false,
  endIsFinal: false,
  boundaryCutsHeader: true,
  garbageEndsHeader: false,
  garbageIsField: false,
  spaceBeforeColon: true,
  looseTypes: false,
  strictTypes: false,
  oddEncoding: null,
  decodesMultipart: false,
  decodesMessage: true,
  paddingEnds: false,
  urlAlphabet: false,
  equalsPairs: false,
};
