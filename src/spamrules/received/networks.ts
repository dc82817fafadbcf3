// Lists of networks as trusted_networks and its like name them, and the question whether an address is among them. Entries are tried
// in the order written and the first that holds an address decides; "!" excludes.
import { isIp } from "./addresses.ts";

interface Range {
  readonly excluded: boolean;
  readonly low: bigint;
  readonly high: bigint;
}

/** Where IPv4 addresses stand among IPv6 ones: ::ffff:0:0/96. */
const MAPPED = 0xffff_0000_0000n;

const ipv4 = (text: string): bigint | null => {
  const parts = text.split(".");
  if (parts.length !== 4 || !parts.every((part) => /^\d{1,9}$/.test(part) && Number(part) < 256))
    return null;
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
  const number = ipv4(ip);
  return number === null ? null : MAPPED + number;
};

/** "192.0.2.0/24", "2001:db8::1", "!" before it when it is excluded; null when it is none of these. language/cidr.ts knows more spellings. */
export const parseNetwork = (entry: string): Range | null => {
  const [, not = "", address = "", written] = /^(!?)([^/]*)(?:\/(\d{1,3}))?$/.exec(entry) ?? [];
  const start = ipNumber(address);
  if (start === null) return null;
  const most = address.includes(":") ? 128 : 32;
  const length = written === undefined ? most : Number(written);
  if (length > most) return null;
  const size = 1n << BigInt(most - length);
  const low = start - (start % size);
  return { excluded: not !== "", low, high: low + size - 1n };
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
    if (range !== null) ranges.push(range);
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
