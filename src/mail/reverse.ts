// An IP address as it is asked for in DNS: octets or nibbles backwards (RFC 1035 3.5, RFC 3596 2.5, RFC 5782 2.1 and 2.4).
import { isIPv4, isIPv6 } from "node:net";

/** "192.0.2.7" → "7.2.0.192"; an IPv6 address as 32 nibbles. Throws for what is no canonical address. */
export function reverseName(ip: string): string {
  if (isIPv4(ip)) return ip.split(".").reverse().join(".");
  if (!isIPv6(ip) || ip.includes("%")) throw new Error(`no IP address: ${ip}`);
  const dotted = /(\d+)\.(\d+)\.(\d+)\.(\d+)$/.exec(ip);
  const hex = (high: string | undefined, low: string | undefined): string =>
    (Number(high) * 256 + Number(low)).toString(16);
  const text =
    dotted === null
      ? ip
      : `${ip.slice(0, dotted.index)}${hex(dotted[1], dotted[2])}:${hex(dotted[3], dotted[4])}`;
  const [head = "", tail] = text.split("::");
  const groups = (part: string): string[] => (part === "" ? [] : part.split(":"));
  const [left, right] = [groups(head), groups(tail ?? "")];
  const zeros = Array<string>(8 - left.length - right.length).fill("0");
  const nibbles = [...left, ...zeros, ...right].map((group) => group.padStart(4, "0")).join("");
  return [...nibbles].reverse().join(".");
}
