// Documents that real programs made (qpdf, LibreOffice, wixl), judged as mail; and files of ours that real readers (tnef, msiinfo) must
// understand as postern does.
import { deflateSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { compound, native, u16, u32, vba } from "../../content/containers/compound-writer.ts";
import { attachment, winmail } from "../../content/containers/tnef-writer.ts";
import { EICAR, judging, mailWith, PROGRAM, workshop } from "./judged.ts";
import type { Judging } from "./judged.ts";

const shop = workshop();
let plain: Judging;
let strict: Judging;

beforeAll(async () => {
  plain = await judging();
  strict = await judging(
    'deny MACRO JAVASCRIPT LAUNCH EXTERNAL "active"\ndeny UNDECIPHERABLE "locked"\n',
  );
  shop.write("r.exe", PROGRAM);
  shop.write("eicar.txt", EICAR);
});

afterAll(async () => {
  await plain.close();
  await strict.close();
  shop.close();
});

describe("PDF by qpdf", () => {
  /** A document with one page and this catalogue entry, its table of references right. */
  const document = (entry: string): Buffer => {
    const bodies = [
      `<</Type/Catalog/Pages 2 0 R${entry}>>`,
      "<</Type/Pages/Kids[3 0 R]/Count 1>>",
      "<</Type/Page/Parent 2 0 R/MediaBox[0 0 99 99]>>",
    ];
    let text = "%PDF-1.4\n";
    const rows = bodies.map((body, i) => {
      const at = text.length;
      text += `${i + 1} 0 obj\n${body}\nendobj\n`;
      return `${`${at}`.padStart(10, "0")} 00000 n \n`;
    });
    const table = `xref\n0 4\n0000000000 65535 f \n${rows.join("")}`;
    return Buffer.from(
      `${text}${table}trailer\n<</Size 4/Root 1 0 R>>\nstartxref\n${text.length}\n%%EOF\n`,
    );
  };

  beforeAll(() => {
    shop.write("page.pdf", document(""));
    shop.write("script.pdf", document("/OpenAction<</S/JavaScript/JS(app.alert\\(1\\))>>"));
    shop.write("launch.pdf", document("/OpenAction<</S/Launch/F(cmd.exe)>>"));
    shop.run(
      "qpdf page.pdf --add-attachment r.exe --filename=töd.exe -- --add-attachment eicar.txt -- a.pdf",
    );
  });

  test.each([
    ["as it comes", ""],
    ["with object streams", "--object-streams=generate"],
    ["without compression", "--stream-data=uncompress --object-streams=disable"],
    ["in order for the web", "--linearize"],
    [
      "with all objects in one",
      "--object-streams=generate --compression-level=9 --recompress-flate",
    ],
    ["locked with RC4 and no password", '--allow-weak-crypto --encrypt "" o 128 --use-aes=n --'],
    ["locked with AES and no password", '--allow-weak-crypto --encrypt "" o 128 --use-aes=y --'],
    ["locked with 256 bits and no password", '--encrypt "" o 256 --'],
    [
      "locked with 40 bits, streams apart",
      '--allow-weak-crypto --object-streams=disable --encrypt "" o 40 --',
    ],
  ])("attachments are found %s", async (_how, options) => {
    shop.run(`qpdf a.pdf ${options} b.pdf`);
    const found = await plain.judge(shop.read("b.pdf"), "b.pdf");
    expect([...found.names].sort()).toEqual(["eicar.txt", "töd.exe"]);
    expect(found.marked("EICAR")).toContain("eicar.txt");
    expect(found.symbols).not.toContain("ENCRYPTED");
    expect(found.details("BANNED").join()).toContain("exe-ms");
  });

  test("a password is told, and refused by a rule", async () => {
    shop.run("qpdf a.pdf --encrypt secret o 256 -- c.pdf");
    const found = await strict.judge(shop.read("c.pdf"), "c.pdf");
    expect(found.symbols).toEqual(expect.arrayContaining(["ENCRYPTED", "BANNED"]));
    expect(found.marked("EICAR")).toEqual([]);
  });

  test.each([
    ["script.pdf", "JAVASCRIPT"],
    ["launch.pdf", "LAUNCH"],
  ])("%s is told even in object streams", async (name, attribute) => {
    shop.run(`qpdf --object-streams=generate ${name} d.pdf`);
    for (const file of [name, "d.pdf"]) {
      const quiet = await plain.judge(shop.read(file), "d.pdf");
      expect(quiet.symbols).not.toContain("BANNED");
      expect(quiet.details("ACTIVE_CONTENT").join()).toContain(attribute);
      expect((await strict.judge(shop.read(file), "d.pdf")).symbols).toContain("BANNED");
    }
  });

  test("a page is only a page", async () => {
    const { symbols, names } = await strict.judge(shop.read("page.pdf"), "page.pdf");
    expect(symbols).not.toContain("BANNED");
    expect(symbols).not.toContain("ACTIVE_CONTENT");
    expect(names).toEqual([]);
  });
});

describe("documents by LibreOffice", () => {
  const PIXEL =
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==";
  const flat = (content: string): string =>
    '<?xml version="1.0" encoding="UTF-8"?><office:document ' +
    'xmlns:office="urn:oasis:names:tc:opendocument:xmlns:office:1.0" ' +
    'xmlns:text="urn:oasis:names:tc:opendocument:xmlns:text:1.0" ' +
    'xmlns:draw="urn:oasis:names:tc:opendocument:xmlns:drawing:1.0" ' +
    'xmlns:svg="urn:oasis:names:tc:opendocument:xmlns:svg-compatible:1.0" office:version="1.3" ' +
    'office:mimetype="application/vnd.oasis.opendocument.text"><office:body><office:text>' +
    `<text:p>Hello${content}</text:p></office:text></office:body></office:document>`;
  const object = (data: Buffer): string =>
    '<draw:frame text:anchor-type="as-char" svg:width="2cm" svg:height="2cm"><draw:object-ole>' +
    `<office:binary-data>${data.toString("base64")}</office:binary-data></draw:object-ole>` +
    `<draw:image><office:binary-data>${PIXEL}</office:binary-data></draw:image></draw:frame>`;
  const convert = (format: string, source: string): Buffer => {
    shop.run(
      `soffice --headless -env:UserInstallation=file://${shop.directory}/profile ` +
        `--convert-to ${format} ${source}.fodt >/dev/null 2>&1`,
    );
    return shop.read(`${source}.${format.split(":")[0]}`);
  };

  beforeAll(() => {
    const packaged = (name: string, data: Buffer): Buffer =>
      compound(
        { "\x01Ole10Native": native(name, data), "\x01Ole": Buffer.alloc(20) },
        { clsid: "0c00030000000000c000000000000046" },
      );
    shop.write("text.fodt", flat(""));
    shop.write(
      "object.fodt",
      flat(object(packaged("r.exe", PROGRAM)) + object(packaged("e.txt", EICAR))),
    );
  });

  test.each(["doc", "rtf", "docx", "odt", "pdf"])("text as %s is only text", async (format) => {
    const { symbols } = await strict.judge(convert(format, "text"), `text.${format}`);
    for (const symbol of [
      "BANNED",
      "UNCHECKED_ARCHIVE",
      "ENCRYPTED",
      "ACTIVE_CONTENT",
      "MALFORMED",
    ])
      expect(symbols).not.toContain(symbol);
  });

  test.each(["docx", "odt"])("files embedded in %s are found", async (format) => {
    const found = await plain.judge(convert(format, "object"), `object.${format}`);
    expect(found.parts.flatMap(({ names }) => names)).toEqual(
      expect.arrayContaining(["r.exe", "e.txt"]),
    );
    expect(found.marked("EICAR")).toContain("e.txt");
    expect(found.details("BANNED").join()).toContain("exe-ms");
    expect(found.symbols).not.toContain("UNCHECKED_ARCHIVE");
  });

  test("a PDF with a password to open is told", async () => {
    const filter = `{"EncryptFile":{"type":"boolean","value":"true"},"DocumentOpenPassword":{"type":"string","value":"x"}}`;
    const file = convert(`pdf:writer_pdf_Export:'${filter}'`, "text");
    expect((await plain.judge(file, "text.pdf")).symbols).toContain("ENCRYPTED");
  });
});

describe("installers by wixl", () => {
  test("their binaries and cabinets are found", async () => {
    shop.write(
      "x.wxs",
      '<?xml version="1.0"?><Wix xmlns="http://schemas.microsoft.com/wix/2006/wi"><Product Id="*" ' +
        'UpgradeCode="12345678-1234-1234-1234-111111111111" Name="X" Version="0.0.1" Manufacturer="X" ' +
        'Language="1033"><Package InstallerVersion="200" Compressed="yes" Comments="c"/>' +
        '<Media Id="1" Cabinet="product.cab" EmbedCab="yes"/><Binary Id="Tool" SourceFile="r.exe"/>' +
        '<Directory Id="TARGETDIR" Name="SourceDir"><Directory Id="ProgramFilesFolder">' +
        '<Directory Id="INSTALLDIR" Name="x"><Component Id="C" Guid="12345678-1234-1234-1234-222222222222">' +
        '<File Id="F" Source="eicar.txt"/></Component></Directory></Directory></Directory>' +
        '<Feature Id="D" Level="1"><ComponentRef Id="C"/></Feature></Product></Wix>',
    );
    shop.run("wixl -o x.msi x.wxs");
    const streams = shop.run("msiinfo streams x.msi").toString().split("\n");
    const found = await plain.judge(shop.read("x.msi"), "x.msi");
    expect(found.parts.find(({ path }) => path === "1/2")!.kinds[0]).toBe("msi");
    for (const name of ["Binary.Tool", "product.cab"]) {
      expect(streams).toContain(name);
      expect(found.names).toContain(name);
    }
    expect(found.details("BANNED").join()).toContain("exe-ms");
  });
});

describe("what other readers understand alike", () => {
  test("winmail.dat", async () => {
    const inner = winmail(attachment("E~1.TXT", "eicar im brief.txt", EICAR));
    const file = winmail(
      attachment("R~1.EXE", "rechnung.exe", PROGRAM),
      attachment("W.DAT", "winmail.dat", inner),
    );
    shop.write("winmail.dat", file);
    expect(shop.run("tnef --list winmail.dat").toString()).toContain("rechnung.exe");
    const found = await plain.judge(file, "winmail.dat");
    expect(found.parts.map(({ path, names }) => [path, names[0]]).slice(2)).toEqual([
      ["1/2", "winmail.dat"],
      ["1/2/1", "rechnung.exe"],
      ["1/2/2", "winmail.dat"],
      ["1/2/2/1", "eicar im brief.txt"],
    ]);
    expect(found.marked("EICAR")).toContain("eicar im brief.txt");
    expect(found.details("BANNED").join()).toContain("rechnung.exe");
  });
});

describe("documents within documents", () => {
  const source = 'Attribute VB_Name = "M"\r\nSub AutoOpen()\r\nEnd Sub\r\n';
  const macros = compound({
    WordDocument: Buffer.alloc(5_000, 1),
    Macros: { VBA: vba({ M: source }) },
  });

  test("a macro is told at every level, and refused by a rule", async () => {
    const stored = Buffer.concat([u32(macros.length), deflateSync(macros)]);
    const records = Buffer.concat([u16(0x10), u16(0x1011), u32(stored.length), stored]);
    const nested = {
      "a.doc": macros,
      "a.ppt": compound({ "PowerPoint Document": records }),
      "a.msg": compound({
        "__properties_version1.0": Buffer.alloc(64),
        "__attach_version1.0_#00000000": { "__substg1.0_37010102": macros },
      }),
      "a.rtf": Buffer.from(`{\\rtf1{\\object{\\*\\objdata ${macros.toString("hex")}}}}`),
      "winmail.dat": winmail(attachment("A.DOC", "a.doc", macros)),
      "a.eml": mailWith(macros, "a.doc"),
      "a.html": Buffer.from(`<html><script>x("${macros.toString("base64")}")</script>`),
    };
    for (const [name, file] of Object.entries(nested)) {
      const found = await plain.judge(file, name);
      expect([name, found.details("ACTIVE_CONTENT").join()]).toEqual([
        name,
        expect.stringContaining("MACRO"),
      ]);
      expect([name, found.names.length]).not.toEqual([name, 0]);
      expect(found.symbols).not.toContain("UNCHECKED_ARCHIVE");
      expect((await strict.judge(file, name)).symbols).toContain("BANNED");
    }
  });

  test("a program that a page saves is banned under its name", async () => {
    const page = `<html><a download="rechnung.scr" href="data:text/plain;base64,${PROGRAM.toString("base64")}">`;
    const found = await plain.judge(Buffer.from(page), "rechnung.html");
    expect(found.names).toEqual(["rechnung.scr"]);
    expect(found.details("BANNED").join()).toContain("rechnung.scr");
  });
});
