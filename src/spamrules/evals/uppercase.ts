// How much of a text is capitals.

const SHORTEST = 200;

/**
 * Percent of letters and digits that are capital letters, over lines that have white space within and are no base64; 0 for a text of
 * less than 200 octets.
 */
export function uppercaseShare(lines: readonly string[]): number {
  let length = 0;
  let small = 0;
  let capital = 0;
  for (const line of lines) {
    if (!/[^\t-\r ][\t-\r ]+[^\t-\r ]/.test(line)) continue;
    if (/^(?:[A-Za-z0-9+/=]{60,76} ){2}/.test(line)) continue;
    const text = line.includes("\x1b$B") ? withoutJis(line) : line;
    length += text.length;
    for (let at = 0; at < text.length; at += 1) {
      const code = text.charCodeAt(at);
      if ((code >= 97 && code <= 122) || (code >= 48 && code <= 57)) small += 1;
      else if (code >= 65 && code <= 90) capital += 1;
    }
  }
  return length < SHORTEST || capital === 0 ? 0 : (capital / (capital + small)) * 100;
}

/** Without what stands between the first change to Japanese and the last change back. */
function withoutJis(line: string): string {
  const start = line.indexOf("\x1b$B");
  const end = line.lastIndexOf("\x1b(B");
  return end < start + 3 ? line : line.slice(0, start) + line.slice(end + 3);
}
