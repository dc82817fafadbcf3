// Where a host name ends and a registered domain begins, by the lists of top-level, second- and third-level names of the rules (not by
// the Public Suffix List). Made once per rule book.
import { lower } from "../message/octets.ts";
import { isIp } from "../received/addresses.ts";
import type { Settings } from "../rulebook.ts";
import { idnToAscii } from "./idn.ts";

const LONGEST_NAME = 253;
const LONGEST_LABEL = 63;
const US_STATES = new Set(
  (
    "ak al ar az ca co ct dc de fl ga gu hi ia id il in ks ky la ma md me mi mn mo ms mt nc nd ne nh nj nm nv ny oh ok or pa pr ri sc sd " +
    "tn tx ut va vi vt wa wi wv wy"
  ).split(" "),
);
/** Hosts of one message repeat themselves; so many are remembered. */
const REMEMBERED = 2000;

export interface Place {
  readonly domain: string;
  readonly host: string;
}

export interface Boundaries {
  /** Top-level names in ACE, lower case. */
  readonly topLevel: ReadonlySet<string>;
  /** Whether it has a dot and a top-level name behind the last. A name given as ASCII is compared in lower case. */
  isValid(name: string, ascii?: boolean): boolean;
  /** Host part and registered domain: "www", "example.co.uk". */
  split(name: string, ascii?: boolean): { readonly host: string; readonly domain: string };
  trim(name: string, ascii?: boolean): string;
  /** The host of a URI or address, with its registered domain; null when it has no host in DNS form. IP addresses are their own domain. */
  ofUri(uri: string): Place | null;
}

type Lists = Pick<Settings, "topLevel" | "util2tld" | "util3tld">;

const made = new WeakMap<Lists, Boundaries>();

/** Those of these settings, made once. */
export function boundariesFor(lists: Lists): Boundaries {
  let boundaries = made.get(lists);
  if (!boundaries) made.set(lists, (boundaries = makeBoundaries(lists)));
  return boundaries;
}

function makeBoundaries(lists: Lists): Boundaries {
  const topLevel = new Set([...lists.topLevel].map(idnToAscii));
  const second = new Set([...lists.util2tld].map(idnToAscii));
  const third = new Set([...lists.util3tld].map(idnToAscii));
  const known = new Map<string, Place | null>();

  const isValid = (name: string, ascii = false): boolean => {
    const plain = ascii ? lower(name) : idnToAscii(name);
    if (/[\t-\r ]/.test(plain)) return false;
    const dot = plain.lastIndexOf(".");
    return dot >= 0 && topLevel.has(plain.slice(dot + 1));
  };
  const split = (name: string, ascii = false): { host: string; domain: string } =>
    splitLabels(ascii ? lower(name) : idnToAscii(name), second, third);
  const placeOf = (name: string): Place | null => {
    const host = idnToAscii(name);
    if (isIp(host)) return { domain: host, host };
    if (!isFqdn(host, true) || !isValid(host, true)) return null;
    return { domain: split(host, true).domain, host };
  };
  return {
    topLevel,
    isValid,
    split,
    trim: (name, ascii) => split(name, ascii).domain,
    ofUri(uri) {
      const name = hostOf(uri);
      if (name === null) return null;
      const cached = known.get(name);
      if (cached !== undefined) return cached;
      const place = placeOf(name);
      if (known.size >= REMEMBERED) known.clear();
      known.set(name, place);
      return place;
    },
  };
}

/** At least two labels of letters, digits, "-" within, "_" (not in the last two), none over 63 octets, 253 in all. */
export function isFqdn(name: string, ascii = false): boolean {
  const host = (ascii ? lower(name) : idnToAscii(name)).replace(/\.+$/, "");
  if (host.length > LONGEST_NAME) return false;
  const labels = host.split(".");
  if (labels.length < 2) return false;
  return labels.every((label, index) => {
    if (label.length > LONGEST_LABEL || !/^[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?$/.test(label))
      return false;
    return index < labels.length - 2 || !label.includes("_");
  });
}

function splitLabels(
  name: string,
  second: ReadonlySet<string>,
  third: ReadonlySet<string>,
): { host: string; domain: string } {
  const labels = name.split(".").filter((label) => label !== "");
  let from = 0;
  while (labels.length - from > 1 && !isRegistry(labels.slice(from, from + 5), second, third))
    from += 1;
  if (from > 0) from -= 1;
  return { host: labels.slice(0, from).join("."), domain: labels.slice(from).join(".") };
}

/** Whether these labels together are where registrars hand out names. */
function isRegistry(
  labels: readonly string[],
  second: ReadonlySet<string>,
  third: ReadonlySet<string>,
): boolean {
  const [a = "", b = "", c = "", d = ""] = labels;
  if (labels.length === 2) return second.has(`${a}.${b}`);
  if (labels.length === 3) return c === "us" ? US_STATES.has(b) : third.has(`${a}.${b}.${c}`);
  if (labels.length !== 4 || d !== "us") return false;
  return ((a === "pvt" && b === "k12") || /^c[io]$/.test(a)) && US_STATES.has(c);
}

/** Lower case, without scheme, user, port, path; null where there can be none. */
function hostOf(raw: string): string | null {
  let uri = lower(raw);
  if (/^(?:javascript|cid|file):/.test(uri)) return null;
  if (uri.startsWith("mailto:")) {
    const question = uri.indexOf("?");
    uri = uri.slice(7, question < 0 ? undefined : question);
    const at = uri.indexOf("@");
    if (at < 0 || uri.includes("@", at + 1)) return null;
    uri = uri.slice(at + 1);
  } else {
    uri = uri.replace(/^[a-z]+:\/{0,2}/, "");
    const end = uri.search(/[/?#]/);
    if (end >= 0) uri = uri.slice(0, end);
    uri = uri.slice(uri.lastIndexOf("@") + 1).replace(/:\d*$/, "");
  }
  return /%(?:2[1-9a-f]|[3-6][0-9a-f]|7[0-9a-e])/.test(uri) ? null : uri;
}
