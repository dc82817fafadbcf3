// What is known of one hop while its line is read, and the two kinds of readings: those that find things and those that dismiss the line.
import { SLOTS, holds, startsLike, type Slot } from "./shape.ts";

export interface Draft {
  ip: string;
  helo: string;
  rdns: string;
  by: string;
  id: string;
  ident: string;
  /** null: the line does not say; "": it says that there was none. */
  envfrom: string | null;
  auth: string;
  /** The server that wrote the line looks up names, so that none means there is none. */
  lookedUp: boolean;
  /** The line tells of a program that fetched mail from a mailbox. */
  fetched: boolean;
  /** qmail-scanner's sender: belongs to the hop of the next line. */
  senderOfNext: string | null;
}

/** "enough": all was found; "skip": a hand-over that says nothing; null: not such a line, read on. What was found may stay in the draft. */
export type Outcome = "enough" | "skip" | null;
export type Reading = (line: string, draft: Draft) => Outcome;

export interface Also {
  readonly lookedUp?: boolean;
  /** Only lines that hold this: the shape says so too, but this is sooner seen. */
  readonly marked?: string;
  /** Only lines that match this as well, anywhere. */
  readonly and?: RegExp;
  /** What remains to be done when the shape was found. */
  readonly then?: (draft: Draft, line: string) => void;
}

const put = (draft: Draft, groups: Readonly<Record<string, string | undefined>>): void => {
  for (const slot of SLOTS) {
    if (!(slot in groups)) continue;
    const value = groups[slot] ?? "";
    if (slot === "host") draft.helo = draft.rdns = value;
    else draft[slot satisfies Slot] = value;
  }
};

const form =
  (pattern: RegExp, also: Also): Reading =>
  (line, draft) => {
    if (also.marked !== undefined && !line.includes(also.marked)) return null;
    if (also.and !== undefined && !also.and.test(line)) return null;
    const groups = pattern.exec(line)?.groups;
    if (groups === undefined) return null;
    if (also.lookedUp !== undefined) draft.lookedUp = also.lookedUp;
    put(draft, groups);
    also.then?.(draft, line);
    return "enough";
  };

/** A line that begins with a shape: what stands in its slots is found. A slot that stands empty empties what was guessed. */
export const reads = (shape: string, also: Also = {}): Reading => form(startsLike(shape), also);

/** The same, anywhere in the line. */
export const finds = (shape: string, also: Also = {}): Reading => form(holds(shape), also);

/** A line that begins with a shape says nothing of a hop. */
export const dismisses = (shape: string, marked?: string): Reading => {
  const pattern = startsLike(shape);
  return (line) =>
    (marked === undefined || line.includes(marked)) && pattern.test(line) ? "skip" : null;
};

/** Goes through readings until one of them settles the line. */
export const readWith = (readings: readonly Reading[], line: string, draft: Draft): Outcome => {
  for (const reading of readings) {
    const outcome = reading(line, draft);
    if (outcome !== null) return outcome;
  }
  return null;
};
