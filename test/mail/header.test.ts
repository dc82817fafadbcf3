import { describe, expect, test } from "vitest";
import fc from "fast-check";
import {
  fieldsNamed,
  fieldValue,
  firstField,
  headerEnd,
  parseHeader,
} from "../../src/mail/header.ts";

const LIMITS = { maxBytes: 1024 * 1024 };
const parse = (text: string): ReturnType<typeof parseHeader> =>
  parseHeader(Buffer.from(text, "latin1"), LIMITS);

describe("headerEnd", () => {
  test.each([
    ["", -1],
    ["\r\n", 2],
    ["\n", 1],
    ["a: b\r\n", -1],
    ["a: b\r\n\r", -1],
    ["a: b\r\n\r\n", 8],
    ["a: b\n\nx\r\n\r\n", 6],
    ["a: b\r\n\nx", 7],
    ["a: b\r\n\r\nc\n\n", 8],
  ])("of %j is %i", (text, expected) => {
    expect(headerEnd(Buffer.from(text))).toBe(expected);
  });

  test("gives the same when asked again from where the last chunk ended", () => {
    const bytes = Buffer.from("a: b\r\nc: d\r\n\r\nbody");
    for (let cut = 0; cut <= bytes.length; cut++) {
      const early = headerEnd(bytes.subarray(0, cut));
      expect(early < 0 ? headerEnd(bytes, cut - 3) : early).toBe(14);
    }
  });
});

describe("parseHeader", () => {
  test("keeps fields in order, unfolds values, stops at the empty line", () => {
    const { header, defects } = parse(
      "Subject: a\r\n  b\r\nX-Empty:\r\n\tc\r\nTo:d\r\n\r\nNot: this\r\n",
    );
    expect(header.fields.map((f) => [f.name, f.value])).toEqual([
      ["Subject", "a  b"],
      ["X-Empty", "c"],
      ["To", "d"],
    ]);
    expect(header.fields[0]!.raw.toString()).toBe("Subject: a\r\n  b\r\n");
    expect(defects).toEqual([]);
  });

  test("finds fields whatever the case", () => {
    const { header } = parse("RECEIVED: 1\nreceived: 2\nReceive: 3\n\n");
    expect(fieldsNamed(header, "Received").map((f) => f.value)).toEqual(["1", "2"]);
    expect(fieldValue(header, "rECEIVED")).toBe("1");
    expect(firstField(header, "Recei")).toBeNull();
    expect(fieldValue(header, "To")).toBeNull();
  });

  test("reads UTF-8 where it is valid, Latin-1 elsewhere, field by field", () => {
    const { header } = parseHeader(
      Buffer.concat([Buffer.from("A: é\r\nB: "), Buffer.from([0xe9]), Buffer.from("\r\n\r\n")]),
      LIMITS,
    );
    expect(header.fields.map((f) => f.value)).toEqual(["é", "é"]);
  });

  test.each([
    ["From a@b Sat Nov 21 13:00:00 2026\nA: b\n\n", ["mbox-line"]],
    ["A: b\ngarbage\n\n", ["not-a-field"]],
    ["A: b\ngarbage\nContent-Type: text/html\n\n", ["not-a-field", "mime-field-after-garbage"]],
    ["A: b\n \nContent-Type: text/html\n\n", ["white-line-in-header", "mime-field-after-garbage"]],
    [" A: b\n\n", ["not-a-field"]],
    [": b\n\n", ["not-a-field"]],
    [" Content-Type: text/html\n\n", ["mime-field-in-garbage"]],
    ["A: b\nContent-Type\n : text/html\n\n", ["mime-field-in-garbage"]],
    ["A : b\n\n", ["space-before-colon"]],
    ["Content-Type : b\n\n", ["space-before-colon-mime"]],
    ["A: b\0\n\n", ["nul-in-header"]],
    ["A: b\rContent-Type: text/html\n\n", ["bare-cr-in-header"]],
    ["\xc3: b\n\n", ["eight-bit-field-name"]],
  ])("of %j notes %j", (text, kinds) => {
    const { header, defects } = parse(text);
    expect(defects.map((d) => d.kind)).toEqual(kinds);
    expect(header.fields.length).toBeGreaterThan(0);
  });

  test("cuts a header over the limit after a whole line", () => {
    const { header, defects } = parseHeader(Buffer.from("A: 1\r\nB: 2\r\nC: 3\r\n\r\n"), {
      maxBytes: 15,
    });
    expect(header.fields.map((f) => f.name)).toEqual(["A", "B"]);
    expect(header.size).toBe(12);
    expect(defects.map((d) => d.kind)).toEqual(["header-too-large"]);
  });

  test("bounds the number of fields and loses no octet by it", () => {
    const bytes = Buffer.from("a:b\n".repeat(20_000) + "\nbody");
    const { header, defects } = parseHeader(bytes, LIMITS);
    expect(header.fields.length).toBeLessThan(6_000);
    expect(defects.map((d) => d.kind)).toEqual(["too-many-fields"]);
    expect(Buffer.concat(header.fields.map((f) => f.raw)).length + 1).toBe(header.size);
  });

  test("keeps every octet, whatever comes", () => {
    const piece = fc.oneof(
      fc.constantFrom(
        "\r\n",
        "\n",
        "\r",
        ":",
        " ",
        "\t",
        "From x",
        "Content-Type: a/b",
        "\0",
        "\r\n\r\n",
      ),
      fc.string(),
      fc.string({ unit: "binary" }),
    );
    fc.assert(
      fc.property(fc.array(piece), fc.integer({ min: 1, max: 200 }), (pieces, maxBytes) => {
        const bytes = Buffer.from(pieces.join(""));
        const { header } = parseHeader(bytes, { maxBytes });
        const joined = Buffer.concat(header.fields.map((f) => f.raw));
        const empty = bytes.subarray(joined.length, header.size).toString();
        expect(joined.equals(bytes.subarray(0, joined.length))).toBe(true);
        expect(["", "\n", "\r\n"]).toContain(empty);
        if (bytes.length <= maxBytes) {
          const end = headerEnd(bytes);
          expect(header.size).toBe(end < 0 ? bytes.length : end);
        }
      }),
      { numRuns: 500 },
    );
  });
});
