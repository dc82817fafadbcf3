// get() of SpamAssassin: fields and pseudo fields with their modifiers, as header rules and eval functions name them. Called by
// prepare.ts, which remembers the answers.
import { isIP } from "node:net";
import { reverseName } from "../../mail/reverse.ts";
import { IP_SOURCE } from "../received/addresses.ts";
import type { Relays } from "../received/relays.ts";
import type { Boundaries } from "../uri/domain.ts";
import { parseAddresses } from "./addresses.ts";
import { decodeField } from "./encoded-word.ts";
import type { Fields } from "./fields.ts";
import { hostIn } from "./host-in.ts";
import { trim } from "./octets.ts";
import { receivedRange, rawFields } from "./ranges.ts";

/** What the answers come from. */
export interface Sources {
  readonly fields: Fields;
  readonly pristineHeaders: string;
  readonly boundaries: Boundaries;
  readonly relays: Relays;
  /** "Name: value\n" of all fields. */
  readonly all: readonly string[];
  readonly envelopeFrom: string | null;
  /** X-SenderDomain and X-AuthorDomain, which SpamAssassin adds; null for other names. */
  metadata(name: string): string | null;
}

const RELAYS: Readonly<Record<string, "trusted" | "untrusted" | "internal" | "external">> = {
  "x-spam-relays-trusted": "trusted",
  "x-spam-relays-untrusted": "untrusted",
  "x-spam-relays-internal": "internal",
  "x-spam-relays-external": "external",
};
const ADDRESS = new RegExp(`(?<!\\.)\\b(${IP_SOURCE})\\b(?!\\.)`);

/** One element per field, address or host; empty when there is none. */
export function answer(sources: Sources, request: string): readonly string[] {
  const [name = "", ...modifiers] = request.split(":");
  const asked = new Set(modifiers);
  const raw = asked.has("raw");
  const all = wholeHeader(sources, name, raw);
  if (all !== null) return all;
  let found = plain(sources, name, raw, raw || asked.has("addr") || asked.has("name"));
  if (found.length === 0) return found;
  if (asked.has("first")) found = found.slice(0, 1);
  else if (asked.has("last")) found = found.slice(-1);
  if (asked.has("addr")) found = found.flatMap(addressesOf);
  else if (asked.has("name")) found = found.flatMap((value) => namesOf(value, raw));
  if (asked.has("host") || asked.has("domain"))
    return found.flatMap((value) => {
      const host = hostOf(sources.boundaries, value, asked.has("addr"));
      if (host === null) return [];
      return [asked.has("domain") ? sources.boundaries.trim(host, true) : host];
    });
  if (asked.has("ip") || asked.has("revip"))
    return found.flatMap((value) => ipOf(value, asked.has("revip")) ?? []);
  return found;
}

/** ALL and its slices, whose names are written just so. They know no modifier but :raw. */
function wholeHeader(sources: Sources, name: string, raw: boolean): readonly string[] | null {
  if (!name.startsWith("ALL")) return null;
  if (name === "ALL") return raw ? rawFields(sources.pristineHeaders) : sources.all;
  const lines = (): readonly string[] =>
    raw
      ? rawFields(sources.pristineHeaders)
      : sources.all.flatMap((field) => field.split(/(?<=\n)(?!$)/));
  const { lastTrustedField, lastInternalField } = sources.relays;
  // One more: the field that was added by the last trusted host, though about one that is not.
  switch (name) {
    case "ALL-TRUSTED":
      return receivedRange(lines(), null, lastTrustedField + 1);
    case "ALL-INTERNAL":
      return receivedRange(lines(), null, lastInternalField + 1);
    case "ALL-UNTRUSTED":
      return receivedRange(lines(), lastTrustedField + 1, null);
    case "ALL-EXTERNAL":
      return receivedRange(lines(), lastInternalField + 1, null);
    default:
      return null;
  }
}

function plain(sources: Sources, name: string, raw: boolean, needRaw: boolean): readonly string[] {
  const key = name.toLowerCase();
  const relays = RELAYS[key];
  if (relays !== undefined) return [sources.relays.text(relays)];
  if (key === "envelopefrom") return sources.envelopeFrom === null ? [] : [sources.envelopeFrom];
  if (key === "tocc") return [...listed(sources, "To", raw), ...listed(sources, "Cc", raw)];
  if (name === "MESSAGEID")
    return ["X-Message-Id", "Resent-Message-Id", "X-Original-Message-ID", "Message-Id"]
      .flatMap((field) => listed(sources, field, raw))
      .filter((value) => value !== "");
  const found = needRaw ? sources.fields.raws(name) : listed(sources, name, false);
  if (found.length > 0) return found;
  const metadata = sources.metadata(key);
  return metadata === null ? [] : [metadata];
}

/** Values with "\n", or raw ones unfolded. */
function listed(sources: Sources, name: string, raw: boolean): readonly string[] {
  if (raw) return sources.fields.raws(name).map((value) => value.replace(/\r?\n[\t-\r ]+/g, " "));
  return sources.fields.values(name).map((value) => `${value}\n`);
}

function addressesOf(value: string): string[] {
  return parseAddresses(value).flatMap(({ address }) => address ?? []);
}

function namesOf(value: string, raw: boolean): string[] {
  return parseAddresses(value).flatMap(({ phrase }) => {
    if (phrase === null) return [];
    return [raw ? phrase : tidyName(decodeField(phrase, ""))];
  });
}

/** One blank for each white space, one pair of single quotes around all taken off. */
function tidyName(name: string): string {
  if (!/[^\t-\r ]/.test(name)) return name;
  return trim(name.replace(/[\t-\r ]+/g, " ")).replace(/^'([^\n]*?)'$/, "$1");
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
