// SpamAssassin's FreeMail plugin: senders, reply addresses and addresses in the body that belong to free mail providers.
import { lower } from "../message/octets.ts";
import { compilePerl } from "../pattern/translate.ts";
import type { Rule, Settings } from "../rulebook.ts";
import { boundariesFor } from "../uri/domain.ts";
import { addressList } from "./address-list.ts";
import { nextAddress, type Found } from "./addresses-in-text.ts";
import type { EvalContext, Evals } from "./eval.ts";
import { bare, senders } from "./senders.ts";
import { isOn, numberOf } from "./settings.ts";

const BODY = Symbol("freemail body");
/** Bounds of SpamAssassin's own. */
const MOST_LINKED = 20;
const MOST_FOUND = 40;

const ROLE =
  /^(?:(?:abuse|support|sales|info|helpdesk|contact|kontakt|(?:post|host|domain)master|request-[a-f0-9]{16}|bounced?-|[a-f0-9]{8}(?:\.[a-f0-9]{8}|-[a-f0-9]{4}-[a-f0-9]{4}-[a-f0-9]{4}-[a-f0-9]{12}))@|undisclosed[^\n]*@)/i;
const BULK =
  /(?:^(?:post|host|domain)master|^double-bounce|^(?:sentto|owner|return|(?:gr)?bounced?)-[^\n]+|-(?:request|bounces?|admin|owner)|\b(?:do[._-t]?)?no[._-t]?repl(?:y|ies))@/i;
const LINKED_ADDRESS = /<?https?:\/\/[^\t-\r ]{0,255}(?:@|%40)[^\t-\r ]{0,255}/gi;
/** Behind an address: what makes it one of a quotation ("… <user@host> wrote:"). */
const QUOTED = /[\t-\r ]{1,10}(?!(?:fa(?:x|csi)|tel|phone|e?-?mail))[a-z]{2,11}:/iy;

/** In lower case, for free mail addresses. */
type IsFree = (address: string) => boolean;

const known = new WeakMap<Settings, IsFree | null>();

/** null: no list of providers. */
function isFreeOf(settings: Settings): IsFree | null {
  let test = known.get(settings);
  if (test === undefined) {
    test = settings.freemailDomains.length === 0 ? null : makeIsFree(settings);
    known.set(settings, test);
  }
  return test;
}

function makeIsFree(settings: Settings): IsFree {
  const domains = new Set<string>();
  const globs: string[] = [];
  for (const glob of settings.freemailDomains) {
    const name = glob.toLowerCase();
    if (!/[*?]/.test(name)) domains.add(name);
    else globs.push(name.replaceAll(".", "\\.").replaceAll("?", "[^\\n]").replaceAll("*", "[^.]*"));
  }
  const wild = globs.length === 0 ? null : new RegExp(`^(?:${globs.join("|")})$`);
  const welcome = new Set(settings.freemailWelcomelist.map((word) => word.toLowerCase()));
  const imported = ["welcomelist_auth", "def_welcomelist_auth"]
    .filter((list) => isOn(settings, `freemail_import_${list}`, false))
    .map((list) => addressList(settings.addressLists.get(list) ?? []));
  return (address) => {
    if (address === "" || welcome.has(address)) return false;
    const domain = address.slice(address.lastIndexOf("@") + 1);
    if (welcome.has(domain) || isRole(address)) return false;
    if (imported.some((matches) => matches(address))) return false;
    return domains.has(domain) || (wild?.test(domain) === true && address.includes("@"));
  };
}

/** Of no person: abuse@ and its like, identifiers, what Gmail forwards. */
export function isRole(address: string): boolean {
  return ROLE.test(address) || isForwarded(address);
}

/** Two "=" in the user part, as Gmail forwards; without a pattern, which would be slow on many "=". */
function isForwarded(address: string): boolean {
  const first = address.indexOf("=", 1);
  const second = first < 0 ? -1 : address.indexOf("=", first + 2);
  return second >= 0 && address.lastIndexOf("@") >= second + 2;
}

/** VERP, the like of it by isForwarded's measure, and what lists and robots send from. */
function isBulk(sender: string): boolean {
  const equals = sender.indexOf("=", 1);
  return BULK.test(sender) || (equals >= 0 && sender.lastIndexOf("@") >= equals + 2);
}

const patterns = new WeakMap<Rule, RegExp | null>();

/** The pattern a rule gives as argument; null when it cannot be read. */
function patternOf(rule: Rule, source: string): RegExp | null {
  let pattern = patterns.get(rule);
  if (pattern === undefined) {
    const compiled = compilePerl({ source, flags: "" });
    pattern = compiled instanceof RegExp ? compiled : null;
    patterns.set(rule, pattern);
  }
  return pattern;
}

function addressesOf(context: EvalContext, field: string): string[] {
  return context.subject.getAll(`${field}:addr`).map((value) => lower(bare(value)));
}

/** Whether one is free mail and fits the pattern of the rule, if that has one. */
function anyFree(
  context: EvalContext,
  rule: Rule,
  addresses: Iterable<string>,
  source: string | undefined,
): boolean {
  const isFree = isFreeOf(context.book.settings);
  if (isFree === null) return false;
  const pattern = source === undefined ? undefined : patternOf(rule, source);
  if (pattern === null) return false;
  for (const address of addresses)
    if (isFree(address) && (pattern === undefined || pattern.test(address))) return true;
  return false;
}

/** Free mail addresses in the body; null when there are so many addresses that it says nothing. */
function bodyAddresses(context: EvalContext, isFree: IsFree): ReadonlySet<string> | null {
  return context.memo(BODY, () => {
    const { settings } = context.book;
    const { topLevel } = boundariesFor(settings);
    const found = linkedAddresses(context, topLevel);
    readBody(context, topLevel, found);
    const skip = isOn(settings, "freemail_skip_when_over_max", true);
    const most = numberOf(settings, "freemail_max_body_emails", 5);
    const mostFree = numberOf(settings, "freemail_max_body_freemails", 3);
    const free = new Set<string>();
    let count = 0;
    let countFree = 0;
    for (const address of found) {
      if (++count === most && skip) return null;
      if (!isFree(address)) continue;
      if (++countFree === mostFree && skip) return null;
      free.add(address);
    }
    return free;
  });
}

/** Of links to mailto: that do not show in the text. */
function linkedAddresses(context: EvalContext, topLevel: ReadonlySet<string>): Set<string> {
  const found = new Set<string>();
  for (const [uri, { types }] of context.subject.uriDetails) {
    if (!types.has("a") || types.has("parsed") || !/^mailto:/i.test(uri)) continue;
    const address = nextAddress(uri, 7, topLevel, ({ start }) => start === 7);
    if (address) found.add(lower(uri.slice(address.start, address.end)));
    if (found.size >= MOST_LINKED) break;
  }
  return found;
}

/** Adds what the text names; addresses in <> and in quotations do not count, and are cut out of the body for the rules that follow. */
function readBody(context: EvalContext, topLevel: ReadonlySet<string>, found: Set<string>): void {
  const lines = [...context.subject.body];
  let altered = false;
  for (const [index, line] of lines.entries()) {
    if (found.size >= MOST_FOUND) break;
    if (!/@|%40/.test(line)) continue;
    const text = withoutQuoted(line.replace(LINKED_ADDRESS, " "), topLevel);
    if (text !== line) {
      lines[index] = text;
      altered = true;
    }
    for (let from = 0; found.size < MOST_FOUND;) {
      const next = nextAddress(text, from, topLevel);
      if (!next) break;
      found.add(lower(text.slice(next.start, next.end)));
      from = next.end;
    }
  }
  if (altered) context.alterBody?.(lines);
}

function withoutQuoted(text: string, topLevel: ReadonlySet<string>): string {
  let out = "";
  let done = 0;
  const fits = ({ start, end }: Found): boolean =>
    lower(text.slice(Math.max(start - 7, 0), start)) !== "mailto:" && quoteEnd(text, end) > 0;
  for (;;) {
    const next = nextAddress(text, done, topLevel, fits);
    if (!next) return done === 0 ? text : out + text.slice(done);
    const open = next.start > done && text.charAt(next.start - 1) === "<";
    out += `${text.slice(done, open ? next.start - 1 : next.start)} `;
    done = quoteEnd(text, next.end);
  }
}

/** Behind what marks an address as quoted; 0 when nothing does. */
function quoteEnd(text: string, at: number): number {
  if (text.charAt(at) === ">") return at + 1;
  QUOTED.lastIndex = at;
  return QUOTED.test(text) ? QUOTED.lastIndex : 0;
}

function differs(context: EvalContext, kind: string): boolean {
  const { settings } = context.book;
  const isFree = isFreeOf(settings);
  if (isFree === null || (kind !== "replyto" && kind !== "reply")) return false;
  if (isOn(settings, "freemail_skip_bulk_envfrom", true)) {
    const sender = context.subject.getAll("EnvelopeFrom")[0];
    if (sender !== undefined && isBulk(bare(sender))) return false;
  }
  const from = addressesOf(context, "From");
  const reply = addressesOf(context, "Reply-To");
  const fromFree = from.some(isFree);
  const replyFree = reply.some(isFree);
  if (fromFree && replyFree && !from.some((address) => reply.includes(address))) return true;
  if (kind === "replyto" && !replyFree) return false;
  if (kind === "reply" && ((reply.length > 0 && !replyFree) || !fromFree)) return false;
  const inBody = bodyAddresses(context, isFree);
  if (inBody === null) return false;
  const answered = kind === "replyto" || replyFree ? reply : from;
  return [...inBody].some((address) => answered.some((other) => other !== address));
}

export const FREEMAIL: Evals = {
  check_freemail_from: (context, [source], rule) =>
    anyFree(context, rule, senders(context).map(lower), source),
  check_freemail_header: (context, [field, source], rule) =>
    field !== undefined && anyFree(context, rule, addressesOf(context, field), source),
  check_freemail_body(context, [source], rule) {
    const isFree = isFreeOf(context.book.settings);
    if (isFree === null) return false;
    const inBody = bodyAddresses(context, isFree);
    return inBody !== null && anyFree(context, rule, inBody, source);
  },
  check_freemail_replyto: (context, [kind = "replyto"]) => differs(context, kind),
};
