// The groups of one to five octets that are commonest in a text, as guess.ts compares them with models of languages.

const WORD = /[^0-9\t-\r !-&(-/:-@[-`{-~]+/g;
const SHORT = 4;
const LONGEST_GROUP = 5;

export interface Limits {
  /** Groups that are no commoner are left out; 0: none are. */
  readonly atLeast: number;
  /** So many are kept. */
  readonly most: number;
}

/** The commonest first; among equals by their octets. Octets in, octets out: letters beyond ASCII are whatever they are. */
export function commonGroups(text: string, { atLeast, most }: Limits): string[] {
  const words = new Map<string, number>();
  for (const [written] of text.matchAll(WORD)) {
    const word = lowered(written);
    words.set(word, (words.get(word) ?? 0) + 1);
  }
  const groups = new Map<string, number>();
  for (const [word, times] of words) {
    const marked = `\0${word}\0`;
    for (let start = 0; start < marked.length; start++)
      for (let end = start + 1; end <= marked.length && end - start <= LONGEST_GROUP; end++) {
        const group = marked.slice(start, end);
        groups.set(group, (groups.get(group) ?? 0) + times);
      }
  }
  const common = [...groups].filter(([, times]) => atLeast <= 0 || times > atLeast);
  return common
    .filter(fitting(common, most))
    .sort(([a, timesOfA], [b, timesOfB]) => timesOfB - timesOfA || (a < b ? -1 : 1))
    .slice(0, most)
    .map(([group]) => group);
}

type Counted = readonly [group: string, times: number];

/** Whether a group may be among the commonest: spares sorting all those that are not. */
function fitting(groups: readonly Counted[], most: number): (group: Counted) => boolean {
  if (most <= 0 || groups.length <= most) return () => true;
  const times = Float64Array.from(groups, ([, count]) => count).sort();
  const least = times[times.length - Math.trunc(most)] ?? 0;
  return ([, count]) => count >= least;
}

/** Lower case for longer words with a capital in them, as if all mail were ISO 8859-1; QUIRK: which breaks the UTF-8 of "É". */
function lowered(word: string): string {
  if (word.length < SHORT || !/[A-Z]/.test(word)) return word;
  if (!/[a-zA-Z\xc0-\xd6\xd8-\xde\xe0-\xf6\xf8-\xfe]{4}/.test(word)) return word;
  return word.replace(/[A-Z\xc0-\xd6\xd8-\xde]/g, (letter) =>
    String.fromCharCode(letter.charCodeAt(0) + 0x20),
  );
}
