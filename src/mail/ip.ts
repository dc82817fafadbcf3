// IP addresses as text and as members of networks.
import { BlockList, isIP, isIPv4, isIPv6, SocketAddress } from "node:net";

/**
 * The address in one spelling (lower case, shortest IPv6, IPv4-mapped IPv6 as IPv4), or null when it is none. Accepts brackets and the
 * "IPv6:" tag of SMTP (RFC 5321 4.1.3).
 */
export function canonicalIp(text: string): string | null {
  if (isIPv4(text)) return text;
  const bare = text.replace(/^\[(.*)\]$/, "$1").replace(/^ipv6:/i, "");
  if (isIPv4(bare)) return bare;
  if (!isIPv6(bare) || bare.includes("%")) return null;
  const short = new SocketAddress({ address: bare, family: "ipv6" }).address.toLowerCase();
  return /^::ffff:(\d+\.\d+\.\d+\.\d+)$/.exec(short)?.[1] ?? short;
}

export interface Networks {
  /** False for null and for anything that is no IP address. */
  has(address: string | null): boolean;
}

/** A set of networks from "192.0.2.0/24", "2001:db8::/32" and single addresses. Throws on anything else. */
export function networks(list: readonly string[]): Networks {
  if (list.length === 0) return { has: () => false };
  const block = new BlockList();
  for (const text of list) {
    const [address = "", bits] = text.replace(/[[\]]/g, "").split("/");
    const family = isIP(address) === 6 ? "ipv6" : "ipv4";
    block.addSubnet(
      address,
      bits === undefined ? (family === "ipv6" ? 128 : 32) : Number(bits),
      family,
    );
  }
  const known = new Map<string, boolean>();
  return {
    has(address) {
      if (address === null) return false;
      const cached = known.get(address);
      if (cached !== undefined) return cached;
      const canonical = canonicalIp(address);
      const inside =
        canonical !== null && block.check(canonical, isIPv6(canonical) ? "ipv6" : "ipv4");
      if (known.size >= 10_000) known.clear();
      known.set(address, inside);
      return inside;
    },
  };
}
