// Text of messages on an operator's terminal: no control character, no bidirectional trick, no escape sequence gets
// through. Used by commands that print what came by mail.

/** One line of text: everything that a terminal may act upon becomes "\u{hex}". */
export function terminalText(text: string): string {
  return text
    .toWellFormed()
    .replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, (c) => `\\u{${(c.codePointAt(0) ?? 0).toString(16)}}`);
}

/** Several lines: as terminalText, but line ends (LF, CRLF) and tabs stay; invalid UTF-8 shows as U+FFFD. */
export function terminalLines(octets: Buffer): string {
  return octets
    .toString("utf8")
    .split("\n")
    .map((line) => line.replace(/\r$/, "").split("\t").map(terminalText).join("\t"))
    .join("\n");
}

/** A value as one line of JSON that does no harm on a terminal: what terminalText escapes is escaped as JSON does. */
export function terminalJson(value: unknown): string {
  return JSON.stringify(value).replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, (c) =>
    [...Array(c.length).keys()]
      .map((n) => `\\u${c.charCodeAt(n).toString(16).padStart(4, "0")}`)
      .join(""),
  );
}
