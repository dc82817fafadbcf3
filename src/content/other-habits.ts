// In which ways a message is read again: each way is a habit that some reader of mail has, worth a try when the first reading found
// what that reader takes otherwise. readings.ts walks by them; the event loop asks `worthAnotherReading` whether it need be.
import type { DefectKind } from "../mail/defects.ts";
import { USUAL, type Habits } from "../mail/habits.ts";
import type { Part } from "../mail/message.ts";

/** A way to read a message. */
export interface Way {
  /** "the last of repeated fields"; several joined by " and ". */
  readonly name: string;
  readonly habits: Partial<Habits>;
  /** Texts are turned into UTF-8, and NULs in them dropped. */
  readonly texts?: true;
  /** Boundaries that no field names are taken from the text. */
  readonly guesses?: true;
}

interface Known extends Way {
  readonly when: readonly DefectKind[];
}

const WAYS: readonly Known[] = [
  {
    name: "the last of repeated fields",
    when: [
      "conflicting-content-type",
      "conflicting-transfer-encoding",
      "conflicting-disposition",
      "header-cut-by-boundary",
    ],
    habits: { field: "last" },
  },
  {
    name: "the second boundary",
    when: ["conflicting-boundary"],
    habits: { boundary: 1 },
  },
  {
    name: "the last boundary",
    when: ["conflicting-boundary"],
    habits: { boundary: Infinity },
  },
  {
    name: "lines that start with a boundary",
    when: ["boundary-with-junk", "boundary-within-boundary", "reused-boundary"],
    habits: { prefixes: true },
  },
  {
    name: "the innermost boundary alone",
    when: ["unclosed-multipart", "reused-boundary", "boundary-within-boundary"],
    habits: { innermostOnly: true },
  },
  {
    name: "end boundaries that are final",
    when: ["boundary-after-end", "reused-boundary"],
    habits: { endIsFinal: true },
  },
  {
    name: "encoded multiparts",
    when: ["encoded-multipart"],
    habits: { decodesMultipart: true },
  },
  {
    name: "encoded messages as they stand",
    when: ["encoded-message"],
    habits: { decodesMessage: false },
  },
  {
    name: "odd transfer encodings as none",
    when: ["odd-transfer-encoding", "comment-in-mime-value"],
    habits: { oddEncoding: "identity" },
  },
  {
    name: "odd transfer encodings as base64",
    when: ["unknown-transfer-encoding", "odd-transfer-encoding"],
    habits: { oddEncoding: "base64" },
  },
  {
    name: "odd transfer encodings as quoted-printable",
    when: ["unknown-transfer-encoding"],
    habits: { oddEncoding: "quoted-printable" },
  },
  {
    name: "headers that end at what is no field",
    when: [
      "not-a-field",
      "white-line-in-header",
      "mime-field-in-garbage",
      "mime-field-after-garbage",
      "space-before-colon-mime",
      "eight-bit-field-name",
    ],
    habits: { garbageEndsHeader: true },
  },
  {
    name: "no field with space before its colon",
    when: ["space-before-colon-mime"],
    habits: { spaceBeforeColon: false },
  },
  {
    name: "fields with garbage around their names",
    when: ["mime-field-in-garbage", "eight-bit-field-name"],
    habits: { garbageIsField: true },
  },
  {
    name: "headers that no boundary ends",
    when: ["header-cut-by-boundary"],
    habits: { boundaryCutsHeader: false },
  },
  {
    name: "media types taken loosely",
    when: [
      "bad-content-type",
      "bad-multipart-type",
      "stray-boundary",
      "comment-in-mime-value",
      "unknown-message-type",
    ],
    habits: { looseTypes: true },
  },
  {
    name: "media types with white space as none",
    when: ["odd-media-type"],
    habits: { strictTypes: true },
  },
  {
    name: "pairs of equals signs as one",
    when: ["quoted-printable-junk"],
    habits: { equalsPairs: true },
  },
  {
    name: "base64 up to its padding",
    when: ["base64-after-padding"],
    habits: { paddingEnds: true },
  },
  {
    name: "base64 in the alphabet of URLs",
    when: ["base64-junk"],
    habits: { urlAlphabet: true },
  },
  {
    name: "boundaries taken from the text",
    when: ["missing-boundary", "missing-first-boundary"],
    habits: {},
    guesses: true,
  },
  {
    name: "bare CRs as line ends",
    when: ["bare-cr-in-header", "bare-cr-before-boundary"],
    habits: { lines: "bare-cr" },
  },
  { name: "no NULs", when: ["nul-in-header"], habits: { lines: "no-nul" } },
  { name: "lines up to a NUL", when: ["nul-in-header"], habits: { lines: "nul-ends-line" } },
  {
    name: "texts in UTF-8",
    when: ["wide-charset", "nul-in-text"],
    habits: {},
    texts: true,
  },
];

const TRIGGERS: ReadonlySet<string> = new Set(WAYS.flatMap(({ when }) => when));

/** True when a message with these parts (of its first reading) has others; cheap. */
export function worthAnotherReading(parts: readonly Part[]): boolean {
  return parts.some(({ defects }) => defects.some(({ kind }) => TRIGGERS.has(kind)));
}

/** So often one message is walked again at most. */
const MAX_WAYS = 12;
/** Larger messages are not read in every pair of ways. */
const MAX_PAIRED = 4 * 1024 * 1024;

/** The ways to read a message again, the likeliest first; what they bring to light may open further ones. */
export class Ways implements Iterable<Way> {
  readonly #size: number;
  readonly #seen: Set<string>;
  readonly #names = new Set<string>();
  readonly #queue: Way[] = [];

  /** For a message of `size` octets whose first reading found these kinds of defects. */
  constructor(kinds: ReadonlySet<string>, size: number) {
    this.#size = size;
    this.#seen = new Set(kinds);
    const single = waysOf(kinds);
    this.#add(single);
    // A reader with several of these habits at once sees what none of them shows alone.
    if (single.length > 2) this.#add([single.reduce(both)]);
    if (size <= MAX_PAIRED || single.length === 2) this.#add(pairsOf(single));
  }

  *[Symbol.iterator](): Generator<Way> {
    for (let given = 0; given < MAX_WAYS; given++) {
      const way = this.#queue.shift();
      if (way === undefined) return;
      yield way;
    }
  }

  /** `way` found these kinds: it is worth going on from it in the ways that they open. */
  found(way: Way, kinds: Iterable<string>): void {
    const fresh = new Set([...kinds].filter((kind) => !this.#seen.has(kind)));
    for (const kind of fresh) this.#seen.add(kind);
    const more = waysOf(fresh).map((one) => both(way, one));
    if (this.#size <= MAX_PAIRED) this.#add(more, true);
  }

  #add(ways: readonly Way[], first = false): void {
    const fresh = ways.filter(({ name }) => !this.#names.has(name));
    for (const { name } of fresh) this.#names.add(name);
    if (first) this.#queue.unshift(...fresh);
    else this.#queue.push(...fresh);
  }
}

function waysOf(kinds: ReadonlySet<string>): Way[] {
  return WAYS.filter(({ when }) => when.some((kind) => kinds.has(kind)));
}

function pairsOf(single: readonly Way[]): Way[] {
  return single.flatMap((one, i) => single.slice(i + 1).map((other) => both(one, other)));
}

function both(one: Way, other: Way): Way {
  return {
    ...one,
    ...other,
    name: `${one.name} and ${other.name}`,
    habits: { ...one.habits, ...other.habits },
  };
}

/** The habits of a way; `guess` are the boundaries by path that stand in the text. */
export function habitsOf(way: Way, guess: ReadonlyMap<string, string>): Habits {
  return { ...USUAL, ...way.habits, ...(way.guesses === true && { guess }) };
}
