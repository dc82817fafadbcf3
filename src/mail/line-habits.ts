// Readers that see other lines than ours: a bare CR ends a line, a NUL is nothing or ends its line. What is walked is changed so that our
// walker sees the same. Called by the walker for the habits of content/readings.ts; the octets that SMTP brings are mended already, those
// of an encoded message are not.

export type LineHabit = "usual" | "bare-cr" | "no-nul" | "nul-ends-line";

const NUL = 0;
const LF = 0x0a;
const CR = 0x0d;

/** Changes the octets of a message piece by piece; null when nothing is to be changed. */
export function lineChange(habit: LineHabit): ((piece: Buffer) => Buffer) | null {
  switch (habit) {
    case "usual":
      return null;
    case "bare-cr":
      return lineEnds();
    case "no-nul":
      return withoutNul;
    case "nul-ends-line":
      return upToNul();
  }
}

/** The octets without NULs. */
export function withoutNul(octets: Buffer): Buffer {
  return octets.includes(NUL) ? kept(octets, (octet) => octet !== NUL) : octets;
}

function upToNul(): (piece: Buffer) => Buffer {
  let cut = false;
  return (piece) => {
    if (!cut && !piece.includes(NUL)) return piece;
    return kept(piece, (octet) => {
      if (octet === NUL) cut = true;
      else if (octet === LF || octet === CR) cut = false;
      return !cut;
    });
  };
}

function kept(octets: Buffer, keeps: (octet: number) => boolean): Buffer {
  const out = Buffer.allocUnsafe(octets.length);
  let length = 0;
  for (const octet of octets) if (keeps(octet)) out[length++] = octet;
  return out.subarray(0, length);
}

/** A CR without LF becomes LF. The last CR of a piece waits for the next one; at the very end it says nothing. */
function lineEnds(): (piece: Buffer) => Buffer {
  let held = false;
  return (piece) => {
    const out = Buffer.allocUnsafe(piece.length + 1);
    let length = 0;
    for (const octet of piece) {
      if (held) out[length++] = octet === LF ? CR : LF;
      held = octet === CR;
      if (!held) out[length++] = octet;
    }
    return out.subarray(0, length);
  };
}
