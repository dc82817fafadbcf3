// Who may bring a message now: the gate for messages and octets in flight (fair across clients), the disk under the spool, the
// memory of this worker. What cannot be taken is put off at MAIL or DATA, before anything is lost. Wired by rooms.ts.
import type { Config } from "./config.ts";
import { canonicalIp } from "./mail/ip.ts";
import type { Transaction } from "./mail/message.ts";
import { ok, tempfail, type Reply } from "./mail/reply.ts";
import { fairGate, type Pass, type Place } from "./sys/fair-gate.ts";
import type { Log } from "./sys/log.ts";
import type { Metrics } from "./sys/metrics.ts";
import { pressure, type Lack } from "./sys/pressure.ts";

export interface Admission {
  /** MAIL: waits for a place at most `patienceMs`; "ok" must be followed by end(). */
  mail(transaction: Transaction, patienceMs: number): Promise<Reply>;
  /** DATA, before 354: null = go on. */
  data(transaction: Transaction): Reply | null;
  /** The message has come to `octets`; false = no room for more of it. */
  grew(transaction: Transaction, octets: number): boolean;
  end(transaction: Transaction): void;
  /**
   * A place for a message that a client of clamd or spamd brings, which announced `octets` (0 = unknown), until it is left; null = none
   * came free in time. All of them together have half of all places and octets, so that they never keep mail out.
   */
  stream(octets: number): Promise<Place | null>;
  close(): void;
}

const REFUSALS: Readonly<Record<Lack, Reply>> = {
  disk: tempfail(452, "4.3.1", "Insufficient system storage, try again later"),
  memory: tempfail(452, "4.3.1", "Insufficient memory, try again later"),
};
const FULL = tempfail(451, "4.3.2", "Too many messages in flight, try again later");
/** clamd's clients wait for some minutes. */
const STREAM_PATIENCE_MS = 30_000;
/** They are one client among those of mail. */
const STREAMS = "streams";
/** Of what may be in flight. */
const STREAMS_SHARE = 0.5;

/** The admission of one worker. */
export function admission(config: Config, log: Log, metrics: Metrics): Admission {
  return new Door(config, log, metrics);
}

class Door implements Admission {
  readonly #passes = new WeakMap<Transaction, Pass>();
  readonly #gate: ReturnType<typeof fairGate>;
  readonly #streams: ReturnType<typeof fairGate>;
  readonly #room: ReturnType<typeof pressure>;
  readonly #metrics: Metrics;
  readonly #maxSize: number;

  constructor({ limits, server }: Config, log: Log, metrics: Metrics) {
    this.#metrics = metrics;
    this.#maxSize = limits.message_size;
    this.#gate = fairGate({ messages: limits.in_flight, octets: limits.in_flight_bytes });
    this.#streams = fairGate({
      messages: Math.max(1, Math.floor(limits.in_flight * STREAMS_SHARE)),
      octets: limits.in_flight_bytes * STREAMS_SHARE,
    });
    this.#room = pressure({
      dir: server.state_dir,
      minFree: limits.min_free,
      // From worker_memory on it is being replaced, and takes mail meanwhile.
      maxResident: server.worker_memory * 1.5,
      onLook: (free) => metrics.stateFree.set(free ?? 0),
      onChange: (lack) => {
        if (lack === null) log.info("there is room for mail again");
        else log.error(`no mail is taken for now (452): ${this.#why(lack, server)}`);
      },
    });
    this.#count();
  }

  async mail(transaction: Transaction, patienceMs: number): Promise<Reply> {
    const octets = Math.min(announcedSize(transaction), this.#maxSize);
    const refusal = this.#refusal(octets);
    if (refusal !== null) return refusal;
    const pass = await this.#enter(clientOf(transaction), octets, patienceMs);
    if (pass === null) return FULL;
    this.#passes.set(transaction, pass);
    return ok("Ok", "2.1.0");
  }

  data(transaction: Transaction): Reply | null {
    return this.#refusal(Math.min(announcedSize(transaction), this.#maxSize));
  }

  grew(transaction: Transaction, octets: number): boolean {
    const fits = this.#passes.get(transaction)?.grow(octets) ?? true;
    if (!fits) this.#metrics.admissions.inc({ result: "outgrown" });
    return fits;
  }

  end(transaction: Transaction): void {
    const pass = this.#passes.get(transaction);
    this.#passes.delete(transaction);
    if (pass !== undefined) this.#leave(pass);
  }

  async stream(octets: number): Promise<Place | null> {
    const announced = Math.min(octets, this.#maxSize);
    if (this.#refusal(announced) !== null) return null;
    const share = await this.#streams.enter(STREAMS, announced, STREAM_PATIENCE_MS);
    if (share === null) {
      this.#metrics.admissions.inc({ result: "late" });
      return null;
    }
    const pass = await this.#enter(STREAMS, announced, STREAM_PATIENCE_MS);
    if (pass === null) {
      share.leave();
      return null;
    }
    return {
      grow: (now) => {
        const fits = share.grow(now) && pass.grow(now);
        if (!fits) this.#metrics.admissions.inc({ result: "outgrown" });
        return fits;
      },
      leave: () => {
        share.leave();
        this.#leave(pass);
      },
    };
  }

  close(): void {
    this.#room.close();
  }

  #refusal(octets: number): Reply | null {
    const lack = this.#room.lack(octets);
    if (lack === null) return null;
    this.#metrics.admissions.inc({ result: lack });
    return REFUSALS[lack];
  }

  async #enter(client: string, octets: number, patienceMs: number): Promise<Pass | null> {
    const entering = this.#gate.enter(client, octets, patienceMs);
    this.#count();
    const pass = await entering;
    this.#count();
    this.#metrics.admissions.inc({
      result: pass === null ? "late" : pass.waited ? "waited" : "at_once",
    });
    return pass;
  }

  #leave(pass: Pass): void {
    pass.leave();
    this.#count();
  }

  #count(): void {
    this.#metrics.inFlight.set(this.#gate.inside);
    this.#metrics.inFlightBytes.set(this.#gate.octets);
    this.#metrics.admissionWaiting.set(this.#gate.waiting);
  }

  #why(lack: Lack, server: Config["server"]): string {
    return lack === "disk"
      ? `${this.#room.free ?? "?"} octets are free in ${server.state_dir} ([limits] min_free)`
      : "this worker has outgrown [server] worker_memory by half";
  }
}

/**
 * Who has a share of its own: the client that the MTA names by XFORWARD, else the peer; a network of 64 bits in IPv6, since a host
 * can take any address in it.
 */
export function clientOf({ xforward, peer }: Transaction): string {
  const address = canonicalIp(xforward.get("ADDR") ?? "") ?? peer;
  if (!address.includes(":")) return address;
  const [head = "", tail] = address.split("::");
  const groups = head === "" ? [] : head.split(":");
  const after = tail === undefined || tail === "" ? [] : tail.split(":");
  const zeros = tail === undefined ? 0 : Math.max(0, 8 - groups.length - after.length);
  return [...groups, ...new Array<string>(zeros).fill("0"), ...after].slice(0, 4).join(":");
}

/** SIZE of the MAIL command, or 0. */
export function announcedSize({ senderParams }: Transaction): number {
  const size = Number(
    /^SIZE=(\d{1,15})$/i.exec(senderParams.find((param) => /^size=/i.test(param)) ?? "")?.[1] ??
      "0",
  );
  return Number.isSafeInteger(size) ? size : 0;
}
