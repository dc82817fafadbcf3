// Forward-confirmed reverse DNS (RFC 8601 2.7.3, "iprev"): the names that an address claims, and whether one of them leads back
// to it. Asked by the greylist and the policy service.
import { canonicalIp } from "../mail/ip.ts";
import { reverseName } from "../mail/reverse.ts";
import type { Asking, Dns } from "./dns.ts";

export interface Fcrdns {
  /** The confirmed name, else the first one claimed, lower case; null when there is none. */
  readonly name: string | null;
  /** True when that name has this address. */
  readonly confirmed: boolean;
  /** True when DNS could not say: neither presence nor absence of a name is proven. */
  readonly failed: boolean;
}

/** An address may claim many names; only so many are asked. */
const MAX_NAMES = 8;

/** Never rejects. An address that is none has no name. */
export async function fcrdns(dns: Dns, address: string, asking: Asking = {}): Promise<Fcrdns> {
  const ip = canonicalIp(address);
  if (ip === null) return { name: null, confirmed: false, failed: false };
  const type = ip.includes(":") ? "AAAA" : "A";
  const claimed = await dns.resolve(
    `${reverseName(ip)}.${type === "A" ? "in-addr" : "ip6"}.arpa`,
    "PTR",
    asking,
  );
  if (claimed.status !== "ok")
    return { name: null, confirmed: false, failed: !isSaid(claimed.status) };
  const names = claimed.records.slice(0, MAX_NAMES).map((name) => name.toLowerCase());
  const answers = await Promise.all(names.map((name) => dns.resolve(name, type, asking)));
  const sure = answers.findIndex(({ records }) => records.includes(ip));
  return {
    name: names[Math.max(0, sure)] ?? null,
    confirmed: sure >= 0,
    failed: sure < 0 && answers.some(({ status }) => status !== "ok" && !isSaid(status)),
  };
}

/** True for a "no" that can be believed. A name that cannot be asked for ("bad") leads nowhere either. */
function isSaid(status: string): boolean {
  return status === "nxdomain" || status === "nodata" || status === "bad";
}
