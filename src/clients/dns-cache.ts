// Answers that were heard, by question, until their TTL ends: bounded in entries and in octets, the least lately used goes
// first. Failures are kept for seconds, so that no message asks a dead server twice. Owned by dns.ts.
import type { DnsAnswer } from "./dns-answer.ts";

export interface DnsCache {
  /** The answer while it holds, else null. */
  get(key: string): DnsAnswer | null;
  put(key: string, answer: DnsAnswer): void;
}

export interface CacheBounds {
  readonly entries: number;
  readonly octets: number;
  /** Seconds: shorter TTLs are kept that long, longer ones cut. */
  readonly minTtl: number;
  readonly maxTtl: number;
  /** Seconds that a failure is kept. */
  readonly failureTtl: number;
}

export const CACHE_BOUNDS: CacheBounds = {
  entries: 20_000,
  octets: 32 * 1024 * 1024,
  minTtl: 30,
  maxTtl: 6 * 3600,
  failureTtl: 10,
};

interface Entry {
  readonly answer: DnsAnswer;
  readonly until: number;
  readonly size: number;
}

const HAS_TTL = new Set(["ok", "nodata", "nxdomain"]);

/** An empty cache; `now` counts milliseconds. */
export function dnsCache(bounds: CacheBounds, now: () => number): DnsCache {
  const entries = new Map<string, Entry>();
  let octets = 0;
  const drop = (key: string, entry: Entry): void => {
    entries.delete(key);
    octets -= entry.size;
  };
  return {
    get(key) {
      const entry = entries.get(key);
      if (entry === undefined) return null;
      entries.delete(key);
      if (entry.until <= now()) {
        octets -= entry.size;
        return null;
      }
      entries.set(key, entry);
      return entry.answer;
    },
    put(key, answer) {
      const known = entries.get(key);
      if (known !== undefined) drop(key, known);
      const seconds = HAS_TTL.has(answer.status)
        ? Math.min(Math.max(answer.ttl, bounds.minTtl), bounds.maxTtl)
        : bounds.failureTtl;
      const entry = { answer, until: now() + seconds * 1000, size: sizeOf(key, answer) };
      entries.set(key, entry);
      octets += entry.size;
      for (const [oldest, old] of entries) {
        if (entries.size <= bounds.entries && octets <= bounds.octets) break;
        drop(oldest, old);
      }
    },
  };
}

function sizeOf(key: string, { records }: DnsAnswer): number {
  let size = 200 + key.length;
  for (const record of records) {
    if (typeof record === "string") size += record.length;
    else if ("exchange" in record) size += record.exchange.length;
    else for (const text of record) size += text.length + 16;
    size += 32;
  }
  return size;
}
