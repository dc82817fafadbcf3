// xxencode, yEnc and BinHex in text: what an encoder of ours wrote comes back, however it is cut; hostile text does no harm. (uuencode
// has a file of its own.)
import { describe, expect, test } from "vitest";
import fc from "fast-check";
import { textFileFinder } from "../../src/content/text-files.ts";
import { binhex, binhexHead, binhexText, xxencode, yencode, yencPiece } from "../fakes/encoders.ts";

interface File {
  name: string;
  octets: Buffer;
  fault: string | null | undefined;
}

function find(text: string | Buffer, cuts: readonly number[] = []): File[] {
  const bytes = Buffer.from(text as string, "latin1");
  const files: File[] = [];
  const finder = textFileFinder({
    begin: (name) => void files.push({ name, octets: Buffer.alloc(0), fault: undefined }),
    data: (octets) => {
      files.at(-1)!.octets = Buffer.concat([files.at(-1)!.octets, octets]);
    },
    end: (fault) => {
      files.at(-1)!.fault = fault;
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

const octets = fc.oneof(
  fc.uint8Array({ minLength: 1, maxLength: 600 }),
  fc
    .array(fc.tuple(fc.nat(255), fc.nat(400)), { minLength: 1, maxLength: 5 })
    .map((runs) =>
      Uint8Array.from(runs.flatMap(([octet, length]) => Array<number>(length + 1).fill(octet))),
    ),
);
const cuts = fc.array(fc.nat(), { maxLength: 6 });

describe("gives back what an encoder wrote, however it is cut", () => {
  test("xxencode", () => {
    fc.assert(
      fc.property(octets, cuts, (data, at) => {
        expect(find(`a\r\n${xxencode("n.exe", data)}`, at)).toEqual([
          { name: "n.exe", octets: Buffer.from(data), fault: null },
        ]);
      }),
    );
  });

  test("yEnc, whole", () => {
    fc.assert(
      fc.property(octets, cuts, (data, at) => {
        expect(find(`a\r\n${yencode("a b.exe", data)}`, at)).toEqual([
          { name: "a b.exe", octets: Buffer.from(data), fault: null },
        ]);
      }),
    );
  });

  test("yEnc in pieces that follow one another", () => {
    fc.assert(
      fc.property(octets, octets, cuts, (one, two, at) => {
        const text = yencPiece("n", one, 1, 2) + "text\r\n" + yencPiece("n", two, 2, 2);
        expect(find(text, at)).toEqual([
          { name: "n", octets: Buffer.concat([one, two]), fault: null },
        ]);
      }),
    );
  });

  test("BinHex with both forks", () => {
    fc.assert(
      fc.property(octets, fc.uint8Array({ maxLength: 200 }), cuts, (data, resource, at) => {
        const files = find(`a\r\n${binhex("n.exe", data, resource)}`, at);
        const expected = [{ name: "n.exe", octets: Buffer.from(data), fault: null }];
        if (resource.length > 0)
          expected.push({ name: "n.exe", octets: Buffer.from(resource), fault: null });
        expect(files).toEqual(expected);
      }),
    );
  });
});

describe("what is not whole is said", () => {
  const data = Buffer.from("harmless".repeat(20));
  const brief = (files: readonly File[]): unknown[] => files.map((f) => [f.name, f.fault]);

  test.each<[string, string, [string, string | null][]]>([
    ["a piece of yEnc alone", yencPiece("n", data, 2, 3), [["n", "file-in-pieces"]]],
    [
      "the last piece first",
      yencPiece("n", data, 2, 2) + yencPiece("n", data, 1, 2),
      [
        ["n", "file-in-pieces"],
        ["n", "file-in-pieces"],
      ],
    ],
    [
      "another file between two pieces",
      yencPiece("n", data, 1, 2) + yencode("m", data) + yencPiece("n", data, 2, 2),
      [
        ["n", "file-in-pieces"],
        ["m", null],
        ["n", "file-in-pieces"],
      ],
    ],
    ["yEnc without end", yencode("n", data).replace(/=yend.*/, ""), [["n", "yenc-truncated"]]],
    ["BinHex without end", binhex("n", data, data).slice(0, 150), [["n", "binhex-broken"]]],
    ["BinHex with a wrong sum", binhex("n", data, Buffer.alloc(0), 1), [["n", "binhex-broken"]]],
  ])("%s", (_what, text, expected) => {
    expect(brief(find(text))).toEqual(expected);
  });

  test("a BinHex file that expands without end is cut", () => {
    // 255 octets of every four characters: 25 MiB of 400 KiB.
    const head = binhexHead("n", 0x7fffffff, 0);
    const unit = [65, 0x90, 255];
    const packed = [...head, ...Array.from({ length: 100_000 }, () => unit).flat()];
    let size = 0;
    let fault: string | null = null;
    const finder = textFileFinder({
      begin: () => {},
      data: (some) => void (size += some.length),
      end: (told) => void (fault = told),
    });
    finder.write(Buffer.from(binhexText(packed)));
    finder.end();
    expect(fault).toBe("container-too-large");
    expect(size).toBeLessThan(17 * 1024 * 1024);
  });
});

test("never throws, and does not depend on the chunks", () => {
  const piece = fc.oneof(
    fc.constantFrom(
      "begin 644 x\n",
      "begin  x.exe\n",
      "\n#86)C\n",
      "1MK7X\n",
      "end\n",
      "=ybegin line=128 size=3 name=a\r\n",
      "=ybegin part=1 total=2 line=128 size=3 name=a\r\n",
      "=ybegin part=2 total=2 line=128 size=3 name=a\r\n",
      "=ypart begin=1 end=2\n",
      "=yend size=3\n",
      "=y",
      "=",
      "\n",
      "\r\n",
      "(This file must be converted with BinHex 4.0)\n\n",
      "(This file",
      ":",
      '#3P0KEhNC5"`!',
      "x".repeat(1_500),
      "=".repeat(1_100),
      binhex("n", Buffer.from("abc"), Buffer.from("def")),
    ),
    fc.string({ unit: "binary", maxLength: 20 }),
  );
  fc.assert(
    fc.property(fc.array(piece), cuts, (pieces, at) => {
      expect(find(pieces.join(""), at)).toEqual(find(pieces.join("")));
    }),
    { numRuns: 1_000 },
  );
});
