// Addresses of a header field as SpamAssassin's own parser finds them (no Email::Address::XS): loose, with comments and quoted names
// in the usual places only. The value is raw or decoded octets.
import { isFqdn } from "../uri/domain.ts";
import { idnToAscii } from "../uri/idn.ts";
import { matchAddress } from "./address-match.ts";
import { isBlank, trimEnd } from "./octets.ts";

export interface HeaderAddress {
  /** The name: quotes and comments taken off, else the comment; null without one. */
  readonly phrase: string | null;
  readonly address: string | null;
  readonly user: string | null;
  readonly host: string | null;
  readonly comment: string | null;
}

const MAIL =
  '(?:"(?:[^"\\\\]|\\\\[^\\n])*"|[^@\\t-\\r <>()[\\],:;]+)@(?:[^"\\t-\\r <>()[\\],:;]+|\\[[\\d:.]+\\])';
const WHOLE_MAIL = new RegExp(`^${MAIL}\\n?$`);
const ANGLE_MAIL = new RegExp(`<(${MAIL})>`, "g");
const COMMENTS = /\((?:[^()\\]|\\[^])*\)/g;
const NAME_PIECES = /"((?:[^"\\]|\\[^])*)"|[^"]+/g;

export function parseAddresses(value: string): HeaderAddress[] {
  const results: HeaderAddress[] = [];
  let rest = withoutGroup(trimEnd(value).replaceAll("\\\\", ""));
  if (isBlank(rest)) return results;
  for (let found = matchAddress(rest); found !== null; found = matchAddress(rest)) {
    rest = rest.slice(found.end);
    let address = found.angled === null ? found.bare : found.angled.replace(COMMENTS, "");
    if (address !== null && found.angled !== null && !WHOLE_MAIL.test(address)) address = null;
    results.push(complete(found.phrase, address, found.comment));
  }
  // Something was left over: any <address> in it is taken, e.g. in =?UTF-8?Q?"Name"_<a@b.example>?=.
  if (rest.includes("@"))
    for (const [, address = ""] of rest.matchAll(ANGLE_MAIL))
      if (isSound(address)) results.push(complete(null, address, null));
  return results;
}

/** "Group: a, b;" without its name; nothing is left of a group that is empty. */
function withoutGroup(text: string): string {
  const end = text.search(/["()<>]/);
  const colon = text.lastIndexOf(":", end < 0 ? text.length : end - 1);
  if (colon < 1 || end === 0) return text;
  const rest = text.slice(colon + 1).replace(/^[\t-\r ]+/, "");
  return rest.startsWith(";") ? "" : rest;
}

function isSound(address: string): boolean {
  return !address.startsWith('""@') && address.split('"').length !== 2;
}

function complete(
  rawPhrase: string | null,
  rawAddress: string | null,
  comment: string | null,
): HeaderAddress {
  let address = rawAddress !== null && isSound(rawAddress) ? rawAddress : null;
  let phrase = rawPhrase === null ? null : plainName(rawPhrase);
  if (phrase !== null) {
    if (address === null && isAddress(phrase)) {
      address = phrase;
      phrase = null;
    } else if (phrase === address || phrase === "") phrase = null;
  }
  phrase ??= comment;
  const parts = address === null ? null : /^([^@]*)@([^@]*)/.exec(address);
  if (address !== null && parts !== null)
    address = parts[0] + address.slice(parts[0].length).replace(/^[^\n]*/, "");
  const user = parts?.[1] ?? null;
  const host = parts?.[2] ?? null;
  return { phrase, address, user, host, comment };
}

/** A name that is an address itself, with a host that could be one. */
function isAddress(phrase: string): boolean {
  if (!WHOLE_MAIL.test(phrase) || !isSound(phrase)) return false;
  const host = /^[^@]*@([^@]*)/.exec(phrase)?.[1] ?? "";
  return isFqdn(idnToAscii(host), true);
}

function plainName(phrase: string): string {
  return phrase.replace(NAME_PIECES, (piece: string, quoted: string | undefined) =>
    quoted === undefined
      ? piece.replace(COMMENTS, "")
      : quoted.replace(/\\(?!\\)/g, "").replaceAll("\\\\", "\\"),
  );
}
