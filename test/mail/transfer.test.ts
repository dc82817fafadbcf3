import { describe, expect, test } from "vitest";
import fc from "fast-check";
import { decoder } from "../../src/mail/transfer.ts";
import type { Encoding } from "../../src/mail/transfer.ts";

function decode(
  encoding: Encoding,
  bytes: Buffer,
  cuts: readonly number[] = [],
): { octets: Buffer; faults: string[] } {
  const one = decoder(encoding);
  const out: Buffer[] = [];
  const ends = [...cuts.map((cut) => cut % (bytes.length + 1)), bytes.length].sort((a, b) => a - b);
  let at = 0;
  for (const end of ends) {
    out.push(Buffer.from(one.write(bytes.subarray(at, end))));
    at = end;
  }
  out.push(one.end());
  return { octets: Buffer.concat(out), faults: [...one.faults].sort() };
}

const wrap = (text: string, width: number, end: string): string =>
  text.replace(new RegExp(`.{${width}}`, "g"), `$&${end}`);

describe("base64", () => {
  test.each([
    ["QUJD", "ABC", []],
    ["QUI=", "AB", []],
    ["QQ==", "A", []],
    ["Q U\tJ\r\nD\n", "ABC", []],
    ["QU!JD", "ABC", ["base64-junk"]],
    ["QU-JD_", "ABC", ["base64-junk"]],
    ["QQ==QUJD", "AABC", ["base64-after-padding"]],
    ["QUI=\r\nQUJD", "ABABC", ["base64-after-padding"]],
    ["QUJDRA", "ABCD", ["base64-truncated"]],
    ["=QUJD", "ABC", ["base64-after-padding"]],
    ["", "", []],
  ])("%j decodes to %j", (text, expected, faults) => {
    const got = decode("base64", Buffer.from(text));
    expect(got.octets.toString()).toBe(expected);
    expect(got.faults).toEqual(faults);
  });

  test("gives back what any ordinary encoder wrote, however it is cut", () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ minLength: 0, maxLength: 4_000 }),
        fc.integer({ min: 4, max: 200 }),
        fc.constantFrom("\r\n", "\n"),
        fc.array(fc.nat()),
        (data, width, end, cuts) => {
          const text = wrap(Buffer.from(data).toString("base64"), width, end);
          const got = decode("base64", Buffer.from(text), cuts);
          expect(got.octets.equals(Buffer.from(data))).toBe(true);
          expect(got.faults).toEqual([]);
        },
      ),
      { numRuns: 300 },
    );
  });

  test("one junk octet anywhere in a large slab is found and changes nothing else", () => {
    const data = Buffer.from(Array.from({ length: 3_000 }, (_, i) => (i * 7) & 255));
    const text = wrap(data.toString("base64"), 76, "\r\n");
    for (const junk of ["!", "-", "_", "\x80", "\0"]) {
      for (let at = 0; at < text.length; at += 97) {
        const got = decode(
          "base64",
          Buffer.from(text.slice(0, at) + junk + text.slice(at), "latin1"),
        );
        expect(got.octets.equals(data)).toBe(true);
        expect(got.faults).toEqual(["base64-junk"]);
      }
    }
    for (const white of ["\n", "\r", " ", "\r\n"]) {
      for (let at = 0; at < text.length; at += 61) {
        const got = decode("base64", Buffer.from(text.slice(0, at) + white + text.slice(at)));
        expect(got.octets.equals(data)).toBe(true);
        expect(got.faults).toEqual([]);
      }
    }
  });
});

describe("quoted-printable", () => {
  test.each([
    ["a=3Db", "a=b", []],
    ["a=3db=e9", "a=b\xe9", []],
    ["soft=\r\nbreak", "softbreak", []],
    ["soft= \t\r\nbreak", "softbreak", []],
    ["soft=\nbreak", "softbreak", []],
    ["end=", "end", []],
    ["a  \r\nb \n", "a\r\nb\n", []],
    ["a b\tc", "a b\tc", []],
    ["=ZZ", "=ZZ", ["quoted-printable-junk"]],
    ["=4", "=4", ["quoted-printable-junk"]],
    ["x==3D", "x==", ["quoted-printable-junk"]],
    ["a\rb", "a\rb", []],
  ])("%j decodes to %j", (text, expected, faults) => {
    const got = decode("quoted-printable", Buffer.from(text, "latin1"));
    expect(got.octets.toString("latin1")).toBe(expected);
    expect(got.faults).toEqual(faults);
  });
});

test.each(["identity", "base64", "quoted-printable"] as const)(
  "%s does not depend on the chunks",
  (encoding) => {
    const piece = fc.oneof(
      fc.constantFrom(
        "=",
        "==",
        " ",
        "\t",
        "\r",
        "\n",
        "\r\n",
        "=\r\n",
        "=4",
        "=41",
        "QUJD",
        " ".repeat(300),
        "!",
      ),
      fc.string(),
      fc.base64String({ maxLength: 400 }),
      fc.string({ unit: "binary" }),
    );
    fc.assert(
      fc.property(fc.array(piece), fc.array(fc.nat()), (pieces, cuts) => {
        const bytes = Buffer.from(pieces.join(""));
        expect(decode(encoding, bytes, cuts)).toEqual(decode(encoding, bytes));
      }),
      { numRuns: 500 },
    );
  },
);
