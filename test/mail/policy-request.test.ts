import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  actionLine,
  POLICY_LIMITS,
  policyReader,
  type PolicyRequest,
} from "../../src/mail/policy-request.ts";

const HEAD = "request=smtpd_access_policy\n";

/** Feeds the text in pieces of `size` octets. */
function read(text: string | Buffer, size = Infinity) {
  const octets = Buffer.from(text);
  const reader = policyReader();
  const requests: PolicyRequest[] = [];
  for (let at = 0; at < octets.length; at += Math.min(size, octets.length))
    requests.push(...reader.push(octets.subarray(at, at + size)));
  return { reader, requests };
}

describe("requests", () => {
  test("several in one piece, values with = and UTF-8, empty values", () => {
    const text = `${HEAD}sender=prvs=1=jörg@exämple.org\nsize=\n\n${HEAD}sender=b\n\n${HEAD}half`;
    const { requests, reader } = read(text);
    expect(requests.map((request) => Object.fromEntries(request))).toEqual([
      { request: "smtpd_access_policy", sender: "prvs=1=jörg@exämple.org", size: "" },
      { request: "smtpd_access_policy", sender: "b" },
    ]);
    expect(reader.failure).toBeNull();
    expect(reader.midway).toBe(true);
  });

  test.each([1, 2, 3, 7, 100])("in pieces of %i octets the same comes out", (size) => {
    const text = `${HEAD}sender=jörg@exämple.org\nrecipient=b@c\n\n${HEAD}\n`;
    expect(read(text, size).requests).toEqual(read(text).requests);
    expect(read(text, size).requests).toHaveLength(2);
  });

  test("CRLF is taken", () => {
    expect(read(`${HEAD}sender=a\n\n`.replaceAll("\n", "\r\n")).requests[0]?.get("sender")).toBe(
      "a",
    );
  });

  test.each<[string, string]>([
    ["GET / HTTP/1.1\n", "a line is no name=value"],
    ["=x\n", "a line is no name=value"],
    ["na me=x\n", "an attribute has no proper name"],
    ["\n", "not a request=smtpd_access_policy"],
    ["sender=a\n\n", "not a request=smtpd_access_policy"],
    ["request=junk\n\n", "not a request=smtpd_access_policy"],
    [`${HEAD}sender=a\nsender=b\n\n`, "an attribute stands twice"],
    [`${HEAD}a=${"x".repeat(POLICY_LIMITS.lineBytes)}\n\n`, "a line is too long"],
    ["x".repeat(POLICY_LIMITS.lineBytes + 1), "a line is too long"],
    [HEAD + Array.from({ length: 200 }, (_, i) => `a${i}=\n`).join(""), "too many attributes"],
    [
      HEAD + Array.from({ length: 100 }, (_, i) => `a${i}=${"x".repeat(1000)}\n`).join(""),
      "a request is too long",
    ],
  ])("%.40j is none", (text, why) => {
    expect(read(text).reader.failure).toBe(why);
    expect(read(text, 5).reader.failure).toBe(why);
  });

  test("requests before what is none are handed out, nothing after it", () => {
    const { reader, requests } = read(`${HEAD}\nnonsense\n${HEAD}\n`);
    expect(requests).toHaveLength(1);
    expect(reader.push(Buffer.from(`${HEAD}\n`))).toEqual([]);
  });

  test("a request reads the same whatever came before it", () => {
    const names = ["sender", "size", "stress", "size", "sender_", "x.y"];
    const lines = fc
      .array(fc.tuple(fc.constantFrom(...names), fc.constantFrom("", "1", "a=b")), { maxLength: 5 })
      .map((pairs) => pairs.map(([name, value]) => `${name}=${value}\n`).join(""));
    fc.assert(
      fc.property(fc.array(lines, { maxLength: 6 }), (bodies) => {
        const alone = bodies.map((body) => read(`${HEAD}${body}\n`));
        const failing = alone.findIndex(({ reader }) => reader.failure !== null);
        const expected = alone
          .slice(0, failing < 0 ? undefined : failing)
          .flatMap(({ requests }) => requests.map((request) => [...request]));
        const { requests, reader } = read(bodies.map((body) => `${HEAD}${body}\n`).join(""));
        expect(requests.map((request) => [...request])).toEqual(expected);
        expect(reader.failure).toBe(alone[failing]?.reader.failure ?? null);
        for (const request of requests) {
          for (const [name, value] of request) expect(request.get(name)).toBe(value);
          expect(request.get("absent")).toBeUndefined();
        }
      }),
    );
  });

  test("the limits hold for a request with the names of the one before", () => {
    const long = (bytes: number) => "x".repeat(bytes);
    expect(read(`${HEAD}a=1\n\n${HEAD}a=${long(8190)}\n\n`).requests).toHaveLength(2);
    expect(read(`${HEAD}a=1\n\n${HEAD}a=${long(8191)}\n\n`).reader.failure).toBe(
      "a line is too long",
    );
    const many = (value: string) =>
      HEAD + [..."abcdefghi"].map((name) => `${name}=${value}\n`).join("") + "\n";
    expect(read(many("1") + many(long(8000))).reader.failure).toBe("a request is too long");
    const other = HEAD.replace("smtpd_access_policy", "something_else");
    expect(read(`${HEAD}\n${other}\n`).reader.failure).toBe("not a request=smtpd_access_policy");
    const crlf = (text: string) => text.replaceAll("\n", "\r\n");
    const { requests } = read(`${HEAD}a=1\n\n${crlf(`${HEAD}a=\n`)}\n${crlf(`${HEAD}a=2\n\n`)}`);
    expect(requests.map((request) => request.get("a"))).toEqual(["1", "", "2"]);
  });

  test("any octets in any pieces: no exception, bounded, and the pieces do not matter", () => {
    const line = fc.oneof(
      fc.constantFrom("", "request=smtpd_access_policy", "sender=a", "x", "\r", "a=\u00e9"),
      fc.string(),
    );
    const octets = fc.oneof(
      fc.uint8Array({ maxLength: 400 }).map((bytes) => Buffer.from(bytes)),
      fc.array(line, { maxLength: 30 }).map((lines) => Buffer.from(lines.join("\n"))),
    );
    fc.assert(
      fc.property(octets, fc.integer({ min: 1, max: 9 }), (bytes, size) => {
        const whole = read(bytes);
        const pieces = read(bytes, size);
        expect(pieces.requests).toEqual(whole.requests);
        expect(pieces.reader.failure).toBe(whole.reader.failure);
      }),
      { numRuns: 500 },
    );
  });
});

describe("the answer", () => {
  test.each<[string, string]>([
    ["", "action=REJECT\n\n"],
    ["5.7.1 no", "action=REJECT 5.7.1 no\n\n"],
    ["a\nrequest=x\n\naction=OK", "action=REJECT a request=x action=OK\n\n"],
    ["a\r\0\u0085b\u2028c é", "action=REJECT a ?b c ?\n\n"],
    ["  ", "action=REJECT\n\n"],
  ])("%j", (text, expected) => {
    expect(actionLine({ word: "REJECT", text })).toBe(expected);
  });

  test("is always one short line of printable ASCII and an empty one", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary", maxLength: 600 }), (text) => {
        const line = actionLine({ word: "PREPEND", text });
        expect(line).toMatch(/^action=PREPEND[\x20-\x7e]{0,401}\n\n$/);
      }),
    );
  });
});
