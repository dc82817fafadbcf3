// Patterns for clients: 192.0.2.7, 192.0.2.0/24, 2001:db8::/32, mail.example.com, .example.com, globs and regular
// expressions over the client's name. Networks are looked up by prefix length, so that a list may hold many thousands.
import { isIP } from "node:net";
import type { Client } from "../mail/message.ts";
import { isDomain, suffixKeys } from "./addresses.ts";
import { positions } from "./first-match.ts";
import { globTest, isGlob, isRegex, regexTest } from "./patterns.ts";

export interface ClientList {
  /** Adds a pattern for the rule at `position` (ascending); a message when the pattern is wrong, else null. */
  add(pattern: string, position: number): string | null;
  /** Positions of all rules that match, ascending. An unknown client matches nothing but "unknown". */
  all(client: Pick<Client, "address" | "name">): readonly number[];
}

/** An empty list. */
export function clientList(): ClientList {
  const names = positions();
  const networks = networkList();
  return {
    add(pattern, position) {
      if (isRegex(pattern) || (isGlob(pattern) && pattern !== "*")) {
        const compiled = isRegex(pattern) ? regexTest(pattern) : globTest(pattern);
        if ("error" in compiled) return compiled.error;
        return (names.test(compiled.ok, position), null);
      }
      if (pattern === "*" || pattern === ".") return (networks.any(position), null);
      const lower = pattern.toLowerCase();
      const network = parseNetwork(lower);
      if (network !== null)
        return "error" in network ? network.error : (networks.add(network, position), null);
      if (!isDomain(lower.startsWith(".") ? lower.slice(1) : lower))
        return `"${pattern}" is no client pattern: an IP address, a network like 192.0.2.0/24, example.com, .example.com, a glob or a /regex/`;
      return (names.key(lower, position), null);
    },
    all(client) {
      const found = networks.all(client.address);
      const name =
        client.name?.toLowerCase().slice(-512) ?? (client.address === null ? "unknown" : "");
      if (name === "") return found;
      const named = names.all([name, ...suffixKeys(name)], name);
      if (named.length === 0) return found;
      return [...new Set([...found, ...named])].sort((a, b) => a - b);
    },
  };
}

interface Network {
  /** IPv4 as ::ffff:0:0/96, so that both families share one table. */
  readonly base: bigint;
  readonly bits: number;
}

/** null when the text is no IP address or network at all; an error when it is a wrong one. */
function parseNetwork(text: string): Network | { readonly error: string } | null {
  const slash = text.indexOf("/");
  const address = slash < 0 ? text : text.slice(0, slash);
  const family = isIP(address);
  if (family === 0 || address.includes("%")) {
    if (slash >= 0 || /^[0-9.]+$/.test(text) || text.includes(":"))
      return { error: `"${text}" is no IP address or network` };
    return null;
  }
  const widest = family === 4 ? 32 : 128;
  const bits =
    slash < 0
      ? widest
      : /^\d{1,3}$/.test(text.slice(slash + 1))
        ? Number(text.slice(slash + 1))
        : NaN;
  if (!(bits <= widest)) return { error: `"${text}": the prefix length must be 0 to ${widest}` };
  const full = bits + (family === 4 ? 96 : 0);
  const value = addressBits(address);
  if (value === null) return { error: `"${text}" is no IP address` };
  if (masked(value, full) !== value)
    return { error: `"${text}" has bits set beyond its prefix length` };
  return { base: value, bits: full };
}

interface NetworkList {
  add(network: Network, position: number): void;
  any(position: number): void;
  all(address: string | null): readonly number[];
}

function networkList(): NetworkList {
  const byLength = new Map<number, Map<bigint, number[]>>();
  const everyone: number[] = [];
  return {
    add({ base, bits }, position) {
      const table = byLength.get(bits) ?? new Map<bigint, number[]>();
      byLength.set(bits, table);
      const list = table.get(base);
      if (list === undefined) table.set(base, [position]);
      else if (list.at(-1) !== position) list.push(position);
    },
    any: (position) => void everyone.push(position),
    all(address) {
      if (address === null || byLength.size === 0) return everyone;
      const value = addressBits(address);
      if (value === null) return everyone;
      const found = new Set<number>(everyone);
      for (const [bits, table] of byLength)
        for (const position of table.get(masked(value, bits)) ?? []) found.add(position);
      return [...found].sort((a, b) => a - b);
    },
  };
}

function masked(value: bigint, bits: number): bigint {
  const host = BigInt(128 - bits);
  return (value >> host) << host;
}

/** The 128 bits of an address, IPv4 mapped into ::ffff:0:0/96; null when the text is no address. */
function addressBits(address: string): bigint | null {
  const family = isIP(address);
  if (family === 0) return null;
  if (family === 4) return 0xffff_0000_0000n | BigInt(v4Bits(address));
  const plain = address.replace(/%.*$/, "");
  const dotted = /[^:]*\.[^:]*$/.exec(plain)?.[0];
  const low = dotted === undefined ? null : v4Bits(dotted);
  const text =
    dotted === undefined || low === null
      ? plain
      : `${plain.slice(0, -dotted.length)}${(low >>> 16).toString(16)}:${(low & 0xffff).toString(16)}`;
  const [head = "", tail] = text.split("::");
  const left = head === "" ? [] : head.split(":");
  const right = tail === undefined || tail === "" ? [] : tail.split(":");
  const groups = [...left, ...Array<string>(8 - left.length - right.length).fill("0"), ...right];
  return groups.reduce((bits, group) => (bits << 16n) | BigInt(`0x${group}`), 0n);
}

function v4Bits(address: string): number {
  return address.split(".").reduce((bits, octet) => ((bits << 8) | Number(octet)) >>> 0, 0);
}
