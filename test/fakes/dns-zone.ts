// A DNS server in this process, on one loopback port over UDP and TCP, that serves a map of names. It tells NODATA from
// NXDOMAIN, fails where it is told to, cuts long answers, and counts what it was asked.
import { createSocket, type Socket } from "node:dgram";
import { createServer } from "node:net";
import type { AddressInfo, Server } from "node:net";
import { encodeName, readName } from "../../src/clients/dns-name.ts";
import { TYPE_CODES, type DnsType } from "../../src/clients/dns-packet.ts";
import type { DnsServer } from "../../src/clients/dns-transport.ts";

export interface ZoneEntry {
  readonly A?: string | readonly string[];
  readonly AAAA?: string | readonly string[];
  readonly PTR?: string | readonly string[];
  readonly CNAME?: string;
  readonly NS?: string | readonly string[];
  /** "10 mx.example.org" */
  readonly MX?: string | readonly string[];
  /** Each one record, cut into character-strings of 255 octets. */
  readonly TXT?: string | readonly string[];
  readonly ttl?: number;
  readonly fails?: "servfail" | "refused" | "formerr" | "timeout";
  /** Types that fail so; absent: all. */
  readonly failing?: readonly DnsType[];
  /** Answers over UDP are marked as cut, however short. */
  readonly cut?: boolean;
  /** The whole answer as it shall go out, made from the question's octets. */
  readonly raw?: (question: Buffer) => Buffer | readonly Buffer[];
}

/** Names in lower case without a dot at the end; what is not there is NXDOMAIN. "*.x" stands for all below x. */
export type Zone = Record<string, ZoneEntry>;

export interface ZoneServer {
  readonly server: DnsServer;
  /** "127.0.0.1:5353", for `[dns] servers`. */
  readonly address: string;
  readonly zone: Zone;
  /** "A name" of every question, in order; over TCP with " tcp". */
  readonly asked: string[];
  /** When true, nothing is answered. */
  silent: boolean;
  stop(): Promise<void>;
}

const UDP_LIMIT = 512;
const RCODES = { servfail: 2, refused: 5, formerr: 1 } as const;
const NEGATIVE_TTL = 77;

/** Starts the server; the zone may be changed while it runs. */
export async function zoneServer(zone: Zone): Promise<ZoneServer> {
  const { udp, tcp, port } = await bound();
  const state: ZoneServer = {
    server: { host: "127.0.0.1", port },
    address: `127.0.0.1:${port}`,
    zone,
    asked: [],
    silent: false,
    async stop() {
      udp.close();
      await new Promise((resolve) => tcp.close(resolve));
    },
  };
  udp.on("message", (question, peer) => {
    for (const answer of answers(state, question, false)) udp.send(answer, peer.port, peer.address);
  });
  tcp.on("connection", (socket) => {
    let held = Buffer.alloc(0);
    socket.on("error", () => socket.destroy());
    socket.on("data", (octets) => {
      held = Buffer.concat([held, octets]);
      if (held.length < 2 || held.length < 2 + held.readUInt16BE(0)) return;
      const question = held.subarray(2, 2 + held.readUInt16BE(0));
      for (const answer of answers(state, question, true)) {
        const length = Buffer.alloc(2);
        length.writeUInt16BE(answer.length);
        // In pieces, as a network delivers it.
        socket.write(length);
        socket.write(answer);
      }
    });
  });
  return state;
}

/** Both protocols on one port, which somebody may take between the two. */
async function bound(): Promise<{ udp: Socket; tcp: Server; port: number }> {
  for (let attempt = 0; attempt < 20; attempt++) {
    const tcp = createServer();
    await new Promise<void>((resolve) => tcp.listen(0, "127.0.0.1", resolve));
    const { port } = tcp.address() as AddressInfo;
    const udp = createSocket("udp4");
    const got = await new Promise<boolean>((resolve) => {
      udp.once("error", () => resolve(false));
      udp.bind(port, "127.0.0.1", () => resolve(true));
    });
    if (got) return { udp, tcp, port };
    tcp.close();
  }
  throw new Error("no port is free over UDP and TCP");
}

function answers(state: ZoneServer, question: Buffer, overTcp: boolean): readonly Buffer[] {
  const read = readName(question, 12);
  if (read === null) return [];
  const name = read.name.toLowerCase();
  const code = question.readUInt16BE(read.next);
  const type = (Object.keys(TYPE_CODES) as DnsType[]).find((one) => TYPE_CODES[one] === code);
  state.asked.push(`${type ?? code} ${name}${overTcp ? " tcp" : ""}`);
  if (state.silent || type === undefined) return [];
  const entry = entryOf(state.zone, name);
  if (entry?.raw !== undefined) return [entry.raw(question)].flat();
  const fails = entry?.failing?.includes(type) === false ? undefined : entry?.fails;
  if (fails === "timeout") return [];
  const end = read.next + 4;
  if (fails !== undefined) return [reply(question, end, RCODES[fails], [], 0)];
  if (entry === undefined) return [reply(question, end, 3, [], 0)];
  const { records, rcode } = chain(state.zone, name, type);
  const answer = reply(question, end, rcode, records, records.length);
  if (!overTcp && (entry.cut === true || answer.length > UDP_LIMIT)) {
    const cut = reply(question, end, 0, [], 0);
    cut.writeUInt16BE(cut.readUInt16BE(2) | 0x0200, 2);
    return [cut];
  }
  return [answer];
}

function entryOf(zone: Zone, name: string): ZoneEntry | undefined {
  if (zone[name] !== undefined) return zone[name];
  for (let dot = name.indexOf("."); dot >= 0; dot = name.indexOf(".", dot + 1))
    if (zone[`*${name.slice(dot)}`] !== undefined) return zone[`*${name.slice(dot)}`];
  return undefined;
}

function chain(zone: Zone, name: string, type: DnsType): { records: Buffer[]; rcode: number } {
  const records: Buffer[] = [];
  let at = name;
  for (let i = 0; i < 20; i++) {
    const entry = entryOf(zone, at);
    if (entry === undefined) return { records, rcode: 3 };
    const ttl = entry.ttl ?? 300;
    if (entry.CNAME !== undefined) records.push(resource(at, "CNAME", ttl, nameOf(entry.CNAME)));
    if (entry.CNAME === undefined || type === "CNAME") {
      const values = type === "CNAME" ? [] : [entry[type] ?? []].flat();
      for (const value of values) records.push(resource(at, type, ttl, dataOf(type, value)));
      break;
    }
    at = entry.CNAME;
  }
  return { records, rcode: 0 };
}

function reply(
  question: Buffer,
  end: number,
  rcode: number,
  records: readonly Buffer[],
  count: number,
): Buffer {
  const head = Buffer.from(question.subarray(0, end));
  head.writeUInt16BE(0x8180 | rcode, 2);
  head.writeUInt16BE(count, 6);
  const negative = count === 0 && (rcode === 0 || rcode === 3);
  head.writeUInt16BE(negative ? 1 : 0, 8);
  head.writeUInt16BE(0, 10);
  return Buffer.concat([head, ...records, ...(negative ? [soa()] : [])]);
}

function soa(): Buffer {
  const numbers = Buffer.alloc(20);
  numbers.writeUInt32BE(NEGATIVE_TTL, 16);
  const data = Buffer.concat([nameOf("ns.test"), nameOf("root.test"), numbers]);
  return resource("test", 6, 3600, data);
}

/** One resource record. */
export function resource(name: string, type: DnsType | number, ttl: number, data: Buffer): Buffer {
  const fixed = Buffer.alloc(10);
  fixed.writeUInt16BE(typeof type === "number" ? type : TYPE_CODES[type], 0);
  fixed.writeUInt16BE(1, 2);
  fixed.writeUInt32BE(ttl, 4);
  fixed.writeUInt16BE(data.length, 8);
  return Buffer.concat([nameOf(name), fixed, data]);
}

function nameOf(name: string): Buffer {
  const octets = encodeName(name);
  if (octets === null) throw new Error(`no name: ${name}`);
  return octets;
}

function dataOf(type: DnsType, value: string): Buffer {
  if (type === "A") return Buffer.from(value.split(".").map(Number));
  if (type === "AAAA") return ipv6(value);
  if (type === "TXT") return strings(Buffer.from(value));
  if (type !== "MX") return nameOf(value);
  const [priority = "0", exchange = ""] = value.split(" ");
  const number = Buffer.alloc(2);
  number.writeUInt16BE(Number(priority));
  // "." is the root: a null MX (RFC 7505).
  return Buffer.concat([number, exchange === "." ? Buffer.alloc(1) : nameOf(exchange)]);
}

function ipv6(text: string): Buffer {
  const [head = "", tail] = text.split("::");
  const groups = (part: string | undefined): string[] =>
    part === undefined || part === "" ? [] : part.split(":");
  const [left, right] = [groups(head), groups(tail)];
  const all = [...left, ...Array<string>(8 - left.length - right.length).fill("0"), ...right];
  return Buffer.from(all.map((group) => group.padStart(4, "0")).join(""), "hex");
}

function strings(octets: Buffer): Buffer {
  const pieces: Buffer[] = [];
  for (let at = 0; at === 0 || at < octets.length; at += 255) {
    const piece = octets.subarray(at, at + 255);
    pieces.push(Buffer.from([piece.length]), piece);
  }
  return Buffer.concat(pieces);
}
