// DNS messages (RFC 1035 4, RFC 6891): a question as octets, and an answer read from octets that a stranger may have sent.
// Never throws; a packet that is not sound from its start to the end of the authority section is null. Called by dns-transport.ts
// and dns-answer.ts.
import { encodeName, readName } from "./dns-name.ts";

export interface MxRecord {
  readonly priority: number;
  readonly exchange: string;
}

/** What one record of a type is. Names come without a dot at the end, addresses in their shortest form. */
export interface DnsRecords {
  A: string;
  AAAA: string;
  CNAME: string;
  MX: MxRecord;
  NS: string;
  PTR: string;
  /** The character-strings of one record; UTF-8 where that is valid, else Latin-1. */
  TXT: readonly string[];
}

export type DnsType = keyof DnsRecords;

export const TYPE_CODES: Readonly<Record<DnsType, number>> = {
  A: 1,
  NS: 2,
  CNAME: 5,
  PTR: 12,
  MX: 15,
  TXT: 16,
  AAAA: 28,
};

/** Whether records of this type can be asked for; in capitals. */
export const isDnsType = (type: string): type is DnsType => Object.hasOwn(TYPE_CODES, type);

const SOA = 6;
const OPT = 41;
const CLASS_IN = 1;
const HEADER = 12;
/** Octets of an answer that we take over UDP: what passes every path unfragmented. */
const UDP_SIZE = 1232;
/** More records than this in one answer are not read; no sound zone has them. */
const MAX_RECORDS = 512;

export interface Resource {
  readonly name: string;
  readonly type: number;
  readonly ttl: number;
  /** Where its data stand in the packet. */
  readonly start: number;
  readonly end: number;
}

export interface Packet {
  readonly octets: Buffer;
  readonly rcode: number;
  readonly truncated: boolean;
  /** The server speaks for the zone itself, or asks on for us. */
  readonly authoritative: boolean;
  readonly recursive: boolean;
  readonly answers: readonly Resource[];
  readonly authority: readonly Resource[];
}

/** A question with its id still 0; null when the name cannot be asked for. `edns` offers answers of 1232 octets over UDP. */
export function encodeQuestion(name: string, type: DnsType, edns: boolean): Buffer | null {
  const labels = encodeName(name);
  if (labels === null) return null;
  const octets = Buffer.alloc(HEADER + labels.length + 4 + (edns ? 11 : 0));
  octets.writeUInt16BE(0x0100, 2); // recursion desired
  octets.writeUInt16BE(1, 4);
  labels.copy(octets, HEADER);
  const end = HEADER + labels.length;
  octets.writeUInt16BE(TYPE_CODES[type], end);
  octets.writeUInt16BE(CLASS_IN, end + 2);
  if (edns) {
    octets.writeUInt16BE(1, 10);
    octets.writeUInt16BE(OPT, end + 5);
    octets.writeUInt16BE(UDP_SIZE, end + 7);
  }
  return octets;
}

/** Where the question section of a question of ours ends. */
export function questionEnd(question: Buffer): number {
  const name = readName(question, HEADER);
  return name === null ? question.length : name.next + 4;
}

/**
 * How an answer belongs to a question: "ours" (id and question octet for octet), "case" (only letters' case differs: the
 * server folds it, or somebody guesses), "bare" (an error without a question section), null = not ours.
 */
export function belongs(answer: Buffer, question: Buffer): "ours" | "case" | "bare" | null {
  if (answer.length < HEADER || answer.readUInt16BE(0) !== question.readUInt16BE(0)) return null;
  const flags = answer.readUInt16BE(2);
  if ((flags & 0xf800) !== 0x8000) return null; // an answer to a standard query
  const count = answer.readUInt16BE(4);
  if (count === 0 && (flags & 0xf) !== 0) return "bare";
  const end = questionEnd(question);
  if (count !== 1 || answer.length < end) return null;
  if (answer.compare(question, HEADER, end, HEADER, end) === 0) return "ours";
  const fold = (octets: Buffer): string => octets.toString("latin1", HEADER, end).toLowerCase();
  return fold(answer) === fold(question) ? "case" : null;
}

/** Reads an answer up to the end of its authority section. A truncated one is read no further than its header. */
export function readPacket(octets: Buffer): Packet | null {
  if (octets.length < HEADER) return null;
  const flags = octets.readUInt16BE(2);
  const head = {
    octets,
    rcode: flags & 0xf,
    truncated: (flags & 0x0200) !== 0,
    authoritative: (flags & 0x0400) !== 0,
    recursive: (flags & 0x0080) !== 0,
  };
  if (head.truncated) return { ...head, answers: [], authority: [] };
  let at = HEADER;
  for (let i = octets.readUInt16BE(4); i > 0; i--) {
    const name = readName(octets, at);
    if (name === null || name.next + 4 > octets.length) return null;
    at = name.next + 4;
  }
  const answers: Resource[] = [];
  const end = readResources(octets, at, octets.readUInt16BE(6), answers);
  if (end < 0) return null;
  const authority: Resource[] = [];
  if (readResources(octets, end, octets.readUInt16BE(8), authority) < 0) return null;
  return { ...head, answers, authority };
}

function readResources(octets: Buffer, at: number, count: number, into: Resource[]): number {
  if (count > MAX_RECORDS) return -1;
  for (let i = 0; i < count; i++) {
    const name = readName(octets, at);
    if (name === null || name.next + 10 > octets.length) return -1;
    const start = name.next + 10;
    const end = start + octets.readUInt16BE(name.next + 8);
    if (end > octets.length) return -1;
    at = end;
    if (octets.readUInt16BE(name.next + 2) !== CLASS_IN) continue;
    const ttl = octets.readUInt32BE(name.next + 4);
    into.push({
      name: name.name,
      type: octets.readUInt16BE(name.next),
      // RFC 2181 8: with the top bit set it counts as 0.
      ttl: ttl > 0x7fff_ffff ? 0 : ttl,
      start,
      end,
    });
  }
  return at;
}

/** The data of a record of that type; null when they are malformed. */
export function readData<T extends DnsType>(
  octets: Buffer,
  resource: Resource,
  type: T,
): DnsRecords[T] | null {
  return READERS[type](octets, resource) as DnsRecords[T] | null;
}

type Reader = (octets: Buffer, resource: Resource) => DnsRecords[DnsType] | null;

const nameReader: Reader = (octets, { start, end }) => {
  const read = readName(octets, start);
  return read === null || read.next !== end ? null : read.name;
};

const READERS: Readonly<Record<DnsType, Reader>> = {
  A: (octets, { start, end }) =>
    end - start === 4 ? Array.from(octets.subarray(start, end)).join(".") : null,
  AAAA: (octets, { start, end }) => (end - start === 16 ? ipv6Text(octets, start) : null),
  CNAME: nameReader,
  NS: nameReader,
  PTR: nameReader,
  MX: (octets, { start, end }) => {
    const read = end - start < 3 ? null : readName(octets, start + 2);
    if (read === null || read.next !== end) return null;
    return { priority: octets.readUInt16BE(start), exchange: read.name };
  },
  TXT: (octets, { start, end }) => {
    const strings: string[] = [];
    for (let at = start; at < end;) {
      const next = at + 1 + (octets[at] ?? 0);
      if (next > end) return null;
      const text = octets.toString("utf8", at + 1, next);
      strings.push(text.includes("\ufffd") ? octets.toString("latin1", at + 1, next) : text);
      at = next;
    }
    return strings;
  },
};

function ipv6Text(octets: Buffer, start: number): string {
  const groups: number[] = [];
  for (let i = 0; i < 16; i += 2) groups.push(octets.readUInt16BE(start + i));
  let best = 0;
  let from = -1;
  for (let i = 0, run = 0; i < 8; i++) {
    run = groups[i] === 0 ? run + 1 : 0;
    if (run > best && run > 1) [best, from] = [run, i + 1 - run];
  }
  const hex = (part: readonly number[]): string => part.map((g) => g.toString(16)).join(":");
  return from < 0
    ? hex(groups)
    : `${hex(groups.slice(0, from))}::${hex(groups.slice(from + best))}`;
}

/** How long "there is nothing" holds: the SOA of the authority section (RFC 2308 5); null when it names none. */
export function negativeTtl(packet: Packet): number | null {
  const soa = packet.authority.find(({ type }) => type === SOA);
  if (soa === undefined || soa.end - soa.start < 22) return null;
  return Math.min(soa.ttl, packet.octets.readUInt32BE(soa.end - 4));
}

/** True when the authority section says how long "there is nothing" holds: then the answer is complete. */
export function hasSoa(packet: Packet): boolean {
  return packet.authority.some(({ type }) => type === SOA);
}

/** True for a referral: a server that knows only who else might know. It gave no answer. */
export function isReferral(packet: Packet): boolean {
  const { authoritative, recursive, answers, authority } = packet;
  return (
    !authoritative &&
    !recursive &&
    answers.length === 0 &&
    authority.some(({ type }) => type === TYPE_CODES.NS) &&
    !hasSoa(packet)
  );
}
