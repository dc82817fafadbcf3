// The packet reader on what strangers may send: never an exception, always the end, sound records or none.
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { readAnswer } from "../../src/clients/dns-answer.ts";
import { encodeName, nameKey, readName, withRandomCase } from "../../src/clients/dns-name.ts";
import {
  belongs,
  encodeQuestion,
  negativeTtl,
  readPacket,
  TYPE_CODES,
  type DnsType,
} from "../../src/clients/dns-packet.ts";
import { dnsServers, parseServer } from "../../src/clients/dns-servers.ts";
import { randomised } from "../../src/clients/dns-transport.ts";
import { reverseName } from "../../src/mail/reverse.ts";
import { resource } from "../fakes/dns-zone.ts";
import { cpuClock } from "../fakes/cpu-clock.ts";

const TYPES = Object.keys(TYPE_CODES) as DnsType[];
const label = fc.stringMatching(/^[a-z0-9_-]{1,20}$/);
const name = fc.array(label, { minLength: 1, maxLength: 8 }).map((labels) => labels.join("."));

function packet(question: Buffer, counts: readonly [number, number], ...records: Buffer[]): Buffer {
  const head = Buffer.from(question.subarray(0, question.length));
  head.writeUInt16BE(0x8180, 2);
  head.writeUInt16BE(counts[0], 6);
  head.writeUInt16BE(counts[1], 8);
  return Buffer.concat([head, ...records]);
}

describe("names", () => {
  test("round trip", () => {
    fc.assert(
      fc.property(name, (text) => {
        const octets = encodeName(text);
        expect(octets).not.toBeNull();
        expect(readName(octets ?? Buffer.alloc(0), 0)).toEqual({
          name: text,
          next: octets?.length,
        });
      }),
    );
  });

  test("another case is the same name", () => {
    fc.assert(
      fc.property(name, fc.uint8Array({ minLength: 32, maxLength: 32 }), (text, random) => {
        const octets = encodeName(text) ?? Buffer.alloc(0);
        const mixed = readName(withRandomCase(octets, Buffer.from(random)), 0);
        expect(nameKey(mixed?.name ?? "")).toBe(text);
      }),
    );
    const question =
      encodeQuestion("abcdefghijklmnopqrstuvwxyz.test", "A", true) ?? Buffer.alloc(0);
    const seen = new Set(Array.from({ length: 20 }, () => randomised(question).toString("hex")));
    expect(seen.size).toBe(20);
  });

  test("octets that are no letters are shown, not believed", () => {
    const octets = Buffer.from("\x05a.b\n\\\x00", "latin1");
    expect(readName(octets, 0)?.name).toBe("a\\046b\\010\\092");
  });

  test.each([
    ["a pointer to itself", [0xc0, 0x00]],
    ["a pointer forwards", [0xc0, 0x05, 0, 0, 0, 0]],
    ["a loop of two", [0x01, 0x61, 0xc0, 0x00]],
    ["a label beyond the end", [0x3f, 0x61]],
    ["half a pointer", [0xc0]],
    ["a reserved label type", [0x80, 0x61, 0x00]],
    ["nothing", []],
  ])("%s is no name", (_what, octets) => {
    expect(readName(Buffer.from(octets), 0)).toBeNull();
  });

  test("a name longer than 255 octets, built from pointers, is none", () => {
    const labels = Array.from({ length: 4 }, () =>
      Buffer.concat([Buffer.from([63]), Buffer.alloc(63, 97)]),
    );
    const octets = Buffer.concat([...labels, Buffer.alloc(1), Buffer.from([1, 98, 0xc0, 0x00])]);
    expect(readName(octets, 257)).toBeNull();
    expect(readName(octets, 64)?.name).toHaveLength(191);
  });
});

describe("packets", () => {
  const question = encodeQuestion("a.test", "TXT", false) ?? Buffer.alloc(0);

  test("random octets", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), fc.constantFrom(...TYPES), (octets, type) => {
        const read = readPacket(Buffer.from(octets));
        if (read !== null) readAnswer(read, "a.test", type);
        belongs(Buffer.from(octets), question);
      }),
      { numRuns: 2000 },
    );
  });

  test("sound packets with octets changed, and cut short", () => {
    const sound = packet(
      question,
      [3, 1],
      resource("a.test", "CNAME", 5, encodeName("b.test") ?? Buffer.alloc(0)),
      resource("b.test", "TXT", 5, Buffer.from("\x03abc\x02de", "latin1")),
      resource("b.test", "MX", 5, Buffer.from([0, 5, 0xc0, 0x0c])),
      resource("test", 6, 60, Buffer.alloc(24)),
    );
    const change = fc.tuple(fc.nat(sound.length - 1), fc.nat(255));
    fc.assert(
      fc.property(
        fc.array(change, { maxLength: 6 }),
        fc.nat(sound.length),
        fc.constantFrom(...TYPES),
        (changes, end, type) => {
          const octets = Buffer.from(sound);
          for (const [at, value] of changes) octets[at] = value;
          const read = readPacket(octets.subarray(0, end));
          if (read === null) return;
          const reading = readAnswer(read, "a.test", type);
          if ("answer" in reading && reading.answer.status !== "ok")
            expect(reading.answer.records).toEqual([]);
        },
      ),
      { numRuns: 3000 },
    );
    const whole = readPacket(sound);
    expect(whole && readAnswer(whole, "A.TEST", "TXT")).toEqual({
      answer: { status: "ok", records: [["abc", "de"]], ttl: 5 },
    });
  });

  test("the worst packet of 64 KiB costs milliseconds", () => {
    // Names of 127 labels, one octet each, all through one pointer.
    const deep = Buffer.concat([...Array<Buffer>(126).fill(Buffer.from([1, 97])), Buffer.alloc(1)]);
    const record = Buffer.concat([
      Buffer.from([0xc0, question.length + 12]),
      Buffer.alloc(8),
      Buffer.from([0, 2, 0, 0]),
    ]);
    record.writeUInt16BE(1, 4);
    const all = packet(
      question,
      [512, 0],
      resource("x", 99, 1, deep),
      ...Array<Buffer>(511).fill(record),
    );
    const cpu = cpuClock();
    for (let i = 0; i < 10; i++) readPacket(all);
    expect(cpu() / 10).toBeLessThan(50);
  });

  test("a TTL with its top bit set counts as 0, one of the SOA is cut by its minimum", () => {
    const soa = Buffer.alloc(24);
    soa.writeUInt32BE(7, 20);
    const none = readPacket(packet(question, [0, 1], resource("test", 6, 99, soa)));
    expect(none && negativeTtl(none)).toBe(7);
    const some = readPacket(
      packet(question, [1, 0], resource("a.test", "TXT", 0xffff_ffff, Buffer.from([0]))),
    );
    expect(some?.answers[0]?.ttl).toBe(0);
  });
});

test.each([
  ["192.0.2.1", { host: "192.0.2.1", port: 53 }],
  ["192.0.2.1:5353", { host: "192.0.2.1", port: 5353 }],
  ["2001:db8::1", { host: "2001:db8::1", port: 53 }],
  ["[2001:db8::1]:54", { host: "2001:db8::1", port: 54 }],
  ["dns.example", null],
  ["192.0.2.1:0", null],
  ["192.0.2.1:99999", null],
  ["", null],
])("server %j", (text, server) => {
  expect(parseServer(text)).toEqual(server);
});

test("without a file the server of this host is asked; a wrong one is said", () => {
  expect(dnsServers([], "/nowhere/resolv.conf")).toEqual([{ host: "127.0.0.1", port: 53 }]);
  expect(() => dnsServers(["dns.example"])).toThrow("dns.example");
});

test.each([
  ["192.0.2.7", "7.2.0.192"],
  ["2001:db8::1", "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2"],
  ["::1", `1.${"0.".repeat(30)}0`],
  ["64:ff9b::192.0.2.1", "1.0.2.0.0.0.0.c.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.b.9.f.f.4.6.0.0"],
])("%s backwards", (ip, reversed) => {
  expect(reverseName(ip)).toBe(reversed);
});
