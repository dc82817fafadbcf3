// What a confirmed host name says about who is behind an address: the organisation's domain, or nothing, when the name was made
// by a machine for whoever gets the address. Pure; for greylisting.
import { getDomain } from "tldts";
import { canonicalIp } from "./ip.ts";
import { SHARED_HOSTS } from "./shared-hosts.ts";

/** Words of names that are given to customers' lines. */
const DYNAMIC = new Set(
  (
    "adsl bb broadband bredband cable catv cgn client clients cpe cust customer customers dhcp dial dialin dialup dip dsl dsn dyn " +
    "dynamic dynamicip dynip fibre ftth fttb fttx gprs hfc home hsd ip ipv4 kabel lte mobile modem nat node pool pools ppp " +
    "pppoe res residential rev reverse sdsl static subscriber tel unallocated unassigned unknown user users vdsl vpn wifi wimax " +
    "wireless wlan xdsl"
  ).split(" "),
);

/** The registrable domain of a host name (with the private part of the Public Suffix List), or null. */
export function organisation(name: string): string | null {
  return getDomain(name, { allowPrivateDomains: true, extractHostname: false });
}

/**
 * True when the name was made from the address, or for a line: it has octets of the address or a dynamic word in it. `domain` is
 * its organisation, when that is known already.
 */
export function isGeneric(
  name: string,
  address: string,
  domain: string | null = organisation(name),
): boolean {
  if (domain === null) return true;
  const host = name
    .toLowerCase()
    .slice(0, Math.max(0, name.length - domain.length))
    .slice(0, 255);
  if (host.split(/[^a-z]+/).some((word) => DYNAMIC.has(word))) return true;
  return holdsAddress(host, address);
}

/**
 * The organisation that a confirmed name proves, or null when it is generic or belongs to a network whose names are given to
 * customers. `shared` holds domains beyond those that are shipped, lower case.
 */
export function organisationOf(
  name: string,
  address: string,
  shared: ReadonlySet<string>,
): string | null {
  const lower = name.toLowerCase();
  const domain = organisation(lower);
  if (domain === null || isGeneric(lower, address, domain)) return null;
  const labels = lower.split(".").slice(-10);
  let suffix = labels.pop() ?? "";
  for (const label of labels.reverse()) {
    suffix = `${label}.${suffix}`;
    if (SHIPPED.has(suffix) || shared.has(suffix)) return null;
  }
  return domain;
}

const SHIPPED: ReadonlySet<string> = new Set(SHARED_HOSTS);

function holdsAddress(host: string, address: string): boolean {
  const digits = /\d/.test(host);
  // Neither room for the address in hexadecimal nor anything decimal: "mx." and most others.
  if (!digits && host.length < 8 && !address.includes(":")) return false;
  const ip = canonicalIp(address);
  if (ip === null) return false;
  if (ip.includes(":")) return holdsGroups(host, ip);
  if (!digits && host.length < 8) return false;
  const octets = ip.split(".").map(Number);
  const compact = host.replace(/[^a-z0-9]/g, "");
  const hex = octets.map((octet) => octet.toString(16).padStart(2, "0")).join("");
  if (compact.includes(hex)) return true;
  if (!digits) return false;
  const padded = octets.map((octet) => String(octet).padStart(3, "0"));
  if (compact.includes(padded.join(""))) return true;
  if (compact.includes([...padded].reverse().join(""))) return true;
  const numbers = (host.match(/\d+/g) ?? []).map(Number);
  for (let at = 0; at + 1 < numbers.length; at++) {
    for (let n = 0; n < 3; n++) {
      const pair = [octets[n], octets[n + 1]];
      if (numbers[at] === pair[0] && numbers[at + 1] === pair[1]) return true;
      if (numbers[at] === pair[1] && numbers[at + 1] === pair[0]) return true;
    }
  }
  return false;
}

/** Eight digits of an IPv6 address in a row, or two of its groups as they are written, make a name generic. */
function holdsGroups(host: string, ip: string): boolean {
  const [head = "", tail] = ip.split("::");
  const left = head === "" ? [] : head.split(":");
  const right = tail === undefined || tail === "" ? [] : tail.split(":");
  const zeros = new Array<string>(Math.max(0, 8 - left.length - right.length)).fill("0");
  const groups = [...left, ...zeros, ...right];
  const compact = host.replace(/[^a-z0-9]/g, "");
  const digits = groups.map((group) => group.padStart(4, "0")).join("");
  for (let at = 0; at + 8 <= digits.length; at += 4) {
    const eight = digits.slice(at, at + 8);
    if (!/^0+$/.test(eight) && compact.includes(eight)) return true;
  }
  const words = host.split(/[^0-9a-f]+/);
  return groups.some(
    (group, n) =>
      group.length > 1 &&
      (groups[n + 1]?.length ?? 0) > 1 &&
      words.some((word, at) => word === group && words[at + 1] === groups[n + 1]),
  );
}

/** The network that stands for an address: its /24, or its /64 for IPv6; null when it is no address. */
export function networkOf(address: string): string | null {
  const ip = canonicalIp(address);
  if (ip === null) return null;
  if (!ip.includes(":")) return `${ip.slice(0, ip.lastIndexOf("."))}.0/24`;
  const [head = "", tail] = ip.split("::");
  const left = head === "" ? [] : head.split(":");
  const right = tail === undefined || tail === "" ? [] : tail.split(":");
  const zeros = new Array<string>(Math.max(0, 8 - left.length - right.length)).fill("0");
  return `${[...left, ...zeros, ...right].slice(0, 4).join(":")}::/64`;
}
