// Which servers are asked: those of `[dns] servers`, else the nameserver lines of /etc/resolv.conf, else the one on this host.
// Called by lookups.ts and `postern doctor`.
import { readFileSync } from "node:fs";
import { isIP } from "node:net";
import type { DnsServer } from "./dns-transport.ts";

const DNS_PORT = 53;
const MAX_SERVERS = 8;

/** "192.0.2.1", "192.0.2.1:5353", "[2001:db8::1]:53", "2001:db8::1"; null when it is none of these. */
export function parseServer(text: string): DnsServer | null {
  if (isIP(text) !== 0) return { host: text, port: DNS_PORT };
  const match = /^(?:\[([^\]]+)\]|([^:]+))(?::(\d{1,5}))?$/.exec(text);
  const host = match?.[1] ?? match?.[2] ?? "";
  const port = Number(match?.[3] ?? DNS_PORT);
  return isIP(host) !== 0 && port > 0 && port < 65_536 ? { host, port } : null;
}

/** The configured servers, or when there are none those of resolv.conf. Throws for a text that is no server. */
export function dnsServers(
  configured: readonly string[],
  resolvConf = "/etc/resolv.conf",
): readonly DnsServer[] {
  const found = (configured.length > 0 ? configured : nameservers(resolvConf)).map((text) => {
    const server = parseServer(text);
    if (server === null) throw new Error(`"${text}" is no DNS server: an IP address, with :port`);
    return server;
  });
  return found.length > 0 ? found.slice(0, MAX_SERVERS) : [{ host: "127.0.0.1", port: DNS_PORT }];
}

function nameservers(file: string): string[] {
  let text: string;
  try {
    text = readFileSync(file, "utf8");
  } catch {
    // No such file: the resolver of this host is meant (resolv.conf(5)).
    return [];
  }
  return [...text.matchAll(/^[ \t]*nameserver[ \t]+([0-9a-fA-F:.]+)(?:[ \t%]|$)/gm)]
    .map((match) => match[1] ?? "")
    .filter((address) => isIP(address) !== 0);
}
