// Text of foreign origin inside a log line: ASCII only, no control characters, and none of the characters that structure
// amavis' log grammar, so that a message cannot fake a line or a field. Called by log-line.ts and the quarantine command.

/**
 * Octets outside printable ASCII, the backslash and < > { } become \xHH (upper-case hex of the UTF-8 octets); cut
 * after `max` characters of input.
 */
export function logText(text: string, max = 320): string {
  const cut = text.length > max ? `${text.slice(0, max)}...` : text;
  return cut.toWellFormed().replace(/[^\x20-\x7e]|[\\<>{}]/gu, escaped);
}

/**
 * An address in angle brackets: "<a@b>", "<>" for null. An opening bracket is kept only where an address literal has
 * it, because readers of the log take the first "[…]" for the client.
 */
export function logAddress(raw: string | null): string {
  return `<${logText(raw ?? "").replace(/(?<!@)\[/g, "\\x5B")}>`;
}

/** A word without spaces (queue ids, names of files): everything else is dropped; cut after 64 characters. */
export function logWord(text: string): string {
  return text.replace(/[^A-Za-z0-9._:/+=@-]/g, "").slice(0, 64);
}

/** A virus name or banned reason inside parentheses: ")," would end it. */
export function logReason(text: string, max = 250): string {
  return logText(text, max).replace(/\)(?=,| *$)/g, "\\x29");
}

function escaped(character: string): string {
  let out = "";
  for (const octet of Buffer.from(character)) {
    out += `\\x${octet.toString(16).toUpperCase().padStart(2, "0")}`;
  }
  return out;
}
