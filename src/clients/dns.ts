// Our resolver: a stub (RFC 1034 5.3.1) in front of the servers of the host. node:dns tells neither the TTL of TXT, PTR and MX
// nor the time for which "no" holds, and SERVFAIL, REFUSED and a timeout are easily one; lists and SPF need all of these.
// Asked by the checks (dnsxl, auth, greylist) and the policy service; never throws, never asks the same at the same time twice.
import { gate } from "../sys/gate.ts";
import { health, type Health } from "../sys/health.ts";
import type { DnsAnswer, DnsStatus } from "./dns-answer.ts";
import { readAnswer, without } from "./dns-answer.ts";
import { CACHE_BOUNDS, dnsCache, type CacheBounds, type DnsCache } from "./dns-cache.ts";
import { nameKey } from "./dns-name.ts";
import { encodeQuestion, type DnsType, type Packet } from "./dns-packet.ts";
import { askTcp, askUdp, randomised, type DnsServer } from "./dns-transport.ts";

export type { DnsAnswer, DnsStatus } from "./dns-answer.ts";
export type { DnsRecords, DnsType, MxRecord } from "./dns-packet.ts";
export type { DnsServer } from "./dns-transport.ts";

export interface Asking {
  /** Ends the waiting (with "timeout"); the question itself goes on for others and for the cache. */
  readonly signal?: AbortSignal;
  /** True: what was heard before does not count. */
  readonly fresh?: boolean;
}

export interface Dns {
  /** Never rejects. Names are taken with or without a dot at the end; no search list is applied. */
  resolve<T extends DnsType>(name: string, type: T, asking?: Asking): Promise<DnsAnswer<T>>;
  /** Lets all questions under way end with "timeout". */
  close(): void;
}

export interface DnsOptions {
  readonly servers: readonly DnsServer[];
  /** Milliseconds for one question with all its retries and aliases. */
  readonly budgetMs: number;
  /** Milliseconds for one try. */
  readonly timeoutMs: number;
  /** Further tries, at the next server where there is one. */
  readonly retries: number;
  /** Questions on the wire at once; more wait. */
  readonly inFlight: number;
  readonly cache?: CacheBounds;
  /** Told the outcome of each question that was really asked. */
  onAnswer?(status: DnsStatus): void;
  /** Milliseconds, for tests. */
  now?(): number;
}

/** What every resolver knows by itself (RFC 6761 6.3), and a server of zones at least refuses. */
const KNOWN_NAME = "localhost";

/** Aliases that are asked for one after the other, beyond those within an answer. */
const MAX_HOPS = 4;

/** A resolver with a cache of its own. */
export function dnsResolver(options: DnsOptions): Dns {
  return new Resolver(options);
}

class Resolver implements Dns {
  private readonly options: DnsOptions;
  private readonly cache: DnsCache;
  private readonly door: ReturnType<typeof gate>;
  private readonly flights = new Map<string, Promise<DnsAnswer>>();
  private readonly closing = new AbortController();
  /** The server that answered last is asked first. */
  private favourite = 0;
  private readonly healths: readonly Health[];

  constructor(options: DnsOptions) {
    this.options = options;
    this.cache = dnsCache(
      options.cache ?? CACHE_BOUNDS,
      () => options.now?.() ?? performance.now(),
    );
    this.door = gate(options.inFlight);
    this.healths = options.servers.map((server) => health({ ping: () => this.ping(server) }));
  }

  close(): void {
    this.closing.abort();
    for (const one of this.healths) one.close();
  }

  private async ping(server: DnsServer): Promise<boolean> {
    const question = encodeQuestion(KNOWN_NAME, "A", true);
    if (question === null) return true;
    const end = performance.now() + this.options.timeoutMs;
    return (await this.exchange(server, question, end).catch(() => "timeout")) !== "timeout";
  }

  /** Whether there is a server that answers, as far as we know. */
  private get up(): boolean {
    return this.healths.some(({ resting }) => !resting);
  }

  resolve<T extends DnsType>(name: string, type: T, asking?: Asking): Promise<DnsAnswer<T>> {
    const key = `${type} ${nameKey(name)}`;
    const known = asking?.fresh === true ? null : this.cache.get(key);
    if (known !== null) return Promise.resolve(known as DnsAnswer<T>);
    let flight = this.flights.get(key);
    if (flight === undefined) {
      flight = this.fly(key, name, type);
      this.flights.set(key, flight);
    }
    return (asking?.signal === undefined ? flight : unlessGone(flight, asking.signal)) as Promise<
      DnsAnswer<T>
    >;
  }

  private async fly(key: string, name: string, type: DnsType): Promise<DnsAnswer> {
    let answer: DnsAnswer;
    try {
      answer = await this.chase(name, type);
    } catch {
      // Node throws when there is no descriptor for a socket: we failed, the name did not.
      answer = without("servfail");
    }
    this.options.onAnswer?.(answer.status);
    // What was broken off, or not asked for lack of a server, says nothing about the name.
    if (!this.closing.signal.aborted && this.up) this.cache.put(key, answer);
    this.flights.delete(key);
    return answer;
  }

  /** Asks, and asks on where an alias leads out of the answer. */
  private async chase(name: string, type: DnsType): Promise<DnsAnswer> {
    const end = performance.now() + this.options.budgetMs;
    let at = name;
    let ttl = Infinity;
    for (let hop = 0; hop <= MAX_HOPS; hop++) {
      const heard = await this.ask(at, type, end);
      if (typeof heard === "string") return without(heard);
      const reading = readAnswer(heard, at, type);
      if ("answer" in reading) return { ...reading.answer, ttl: Math.min(ttl, reading.answer.ttl) };
      at = reading.alias;
      ttl = Math.min(ttl, reading.ttl);
    }
    return without("servfail");
  }

  /** One name at all servers, try after try. An answer that is a failure is passed on when no other server has a better one. */
  private async ask(name: string, type: DnsType, end: number): Promise<Packet | DnsStatus> {
    const { servers, retries } = this.options;
    const question = encodeQuestion(name, type, true);
    if (question === null || servers.length === 0) return "bad";
    const first = this.favourite;
    const refusing = new Set<number>();
    let last: Packet | DnsStatus = "timeout";
    for (let attempt = 0; attempt <= retries; attempt++) {
      const index = (first + attempt) % servers.length;
      const server = servers[index];
      const its = this.healths[index];
      if (server === undefined || its === undefined) continue;
      if (refusing.has(index) || its.resting) continue;
      const whole = end - performance.now() >= this.options.timeoutMs;
      const heard = await this.askServer(server, name, type, question, end);
      if (heard !== "timeout") its.spoke();
      else if (whole) its.silent();
      if (typeof heard !== "string" && (heard.rcode === 0 || heard.rcode === 3)) {
        this.favourite = index;
        return heard;
      }
      if (typeof heard !== "string") refusing.add(index);
      last = heard;
      if (performance.now() >= end || this.closing.signal.aborted) break;
    }
    return last;
  }

  private async askServer(
    server: DnsServer,
    name: string,
    type: DnsType,
    question: Buffer,
    end: number,
  ): Promise<Packet | DnsStatus> {
    const pass =
      this.door.tryEnter() ?? (await this.door.enter(Math.max(0, end - performance.now())));
    if (pass === null) return "timeout";
    try {
      const heard = await this.exchange(server, question, end);
      if (typeof heard !== "object" || (heard.rcode !== 1 && heard.rcode !== 4)) return heard;
      // FORMERR, NOTIMP: a server from before RFC 6891.
      const plain = encodeQuestion(name, type, false);
      return plain === null ? "bad" : await this.exchange(server, plain, end);
    } finally {
      pass();
    }
  }

  private async exchange(
    server: DnsServer,
    question: Buffer,
    end: number,
  ): Promise<Packet | DnsStatus> {
    const { signal } = this.closing;
    const left = (): number => Math.min(this.options.timeoutMs, end - performance.now());
    if (left() <= 0) return "timeout";
    const asked = randomised(question);
    let heard = await askUdp(server, asked, left(), signal);
    if (heard === "use-tcp" || (typeof heard === "object" && heard.truncated)) {
      if (left() <= 0) return "timeout";
      heard = await askTcp(server, asked, left(), signal);
    }
    return heard === "unreachable" ? "timeout" : heard === "use-tcp" ? "bad" : heard;
  }
}

const GONE: DnsAnswer = without("timeout");

function unlessGone(flight: Promise<DnsAnswer>, signal: AbortSignal): Promise<DnsAnswer> {
  if (signal.aborted) return Promise.resolve(GONE);
  return new Promise((resolve, reject) => {
    const gone = (): void => resolve(GONE);
    signal.addEventListener("abort", gone, { once: true });
    flight.then(resolve, reject).finally(() => signal.removeEventListener("abort", gone));
  });
}
