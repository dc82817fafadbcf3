// "did you mean …?" for configuration and rule errors.

/** ` (did you mean "x"?)` for the nearest known word, or "" when none is near (edit distance at most a third). */
export function suggestion(word: string, known: readonly string[]): string {
  let best = "";
  let least = Math.max(1, Math.floor(word.length / 3)) + 1;
  for (const candidate of known) {
    const distance = editDistance(word.slice(0, 64), candidate.slice(0, 64));
    if (distance < least) {
      least = distance;
      best = candidate;
    }
  }
  return best === "" ? "" : ` (did you mean "${best}"?)`;
}

function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const swap = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(swap, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1));
    }
    row = next;
  }
  return row[b.length] ?? 0;
}
