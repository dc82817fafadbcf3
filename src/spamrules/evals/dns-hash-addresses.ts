// Mail addresses that a HashBL rule wants hashed: of fields, of the body, of all senders. Called by dns-hashes.ts.
import { lower } from "../message/octets.ts";
import { boundariesFor } from "../uri/domain.ts";
import { nextAddress } from "./addresses-in-text.ts";
import type { Inquiry, Options } from "./dns-hashes.ts";
import { isRole } from "./freemail.ts";
import { wordsOf } from "./settings.ts";

/** `from`: "ALLFROM/Reply-To/body" without one; `acl`: a hashbl_acl_NAME line's name. */
export function hashedAddresses(
  inquiry: Inquiry,
  options: Options,
  from: string,
  acl: string | undefined,
): string[] {
  const { settings } = inquiry.book;
  const aliases = aliasesOf(wordLines(settings.others.get("hashbl_email_domain_alias") ?? []));
  const allowed =
    acl === undefined || acl === "all" ? null : wordsOf(settings, `hashbl_acl_${acl}`);
  const own = ownAddresses(inquiry);
  const boundaries = boundariesFor(settings);
  const found: string[] = [];
  for (const source of (from === "" ? "ALLFROM/Reply-To/body" : from).split(/\s*\/\s*/))
    for (const address of addressesIn(inquiry, source, options)) {
      const at = address.lastIndexOf("@");
      if (at < 0 || at === address.length - 1) continue;
      const given = address.slice(at + 1);
      const domain = aliases.get(lower(given)) ?? given;
      if (allowed !== null && !allowed.includes(domain)) continue;
      const whole = `${address.slice(0, at)}@${domain}`;
      if (own.has(whole) || isRole(whole)) continue;
      const skipped = settings.uridnsblSkipDomains;
      if (
        acl === undefined &&
        [domain, boundaries.trim(domain)].some((name) => skipped.has(lower(name)))
      )
        continue;
      const text = shaped(address.slice(0, at), domain, options, (name) => boundaries.trim(name));
      found.push(options.has("case") ? text : lower(text));
    }
  return found;
}

function shaped(
  user: string,
  domain: string,
  options: Options,
  trim: (name: string) => string,
): string {
  let name = options.has("nodot") ? user.replaceAll(".", "") : user;
  if (options.has("notag")) name = name.replace(/\+.*/, "");
  if (options.has("domain")) return trim(domain);
  if (options.has("host")) return domain;
  return options.has("user") ? name : `${name}@${domain}`;
}

function wordLines(lines: readonly string[]): string[][] {
  return lines.map((line) => lower(line).split(/\s+/).filter(Boolean));
}

/** Alias to the domain that is asked about. */
function aliasesOf(lines: readonly string[][]): Map<string, string> {
  const found = new Map<string, string>();
  for (const [domain = "", ...names] of lines) for (const name of names) found.set(name, domain);
  return found;
}

/** Of those that the message was for. */
function ownAddresses({ subject }: Inquiry): Set<string> {
  const fields = ["X-Original-To", "Apparently-To", "Delivered-To", "Envelope-To"];
  return new Set(fields.flatMap((field) => subject.getAll(`${field}:addr`)).map(lower));
}

function addressesIn(
  { book, subject, senders }: Inquiry,
  source: string,
  options: Options,
): string[] {
  if (source === "ALLFROM") return [...senders];
  const { topLevel } = boundariesFor(book.settings);
  let text = source === "body" ? bodyText(subject) : subject.getAll(source).join("\n");
  if (source === "body" && options.has("nouri"))
    text = text.replace(/<?https?:\/\/[^\t-\r ]{0,255}(?:@|%40)[^\t-\r ]{0,255}/gi, " ");
  const found = new Set<string>();
  for (let from = 0; ;) {
    const next = nextAddress(text, from, topLevel);
    if (!next) return [...found];
    const quoted =
      source === "body" && options.has("noquote") && isQuoted(text, next.start, next.end);
    if (!quoted) found.add(text.slice(next.start, next.end));
    from = next.end;
  }
}

function bodyText({ uriDetails, body }: Inquiry["subject"]): string {
  const linked = [...uriDetails]
    .filter(([uri, { types }]) => types.has("a") && !types.has("parsed") && /^mailto:./i.test(uri))
    .map(([uri]) => `${uri.slice(7)}\n`);
  return linked.join("") + body.join("");
}

/** In <>, or with what precedes a quotation behind it. */
function isQuoted(text: string, start: number, end: number): boolean {
  if (lower(text.slice(Math.max(start - 7, 0), start)) === "mailto:") return false;
  return /^(?:>|[\t-\r ]{1,10}(?!(?:fa(?:x|csi)|tel|phone|e?-?mail))[a-z]{2,11}:)/i.test(
    text.slice(end, end + 24),
  );
}
