// Rules that may hit and that only metas ask for: kept with the texts that they would meet until a meta cannot be answered without them,
// which is seldom. A prefilter says what may hit; most of that is asked for by nobody. Used by reader.ts and run.ts.
import type { Alphabet } from "../pattern/narrow.ts";
import type { Matcher } from "./matcher.ts";

export interface Meeting {
  readonly matcher: Matcher;
  /** null: the fields of the parts, for `mimeheader`. */
  readonly text: string | null;
  readonly alphabet: Alphabet;
  readonly name: string;
  readonly at: number;
}

/** Meetings that are kept at once: more would be a memory without bound, for a message of 100,000 links say. */
const MOST = 20_000;

export class Postponed {
  /** By place of a rule: 1 when it waits. Metas wait, too. */
  readonly pending: Uint8Array;
  readonly #meetings = new Map<number, Meeting[]>();
  #kept = 0;

  constructor(rules: number) {
    this.pending = new Uint8Array(rules);
  }

  /** Whether no more can be added: rules run at once then. */
  get isFull(): boolean {
    return this.#kept >= MOST;
  }

  add(meeting: Meeting): void {
    this.#kept++;
    const { index } = meeting.matcher;
    this.pending[index] = 1;
    const known = this.#meetings.get(index);
    if (known === undefined) this.#meetings.set(index, [meeting]);
    else known.push(meeting);
  }

  /** What the rule would have met, in order; it waits no more. */
  take(place: number): readonly Meeting[] {
    this.pending[place] = 0;
    const meetings = this.#meetings.get(place);
    this.#meetings.delete(place);
    this.#kept -= meetings?.length ?? 0;
    return meetings ?? NONE;
  }
}

const NONE: readonly Meeting[] = [];
