// Lists of networks as trusted_networks and its like write them, and the question whether an address is among them. Entries are tried
// in the order written and the first that holds an address decides; "!" excludes. What an earlier entry covers whole is dropped.
import { isIp } from "./addresses.ts";

interface Range {
  readonly excluded: boolean;
  readonly low: bigint;
  readonly high: bigint;
}

/** Where IPv4 addresses stand among IPv6 ones: ::ffff:0:0/96. */
const MAPPED = 0xffff_0000_0000n;
/** SpamAssassin looks for covered entries among so many only. */
const COMPARED = 200;

/** Octets that may carry leading zeros, missing ones being 0, as a number; null when it is none. */
const ipv4 = (text: string): bigint | null => {
  const parts = text.replace(/\.$/, "").split(".");
  if (parts.length > 4 || !parts.every((part) => /^\d{1,9}$/.test(part) && Number(part) < 256))
    return null;
  while (parts.length < 4) parts.push("0");
  return parts.reduce((sum, part) => sum * 256n + BigInt(part), 0n);
};

const ipv6 = (text: string): bigint | null => {
  if (!isIp(text) || !text.includes(":")) return null;
  const bare = text.replace(/^ipv6:/i, "");
  const quad = /^(.*:)(\d+\.\d+\.\d+\.\d+)$/.exec(bare);
  let groups = bare;
  if (quad !== null) {
    const low = ipv4(quad[2] ?? "") ?? 0n;
    groups = `${quad[1]}${(low >> 16n).toString(16)}:${(low & 0xffffn).toString(16)}`;
  }
  const [head = "", tail] = groups.split("::");
  const first = head === "" ? [] : head.split(":");
  const last = tail === undefined || tail === "" ? [] : tail.split(":");
  const missing = tail === undefined ? 0 : 8 - first.length - last.length;
  if (first.length + last.length + missing !== 8 || missing < 0) return null;
  return [...first, ...Array<string>(missing).fill("0"), ...last].reduce(
    (sum, group) => sum * 65536n + BigInt(`0x${group}`),
    0n,
  );
};

/** The number of an address among all; null when it is none. */
export const ipNumber = (ip: string): bigint | null => {
  if (!/^\d+\./.test(ip)) return ipv6(ip);
  const number = /^\d+\.\d+\.\d+\.\d+$/.test(ip) ? ipv4(ip) : null;
  return number === null ? null : MAPPED + number;
};

/** "24", or "255.255.255.0". */
const prefixLength = (text: string): number | null => {
  if (/^\d{1,3}$/.test(text)) return Number(text);
  const mask = /^\d+\.\d+\.\d+\.\d+$/.test(text) ? ipv4(text) : null;
  if (mask === null) return null;
  const bits = mask.toString(2).padStart(32, "0");
  return /^1*0*$/.test(bits) ? bits.indexOf("0") & 63 || (bits === "1".repeat(32) ? 32 : 0) : null;
};

const block = (excluded: boolean, start: bigint, bits: number): Range => {
  const size = 1n << BigInt(bits);
  const low = start - (start % size);
  return { excluded, low, high: low + size - 1n };
};

/** "10.0.0.1-10.0.0.9". */
const span = (excluded: boolean, text: string): Range | null => {
  const [low, high] = text.split("-").map((end) => ipNumber(end.trim()));
  return low == null || high == null || low > high ? null : { excluded, low, high };
};

/**
 * One entry: an address, with a prefix length or a mask behind "/", in brackets or not, "!" before it; of IPv4 addresses the last octets
 * may be missing ("192.168." is 192.168/16); "FROM-TO" too. null when it is none of these.
 */
export const parseNetwork = (entry: string): Range | null => {
  const bare = entry.trim();
  const excluded = bare.startsWith("!");
  const text = bare.replace(/^!\s*/, "");
  if (text.includes("-")) return span(excluded, text);
  const slash = text.indexOf("/");
  const length = slash < 0 ? null : prefixLength(text.slice(slash + 1));
  if (slash >= 0 && length === null) return null;
  const address = (slash < 0 ? text : text.slice(0, slash))
    .replace(/^\[([^\]]*)\]$/, "$1")
    .replace(/%[A-Z0-9._~-]*$/i, "");
  if (/^\d+(?:\.|$)/.test(address)) {
    const number = ipv4(address);
    const octets = address.split(".").filter((part) => part !== "").length;
    const bits = 32 - (length ?? octets * 8);
    return number === null || bits < 0 ? null : block(excluded, MAPPED + number, bits);
  }
  const number = ipv6(address);
  const bits = 128 - (length ?? 128);
  return number === null || bits < 0 ? null : block(excluded, number, bits);
};

const LOOPBACK = ["127.0.0.0/8", "::1"];

export interface Networks {
  /** Whether the operator named any. */
  readonly configured: boolean;
  /** false for what is no address. */
  contains(ip: string): boolean;
}

/** A list as SpamAssassin reads it; entries that are no networks are left out. This machine is in trusted and internal lists from the start. */
export const networks = (entries: readonly string[], withLoopback: boolean): Networks => {
  const ranges: Range[] = [];
  for (const entry of withLoopback ? [...LOOPBACK, ...entries] : entries) {
    const range = parseNetwork(entry);
    if (range === null) continue;
    const covered = (one: Range): boolean => one.low <= range.low && range.high <= one.high;
    if (ranges.length < COMPARED && ranges.some(covered)) continue;
    ranges.push(range);
  }
  return {
    configured: entries.length > 0,
    contains: (ip) => {
      const number = ipNumber(ip);
      if (number === null) return false;
      const first = ranges.find((one) => one.low <= number && number <= one.high);
      return first !== undefined && !first.excluded;
    },
  };
};
