// Whether a DNS list is in order (RFC 5782 5): it lists its test entry and not the other one, or it is not asked. Tested at start,
// every quarter of an hour, and soon again after it failed. One tracker per worker, which outlives reloads of the rules.
import type { Asking, Dns, DnsAnswer } from "../clients/dns.ts";
import type { DnsxlZone } from "../ruleset/dnsxl-lines.ts";
import { isError } from "../ruleset/reply-filter.ts";

export interface ZoneReports {
  /** A zone was tested: null = in order, else what is wrong with it. Called at every test. */
  tested(zone: string, trouble: string | null): void;
  /** The rules name the zone no longer. */
  gone(zone: string): void;
  warn(text: string): void;
  info(text: string): void;
}

export interface ZoneWatch {
  /** Watches these zones from now on, no others. */
  use(zones: readonly DnsxlZone[]): void;
  /** Resolves when the zone has been tested once; within the resolver's budget. */
  ready(zone: string): Promise<void>;
  /** Why the zone is not to be asked, or null. */
  trouble(zone: string): string | null;
  /** What came of a question: several failures in a row and the zone rests until a test succeeds. */
  note(zone: string, failure: string | null): void;
  close(): void;
}

export interface ZoneTimes {
  readonly everyMs: number;
  /** After a failed test. */
  readonly soonMs: number;
}

export const ZONE_TIMES: ZoneTimes = { everyMs: 15 * 60_000, soonMs: 30_000 };
const FAILURES = 5;

interface Watched {
  readonly zone: DnsxlZone;
  trouble: string | null;
  failures: number;
  timer: NodeJS.Timeout | undefined;
  first: Promise<void>;
}

/** What is wrong with a zone, or null when it answers as RFC 5782 wants. Never rejects. */
export async function zoneTrouble(
  dns: Dns,
  { zone, listed, unlisted }: DnsxlZone,
  asking: Asking = {},
): Promise<string | null> {
  const ask = (name: string | null): Promise<DnsAnswer<"A">> | null =>
    name === null ? null : dns.resolve(`${name}.${zone}`, "A", asking);
  const [yes, no] = await Promise.all([ask(listed), ask(unlisted)]);
  for (const answer of [yes, no]) {
    const failure = answer === null ? null : failureOf(answer);
    if (failure !== null) return failure;
  }
  if (no !== null && no.records.length > 0) return `lists everything (${no.records.join(", ")})`;
  if (yes !== null && yes.records.length === 0) return "does not list its test entry";
  return null;
}

/** Why an answer of a list says nothing, or null: no answer at all, or a reply that is an error. */
export function failureOf({ status, records }: DnsAnswer<"A">): string | null {
  if (status !== "ok") {
    if (status === "nxdomain" || status === "nodata") return null;
    return status === "timeout" ? "does not answer" : `fails (${status})`;
  }
  const error = records.find(isError);
  if (error === undefined) return null;
  return error.startsWith("127.")
    ? `refuses us (${error})`
    : `is answered by somebody else (${error})`;
}

/** A tracker of no zones. */
export function zoneWatch(
  dns: Dns,
  reports: ZoneReports,
  times: ZoneTimes = ZONE_TIMES,
): ZoneWatch {
  return new Watcher(dns, reports, times);
}

class Watcher implements ZoneWatch {
  private readonly dns: Dns;
  private readonly reports: ZoneReports;
  private readonly times: ZoneTimes;
  private readonly watched = new Map<string, Watched>();

  constructor(dns: Dns, reports: ZoneReports, times: ZoneTimes) {
    this.dns = dns;
    this.reports = reports;
    this.times = times;
  }

  use(zones: readonly DnsxlZone[]): void {
    const wanted = new Map(zones.map((zone) => [zone.zone, zone]));
    for (const [name, { zone, timer }] of this.watched) {
      const next = wanted.get(name);
      if (next?.listed === zone.listed && next.unlisted === zone.unlisted) continue;
      clearTimeout(timer);
      this.watched.delete(name);
      if (next === undefined) this.reports.gone(name);
    }
    for (const zone of zones) {
      if (this.watched.has(zone.zone)) continue;
      const watched: Watched = {
        zone,
        trouble: "is not tested yet",
        failures: 0,
        timer: undefined,
        first: Promise.resolve(),
      };
      this.watched.set(zone.zone, watched);
      watched.first = this.test(watched);
    }
  }

  ready(zone: string): Promise<void> {
    return this.watched.get(zone)?.first ?? Promise.resolve();
  }

  trouble(zone: string): string | null {
    return this.watched.get(zone)?.trouble ?? null;
  }

  note(zone: string, failure: string | null): void {
    const watched = this.watched.get(zone);
    if (watched === undefined || watched.trouble !== null) return;
    watched.failures = failure === null ? 0 : watched.failures + 1;
    if (watched.failures < FAILURES) return;
    this.set(watched, failure);
    this.later(watched, this.times.soonMs);
  }

  close(): void {
    for (const { timer } of this.watched.values()) clearTimeout(timer);
    this.watched.clear();
  }

  private async test(watched: Watched): Promise<void> {
    const trouble = await zoneTrouble(this.dns, watched.zone, { fresh: true });
    if (this.watched.get(watched.zone.zone) !== watched) return;
    this.set(watched, trouble);
    this.later(watched, trouble === null ? this.times.everyMs : this.times.soonMs);
  }

  private later(watched: Watched, ms: number): void {
    clearTimeout(watched.timer);
    watched.timer = setTimeout(() => void this.test(watched), ms);
    watched.timer.unref();
  }

  private set(watched: Watched, trouble: string | null): void {
    const { zone } = watched.zone;
    const before = watched.trouble;
    watched.trouble = trouble;
    watched.failures = 0;
    this.reports.tested(zone, trouble);
    if (trouble !== null && trouble !== before)
      this.reports.warn(`DNS list ${zone} ${trouble}; it is not asked until it is in order`);
    else if (trouble === null && before !== null && before !== "is not tested yet")
      this.reports.info(`DNS list ${zone} is in order again`);
  }
}
