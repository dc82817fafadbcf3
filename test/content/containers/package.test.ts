// Zip files that are documents or programs: what they are called, what they can do, and how their members are named.
import { describe, expect, test } from "vitest";
import { zip } from "../../../src/content/containers/zip.ts";
import { readMembers } from "./read-members.ts";
import type { Read } from "./read-members.ts";
import { zipOf } from "./zip-writer.ts";

type Files = Readonly<Record<string, string | Buffer>>;
const read = (files: Files): Promise<Read> =>
  readMembers(zip, zipOf(Object.entries(files).map(([name, data]) => ({ name, data }))));
const said = async (files: Files): Promise<string[]> => (await read(files)).said;

const types = (...of: string[]): Files => ({
  "[Content_Types].xml": `<?xml version="1.0"?><Types xmlns="x"><Default Extension="xml" ContentType="application/xml"/>${of
    .map((type) => `<Override PartName="/p" ContentType="application/${type}+xml"/>`)
    .join("")}</Types>`,
});
const WORD = "vnd.openxmlformats-officedocument.wordprocessingml.document.main";
const DOCX = types(WORD);
const link = (kind: string, target: string, mode = ' TargetMode="External"'): Files => ({
  ...DOCX,
  "word/_rels/document.xml.rels": `<Relationships><Relationship Id="r" Type="http://schemas.example/officeDocument/2006/relationships/${kind}" Target="${target}"${mode}/></Relationships>`,
});

test.each<[string, Files, string[]]>([
  ["a Word document", { ...DOCX, "word/document.xml": "<w/>" }, ["zip=docx"]],
  [
    "a Word document with macros",
    types("vnd.ms-word.document.macroEnabled.main"),
    ["zip=docm", "MACRO"],
  ],
  [
    "an Excel workbook",
    types("vnd.openxmlformats-officedocument.spreadsheetml.sheet.main"),
    ["zip=xlsx"],
  ],
  [
    "a PowerPoint presentation",
    types("vnd.openxmlformats-officedocument.presentationml.presentation.main"),
    ["zip=pptx"],
  ],
  [
    "a binary workbook without macros",
    types("vnd.ms-excel.sheet.binary.macroEnabled.main"),
    ["zip=xlsb"],
  ],
  [
    "a document by its folder",
    { "[content_types].XML": "<Types/>", "xl/workbook.xml": "" },
    ["zip=xlsx"],
  ],
  ["other packages with content types", { ...types("x"), "a.nuspec": "" }, []],
  [
    "a text of OpenDocument",
    { mimetype: "application/vnd.oasis.opendocument.text\n" },
    ["zip=odt"],
  ],
  [
    "a template of OpenDocument",
    { mimetype: "application/vnd.oasis.opendocument.spreadsheet-template" },
    ["zip=ots"],
  ],
  ["a book", { mimetype: "application/epub+zip" }, ["epub"]],
  ["a program for Java", { "META-INF/MANIFEST.MF": "x", "A.class": "x" }, ["jar"]],
  ["a program for Android", { "AndroidManifest.xml": "x", "META-INF/MANIFEST.MF": "x" }, ["apk"]],
  [
    "an unpacked document in a folder",
    { "a/[Content_Types].xml": "", "a/word/document.xml": "" },
    [],
  ],
])("%s", async (_what, files, expected) => {
  expect(await said(files)).toEqual(expected);
});

describe("macros", () => {
  test.each<[string, Files]>([
    ["by the name of the part", { ...DOCX, "word/vbaProject.bin": "x" }],
    ["by a part of another name with its type", types(WORD, "vnd.ms-office.vbaProject")],
    ["by a relationship", link("vbaProject", "other.bin", "")],
    [
      "of Excel 4",
      {
        ...types("vnd.openxmlformats-officedocument.spreadsheetml.sheet.main"),
        "xl/macrosheets/sheet1.xml": "",
      },
    ],
    ["of Excel 4, by type", types(WORD, "vnd.ms-excel.macrosheet")],
    [
      "in UTF-16",
      {
        "[Content_Types].xml": Buffer.from(
          '\ufeff<Override ContentType="application/vnd.ms-office.vbaProject"/>',
          "utf16le",
        ),
        "word/d.xml": "",
      },
    ],
    [
      "of OpenDocument",
      { mimetype: "application/vnd.oasis.opendocument.text", "Basic/Standard/Module1.xml": "x" },
    ],
    [
      "in Python",
      { mimetype: "application/vnd.oasis.opendocument.text", "Scripts/python/a.py": "x" },
    ],
  ])("%s", async (_what, files) => {
    expect(await said(files)).toContain("MACRO");
  });

  test("are not there for a list of libraries", async () => {
    const files = {
      mimetype: "application/vnd.oasis.opendocument.text",
      "Basic/script-lc.xml": "x",
      "Basic/Standard/script-lb.xml": "x",
    };
    expect(await said(files)).toEqual(["zip=odt"]);
  });
});

describe("fetched from elsewhere", () => {
  test.each<[string, string]>([
    ["attachedTemplate", "http://evil.example/t.dotm"],
    ["attachedTemplate", "\\\\evil.example\\share\\t.dotm"],
    ["attachedTemplate", "file://evil.example/t.dotm"],
    ["attachedTemplate", "file:///\\\\evil.example\\t.dotm"],
    ["oleObject", "mhtml:https://evil.example/a!x-usc:https://evil.example/a"],
    ["frame", "&#x68;ttp://evil.example/"],
    ["subDocument", "https://evil.example/"],
  ])("%s %s", async (kind, target) => {
    expect(await said(link(kind, target))).toContain("EXTERNAL");
  });

  test.each<[string, string]>([
    ["hyperlink", "http://good.example/"],
    ["attachedTemplate", "file:///C:\\Users\\A\\Normal.dotm"],
    ["attachedTemplate", "C:\\Users\\A\\Normal.dotm"],
    ["attachedTemplate", "Normal.dotm"],
  ])("but not %s %s", async (kind, target) => {
    expect(await said(link(kind, target))).toEqual(["zip=docx"]);
  });

  test("a mode in references counts, another mode does not", async () => {
    expect(
      await said(link("oleObject", "http://a.example/", " TargetMode='&#69;xternal'")),
    ).toContain("EXTERNAL");
    expect(await said(link("oleObject", "http://a.example/", ""))).toEqual(["zip=docx"]);
  });
});

test("embedded files, and encrypted OpenDocument", async () => {
  expect(await said({ ...DOCX, "word/embeddings/oleObject1.bin": "x" })).toEqual([
    "zip=docx",
    "EMBEDDED",
  ]);
  expect(
    await said({
      mimetype: "application/vnd.oasis.opendocument.text",
      "META-INF/manifest.xml":
        "<manifest:file-entry><manifest:encryption-data/></manifest:file-entry>",
    }),
  ).toEqual(["zip=odt", "encrypted"]);
});

test("names of parts that nobody sees raise no alarm, names of files do", async () => {
  const guid = "{01234567-89ab-cdef-0123-456789abcdef}";
  const { members } = await read({
    ...DOCX,
    "[trash]/0001.dat": "MZ",
    "[trash]/run.pdf.js": "x",
    [`customXml/item${guid}.xml`]: "x",
    [`word/${guid}.xml.exe`]: "x",
    "word/embeddings/a.pdf.js": "x",
  });
  expect(members.map(({ names, text }) => [names[0], text === null])).toEqual([
    ["[Content_Types].xml", false],
    [undefined, false],
    ["[trash]/run.pdf.js", false],
    [`customXml/item${guid.slice(1, -1)}.xml`, false],
    [`word/${guid}.xml.exe`, false],
    ["word/embeddings/a.pdf.js", false],
  ]);
});
