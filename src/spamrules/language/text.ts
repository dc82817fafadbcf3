// White space and case as Perl sees octets without a locale: [\t-\r ] is space, only ASCII letters have case.

/** Without white space at both ends (JavaScript's trim would take octet A0 as well). */
export function trim(text: string): string {
  let start = 0;
  let end = text.length;
  while (start < end && isSpace(text.charCodeAt(start))) start++;
  while (end > start && isSpace(text.charCodeAt(end - 1))) end--;
  return start === 0 && end === text.length ? text : text.slice(start, end);
}

export function words(text: string): string[] {
  return text === "" ? [] : text.split(/[\t-\r ]+/);
}

/** The first word and what stands behind the white space after it ("" without). */
export function cut(text: string): [word: string, rest: string] {
  for (let i = 0; i < text.length; i++) {
    if (!isSpace(text.charCodeAt(i))) continue;
    let rest = i + 1;
    while (rest < text.length && isSpace(text.charCodeAt(rest))) rest++;
    return [text.slice(0, i), text.slice(rest)];
  }
  return [text, ""];
}

export function lower(text: string): string {
  return /[A-Z]/.test(text) ? text.replace(/[A-Z]+/g, (run) => run.toLowerCase()) : text;
}

function isSpace(code: number): boolean {
  return code === 32 || (code >= 9 && code <= 13);
}
