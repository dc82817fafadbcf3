// Other readings of a mail address that stands as a URI. Called by canonical.ts.

/** Without parameters, without what Outlook drops behind "&", without blanks as %20, and what stands in angle brackets. */
export function mailVariants(uri: string): string[] {
  const found: string[] = [];
  const at = uri.indexOf("@");
  if (at >= 1) {
    const question = uri.indexOf("?", at + 1);
    if (question >= at + 2) found.push(uri.slice(0, question));
    const ampersand = uri.indexOf("&", at + 1);
    if (ampersand >= at + 2 && (question < 0 || question > ampersand))
      found.push(uri.slice(0, ampersand));
  }
  const unblanked = withoutBlanks(uri, at);
  if (unblanked !== null) found.push(`mailto:${unblanked}`);
  const bracketed = inBrackets(uri);
  if (bracketed !== null) found.push(`mailto:${bracketed}`);
  return found;
}

/** The address between %20s; what would leave nothing before the "@" keeps its last %20, or the scheme. */
function withoutBlanks(uri: string, at: number): string | null {
  if (at < 0 || !uri.includes("%20")) return null;
  const scheme = uri.startsWith("mailto:") ? 7 : 0;
  let start = scheme;
  while (uri.startsWith("%20", start)) start += 3;
  if (at === start) start = start > scheme ? start - 3 : 0;
  if (at <= start) return null;
  const rest = uri.slice(at + 1);
  const end = rest.search(/[?&%]/);
  const host = end < 0 ? rest : rest.slice(0, end);
  return host === "" ? null : `${uri.slice(start, at)}@${host}`;
}

/** In "Name <user@host>" the last such address that starts before any "?" or "&". */
function inBrackets(uri: string): string | null {
  const stop = uri.search(/[?&]/);
  const limit = stop < 0 ? uri.length : stop;
  let at = -1; // the next "@", seen from the right
  let close = -1; // the next ">"
  let closeBehindAt = -1;
  for (let index = uri.length - 1; index >= 0; index -= 1) {
    const char = uri.charAt(index);
    if (char === ">") close = index;
    else if (char === "@") {
      closeBehindAt = close;
      at = index;
    } else if (char === "<" && index <= limit && at > index + 1) {
      const open = close < 0 || close > at;
      if (open && closeBehindAt > at + 1) return uri.slice(index + 1, closeBehindAt);
    }
  }
  return null;
}
