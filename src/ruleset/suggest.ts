// "Did you mean": the nearest known word by edit distance. Used for every message about a rule file, the configuration and
// the command line.

/** The known word nearest to `word`, at most two edits and less than half of it away; null when none is. */
export function nearest(word: string, known: Iterable<string>): string | null {
  if (word.length > 40) return null;
  const lower = word.toLowerCase();
  let best: string | null = null;
  let bestDistance = Math.min(2, Math.floor((word.length - 1) / 2)) + 1;
  for (const candidate of known) {
    if (Math.abs(candidate.length - word.length) >= bestDistance) continue;
    const distance = editDistance(lower, candidate.toLowerCase());
    if (distance < bestDistance) {
      best = candidate;
      bestDistance = distance;
    }
  }
  return best;
}

/** `; did you mean "x"?`, or a list of what is possible (first 12), or "" when nothing is. */
export function hint(word: string, known: readonly string[]): string {
  const near = nearest(word, known);
  if (near !== null) return `; did you mean "${near}"?`;
  if (known.length === 0) return "";
  return `; possible here: ${known.slice(0, 12).join(", ")}${known.length > 12 ? ", …" : ""}`;
}

/** ` (did you mean "x"?)`, or "" when nothing is near. */
export function suggestion(word: string, known: readonly string[]): string {
  const near = nearest(word, known);
  return near === null ? "" : ` (did you mean "${near}"?)`;
}

/** Insertions, deletions, changes and swaps of neighbours. */
function editDistance(a: string, b: string): number {
  let earlier: number[] = [];
  let before = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const change = (before[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      let least = Math.min(change, (before[j] ?? 0) + 1, (row[j - 1] ?? 0) + 1);
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1])
        least = Math.min(least, (earlier[j - 2] ?? 0) + 1);
      row.push(least);
    }
    earlier = before;
    before = row;
  }
  return before[b.length] ?? 0;
}
