// One question to one server: over UDP from a port of its own, over TCP when the answer is cut. Called by dns.ts. What is not
// an answer to just this question is passed over, so that a forger has to hit id, port and the case of every letter.
import { randomBytes } from "node:crypto";
import { createSocket } from "node:dgram";
import { connect, isIPv6 } from "node:net";
import { withRandomCase } from "./dns-name.ts";
import type { Packet } from "./dns-packet.ts";
import { belongs, questionEnd, readPacket } from "./dns-packet.ts";

export interface DnsServer {
  /** An IP address. */
  readonly host: string;
  readonly port: number;
}

export type Heard =
  | Packet
  /** No answer in time · nobody listens there · the answer is unsound · it came, but over UDP it cannot be believed. */
  | "timeout"
  | "unreachable"
  | "bad"
  | "use-tcp";

/** More packets than this that are not ours: somebody floods the port. */
const MAX_STRANGERS = 64;
const HEADER = 12;

/** The question (from encodeQuestion) with an id and letters' case drawn by lot. */
export function randomised(question: Buffer): Buffer {
  const end = questionEnd(question);
  const random = randomBytes(34);
  const mixed = Buffer.from(question);
  random.copy(mixed, 0, 0, 2);
  withRandomCase(question.subarray(HEADER, end - 4), random.subarray(2)).copy(mixed, HEADER);
  return mixed;
}

/** Asks over UDP. Never rejects; ends within `ms`, or at once when the signal fires. */
export function askUdp(
  server: DnsServer,
  question: Buffer,
  ms: number,
  signal: AbortSignal,
): Promise<Heard> {
  return new Promise((resolve) => {
    const socket = createSocket(isIPv6(server.host) ? "udp6" : "udp4");
    let strangers = 0;
    let settled = false;
    const done = (heard: Heard): void => {
      // A late event may come behind the first.
      if (settled) return;
      settled = true;
      clearTimeout(timer);
      signal.removeEventListener("abort", gone);
      socket.close();
      resolve(heard);
    };
    const gone = (): void => done("timeout");
    const timer = setTimeout(done, ms, "timeout");
    signal.addEventListener("abort", gone, { once: true });
    // A connected socket takes nothing from other hosts, and hears at once that nobody listens.
    socket.on("error", () => done("unreachable"));
    socket.on("message", (octets) => {
      const whose = belongs(octets, question);
      if (whose === null && ++strangers < MAX_STRANGERS) return;
      done(whose === null ? "bad" : whose === "case" ? "use-tcp" : (readPacket(octets) ?? "bad"));
    });
    socket.once("connect", () => {
      if (settled) return;
      socket.send(question, (error) => {
        if (error !== null) done("unreachable");
      });
    });
    // Without a callback, which would be called for a failure too: without a route, say, there is an "error" instead.
    socket.connect(server.port, server.host);
    if (signal.aborted) gone();
  });
}

/** Asks over TCP (RFC 7766), one question a connection. Never rejects; ends within `ms`, or at once when the signal fires. */
export function askTcp(
  server: DnsServer,
  question: Buffer,
  ms: number,
  signal: AbortSignal,
): Promise<Heard> {
  return new Promise((resolve) => {
    const socket = connect({ host: server.host, port: server.port });
    let held: Buffer = Buffer.alloc(0);
    const done = (heard: Heard): void => {
      clearTimeout(timer);
      signal.removeEventListener("abort", gone);
      socket.removeAllListeners().on("error", () => undefined);
      socket.destroy();
      resolve(heard);
    };
    const gone = (): void => done("timeout");
    const timer = setTimeout(done, ms, "timeout");
    signal.addEventListener("abort", gone, { once: true });
    socket.on("error", () => done("unreachable"));
    socket.on("close", () => done("unreachable"));
    socket.on("connect", () => {
      const length = Buffer.allocUnsafe(2);
      length.writeUInt16BE(question.length);
      socket.write(Buffer.concat([length, question]));
    });
    socket.on("data", (octets: Buffer) => {
      held = held.length === 0 ? octets : Buffer.concat([held, octets]);
      if (held.length < 2) return;
      const end = 2 + held.readUInt16BE(0);
      if (held.length < end) return;
      const answer = held.subarray(2, end);
      const packet = belongs(answer, question) === null ? null : readPacket(answer);
      done(packet === null || packet.truncated ? "bad" : packet);
    });
    if (signal.aborted) gone();
  });
}
