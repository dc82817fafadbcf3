import { describe, expect, test } from "vitest";
import fc from "fast-check";
import { textFileFinder } from "../../src/content/text-files.ts";

interface File {
  name: string;
  octets: Buffer;
  complete: boolean | null;
}

function find(text: string | Buffer, cuts: readonly number[] = []): File[] {
  const bytes = Buffer.from(text);
  const files: File[] = [];
  const finder = textFileFinder({
    begin: (name) => void files.push({ name, octets: Buffer.alloc(0), complete: null }),
    data: (octets) => {
      files.at(-1)!.octets = Buffer.concat([files.at(-1)!.octets, octets]);
    },
    end: (fault) => {
      files.at(-1)!.complete = fault === null;
    },
  });
  let at = 0;
  for (const end of [...cuts.map((cut) => cut % (bytes.length + 1)), bytes.length].sort(
    (a, b) => a - b,
  )) {
    finder.write(bytes.subarray(at, end));
    at = end;
  }
  finder.end();
  return files;
}

function uuencode(data: Uint8Array, eol: string, zero: string): string {
  const char = (six: number): string => (six === 0 ? zero : String.fromCharCode(six + 32));
  let out = "";
  for (let at = 0; at < data.length; at += 45) {
    const line = data.subarray(at, at + 45);
    out += char(line.length);
    for (let i = 0; i < line.length; i += 3) {
      const bits = ((line[i] ?? 0) << 16) | ((line[i + 1] ?? 0) << 8) | (line[i + 2] ?? 0);
      out += char(bits >> 18) + char((bits >> 12) & 63) + char((bits >> 6) & 63) + char(bits & 63);
    }
    out += eol;
  }
  return `${out}${zero}${eol}end${eol}`;
}

describe("finds", () => {
  test.each<[string, string, [string, string, boolean][]]>([
    ["one file", "hi\r\nbegin 644 x.exe\r\n#86)C\r\n`\r\nend\r\nbye", [["x.exe", "abc", true]]],
    ["a file at the very start", "begin 644 x\n#86)C\n`\nend\n", [["x", "abc", true]]],
    [
      "two files",
      "begin 644 x\n#86)C\nend\nbegin 0755 a b.c\n#86)C\n`\nend",
      [
        ["x", "abc", true],
        ["a b.c", "abc", true],
      ],
    ],
    ["a file without end", "begin 644 x\n#86)C\n", [["x", "abc", false]]],
    ["a file that prose ends", "begin 644 x\n#86)C\nsome prose here\n", [["x", "abc", false]]],
    [
      "a file that the next one ends",
      "begin 644 x\n#86)C\nbegin 644 y\n#86)C\nend\n",
      [
        ["x", "abc", false],
        ["y", "abc", true],
      ],
    ],
    ["the base64 form", "begin-base64 644 x\nYWJj\nYWI=\n====\n", [["x", "abcab", true]]],
    ["stripped spaces", "begin 644 x\n#86\n`\nend\n", [["x", "a`\0", true]]],
  ])("%s", (_what, text, expected) => {
    const got = find(text).map((f) => [f.name, f.octets.toString("latin1"), f.complete]);
    expect(got).toEqual(expected);
  });

  test.each([
    "begin 644 x\nThis is prose that follows.\n",
    "We begin 644 x\n#86)C\n`\nend\n",
    "begin the day\n#86)C\n",
    "begin 644\n#86)C\n",
    "beginning 644 x\n#86)C\n",
  ])("nothing in %j", (text) => {
    expect(find(text)).toEqual([]);
  });
});

test("gives back what an encoder wrote, however it is cut", () => {
  fc.assert(
    fc.property(
      fc.uint8Array({ minLength: 1, maxLength: 500 }),
      fc.constantFrom("\r\n", "\n"),
      fc.constantFrom("`", " "),
      fc.array(fc.nat()),
      (data, eol, zero, cuts) => {
        const files = find(`text${eol}begin 644 n${eol}${uuencode(data, eol, zero)}`, cuts);
        expect(files).toEqual([{ name: "n", octets: Buffer.from(data), complete: true }]);
      },
    ),
  );
});

test("never throws, and does not depend on the chunks", () => {
  const piece = fc.oneof(
    fc.constantFrom(
      "begin",
      "begin 644 x\n",
      "\nbegin 644 y\r\n",
      "#86)C\n",
      "end\n",
      "`\n",
      "b",
      "be",
      "\n",
      "begin-base64 644 z\n",
      "YWJj\n",
      "====\n",
      "x".repeat(1_100),
    ),
    fc.string({ unit: "binary" }),
  );
  fc.assert(
    fc.property(fc.array(piece), fc.array(fc.nat()), (pieces, cuts) => {
      expect(find(pieces.join(""), cuts)).toEqual(find(pieces.join("")));
    }),
    { numRuns: 1_000 },
  );
});
