// What a DNS packet says about one question: records, nothing, or an alias to ask on for. The CNAME chain is followed inside
// the packet, bounded; records of other names are not looked at. Called by dns.ts and by nobody else.
import { nameKey } from "./dns-name.ts";
import type { DnsRecords, DnsType, Packet, Resource } from "./dns-packet.ts";
import { hasSoa, isReferral, negativeTtl, readData, TYPE_CODES } from "./dns-packet.ts";

export type DnsStatus =
  /** There are records. */
  | "ok"
  /** The name exists, but has none of this type. */
  | "nodata"
  /** There is no such name. */
  | "nxdomain"
  /** The server could not find out (SERVFAIL), or its CNAME chain does not end. */
  | "servfail"
  /** Nobody answered in time, or nobody is there. */
  | "timeout"
  /** The server does not want to answer us (REFUSED). */
  | "refused"
  /** The name cannot be asked for, or the answer is no sound packet. */
  | "bad";

export interface DnsAnswer<T extends DnsType = DnsType> {
  readonly status: DnsStatus;
  /** Empty unless the status is "ok". */
  readonly records: readonly DnsRecords[T][];
  /** Seconds that the answer may be kept; 0 for a failure. */
  readonly ttl: number;
}

export type Reading<T extends DnsType> =
  | { readonly answer: DnsAnswer<T> }
  /** The chain leaves the packet: ask for this name. */
  | { readonly alias: string; readonly ttl: number };

const MAX_ALIASES = 12;
const RCODES: Readonly<Record<number, DnsStatus>> = { 2: "servfail", 3: "nxdomain", 5: "refused" };
/** A zone that does not say how long "no" holds is asked again soon. */
const NO_SOA_TTL = 30;

/** The status without records. */
export const without = (status: DnsStatus, ttl = 0): DnsAnswer<never> => ({
  status,
  records: [],
  ttl,
});

/** Reads what an answer (not truncated) says about the name and type. */
export function readAnswer<T extends DnsType>(packet: Packet, name: string, type: T): Reading<T> {
  if (packet.rcode !== 0 && packet.rcode !== 3)
    return { answer: without(RCODES[packet.rcode] ?? "servfail") };
  const chain = type === "CNAME" ? { name: nameKey(name), ttl: Infinity } : follow(packet, name);
  if (chain === null) return { answer: without("servfail") };
  const records: DnsRecords[T][] = [];
  let { ttl } = chain;
  for (const resource of packet.answers) {
    if (resource.type !== TYPE_CODES[type] || nameKey(resource.name) !== chain.name) continue;
    const record = readData(packet.octets, resource, type);
    if (record === null) return { answer: without("bad") };
    records.push(record);
    ttl = Math.min(ttl, resource.ttl);
  }
  if (records.length > 0) return { answer: { status: "ok", records, ttl } };
  if (packet.rcode === 3)
    return { answer: without("nxdomain", Math.min(ttl, negativeTtl(packet) ?? NO_SOA_TTL)) };
  if (chain.name !== nameKey(name) && !hasSoa(packet)) return { alias: chain.name, ttl };
  if (isReferral(packet)) return { answer: without("servfail") };
  return { answer: without("nodata", Math.min(ttl, negativeTtl(packet) ?? NO_SOA_TTL)) };
}

/** Where the chain of aliases in the packet ends; null when it is a loop, or too long. */
function follow(packet: Packet, name: string): { name: string; ttl: number } | null {
  let at = nameKey(name);
  let ttl = Infinity;
  let aliases: Map<string, Resource> | null = null;
  for (let i = 0; i <= MAX_ALIASES; i++) {
    if (aliases === null) {
      aliases = new Map();
      for (const resource of packet.answers)
        if (resource.type === TYPE_CODES.CNAME) aliases.set(nameKey(resource.name), resource);
    }
    const resource = aliases.get(at);
    if (resource === undefined) return { name: at, ttl };
    const target = readData(packet.octets, resource, "CNAME");
    if (target === null) return null;
    at = nameKey(target);
    ttl = Math.min(ttl, resource.ttl);
  }
  return null;
}
