// get() of SpamAssassin: fields and pseudo fields with their modifiers, as header rules and eval functions name them. Called by
// prepare.ts, which remembers the answers.
import { isIP } from "node:net";
import { reverseName } from "../../mail/reverse.ts";
import { IP_SOURCE } from "../received/addresses.ts";
import type { Relays } from "../received/relays.ts";
import type { Boundaries } from "../uri/domain.ts";
import type { HeaderAddress } from "./addresses.ts";
import { decodeField } from "./encoded-word.ts";
import type { Fields } from "./fields.ts";
import { hostIn } from "./host-in.ts";
import { lower, oneBlank, splitLines, trim } from "./octets.ts";
import { receivedRange, rawFields } from "./ranges.ts";

/** What the answers come from; what costs is asked for only when it counts. */
export interface Sources {
  readonly fields: Fields;
  readonly pristineHeaders: string;
  readonly boundaries: Boundaries;
  readonly relays: () => Relays;
  /** "Name: value\n" of all fields. */
  readonly all: () => readonly string[];
  readonly envelopeFrom: () => string | null;
  /** Of a field's value. */
  readonly addresses: (value: string) => readonly HeaderAddress[];
  /** X-SenderDomain, X-AuthorDomain, X-Languages and X-Languages-Length, which SpamAssassin adds, by lower-case name. */
  readonly added: (key: string) => string | null;
}

const RELAYS: Readonly<Record<string, "trusted" | "untrusted" | "internal" | "external">> = {
  "x-spam-relays-trusted": "trusted",
  "x-spam-relays-untrusted": "untrusted",
  "x-spam-relays-internal": "internal",
  "x-spam-relays-external": "external",
};
const ADDRESS = new RegExp(`(?<!\\.)\\b(${IP_SOURCE})\\b(?!\\.)`);

const ADDED: ReadonlySet<string> = new Set([
  "x-senderdomain",
  "x-authordomain",
  "x-languages",
  "x-languages-length",
]);
const NONE: readonly string[] = [];

/** One element per field, address or host; empty when there is none. */
export type Request = (sources: Sources) => readonly string[];

type Step = (found: readonly string[], sources: Sources) => readonly string[];

/** More than rule files hold. */
const MOST_KNOWN = 5000;
const known = new Map<string, Request>();

/** "Name:modifier:…", read once and not for each message. */
export function requestFor(text: string): Request {
  let request = known.get(text);
  if (request === undefined) {
    if (known.size >= MOST_KNOWN) known.clear();
    request = read(text);
    known.set(text, request);
  }
  return request;
}

function read(text: string): Request {
  const [name = "", ...modifiers] = text.split(":");
  const asked = new Set(modifiers);
  const raw = asked.has("raw");
  const whole = wholeHeader(name, raw);
  if (whole !== null) return whole;
  const source = plain(name, raw, raw || asked.has("addr") || asked.has("name"));
  const steps = stepsFor(asked, raw);
  if (steps.length === 0) return source;
  return (sources) => {
    let found = source(sources);
    for (const step of steps) if (found.length > 0) found = step(found, sources);
    return found;
  };
}

function stepsFor(asked: ReadonlySet<string>, raw: boolean): Step[] {
  const steps: Step[] = [];
  const isAddress = asked.has("addr");
  if (asked.has("first")) steps.push((found) => found.slice(0, 1));
  else if (asked.has("last")) steps.push((found) => found.slice(-1));
  if (isAddress)
    steps.push((found, { addresses }) => found.flatMap((value) => addressesOf(addresses(value))));
  else if (asked.has("name"))
    steps.push((found, { addresses }) => found.flatMap((value) => namesOf(addresses(value), raw)));
  if (asked.has("host") || asked.has("domain")) {
    const cut = asked.has("domain");
    steps.push((found, { boundaries }) =>
      found.flatMap((value) => {
        const host = hostOf(boundaries, value, isAddress);
        if (host === null) return [];
        return [cut ? boundaries.trim(host, true) : host];
      }),
    );
  } else if (asked.has("ip") || asked.has("revip")) {
    const backwards = asked.has("revip");
    steps.push((found) => found.flatMap((value) => ipOf(value, backwards) ?? []));
  }
  return steps;
}

/** ALL and its slices, whose names are written just so. They know no modifier but :raw. */
function wholeHeader(name: string, raw: boolean): Request | null {
  if (name === "ALL")
    return raw ? ({ pristineHeaders }) => rawFields(pristineHeaders) : ({ all }) => all();
  const lines = (sources: Sources): readonly string[] =>
    raw ? rawFields(sources.pristineHeaders) : sources.all().flatMap(splitLines);
  // One more: the field that was added by the last trusted host, though about one that is not.
  const trusted = ({ relays }: Sources): number => relays().lastTrustedField + 1;
  const internal = ({ relays }: Sources): number => relays().lastInternalField + 1;
  switch (name) {
    case "ALL-TRUSTED":
      return (sources) => receivedRange(lines(sources), null, trusted(sources));
    case "ALL-INTERNAL":
      return (sources) => receivedRange(lines(sources), null, internal(sources));
    case "ALL-UNTRUSTED":
      return (sources) => receivedRange(lines(sources), trusted(sources), null);
    case "ALL-EXTERNAL":
      return (sources) => receivedRange(lines(sources), internal(sources), null);
    default:
      return null;
  }
}

function plain(name: string, raw: boolean, needRaw: boolean): Request {
  const key = name.toLowerCase();
  const relays = RELAYS[key];
  if (relays !== undefined) return (sources) => [sources.relays().text(relays)];
  if (key === "envelopefrom")
    return (sources) => {
      const sender = sources.envelopeFrom();
      return sender === null ? NONE : [sender];
    };
  if (key === "tocc") return joined(["To", "Cc"], raw);
  if (name === "MESSAGEID") {
    const ids = joined(
      ["X-Message-Id", "Resent-Message-Id", "X-Original-Message-ID", "Message-Id"],
      raw,
    );
    return (sources) => ids(sources).filter((value) => value !== "");
  }
  const written = needRaw ? raws(name) : listed(name, false);
  if (!ADDED.has(key)) return written;
  return (sources) => {
    const found = written(sources);
    if (found.length > 0) return found;
    const added = sources.added(key);
    return added === null ? NONE : [added];
  };
}

function joined(names: readonly string[], raw: boolean): Request {
  const each = names.map((name) => listed(name, raw));
  return (sources) => each.flatMap((request) => request(sources));
}

/** Values with "\n", or raw ones unfolded. */
function listed(name: string, raw: boolean): Request {
  if (raw) {
    const folded = raws(name);
    return (sources) => folded(sources).map((value) => value.replace(/\r?\n[\t-\r ]+/g, " "));
  }
  const key = lower(name);
  return ({ fields }) => {
    const values = fields.values(key);
    return values.length === 0 ? values : values.map((value) => `${value}\n`);
  };
}

function raws(name: string): Request {
  const key = lower(trim(name));
  return ({ fields }) => fields.raws(key);
}

function addressesOf(addresses: readonly HeaderAddress[]): string[] {
  return addresses.flatMap(({ address }) => address ?? []);
}

function namesOf(addresses: readonly HeaderAddress[], raw: boolean): string[] {
  return addresses.flatMap(({ phrase }) => {
    if (phrase === null) return [];
    return [raw ? phrase : tidyName(decodeField(phrase, ""))];
  });
}

/** One blank for each white space, one pair of single quotes around all taken off. */
function tidyName(name: string): string {
  if (!/[^\t-\r ]/.test(name)) return name;
  return trim(oneBlank(name)).replace(/^'([^\n]*?)'$/, "$1");
}

function hostOf(boundaries: Boundaries, value: string, isAddress: boolean): string | null {
  if (!isAddress) return hostIn(value, boundaries.topLevel);
  const line = value.split("\n").find((text) => /@[^\t-\r ]/.test(text));
  return line === undefined ? null : (/^[^\n]*@([^\t-\r ]+)/.exec(line)?.[1] ?? null);
}

function ipOf(value: string, backwards: boolean): string | null {
  const ip = ADDRESS.exec(value)?.[1];
  if (ip === undefined) return null;
  if (!backwards) return ip;
  const bare = ip.replace(/^IPv6:/i, "");
  return isIP(bare) === 0 ? null : reverseName(bare.toLowerCase());
}
