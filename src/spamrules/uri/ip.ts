// IP addresses as SpamAssassin's patterns know them: whole texts only.
import { isIPv6 } from "node:net";

const QUAD =
  /^(?:1\d\d|2[0-4]\d|25[0-5]|[1-9]\d|\d)(?:\.(?:1\d\d|2[0-4]\d|25[0-5]|[1-9]\d|\d)){3}$/;
const PRIVATE_QUAD =
  /^(?:10|127|169\.254|172\.(?:1[6-9]|2\d|3[01])|192\.168|100\.(?:6[4-9]|[7-9]\d|1[01]\d|12[0-7]))\./;

export function isIpv4(text: string): boolean {
  return QUAD.test(text);
}

/** IPv4 or IPv6, the latter with or without "IPv6:" before it; no brackets. */
export function isIp(text: string): boolean {
  if (isIpv4(text)) return true;
  if (!text.includes(":")) return false;
  const bare = text.replace(/^ipv6:/i, "");
  return /^[0-9a-f:.]+$/i.test(bare) && isIPv6(bare);
}

/** 10/8, 127/8, 169.254/16, 172.16/12, 192.168/16, 100.64/10, these mapped into IPv6, fe80::/10 and ::1. */
export function isPrivateIp(text: string): boolean {
  if (PRIVATE_QUAD.test(text)) return true;
  if (!text.includes(":")) return false;
  const bare = text.replace(/^ipv6:/i, "").toLowerCase();
  if (/^fe[89ab][0-9a-f]:/.test(bare)) return true;
  const mapped = /^(?:::(?:0{1,4}:){0,4}|(?:0{1,4}:){1,5}:?(?:0{1,4}:){0,4})ffff:(\d.*)$/.exec(
    bare,
  );
  if (mapped) return PRIVATE_QUAD.test(mapped[1] ?? "");
  return /^[0:]*:0{0,3}1$/.test(bare) && isIPv6(bare);
}

/** "4.3.2.1" of 1.2.3.4, 32 nibbles of an IPv6 address; null of anything else. */
export function reversed(ip: string): string | null {
  if (/^\d{1,3}(?:\.\d{1,3}){3}$/.test(ip)) return ip.split(".").reverse().join(".");
  const groups = ipv6Groups(ip);
  if (groups === null) return null;
  return groups
    .map((group) => group.toString(16).padStart(4, "0"))
    .join("")
    .split("")
    .reverse()
    .join(".");
}

function ipv6Groups(ip: string): number[] | null {
  const bare = ip.replace(/^ipv6:/i, "");
  if (!/^[0-9a-f:.]+$/i.test(bare) || !isIPv6(bare)) return null;
  const quad = /^(.*:)(\d+)\.(\d+)\.(\d+)\.(\d+)$/.exec(bare);
  const plain = quad ? `${quad[1] ?? ""}${pair(quad[2], quad[3])}:${pair(quad[4], quad[5])}` : bare;
  const [head = "", tail] = plain.split("::");
  const left = head === "" ? [] : head.split(":");
  const right = tail === undefined || tail === "" ? [] : tail.split(":");
  const zeros = new Array<string>(tail === undefined ? 0 : 8 - left.length - right.length).fill(
    "0",
  );
  return [...left, ...zeros, ...right].map((group) => Number.parseInt(group, 16));
}

function pair(high: string | undefined, low: string | undefined): string {
  return (Number(high) * 256 + Number(low)).toString(16);
}
