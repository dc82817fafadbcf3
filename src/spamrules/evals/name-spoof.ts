// SpamAssassin's FromNameSpoof plugin: an address within the display name of From that is not the address of From. Its settings are
// fns_…; what it finds stands in _FNSF…_ tags too.
import { lower } from "../message/octets.ts";
import type { Settings } from "../rulebook.ts";
import { boundariesFor, type Boundaries } from "../uri/domain.ts";
import { addressList } from "./address-list.ts";
import { addressOf } from "./address-of.ts";
import type { Eval, EvalContext, Evals } from "./eval.ts";
import { recipients } from "./recipients.ts";
import { numberOf, wordsOf } from "./settings.ts";
import { dkimTags } from "./tag-values.ts";

const KEY = Symbol("name spoof");
/** How language/list-lines.ts names the lists of fns_add_addrlist. */
export const OWNER_LIST = "FNS_";
const DKIM = "Mail::SpamAssassin::Plugin::DKIM";
const HOST = /\w[\w-]*\.\w[\w.-]+/y;
const LOCAL = /[\w.!#$%&'*+/=?^`{|}~-]/;

/** What is true of the name and of the address of From. */
interface Finding {
  /** The name holds an address in a domain that can be. */
  readonly named: boolean;
  readonly address: boolean;
  readonly domain: boolean;
  readonly owner: boolean;
  readonly replyTo: boolean;
  readonly to: boolean;
}

interface Address {
  readonly address: string;
  /** The registered one. */
  readonly domain: string;
}

const NOTHING: Finding = {
  named: false,
  address: false,
  domain: false,
  owner: false,
  replyTo: false,
  to: false,
};

/** The first address in a text, in one pass; null without one. A user part begins with the first letter or digit of what stands before the "@". */
export function addressIn(text: string): string | null {
  for (let at = text.indexOf("@"); at >= 0; at = text.indexOf("@", at + 1)) {
    let start = at;
    let word = -1;
    while (start > 0 && LOCAL.test(text.charAt(start - 1))) {
      start--;
      if (/\w/.test(text.charAt(start))) word = start;
    }
    HOST.lastIndex = at + 1;
    // Nothing is given back of a host that ends in "." or "-".
    if (word >= 0 && HOST.test(text) && /\w/.test(text.charAt(HOST.lastIndex - 1)))
      return text.slice(word, HOST.lastIndex);
  }
  return null;
}

function placed(address: string, boundaries: Boundaries): Address | null {
  const place = boundaries.ofUri(`mailto:${address}`);
  return place === null ? null : { address, domain: place.domain };
}

function isExempt({ subject, book: { settings }, proofs, local }: EvalContext): boolean {
  const signers = wordsOf(settings, "fns_ignore_dkim").map(lower);
  if (signers.length > 0 && !local && settings.plugins.has(DKIM)) {
    const signed = dkimTags(proofs.dkim ?? []).get("DKIMDOMAIN") ?? [];
    if (signed.some((domain) => signers.includes(lower(domain)))) return true;
  }
  // Perl takes a lone 0 for nothing.
  return wordsOf(settings, "fns_ignore_headers").some(
    (field) => !["", "0"].includes(subject.get(field) ?? ""),
  );
}

/** Whether the name says little beside the address: what is neither a letter nor a digit counts twice. */
function isClose(name: string, address: string, settings: Settings): boolean {
  const signs = (text: string): number => text.replace(/[a-z0-9]+/g, "").length;
  const beside = name.length - address.length + signs(name) - signs(address);
  return beside <= numberOf(settings, "fns_extrachars", 50);
}

/** Whose address it is: the list that it is on, itself or with the registered domain, else the first label of that domain. QUIRK: on two lists, SpamAssassin takes either. */
function ownerOf({ address, domain }: Address, settings: Settings): string {
  const [, user = "", host = ""] = /^([^@]+)@(.+)$/.exec(address) ?? [];
  const asked = host === domain || host === "" ? [address] : [address, `${user}@${domain}`];
  for (const wanted of asked)
    for (const [name, globs] of settings.addressLists)
      if (name.startsWith(OWNER_LIST) && addressList(globs)(wanted))
        return name.slice(OWNER_LIST.length);
  return /^([^.]+)\./.exec(domain)?.[1] ?? domain;
}

function find(context: EvalContext): Finding {
  const { subject, book } = context;
  const { settings } = book;
  if (isExempt(context)) return NOTHING;
  const boundaries = boundariesFor(settings);
  const from = placed(lower(addressOf(subject, "From:addr")), boundaries);
  if (from === null) return NOTHING;
  const name = lower((subject.getAll("From:name")[0] ?? "").replace(/\n$/, ""));
  const found = addressIn(name);
  const named = found === null ? null : placed(found, boundaries);
  if (named === null) return NOTHING;
  if (!isClose(name, named.address, settings)) return { ...NOTHING, named: true };
  const owners = { named: ownerOf(named, settings), from: ownerOf(from, settings) };
  const finding = {
    named: true,
    address: named.address !== from.address,
    domain: named.domain !== from.domain,
    owner: owners.named !== owners.from,
    replyTo: named.address === lower(addressOf(subject, "Reply-To:addr")),
    to: recipients(context).some((other) => other.replace(/\n$/, "") === named.address),
  };
  if (finding.address || finding.owner) {
    context.tag("FNSFNAMEADDR", named.address);
    context.tag("FNSFNAMEDOMAIN", named.domain);
    context.tag("FNSFNAMEOWNER", owners.named);
    context.tag("FNSFADDRADDR", from.address);
    context.tag("FNSFADDRDOMAIN", from.domain);
    context.tag("FNSFADDROWNER", owners.from);
  }
  return finding;
}

const found = (context: EvalContext): Finding => context.memo(KEY, () => find(context));

const tells =
  (which: keyof Finding): Eval =>
  (context) =>
    found(context)[which];

export const NAME_SPOOF: Evals = {
  check_fromname_spoof(context, [given]) {
    const level =
      given !== undefined && /^[012]$/.test(given)
        ? Number(given)
        : numberOf(context.book.settings, "fns_check", 1);
    const { address, owner, domain } = found(context);
    return address && [true, owner, domain][level] === true;
  },
  check_fromname_different: tells("address"),
  check_fromname_domain_differ: tells("domain"),
  check_fromname_contains_email: tells("named"),
  check_fromname_equals_to: tells("to"),
  check_fromname_owners_differ: tells("owner"),
  check_fromname_equals_replyto: tells("replyTo"),
};
