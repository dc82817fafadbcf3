// The eval functions of SpamAssassin's WLBLEval and WelcomeListSubject plugins: lists of addresses, hosts and subjects that the operator,
// or the rules, welcome or block.
import { addressOf } from "./address-of.ts";
import { ipNumber, parseNetwork } from "../received/networks.ts";
import type { Relay } from "../received/relays.ts";
import { lower } from "../message/octets.ts";
import type { Glob } from "../rulebook.ts";
import { boundariesFor } from "../uri/domain.ts";
import { addressList, like } from "./address-list.ts";
import type { Eval, EvalContext, Evals } from "./eval.ts";
import { recipients } from "./recipients.ts";
import { senders } from "./senders.ts";

const listed = ({ book }: EvalContext, name: string): ((address: string) => boolean) =>
  addressList(book.settings.addressLists.get(name) ?? NONE);
const NONE: readonly Glob[] = [];

const fromIn =
  (name: string): Eval =>
  (context) =>
    senders(context).some(listed(context, name));

const toIn =
  (name: string): Eval =>
  (context) =>
    recipients(context).some(listed(context, name));

/** A list by any name: enlist_addrlist's, or one of the directives'. null: no such list, nothing hits. */
const named = (
  { book: { settings } }: EvalContext,
  name: string,
): ((address: string) => boolean) => {
  const globs = settings.enlistedAddresses.get(name) ?? settings.addressLists.get(name);
  return globs === undefined ? () => false : addressList(globs);
};

/** Whom the message came from: the first untrusted relay, or any trusted one where all are. */
const handedInBy = ({ subject: { relays } }: EvalContext): readonly Relay[] =>
  relays.untrusted.length > 0 ? relays.untrusted.slice(0, 1) : relays.trusted;

/** "[192.0.2.1]", "[192.0.2.]", "[192.0.2.0]/24", "[2001:db8::/32]". */
const isAddress = (relay: Relay, inBrackets: string, length: string): boolean => {
  const text = inBrackets + length;
  if (relay.ip === "") return false;
  if (/^\d+\.\d+\.\d+\.\d+$/.test(text)) return text === relay.ip;
  if (/^[\d.]+$/.test(text)) return relay.ip.startsWith(`${text.replace(/\.*$/, "")}.`);
  const number = ipNumber(relay.ip);
  // An IPv6 network holds IPv4 addresses as ::192.0.2.1 here, not as ::ffff:192.0.2.1.
  const compatible = number !== null && text.includes(":") && !relay.ip.includes(":");
  const ip = compatible ? number & 0xffff_ffffn : number;
  const network = parseNetwork(text);
  return ip !== null && network !== null && network.low <= ip && ip <= network.high;
};

/** Whether a relay is of a domain that a welcomelist_from_rcvd line names. */
const isOf = (relay: Relay, domain: string): boolean => {
  const bracketed = /^\[(.*)\](\/\d{1,3})?$/s.exec(domain);
  if (bracketed !== null) return isAddress(relay, bracketed[1] ?? "", bracketed[2] ?? "");
  const rdns = lower(relay.rdns);
  return rdns === domain || rdns.endsWith(`.${domain}`);
};

type Welcome = "welcome" | "forged" | "unknown";

/** Whether an address is welcome by way of a relay; "forged" when the address is but the relay is not. */
const byRelay = (context: EvalContext, list: string, address: string): Welcome => {
  const relays = handedInBy(context);
  if (relays.length === 0) return "unknown";
  const small = lower(address);
  let forged = false;
  for (const [glob, domains] of context.book.settings.addressPairs.get(list) ?? []) {
    if (!like(glob, small)) continue;
    if (domains.some((domain) => relays.some((relay) => isOf(relay, domain)))) return "welcome";
    forged ||= domains.length > 0;
  }
  return forged && !listed(context, "welcomelist_allows_relays")(small) ? "forged" : "unknown";
};

const FROM = Symbol("welcomelist_from");
const FROM_DEFAULT = Symbol("def_welcomelist_from_rcvd");

const strongest = (found: readonly Welcome[]): Welcome => {
  if (found.includes("welcome")) return "welcome";
  return found.includes("forged") ? "forged" : "unknown";
};

const welcomeFrom = (context: EvalContext): Welcome =>
  context.memo(FROM, () => {
    const plain = listed(context, "welcomelist_from");
    return strongest(
      senders(context).map((address) =>
        plain(address) ? "welcome" : byRelay(context, "welcomelist_from_rcvd", address),
      ),
    );
  });

const welcomeByDefault = (context: EvalContext): Welcome =>
  context.memo(FROM_DEFAULT, () =>
    strongest(
      senders(context).map((address) => byRelay(context, "def_welcomelist_from_rcvd", address)),
    ),
  );

/** Whether the envelope's sender and the relay that handed in are of one registered domain. */
const mailfromMatches: Eval = (context) => {
  const sender = addressOf(context.subject, "EnvelopeFrom:addr");
  const domain = /@([^@]+\.[^@]+)$/.exec(sender)?.[1];
  if (domain === undefined) return false;
  const boundaries = boundariesFor(context.book.settings);
  const own = boundaries.trim(lower(domain));
  return handedInBy(context).some(
    ({ rdns }) => rdns !== "" && boundaries.trim(lower(rdns)) === own,
  );
};

/** More labels than these are not looked up: the last ones count. */
const MOST_SUFFIXES = 11;

/** "a.b.example", "b.example", "example"; of an address only itself. */
const suffixes = (host: string): readonly string[] => {
  const literal = /^\[(.*)\]$/s.exec(host)?.[1];
  if (literal !== undefined) return [literal];
  if (host === "" || /^\d+\.\d+\.\d+\.\d+$/.test(host)) return host === "" ? [] : [host];
  const labels = host.split(".");
  return labels.map((_, from) => labels.slice(from).join(".")).slice(-MOST_SUFFIXES);
};

const HOSTS = Symbol("names of enlist_uri_host lists that a host of this message is on");

const hostLists = (context: EvalContext): ReadonlySet<string> =>
  context.memo(HOSTS, () => {
    const { subject, book } = context;
    const found = new Set<string>();
    const lists = [...book.settings.enlistedHosts];
    if (lists.length === 0) return found;
    const hosts = new Set<string>();
    for (const [uri, detail] of subject.uriDetails) {
      if (!/^mailto:/i.test(uri)) for (const host of detail.hosts.keys()) hosts.add(host);
    }
    for (const host of hosts) {
      const names = suffixes(host);
      for (const [list, entries] of lists) {
        const nearest = names.find((name) => entries.has(name));
        if (nearest !== undefined && entries.get(nearest) === true) found.add(list);
      }
    }
    return found;
  });

const uriHostIn =
  (list: string): Eval =>
  (context) =>
    hostLists(context).has(list);

/** Whether a glob, or the whole subject, stands in a subject; lines of several subjects are looked at one by one. */
const subjectIn =
  (name: string): Eval =>
  ({ subject, book }) => {
    const text = lower(subject.get("Subject") ?? "");
    if (text === "") return false;
    const globs = book.settings.addressLists.get(name) ?? NONE;
    const lines = text.split("\n");
    return globs.some((glob) => lines.some((line) => like(`*${glob}*`, line)));
  };

const CURRENT: Evals = {
  check_from_in_blocklist: fromIn("blocklist_from"),
  check_to_in_blocklist: toIn("blocklist_to"),
  check_to_in_welcomelist: toIn("welcomelist_to"),
  check_to_in_more_spam: toIn("more_spam_to"),
  check_to_in_all_spam: toIn("all_spam_to"),
  check_from_in_list: (context, [name = ""]) => senders(context).some(named(context, name)),
  check_to_in_list: (context, [name = ""]) => recipients(context).some(named(context, name)),
  check_replyto_in_list: (context, [name = ""]) => {
    const replyTo = addressOf(context.subject, "Reply-To:addr");
    return replyTo !== "" && named(context, name)(replyTo);
  },
  check_from_in_welcomelist: (context) => welcomeFrom(context) === "welcome",
  check_from_in_default_welcomelist: (context) => welcomeByDefault(context) === "welcome",
  check_forged_in_welcomelist: (context) =>
    welcomeFrom(context) === "forged" && welcomeByDefault(context) === "unknown",
  check_forged_in_default_welcomelist: (context) =>
    welcomeByDefault(context) === "forged" && welcomeFrom(context) === "unknown",
  check_mailfrom_matches_rcvd: mailfromMatches,
  check_uri_host_listed: (context, [list = ""]) => hostLists(context).has(list),
  check_uri_host_in_blocklist: uriHostIn("BLOCK"),
  check_uri_host_in_welcomelist: uriHostIn("WELCOME"),
  check_subject_in_welcomelist: subjectIn("welcomelist_subject"),
  check_subject_in_blocklist: subjectIn("blocklist_subject"),
};

/** Each by its old name, too, where it had one. */
const old = Object.entries(CURRENT).flatMap(([name, test]) => {
  const before = name.replace("welcomelist", "whitelist").replace("blocklist", "blacklist");
  return before === name ? [] : [[before, test] as const];
});

export const LISTS: Evals = { ...CURRENT, ...Object.fromEntries(old) };
