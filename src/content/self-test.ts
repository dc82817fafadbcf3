// The two harmless strings that every filter must recognise: EICAR (virus scanners) and GTUBE (spam filters). Found in
// decoded octets, wherever they stand and however the octets were cut into chunks. Called by tree.ts.

export type Mark = "EICAR" | "GTUBE";

// Written in two pieces, so that scanners let this file live.
const MARKS: readonly (readonly [Mark, Buffer])[] = [
  [
    "EICAR",
    Buffer.from("X5O!P%@AP[4\\PZX54(P^)7CC)7}$EICAR-" + "STANDARD-ANTIVIRUS-TEST-FILE!$H+H*"),
  ],
  [
    "GTUBE",
    Buffer.from("XJS*C4JDBQADN1.NSBN3*2IDNEN*" + "GTUBE-STANDARD-ANTI-UBE-TEST-EMAIL*C.34X"),
  ],
];

const OVERLAP = Math.max(...MARKS.map(([, octets]) => octets.length)) - 1;

export interface MarkFinder {
  write(octets: Buffer): void;
  /** Those found so far, EICAR first. */
  readonly marks: readonly Mark[];
}

/** A finder for the octets of one part. */
export function markFinder(): MarkFinder {
  const marks: Mark[] = [];
  let tail: Buffer | null = null;
  return {
    get marks() {
      return marks;
    },
    write(octets) {
      if (marks.length === MARKS.length) return;
      // What straddles two chunks is in the last octets of one and the first of the next.
      if (tail !== null) look(Buffer.concat([tail, octets.subarray(0, OVERLAP)]), marks);
      look(octets, marks);
      const kept: Buffer =
        tail === null || octets.length >= OVERLAP ? octets : Buffer.concat([tail, octets]);
      // A copy, since the octets may be overwritten.
      tail = Buffer.from(kept.subarray(Math.max(0, kept.length - OVERLAP)));
    },
  };
}

function look(octets: Buffer, marks: Mark[]): void {
  for (const [mark, needle] of MARKS) {
    if (octets.length < needle.length || marks.includes(mark) || !octets.includes(needle)) continue;
    marks.push(mark);
    marks.sort();
  }
}
