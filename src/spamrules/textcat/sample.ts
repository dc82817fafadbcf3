// What of a message's text its language is guessed from: the beginning, without prefixes of the subject, links and addresses.

/** Octets that count. */
export const MOST = 10_000;
/** A link or an address at the end of what is read may go on behind it. */
const MARGIN = 3000;
const FIRST_PIECE = 32 * 1024;

const PREFIXES = /^(?:[a-z]{2,12}:[\t-\r ]*){1,10}/i;
const LINK = /https?(?::\/\/|:&#x2F;&#x2F;|%3A%2F%2F)[^\t-\r ]{1,1024}/g;
const ADDRESS = /[^\t-\r ]{1,64}?@[a-zA-Z][^\t-\r ]{1,128}/g;
const HOST = /\bwww\.[^\t-\r ]{1,128}/g;

/** At most MOST octets, of lines as `body` rules see them. No more is read than it takes. */
export function sampleOf(lines: readonly string[]): string {
  const text = joined(lines);
  for (let length = FIRST_PIECE; ; length *= 4) {
    const piece = text(length);
    const found = stripped(piece);
    if (piece.length < length || found.length >= MOST + MARGIN) return found.slice(0, MOST);
  }
}

/** The first octets of the lines with "\n" between. */
function joined(lines: readonly string[]): (length: number) => string {
  let at = 0;
  let text = "";
  return (length) => {
    while (at < lines.length && text.length < length) {
      text += at === 0 ? (lines[at] ?? "") : `\n${lines[at] ?? ""}`;
      at++;
    }
    return text.slice(0, length);
  };
}

function stripped(text: string): string {
  const plain = text.replace(PREFIXES, "").replace(LINK, " ");
  return (plain.includes("@") ? plain.replace(ADDRESS, " ") : plain).replace(HOST, " ");
}
