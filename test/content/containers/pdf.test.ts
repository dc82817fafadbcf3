import { createCipheriv, createHash } from "node:crypto";
import { deflateSync } from "node:zlib";
import { describe, expect, test } from "vitest";
import fc from "fast-check";
import { Cursor } from "../../../src/content/containers/cursor.ts";
import { octetsOf } from "../../../src/content/containers/octets.ts";
import { pdf } from "../../../src/content/containers/pdf.ts";
import { unfiltered } from "../../../src/content/containers/pdf-filters.ts";
import { objectValues } from "../../../src/content/containers/pdf-values.ts";
import type { Dict } from "../../../src/content/containers/pdf-values.ts";
import { rc4 } from "../../../src/content/containers/rc4.ts";
import { readMembers } from "./read-members.ts";

const EXE = Buffer.concat([Buffer.from("MZ"), Buffer.alloc(62), Buffer.from("program")]);

/** An object; with data it is a stream. */
const object = (number: number, body: string, data?: Buffer): Buffer =>
  Buffer.concat([
    Buffer.from(`${number} 0 obj\n${body}\n`, "latin1"),
    ...(data === undefined ? [] : [Buffer.from("stream\r\n"), data, Buffer.from("\nendstream\n")]),
    Buffer.from("endobj\n"),
  ]);
const file = (...parts: (Buffer | string)[]): Buffer =>
  Buffer.concat([Buffer.from("%PDF-1.7\n"), ...parts.map((part) => Buffer.from(part as string))]);
const read = (...parts: (Buffer | string)[]): ReturnType<typeof readMembers> =>
  readMembers(pdf, file(...parts));
const SPEC = "<</Type/Filespec/F(a.exe)/UF<FEFF00E4002E006500780065>/EF<</F 8 0 R/UF 8 0 R>>>>";
const packed = deflateSync(EXE);
const EMBEDDED = object(
  8,
  `<</Type/EmbeddedFile/Filter/FlateDecode/Length ${packed.length}>>`,
  packed,
);

describe("what it does", () => {
  test.each<[string, string, string[]]>([
    ["nothing", "<</Type/Catalog/Pages 2 0 R>>", []],
    ["a script", "<</OpenAction<</S/JavaScript/JS(app.alert\\(1\\))>>>>", ["JAVASCRIPT"]],
    ["one whose names are escaped", "<</S/J#61vaScript/#4a#53 4 0 R>>", ["JAVASCRIPT"]],
    ["one in a tree of names", "<</Names<</JavaScript 3 0 R>>>>", ["JAVASCRIPT"]],
    ["one between comments", "<</AA<</O<<%\n/S%x\n/JavaScript>>>>>>", ["JAVASCRIPT"]],
    ["a launch action", "<</A<</S/Launch/F(cmd.exe)>>>>", ["LAUNCH"]],
    ["one deep in arrays", `${"[".repeat(50)}<</S/Launch>>${"]".repeat(50)}`, ["LAUNCH"]],
    ["an embedded document that opens", "<</S/GoToE/T<<>>>>", ["LAUNCH"]],
    ["rich media", "<</Subtype/RichMedia/RichMediaContent 4 0 R>>", ["EMBEDDED"]],
    ["a string that only says so", "<</Title(/S /JavaScript /JS)>>", []],
    ["a link", "<</A<</S/URI/URI(http://example.com/)>>>>", []],
  ])("%s", async (_what, body, said) => {
    expect((await read(object(1, body))).said).toEqual(said);
    const inner = Buffer.from(`1 0 ${body}`);
    const stream = object(9, "<</Type/ObjStm/N 1/First 4/Filter/FlateDecode>>", deflateSync(inner));
    expect((await read(stream)).said).toEqual(said);
  });

  test("a script in a form", async () => {
    const form = deflateSync(Buffer.from('<xdp><template><script contentType="x">'));
    const said = async (stream: Buffer): Promise<string[]> =>
      (await read(object(1, "<</XFA[(template)4 0 R]>>"), stream)).said;
    expect(await said(object(4, "<</Filter/FlateDecode>>", form))).toEqual(["JAVASCRIPT"]);
    expect(await said(object(4, "<</Filter/FlateDecode>>", deflateSync(EXE)))).toEqual([]);
  });

  test("what an older revision did", async () => {
    const { said } = await read(
      object(1, "<</S/Launch>>"),
      "%%EOF\n",
      object(1, "<<>>"),
      "%%EOF\n",
    );
    expect(said).toEqual(["LAUNCH"]);
  });
});

describe("embedded files", () => {
  const plain = EXE.toString("latin1");

  test("have their names and octets", async () => {
    const found = await read(object(1, SPEC), EMBEDDED);
    expect(found.said).toEqual(["EMBEDDED"]);
    expect(found.members).toMatchObject([{ names: ["ä.exe", "a.exe"], text: plain, defects: [] }]);
  });

  test("have them when the names stand in an object stream", async () => {
    const stream = object(9, "<</Type/ObjStm>>", Buffer.from(`1 0 ${SPEC}`));
    expect((await read(EMBEDDED, stream)).members[0]!.names).toEqual(["ä.exe", "a.exe"]);
  });

  test("are found by reference, by type, and in each revision", async () => {
    const untyped = object(8, "<<>>", EXE);
    expect((await read(object(1, SPEC), untyped)).members).toMatchObject([{ text: plain }]);
    expect((await read(EMBEDDED)).members).toMatchObject([{ names: [], text: plain }]);
    expect(
      (await read(object(1, "<</EF 5 0 R>>"), object(5, "<</F 8 0 R>>"), untyped)).members,
    ).toHaveLength(1);
    const twice = await read(
      object(1, SPEC),
      EMBEDDED,
      object(8, "<</Type/EmbeddedFile>>", Buffer.from("new")),
    );
    expect(twice.members.map(({ text }) => text)).toEqual([plain, "new"]);
  });

  test.each<[string, string]>([
    ["its length", `/Length ${EXE.length}`],
    ["the length in another object", "/Length 7 0 R"],
    ["no length", ""],
    ["a length that lies", "/Length 3"],
    ["a length beyond the end", "/Length 99999999999"],
  ])("are as long as they are, with %s", async (_what, length) => {
    const parts = [object(7, `${EXE.length}`), object(8, `<</Type/EmbeddedFile${length}>>`, EXE)];
    const { members } = await read(...parts);
    expect(members[0]!.text).toBe(plain);
  });

  test("whose filter is not undone say so", async () => {
    const { members } = await read(object(8, "<</Type/EmbeddedFile/Filter/JBIG2Decode>>", EXE));
    expect(members).toMatchObject([{ defects: ["container-unsupported"] }]);
  });
});

describe("filters", () => {
  const undo = (octets: Buffer, dict: string): Buffer => {
    const [value] = objectValues(new Cursor(octetsOf(Buffer.from(dict))));
    return Buffer.concat(
      [...unfiltered(octetsOf(octets), value as Dict)].map((piece) => Buffer.from(piece)),
    );
  };
  const hex = Buffer.from(`${EXE.toString("hex").replace(/.{7}/g, "$& ")}>junk`);

  test("Flate, hexadecimal, and both", () => {
    expect(undo(packed, "<</Filter/FlateDecode>>")).toEqual(EXE);
    expect(undo(hex, "<</Filter[/AHx]>>")).toEqual(EXE);
    const both = Buffer.from(`${packed.toString("hex")}>`);
    expect(undo(both, "<</Filter[/ASCIIHexDecode/Fl]>>")).toEqual(EXE);
  });

  test("ASCII85", () => {
    expect(undo(Buffer.from('87cURD]i,"Ebo80~>'), "<</Filter/A85>>").toString()).toBe(
      "Hello World!",
    );
    expect(undo(Buffer.from('87cUR\nD]i,"Ebk~>'), "<</Filter/A85>>").toString()).toBe("Hello Worl");
    expect(undo(Buffer.from("z!!~>"), "<</Filter/ASCII85Decode>>")).toEqual(Buffer.alloc(5));
  });

  test("run lengths", () => {
    const runs = Buffer.from([2, 97, 98, 99, 254, 120, 128, 1, 1]);
    expect(undo(runs, "<</Filter/RL>>").toString()).toBe("abcxxx");
  });

  // The example of ISO 32000-1, 7.4.4.2.
  test("LZW", () => {
    const octets = Buffer.from("800b6050220c0c8501", "hex");
    expect([...undo(octets, "<</Filter/LZWDecode>>")]).toEqual([
      45, 45, 45, 45, 45, 65, 45, 45, 45, 66,
    ]);
  });

  test("LZW with codes of all lengths", () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ maxLength: 6_000, size: "max" }),
        fc.constantFrom(2, 200),
        (octets, letters) => {
          const data = Buffer.from(octets.map((octet) => octet % letters));
          const again = Buffer.concat([data, data]);
          expect(undo(lzw(again), "<</Filter/LZW>>")).toEqual(again);
        },
      ),
      { numRuns: 50 },
    );
  });

  test("PNG predictors of each kind", () => {
    const width = 6;
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.nat(4), fc.uint8Array({ minLength: width, maxLength: width }))),
        (rows) => {
          const filtered = predict(rows, 2);
          const parameters = "<</Filter/Fl/DecodeParms<</Predictor 15/Columns 3/Colors 2>>>>";
          const plain = Buffer.concat(rows.map(([, row]) => row));
          expect(undo(deflateSync(filtered), parameters)).toEqual(plain);
        },
      ),
    );
  });
});

/** Packs as PDF's LZW does, with early change. */
function lzw(data: Buffer): Buffer {
  const out: number[] = [];
  let held = 0;
  let bits = 0;
  let width = 9;
  const put = (code: number): void => {
    held = held * 2 ** width + code;
    for (bits += width; bits >= 8; bits -= 8) {
      out.push(Math.floor(held / 2 ** (bits - 8)) & 255);
      held %= 2 ** (bits - 8);
    }
  };
  let table = new Map<string, number>();
  const reset = (): void => {
    table = new Map(Array.from({ length: 256 }, (_, i) => [String.fromCharCode(i), i]));
  };
  reset();
  put(256);
  let known = 258;
  let word = "";
  for (const octet of data) {
    const longer = word + String.fromCharCode(octet);
    if (table.has(longer)) {
      word = longer;
      continue;
    }
    put(table.get(word)!);
    table.set(longer, known++);
    if (known + 1 > 1 << width && width < 12) width++;
    if (known === 4094) {
      put(256);
      reset();
      known = 258;
      width = 9;
    }
    word = String.fromCharCode(octet);
  }
  if (word !== "") put(table.get(word)!);
  if (word !== "" && known + 2 > 1 << width && width < 12) width++;
  put(257);
  out.push((held * 2 ** (8 - bits)) & 255);
  return Buffer.from(out);
}

/** Rows with their predictor's number before them. */
function predict(rows: readonly [number, Uint8Array][], step: number): Buffer {
  let above = new Uint8Array(rows[0]?.[1].length ?? 0);
  const made = rows.map(([type, row]) => {
    const out = [...row].map((value, i) => {
      const [a, b, c] = [row[i - step] ?? 0, above[i]!, above[i - step] ?? 0];
      const nearest = [a, b, c].sort(
        (x, y) => Math.abs(a + b - c - x) - Math.abs(a + b - c - y),
      )[0]!;
      return (value - [0, a, b, (a + b) >> 1, nearest][type]!) & 255;
    });
    above = new Uint8Array(row);
    return Buffer.from([type, ...out]);
  });
  return Buffer.concat(made);
}

describe("encryption", () => {
  const PADDING = Buffer.from(
    "28bf4e5e4e758a4164004e56fffa01082e2e00b6d0683e802f0ca9fe6453697a",
    "hex",
  );
  const md5 = (...parts: Buffer[]): Buffer =>
    createHash("md5").update(Buffer.concat(parts)).digest();
  const owner = Buffer.alloc(32, 7);
  const id = Buffer.from("0123456789abcdef");

  /** Revision 2 with this user password. */
  const encrypted = (password: string): Buffer => {
    const pass = Buffer.concat([Buffer.from(password), PADDING]).subarray(0, 32);
    const key = md5(pass, owner, Buffer.from("fcffffff", "hex"), id).subarray(0, 5);
    const of = (number: number, data: Buffer): Buffer =>
      rc4(md5(key, Buffer.from([number, 0, 0, 0, 0])).subarray(0, 10))(data);
    const name = of(1, Buffer.from("a.exe")).toString("hex");
    const user = rc4(key)(PADDING).toString("hex");
    return file(
      object(1, `<</F<${name}>/EF<</F 8 0 R>>>>`),
      object(8, `<</Type/EmbeddedFile/Filter/FlateDecode>>`, of(8, packed)),
      object(5, `<</Filter/Standard/V 1/R 2/P -4/O<${owner.toString("hex")}>/U<${user}>>>`),
      `trailer\n<</Encrypt 5 0 R/ID[<${id.toString("hex")}>]>>\n`,
    );
  };

  test("that asks for nothing is undone", async () => {
    const { members, said } = await readMembers(pdf, encrypted(""));
    expect(said).toEqual(["EMBEDDED"]);
    expect(members).toMatchObject([{ names: ["a.exe"], text: EXE.toString("latin1") }]);
  });

  test("that asks for a password is told", async () => {
    const { members, said } = await readMembers(pdf, encrypted("secret"));
    expect(said).toEqual(["encrypted", "EMBEDDED"]);
    expect(members).toMatchObject([{ names: [], text: null, encrypted: true }]);
  });

  test("with AES of 256 bits is undone", async () => {
    const sha = (data: Buffer): Buffer => createHash("sha256").update(data).digest();
    const key = Buffer.alloc(32, 3);
    const aes = (secret: Buffer, iv: Buffer, data: Buffer, pad: boolean): Buffer => {
      const cipher = createCipheriv("aes-256-cbc", secret, iv).setAutoPadding(pad);
      return Buffer.concat([cipher.update(data), cipher.final()]);
    };
    const salts = Buffer.from("validatekeysalt!");
    const user = Buffer.concat([sha(salts.subarray(0, 8)), salts]).toString("hex");
    const wrapped = aes(sha(salts.subarray(8)), Buffer.alloc(16), key, false).toString("hex");
    const stream = Buffer.concat([id, aes(key, id, packed, true)]);
    const { members, said } = await read(
      object(8, "<</Type/EmbeddedFile/Filter/FlateDecode>>", stream),
      `trailer<</Encrypt<</Filter/Standard/V 5/R 5/U<${user}>/UE<${wrapped}>`,
      "/StmF/StdCF/StrF/StdCF/CF<</StdCF<</CFM/AESV3>>>>>>>>",
    );
    expect(said).toEqual(["EMBEDDED"]);
    expect(members).toMatchObject([{ text: EXE.toString("latin1") }]);
  });

  test("of an unknown kind is told", async () => {
    const { said } = await read("trailer<</Encrypt<</Filter/Entrust>>>>", EMBEDDED);
    expect(said).toContain("encrypted");
  });
});

describe("hostile files", () => {
  const cost = async (...parts: (Buffer | string)[]): Promise<{ ms: number; said: string[] }> => {
    const started = process.cpuUsage();
    // As many octets of each member as a limit on all of them would let through.
    const { said } = await readMembers(pdf, file(...parts), 100);
    return { ms: process.cpuUsage(started).user / 1_000, said };
  };

  test.each<[string, string]>([
    ["brackets without end", `1 0 obj ${"[".repeat(300_000)}`],
    ["dictionaries without end", `1 0 obj ${"<</A".repeat(200_000)}`],
    ["strings without end, one in another", "1 0 obj (".repeat(100_000)],
    ["streams without end", "1 0 obj<</Type/EmbeddedFile>>stream\n".repeat(5_000)],
    ["trailers", "trailer<<".repeat(100_000)],
    ["names", `1 0 obj<<${"/JS#".repeat(200_000)}`],
    ["references in a circle", "1 0 obj<</EF<</F 1 0 R>>/Length 1 0 R>>stream\n".repeat(5_000)],
  ])("%s", async (_what, text) => {
    const { ms } = await cost(text);
    expect(ms).toBeLessThan(4_000);
  });

  test("an object stream that unpacks without end ends in a limit", async () => {
    const bomb = object(
      9,
      "<</Type/ObjStm/Filter/FlateDecode>>",
      deflateSync(Buffer.alloc(40e6, 32)),
    );
    const { ms, said } = await cost(bomb, bomb, bomb, bomb, bomb, bomb);
    expect(said).toContain("container-too-large");
    expect(ms).toBeLessThan(8_000);
  });
});
