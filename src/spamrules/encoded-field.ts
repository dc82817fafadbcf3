// A header field's text made ASCII by RFC 2047, as SpamAssassin does it: word by word from the first to the last that needs it.

/** `text`: UTF-8 octets, lines of a folded field. */
export function encodedField(text: string): string {
  return text
    .split(/(?<=\n)/)
    .map(encodedLine)
    .join("");
}

function encodedLine(line: string): string {
  if (/^[\t -~]*\r?\n?$/.test(line)) return line;
  const end = /\r?\n$/.exec(line)?.[0] ?? "";
  const body = line.slice(0, line.length - end.length);
  let from = 0;
  while (from < body.length && /[\t -~]/.test(body[from] ?? "")) from++;
  let to = body.length;
  while (to > from && /[\t -~]/.test(body[to - 1] ?? "")) to--;
  // Whole words: from behind the last blank in front, to the first blank behind.
  while (from > 0 && !/[ \t]/.test(body[from - 1] ?? "")) from--;
  while (to < body.length && !/[ \t]/.test(body[to] ?? "")) to++;
  const middle = body.slice(from, to);
  const odd = middle.replace(/[^=?_\x00-\x1f\x7f-\xff]/g, "").length;
  const quoted = middle.length + odd * 2 <= 4 * Math.floor((middle.length + 2) / 3);
  const word = quoted
    ? `=?UTF-8?Q?${middle.replace(/[=?_\x00-\x20\x7f-\xff]/g, (octet) =>
        octet === " " ? "_" : `=${octet.charCodeAt(0).toString(16).toUpperCase().padStart(2, "0")}`,
      )}?=`
    : `=?UTF-8?B?${Buffer.from(middle, "latin1").toString("base64")}?=`;
  return body.slice(0, from) + word + body.slice(to) + end;
}
