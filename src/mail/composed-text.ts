// Foreign text inside messages that we compose ourselves: reduced so far that it cannot end a line, an address or a field.
// Used by dsn.ts and notice.ts.

/** A host name, log id or mail id: at most 255 characters, anything else than letters, digits and . : _ [ ] - is "?". */
export function word(text: string): string {
  return text.slice(0, 255).replace(/[^A-Za-z0-9.:_[\]-]/g, "?");
}

/** One line of at most `max` characters: control characters, line separators and marks that turn the direction are "?". */
export function line(text: string, max = 500): string {
  return text
    .slice(0, max)
    .toWellFormed()
    .replace(/[\x00-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069]/g, "?");
}

/** "<a@b>" with nothing in it that could end the address or the line; "<>" for "". */
export function mailbox(raw: string): string {
  return `<${line(raw).replace(/[<>]/g, "?")}>`;
}

/** The To field is for people (the envelope decides): an address that needs quoting is not spelled out. */
export function shownRecipient(raw: string): { name: string; address: string }[] {
  const simple =
    /^[^\s"(),:;<>@[\]\\\x00-\x1f\x7f-\x9f]{1,250}@[^\s"(),:;<>@\\\x00-\x1f\x7f-\x9f]{1,255}$/;
  return simple.test(raw) ? [{ name: "", address: raw }] : [];
}
