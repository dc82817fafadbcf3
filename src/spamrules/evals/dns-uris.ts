// What SpamAssassin's URIDNSBL plugin asks: the hosts of a message's addresses in lists of domains, and what these hosts point to.
import { isIpv4, isPrivateIp } from "../received/addresses.ts";
import type { Rule, RuleBook } from "../rulebook.ts";
import type { Subject } from "../subject.ts";
import type { UriDetail } from "../uri/detail.ts";
import { idnToAscii } from "../uri/idn.ts";
import {
  isActive,
  numericTest,
  reversedIp,
  type Ask,
  type FollowUp,
  type Questions,
  type Zone,
} from "./dns-question.ts";
import { isOn, numberOf } from "./settings.ts";

/** uridnsbl and its like: looked up by address, by domain, by the domain or the name of the name server. */
const DIRECTIVES = {
  uridnsbl: "address",
  uridnssub: "address",
  urirhsbl: "domain",
  urirhssub: "domain",
  urinsrhsbl: "server",
  urinsrhssub: "server",
  urifullnsrhsbl: "serverName",
  urifullnsrhssub: "serverName",
} as const;

interface List {
  readonly rule: Rule;
  readonly by: (typeof DIRECTIVES)[keyof typeof DIRECTIVES];
  readonly zone: Zone;
}

/** The hosts asked about, with their domains. */
export function askAboutUris(
  book: RuleBook,
  subject: Subject,
  scoreSet: number,
  questions: Questions,
): ReadonlyMap<string, string> {
  const hosts = hostsToAsk(book, subject.uriDetails);
  const lists = listsOf(book, scoreSet);
  const followUp = followUpsOf(lists);
  const byAddress = lists.filter(({ by, rule }) => by === "address" && rule.flags.has("a"));
  const wantsServers = lists.some(
    ({ by, rule }) =>
      by === "server" || by === "serverName" || (by === "address" && isByServer(rule)),
  );
  for (const [host, domain] of hosts) {
    const isAddress = /^\d+(?:\.\d+){3}$/.test(host) || host.startsWith("[");
    if (isAddress && (!isIpv4(host) || isPrivateIp(host))) continue;
    if (!isAddress && wantsServers) questions.ask(idnToAscii(domain), "NS", [], followUp);
    if (!isAddress && byAddress.length > 0)
      questions.ask(idnToAscii(host), "A", [], {
        ...NOTHING,
        addresses: byAddress.map(({ zone }) => zone),
      });
    for (const { by, rule, zone } of lists) {
      if (by !== "domain" || rule.flags.has(isAddress ? "domains_only" : "ips_only")) continue;
      const name = isAddress || rule.flags.has("notrim") ? host : domain;
      lookUp(name, zone, questions);
    }
  }
  return hosts;
}

const NOTHING: FollowUp = { addresses: [], domains: [], names: [], addressesOfNames: [] };

/** Into a list: addresses by their numbers reversed. */
export function lookUp(name: string, { zone, type, ask }: Zone, questions: Questions): void {
  const ascii = idnToAscii(name);
  questions.ask(`${reversedIp(ascii) ?? ascii}.${zone}`, type, [{ ...ask, about: name }]);
}

const isByServer = (rule: Rule): boolean => rule.flags.has("ns") || !rule.flags.has("a");

/** Addresses of name servers are looked up only for rules that want the addresses of hosts: so it is in SpamAssassin 4.0.1. */
function followUpsOf(lists: readonly List[]): FollowUp {
  const zones = (by: List["by"], keep = (_: List): boolean => true): Zone[] =>
    lists.filter((list) => list.by === by && keep(list)).map(({ zone }) => zone);
  return {
    addresses: [],
    domains: zones("server"),
    names: zones("serverName"),
    addressesOfNames: zones("address", ({ rule }) => rule.flags.has("a")),
  };
}

const known = new WeakMap<RuleBook, Map<number, readonly List[]>>();

function listsOf(book: RuleBook, scoreSet: number): readonly List[] {
  let sets = known.get(book);
  if (!sets) known.set(book, (sets = new Map<number, readonly List[]>()));
  let lists = sets.get(scoreSet);
  if (!lists) sets.set(scoreSet, (lists = readLists(book, scoreSet)));
  return lists;
}

function readLists(book: RuleBook, scoreSet: number): List[] {
  const found = new Map<string, List>();
  for (const [directive, by] of Object.entries(DIRECTIVES))
    for (const line of book.settings.others.get(directive) ?? []) {
      const [name = "", zone = "", type = "A", test] = line.trim().split(/[\t-\r ]+/);
      const rule = book.rules.get(name);
      if (!isActive(rule, scoreSet)) continue;
      const wanted = test === undefined ? null : numericTest(test);
      if (test !== undefined && wanted === null) continue;
      const ask: Ask = {
        rule: name,
        types: ["A", "TXT"],
        loopback: test === undefined,
        test: wanted,
        about: "",
      };
      found.set(name, {
        rule,
        by,
        zone: { zone: zone.replace(/\.$/, ""), type: type.toUpperCase(), ask },
      });
    }
  return [...found.values()];
}

/** At most uridnsbl_max_domains hosts: of links with a text first, of what only looks like a link last. */
function hostsToAsk(
  { settings }: RuleBook,
  details: ReadonlyMap<string, UriDetail>,
): Map<string, string> {
  const skipped = settings.uridnsblSkipDomains;
  const skipMail = isOn(settings, "uridnsbl_skip_mailto", true);
  const ranks: Map<string, string>[] = Array.from({ length: 6 }, () => new Map<string, string>());
  for (const [uri, detail] of details) {
    if (skipMail && /^mailto:/i.test(uri)) continue;
    for (const [host, domain] of detail.hosts)
      if (!skipped.has(domain) && !skipped.has(host)) ranks[rankOf(detail)]?.set(host, domain);
  }
  const most = numberOf(settings, "uridnsbl_max_domains", 20);
  const picked = new Map<string, string>();
  for (const rank of ranks)
    for (const [host, domain] of rank)
      if (picked.size < most && !picked.has(host)) picked.set(host, domain);
  return picked;
}

function rankOf({ types, anchorTexts }: UriDetail): number {
  if (types.has("a")) return anchorTexts.some((text) => text !== "") ? 0 : 5;
  if (types.has("form")) return 1;
  if (types.has("img")) return 2;
  return types.has("parsed") && types.size === 1 ? 4 : 3;
}
