// About what a DNS list is asked for one message or one question of an MTA: addresses backwards (RFC 5782 2.1, 2.4), names as
// they are (RFC 5782 2.3). Everything here comes from strangers: bounded, and only what can be a public address or a name.
import { setImmediate } from "node:timers/promises";
import { addHosts, noHosts } from "../content/uri-hosts.ts";
import { canonicalIp, networks, type Networks } from "../mail/ip.ts";
import { fieldsNamed, type Header } from "../mail/header.ts";
import type { Address } from "../mail/address.ts";
import { canonicalDomain } from "../mail/address.ts";
import type { Client, Tree } from "../mail/message.ts";
import { parseReceived } from "../mail/received.ts";
import { reverseName } from "../mail/reverse.ts";
import type { DnsxlSubject } from "../ruleset/dnsxl-lines.ts";

export interface Asked {
  readonly subject: DnsxlSubject;
  /** "192.0.2.7", "mail.example.org": as it is named to people. */
  readonly shown: string;
  /** What stands before the zone. */
  readonly query: string;
}

/** Lines of Received that are read, and hops that are asked about. */
const MAX_LINES = 30;
const MAX_HOPS = 8;

/** Addresses that no list can know: they mean another host for everybody. */
const NOT_PUBLIC = networks([
  "0.0.0.0/8",
  "10.0.0.0/8",
  "100.64.0.0/10",
  "127.0.0.0/8",
  "169.254.0.0/16",
  "172.16.0.0/12",
  "192.168.0.0/16",
  "224.0.0.0/3",
  "::/127",
  "fc00::/7",
  "fe80::/10",
  "ff00::/8",
]);

/** An address to ask about; null when it is unknown or no public one. */
export function addressAsked(subject: DnsxlSubject, address: string | null): Asked | null {
  const ip = address === null ? null : canonicalIp(address);
  if (ip === null || NOT_PUBLIC.has(ip)) return null;
  return { subject, shown: ip, query: reverseName(ip) };
}

/** A name to ask about; null when it is no host name with a dot in it. */
export function nameAsked(subject: DnsxlSubject, name: string | null): Asked | null {
  if (name === null || name.startsWith("[") || !name.includes(".")) return null;
  const domain = canonicalDomain(name);
  // Four numbers are an address, in whatever spelling.
  if (domain === null || domain.length > 200 || /(?:^|\.)(?:\d+|0x[0-9a-f]*)$/.test(domain))
    return null;
  return { subject, shown: domain, query: domain };
}

/** Client, HELO and sender domain: what is known before DATA. */
export function envelopeAsked(client: Client, sender: Address | null): readonly Asked[] {
  return [
    addressAsked("client", client.address),
    nameAsked("helo", client.helo),
    nameAsked("sender", sender?.domain ?? null),
  ].filter((asked) => asked !== null);
}

/**
 * The hops before the client, newest first: the Received lines behind the one that names it. Where somebody logged in (RFC 3848
 * protocols ending in A, web mail), the hop is a person at home, whose address lists say is no mail server: it ends there.
 */
export function hopsAsked(
  header: Header,
  client: Client,
  ours: { readonly internal: Networks; readonly relays: Networks },
): readonly Asked[] {
  const lines = fieldsNamed(header, "received")
    .slice(0, MAX_LINES)
    .map(({ value }) => parseReceived(value));
  const known = lines.findIndex(({ address }) => address !== null && address === client.address);
  const hops = new Map<string, Asked>();
  for (const { address, protocol } of lines.slice(known + 1)) {
    if (isLogin(protocol) || hops.size >= MAX_HOPS) break;
    if (address === client.address || ours.relays.has(address)) continue;
    if (ours.internal.has(address)) break;
    const asked = addressAsked("received", address);
    if (asked !== null) hops.set(asked.query, asked);
  }
  return [...hops.values()];
}

/** Domains and addresses that the message's texts lead to; `more` when there were too many. */
export async function textAsked(
  tree: Tree,
): Promise<{ readonly asked: readonly Asked[]; readonly more: boolean }> {
  const hosts = noHosts();
  for (const text of tree.texts ?? []) {
    addHosts(text, hosts);
    // A part costs milliseconds at worst: others get their turn.
    await setImmediate();
  }
  const asked = [
    ...[...hosts.domains].map((domain) => nameAsked("uri", domain)),
    ...[...hosts.addresses].map((address) => addressAsked("uri-ip", address)),
  ].filter((one) => one !== null);
  return { asked, more: hosts.more };
}

function isLogin(protocol: string | null): boolean {
  return /^(?:(?:UTF8)?E?SMTPS?A|ASMTP|HTTPS?|LOCAL)$/.test(protocol ?? "");
}
