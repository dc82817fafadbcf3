// The lines that put addresses, hosts and domains on lists and take them off again. Old names (whitelist_, blacklist_) have become new
// ones before they come here.
import { domainToASCII } from "node:url";
import { INVALID, MISSING, complain, under } from "./draft.ts";
import type { Draft, Globs, LineReader, LineReaders } from "./draft.ts";
import { perlPattern } from "./perl-pattern.ts";
import { lower, words } from "./text.ts";

const NAMED = /^\((.+?)\)[\t-\r ]+(.+)$/s;

export const LIST_LINES: LineReaders = {
  unwelcomelist_from: unlist("welcomelist_from"),
  unblocklist_from: unlist("blocklist_from"),
  unwelcomelist_auth: unlist("welcomelist_auth", "def_welcomelist_auth"),
  unwelcomelist_from_spf: unlist("welcomelist_from_spf", "def_welcomelist_from_spf"),
  welcomelist_from_rcvd: receivedPair("welcomelist_from_rcvd"),
  def_welcomelist_from_rcvd: receivedPair("def_welcomelist_from_rcvd"),
  unwelcomelist_from_rcvd: (draft, value) => {
    if (value === "") return MISSING;
    for (const list of ["welcomelist_from_rcvd", "def_welcomelist_from_rcvd"])
      for (const address of words(lower(value))) draft.addressPairs.get(list)?.delete(address);
    return undefined;
  },
  welcomelist_from_dkim: signedPair("welcomelist_from_dkim"),
  def_welcomelist_from_dkim: signedPair("def_welcomelist_from_dkim"),
  unwelcomelist_from_dkim: (draft, value) => {
    const read = signer(value);
    if (typeof read === "string") return read;
    for (const list of ["welcomelist_from_dkim", "def_welcomelist_from_dkim"])
      unpair(draft.addressPairs.get(list), ...read);
    return undefined;
  },
  welcomelist_subject: subjects("welcomelist_subject"),
  blocklist_subject: subjects("blocklist_subject"),
  enlist_addrlist: (draft, value) => {
    const read = NAMED.exec(value);
    if (read === null) return MISSING;
    enlist(under(draft.enlisted, read[1] ?? "", globs), words(read[2] ?? ""));
    return undefined;
  },
  fns_add_addrlist: (draft, value) => {
    const read = NAMED.exec(value);
    if (read === null) return MISSING;
    enlist(under(draft.addressLists, ownerList(read[1]), globs), words(read[2] ?? ""));
    return undefined;
  },
  fns_remove_addrlist: (draft, value) => {
    const read = NAMED.exec(value);
    if (read === null) return MISSING;
    for (const address of words(lower(read[2] ?? "")))
      draft.addressLists.get(ownerList(read[1]))?.delete(address);
    return undefined;
  },
  enlist_uri_host: (draft, value) => {
    const read = NAMED.exec(value);
    if (read === null) return MISSING;
    return hosts(draft, read[1] ?? "", read[2] ?? "");
  },
  delist_uri_host: (draft, value) => {
    const read = /^(?:\((.+?)\)[\t-\r ]+)?(.+)$/s.exec(value);
    if (read === null) return MISSING;
    const lists = read[1] === undefined ? [...draft.hosts.keys()] : [read[1]];
    for (const list of lists)
      for (const host of words(lower(read[2] ?? "")))
        draft.hosts.get(list)?.delete(host.replace(/^!/, ""));
    return undefined;
  },
  welcomelist_uri_host: (draft, value) => hosts(draft, "WELCOME", value),
  blocklist_uri_host: (draft, value) => hosts(draft, "BLOCK", value),
  freemail_domains: (draft, value) => {
    for (const domain of words(value)) {
      if (/^[a-zA-Z0-9.*?-]+$/.test(domain)) draft.freemailDomains.add(lower(domain));
      else complain(draft, `"${domain}" is no domain`);
    }
    return undefined;
  },
  freemail_welcomelist: (draft, value) => {
    for (const word of words(lower(value))) {
      if (/\w[.@]\w/.test(word)) draft.freemailWelcomelist.add(word);
      else complain(draft, `"${word}" is neither an address nor a domain`);
    }
    return undefined;
  },
  util_rb_tld: boundary(0),
  util_rb_2tld: boundary(1),
  util_rb_3tld: boundary(2),
  clear_util_rb: bare((draft) => {
    for (const level of draft.levels) level.clear();
  }),
  redirector_pattern: (draft, value) => {
    if (value === "") return MISSING;
    const pattern = perlPattern(value);
    if (typeof pattern === "string") return pattern;
    draft.redirectors.push(pattern);
    return undefined;
  },
  uridnsbl_skip_domain: (draft, value) => {
    if (value === "") return MISSING;
    for (const domain of words(lower(value))) draft.skipDomains.add(domain);
    return undefined;
  },
  clear_uridnsbl_skip_domain: (draft, value) => {
    if (value === "") draft.skipDomains.clear();
    for (const domain of words(lower(value))) draft.skipDomains.delete(domain);
    return undefined;
  },
  bayes_ignore_header: (draft, value) => {
    if (value === "") return MISSING;
    for (const name of words(lower(value))) draft.bayesIgnoreHeaders.add(name);
    return undefined;
  },
};

/** Where an owner's addresses stand among the address lists, as SpamAssassin names it. */
function ownerList(owner = ""): string {
  return `FNS_${lower(owner)}`;
}

/** Puts addresses on a list of its own name: welcomelist_from, more_spam_to … */
export function addAddresses(draft: Draft, value: string, name: string): string | undefined {
  if (value === "") return MISSING;
  enlist(under(draft.addressLists, name, globs), words(value));
  return undefined;
}

/** A directive that takes nothing. */
export function bare(act: (draft: Draft) => void): LineReader {
  return (draft, value) => {
    if (value !== "") return "nothing may stand behind it";
    act(draft);
    return undefined;
  };
}

function globs(): Globs {
  return new Map();
}

function enlist(list: Globs, addresses: readonly string[]): void {
  for (const address of addresses) {
    const key = lower(address);
    list.set(key, key.replace(/[\0\\(]/g, "_"));
  }
}

function unlist(...lists: readonly string[]): LineReader {
  return (draft, value) => {
    if (value === "") return MISSING;
    for (const list of lists)
      for (const address of words(lower(value))) draft.addressLists.get(list)?.delete(address);
    return undefined;
  };
}

function receivedPair(list: string): LineReader {
  return (draft, value) => {
    const [address, domain, ...more] = words(lower(value));
    if (address === undefined) return MISSING;
    if (domain === undefined || more.length > 0) return INVALID;
    under(under(draft.addressPairs, list, pairs), address, () => []).push(domain);
    return undefined;
  };
}

function signedPair(list: string): LineReader {
  return (draft, value) => {
    const read = signer(value);
    if (typeof read === "string") return read;
    under(under(draft.addressPairs, list, pairs), read[0], () => []).push(read[1]);
    return undefined;
  };
}

/** Address and signing domain ("" when none is given: the author's own), or what is wrong. */
function signer(value: string): [address: string, domain: string] | string {
  const [address, domain = "", ...more] = words(lower(value));
  if (address === undefined) return MISSING;
  return more.length > 0 ? INVALID : [address, domain];
}

function unpair(list: Map<string, string[]> | undefined, address: string, domain: string): void {
  const left = list?.get(address)?.filter((other) => other !== domain);
  if (left?.length === 0) list?.delete(address);
  else if (left !== undefined) list?.set(address, left);
}

function pairs(): Map<string, string[]> {
  return new Map();
}

function subjects(list: string): LineReader {
  return (draft, value) => {
    const key = lower(value);
    under(draft.addressLists, list, globs).set(key, key);
    return undefined;
  };
}

function hosts(draft: Draft, list: string, value: string): undefined {
  const known = under(draft.hosts, list, () => new Map<string, boolean>());
  for (const word of words(lower(value))) known.set(word.replace(/^!/, ""), !word.startsWith("!"));
  return undefined;
}

function boundary(level: 0 | 1 | 2): LineReader {
  return (draft, value) => {
    if (value === "") return MISSING;
    const names = words(value);
    const fits = names.every((name) => {
      const labels = name.split(".");
      return labels.length === level + 1 && labels.every((label) => label !== "");
    });
    if (!fits) return INVALID;
    for (const name of names) draft.levels[level].add(ascii(name));
    return undefined;
  };
}

/** Lower case; names beyond ASCII (UTF-8 octets) as IDNA spells them. */
function ascii(name: string): string {
  const small = lower(name);
  if (/^[\x20-\x7e]*$/.test(small)) return small;
  const spelt = domainToASCII(Buffer.from(small, "latin1").toString("utf8"));
  return spelt === "" ? small : spelt;
}
