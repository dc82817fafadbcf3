// Field values to UTF-8 octets: 8-bit text by guessing, encoded words (RFC 2047) as SpamAssassin reads them, which is more loosely
// than the RFC: they may stand inside words, hold blanks, and split a character between them.
import { toUtf8Octets } from "./charset.ts";
import { hasHighBits } from "./octets.ts";
import { decodeBase64, decodeQuotedPrintable } from "./transfer.ts";

/** Fields whose encoded words stay as they are. */
const PLAIN_FIELDS =
  /^(?:received|(?:resent-)?(?:message-id|date)|mime-version|references|in-reply-to|list-[^]*)$/i;
const BETWEEN =
  /(=\?[A-Za-z0-9*_-]+\?[bqBQ]\?[^?]*\?=)[\t-\r ]+(?==\?[A-Za-z0-9*_-]+\?[bqBQ]\?[^?]*\?=)/g;
const PIECE = /=\?([A-Za-z0-9*_-]+)\?([bqBQ])\?([^?]*)\?=|[^=]+|[^]/y;

/** Value: unfolded and trimmed. Name in any case. */
export function decodeField(value: string, name: string): string {
  if (value === "") return "";
  let text = value;
  if (text.includes("\n")) text = text.replace(/\n[ \t]/g, "\n ").replace(/\r?\n/g, "");
  if (hasHighBits(text)) text = toUtf8Octets(text, "UTF-8", "guess");
  if (!text.includes("=?") || PLAIN_FIELDS.test(name)) return text;
  return decodeWords(text.replace(BETWEEN, "$1"));
}

/** Neighbours of one charset are joined before the charset is decoded: a character may have been split. */
function decodeWords(text: string): string {
  let result = "";
  let section = "";
  let charset = "";
  const finish = (): void => {
    const declared = charset.replace(/\*[^]*$/, "");
    result += declared === "" ? section : toUtf8Octets(section, declared, "insist");
    section = "";
  };
  PIECE.lastIndex = 0;
  for (let piece = PIECE.exec(text); piece !== null; piece = PIECE.exec(text)) {
    const [whole, word, encoding = "", data = ""] = piece;
    const next = word?.toLowerCase() ?? "";
    if (next !== charset) {
      finish();
      charset = next;
    }
    if (word === undefined) section += whole;
    else if (encoding === "B" || encoding === "b") section += decodeBase64(data);
    else section += decodeQuotedPrintable(data.replaceAll("_", "=20"));
  }
  finish();
  return result;
}
