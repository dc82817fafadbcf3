// IMAP folder name ↔ Maildir++ directory: "Lists/café" is stored as ".Lists.caf&AOk-" beside cur/, new/ and tmp/ (RFC 3501
// 5.1.3, modified UTF-7; RFC 5198 for NFC). Names come from addresses and verdicts, so that everything is refused that could
// leave the mailbox. Called by delivery/ and cli/.

export type Separator = "/" | ".";

/** The inbox is the Maildir itself. */
export const INBOX = "";

/** File systems refuse longer names. */
const MAX_DIRECTORY_BYTES = 255;

/**
 * The directory of a folder ("Junk" → ".Junk"), INBOX ("") for any spelling of INBOX. Null when the name is refused: empty
 * components, "..", "/" or "." that is not the separator, control characters, lone surrogates, over 255 bytes.
 */
export function folderDirectory(name: string, separator: Separator = "/"): string | null {
  if (name.length > MAX_DIRECTORY_BYTES || !name.isWellFormed()) return null;
  const text = name.normalize("NFC");
  if (text.toUpperCase() === "INBOX") return INBOX;
  const components = text.split(separator);
  if (components.some((component) => !isComponent(component))) return null;
  const directory = components.map((component) => "." + encodeMutf7(component)).join("");
  return Buffer.byteLength(directory) <= MAX_DIRECTORY_BYTES ? directory : null;
}

/** The folder name behind a directory name, null when it is none ("cur", "..", broken modified UTF-7). */
export function folderName(directory: string, separator: Separator = "/"): string | null {
  if (directory === INBOX) return "INBOX";
  if (!directory.startsWith(".")) return null;
  const components = directory.slice(1).split(".").map(decodeMutf7);
  if (!components.every((component) => component !== null && isComponent(component))) return null;
  return components.join(separator);
}

/** A form in which names that differ only in case or composition are equal; null as for folderName. */
export function foldedFolder(directory: string): string | null {
  return folderName(directory)?.normalize("NFC").toLowerCase() ?? null;
}

function isComponent(text: string): boolean {
  return text !== "" && !/[/.\x00-\x1f\x7f-\x9f\u2028\u2029]/.test(text);
}

/** Modified UTF-7: printable ASCII stands for itself, "&" is "&-", all else UTF-16BE in base64 with "," for "/". */
export function encodeMutf7(text: string): string {
  return text.replace(/&|[^\x20-\x7e]+/g, (run) => {
    if (run === "&") return "&-";
    const units = Buffer.from(run, "utf16le").swap16();
    return `&${units.toString("base64").replaceAll("/", ",").replace(/=+$/, "")}-`;
  });
}

/** Null when the text is not the one modified UTF-7 form of something. */
export function decodeMutf7(text: string): string | null {
  if (/[^\x20-\x7e]/.test(text)) return null;
  const decoded = text.replace(/&([A-Za-z0-9+,]*)-/g, (_, base64: string) => {
    if (base64 === "") return "&";
    const octets = Buffer.from(base64.replaceAll(",", "/"), "base64");
    return octets.length % 2 === 0 ? octets.swap16().toString("utf16le") : "\u0000";
  });
  return decoded.isWellFormed() && encodeMutf7(decoded) === text ? decoded : null;
}
