// Messages as SpamAssassin sees them: header, parts, fields, texts.
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { renderHtml } from "../../../src/spamrules/html/render.ts";
import { parseRules } from "../../../src/spamrules/language/parse.ts";
import { prepare, toolsOf, type Prepared } from "../../../src/spamrules/prepare.ts";
import type { MimePart } from "../../../src/spamrules/subject.ts";

const book = parseRules({ texts: [], includes: new Map(), problems: [] }, { local: true });
const tools = toolsOf(
  {
    ...book.settings,
    topLevel: new Set(["example", "org"]),
    bodyPartScanSize: 50_000,
    rawbodyPartScanSize: 500_000,
  },
  renderHtml,
);
const read = (text: string): Prepared => prepare(Buffer.from(text, "latin1"), { now: 0 }, tools);
const shape = (part: MimePart): unknown =>
  part.leaf ? `${part.type}:${part.decoded}` : [part.type, ...part.children.map(shape)];

it("leaves octets of other charsets as they are with normalize_charset 0", () => {
  const plain = { ...tools, settings: { ...tools.settings, normalizeCharset: false } };
  const lines = (type: string, body: string): readonly string[] => {
    const mail = Buffer.from(`Content-Type: ${type}\n\n${body}\n`, "latin1");
    return prepare(mail, { now: 0 }, plain).body.slice(1);
  };
  expect(lines("text/plain; charset=iso-8859-1", "caf\xe9")).toEqual(["caf\xe9 "]);
  expect(lines("text/html; charset=koi8-r", "caf\xe9 &eacute;")).toEqual(["caf\xc3\xa9 \xc3\xa9 "]);
  expect(lines("text/plain; charset=utf-8", "caf\xc3\xa9")).toEqual(["caf\xc3\xa9 "]);
});

describe("header", () => {
  it("ends at an empty line, a boundary, the fourth line that is no field, or the end", () => {
    expect(read("A: b\n\nbody\n").pristineBody).toBe("body\n");
    expect(read("A: b\n--x\n").pristineBody).toBe("--x\n");
    expect(read("A: b\n--x\n").flags).toContain("missing_head_body_separator");
    expect(read("one\ntwo\nthree\nfour\nB: c\n").pristineBody).toBe("four\nB: c\n");
    const short = read("A: b");
    expect([short.pristineHeaders, [...short.flags], short.getAll("A")]).toEqual([
      "A: b",
      ["missing_head_body_separator"],
      ["b\n"],
    ]);
    expect(read("").body).toEqual(["\n"]);
  });

  it("drops an mbox line and marks of SpamAssassin", () => {
    const mail = read("From ann@one.example Sat Nov 21\nX-Spam-Status: No\nA: b\n\nx");
    expect(mail.headerNames).toEqual(["A"]);
    expect(mail.pristine).toBe("X-Spam-Status: No\nA: b\n\nx");
    expect(mail.get("ALL")).toBe("A: b\n");
    expect(mail.get("ALL:raw")).toBe("X-Spam-Status: No\nA: b\n");
    expect(read("From: ann\n\n").get("From")).toBe("ann\n");
  });

  it("takes CRLF for line ends when the first or last line has it", () => {
    const mail = read("A: b\r\n c\nD: e\r\n\r\nx\r\n");
    expect(mail.getAll("A")).toEqual(["b c\n"]);
    expect(mail.pristineHeaders).toBe("A: b\r\n c\r\nD: e\r\n\r\n");
    expect(mail.root.decoded).toBe("x\n");
    expect(mail.pristineBody).toBe("x\r\n");
  });

  it("shortens long runs of blank lines", () => {
    const lines = (blank: number): number =>
      read(`A: b\n\nx\n${"\n".repeat(blank)}y\n`).root.raw.length;
    expect([lines(20), lines(21), lines(500)]).toEqual([22, 22, 22]);
    expect(read(`A: b\n\n${"\n".repeat(500)}y\n`).root.raw.length).toBe(22);
  });

  it("cuts long names and values, and says so", () => {
    const mail = read(`${"N".repeat(300)}: ${"v".repeat(9000)}\n\n`);
    expect(mail.headerNames[0]).toHaveLength(256);
    expect(mail.getAll("N".repeat(256))[0]).toHaveLength(8192);
    expect(mail.flags).toContain("truncated_header");
    expect(read(`${`A: ${"v".repeat(8000)}\n`.repeat(9)}\n`).flags).toContain("truncated_header");
  });
});

describe("parts", () => {
  it.each([
    ["Content-Type: text/x-odd\n\na\n", "text/plain:a\n"],
    ["Content-Type: text/calendar\n\na\n", "text/calendar:a\n"],
    ["Content-Type: multipart/mixed\n\na\n", "text/plain:a\n"],
    ["Content-Type: text/html\nContent-Type: image/png\n\na\n", "image/png:a\n"],
    [
      'Content-Type: multipart/mixed; boundary="x\n\n--x\n\na\n--x--\n',
      ["multipart/mixed", "text/plain:a"],
    ],
    [
      "Content-Type: multipart/mixed; boundary=x\n\ntext\n",
      ["multipart/mixed", "text/plain:text\n"],
    ],
    ["Content-Type: multipart/mixed; boundary=x\n\n", ["multipart/mixed"]],
    [
      "Content-Type: multipart/digest; boundary=x\n\n--x\n\nS: t\n\nb\n--x--\n",
      ["multipart/digest", ["message/rfc822", "text/plain:b"]],
    ],
    [
      "Content-Type: multipart/mixed; boundary=x\n\n--x\nContent-Type: multipart/mixed\n\n--x\n\na\n--x--\n",
      ["multipart/mixed", ["multipart/mixed"], "text/plain:a"],
    ],
    [
      "Content-Type: message/rfc822\nContent-Transfer-Encoding: base64\n\nUzogdA0KDQpi\n",
      ["message/rfc822", "text/plain:b"],
    ],
    ["Content-Type: message/partial\n\na: b\n\nc", "message/partial:a: b\n\nc"],
  ])("%j", (mail, expected) => {
    expect(shape(read(mail).root)).toEqual(expected);
  });

  it("decodes loosely", () => {
    const decoded = (encoding: string, text: string): string =>
      read(`Content-Transfer-Encoding: ${encoding}\n\n${text}`).root.decoded;
    expect(decoded("quoted-printable", "a=3D  \nb= \nc=e9=4=\n1\n")).toBe("a=\nbc\xe9A\n");
    expect(decoded("BASE64", "Y\nWJ*j")).toBe("abc");
    expect(decoded("base64", "YQ==YQ==")).toBe("a\0\0a");
    expect(decoded("x-odd", "YQ==")).toBe("YQ==");
  });

  it("finds names", () => {
    const name = (fields: string): string | null => read(`${fields}\n\nx`).root.name;
    expect(name('Content-Type: image/png; name="a b.png"')).toBe("a b.png");
    expect(
      name("Content-Type: image/png; name=a.png\nContent-Disposition: attachment; filename=b.png"),
    ).toBe("b.png");
    expect(name("Content-Type: image/png; name*0=a; name*1=b.png")).toBe("ab.png");
    expect(name("Content-Type: text/plain")).toBeNull();
    expect(read("Content-Type: text/plain; name=a.html\n\n<b>x</b>").root.rendered?.type).toBe(
      "text/html",
    );
  });

  it("notes what is odd", () => {
    const start = "Content-Type: multipart/mixed; boundary=x\n\n";
    const flags = (text: string): string[] => [...read(start + text).flags].sort();
    expect(flags("--x\nA: b\n\nc\n--x--\n")).toEqual([]);
    expect(flags("--x\n\nc\n--x--\n")).toEqual(["missing_mime_headers"]);
    expect(flags("--x\nA: b\nc\n--x--\n")).toEqual(["missing_mime_head_body_separator"]);
    expect(flags("--x\nA: b\n\nc\n--x--\nmore\n")).toEqual(["mime_epilogue_exists"]);
    expect([...read(`${start}--x\nA: b\n\nc\n`).boundaries]).toEqual([["x", 1]]);
    expect([...read(`${start}--x\nA: b\n\nc\n--x--\n`).boundaries]).toEqual([["x", 0]]);
  });

  it("stops at a thousand parts and twenty levels", () => {
    expect(
      read(`Content-Type: multipart/mixed; boundary=x\n\n${"--x\n\na\n".repeat(2000)}`).root
        .children,
    ).toHaveLength(1000);
    let depth = 0;
    for (
      let part: MimePart | undefined = read("Content-Type: message/rfc822\n\n".repeat(50)).root;
      part;
      part = part.children[0]
    )
      depth += 1;
    expect(depth).toBe(21);
  });
});

describe("get", () => {
  const mail = read(
    [
      "Return-Path: <env@host.example>",
      "From: =?utf-8?Q?'Ann'?=\t<Ann@one.example>",
      "To: a@one.example, B <b@two.example>",
      "Cc: c@three.example",
      "Message-ID: <1@one.example>",
      "Subject:  two\n  lines ",
      "Subject: second",
      "X-Where: see www.site.example. or [192.0.2.7]",
      "",
      "",
    ].join("\n"),
  );

  it.each([
    ["Subject", "two lines\nsecond\n"],
    ["subject:raw", "  two\n  lines \n second\n"],
    ["Subject:last", "second\n"],
    ["From:addr", "Ann@one.example"],
    ["From:name", "Ann"],
    ["From:addr:host", "one.example"],
    ["To:addr", "a@one.example\nb@two.example"],
    ["To:addr:last", "a@one.example\nb@two.example"],
    ["ToCc", "a@one.example, B <b@two.example>\nc@three.example\n"],
    ["MESSAGEID", "<1@one.example>\n"],
    ["EnvelopeFrom", "env@host.example"],
    ["X-Where:ip", "192.0.2.7"],
    ["X-Where:revip", "7.2.0.192"],
    ["X-Where:host", undefined],
    ["X-SenderDomain", "host.example"],
    ["X-None", undefined],
    ["X-Spam-Relays-External", ""],
  ])("%s", (field, expected) => {
    expect(mail.get(field)).toBe(expected);
  });

  it("finds hosts", () => {
    const host = (value: string): string | undefined => read(`A: ${value}\n\n`).get("A:host");
    expect(host("see www.site.example now")).toBe("www.site.example");
    expect(host("user.name.org@mail.example")).toBe("mail.example");
    expect(host("a.examples b.example c.org")).toBe("b.example");
    expect(host("nothing.here")).toBeUndefined();
  });

  it("does not believe an envelope below a Received field", () => {
    const from = (text: string): string | undefined => read(text).get("EnvelopeFrom");
    expect(from("Received: x\nReturn-Path: <a@one.example>\n\n")).toBeUndefined();
    expect(
      from("Received: x\nX-Envelope-From: <a@one.example>\nReturn-Path: <b@one.example>\n\n"),
    ).toBeUndefined();
    expect(from("X-Envelope-From: <a@one.example>\nReturn-Path: <b@one.example>\n\n")).toBe(
      "a@one.example",
    );
  });
});

describe("texts", () => {
  it("makes a line of each paragraph", () => {
    expect(read("Subject: s\n\none\ntwo  three\n \n\nfour\x00five\xc2\xa0six\n").body).toEqual([
      "s\n",
      "one two three\n",
      "four\n",
      "five six ",
    ]);
    expect(read("A: b\n\none\n").body).toEqual(["\n", "one "]);
  });

  it("cuts lines at blanks and parts at their limit", () => {
    const body = read(`A: b\n\n${"word ".repeat(20_000)}`).body;
    expect(Math.max(...body.map((line) => line.length))).toBeLessThanOrEqual(2049);
    expect(body.join("").length).toBe(50_006);
    expect(read(`A: b\n\n${"\xc3\xa9".repeat(60_000)}`).body.join("").length).toBe(100_001);
  });

  it("cuts raw text in pieces of 2 to 4 kB", () => {
    expect(read("A: b\n\nshort\nlines\n").rawbody).toEqual(["short\nlines\n"]);
    const long = `${"x".repeat(3000)}\n`.repeat(4);
    const pieces = read(`A: b\n\n${long}`).rawbody;
    expect(pieces.map((piece) => piece.length)).toEqual([3001, 3001, 3001, 3001]);
    expect(pieces.join("")).toBe(long);
    expect(read(`A: b\n\n${"x".repeat(5000)}`).rawbody.map((piece) => piece.length)).toEqual([
      2049, 2951,
    ]);
  });

  it("keeps Latin-1 of HTML unless something wide is beside it", () => {
    const html = "Content-Type: text/html\n\n<p>caf&eacute;</p>";
    expect(read(html).body.join("")).toContain("caf\xe9");
    const both = read(
      `Content-Type: multipart/mixed; boundary=x\n\n--x\n${html}\n--x\n\n\xc3\xa4\n--x--\n`,
    );
    expect(both.body.join("")).toContain("caf\xc3\xa9");
  });
});

describe("hostile messages", () => {
  const line = fc.constantFrom(
    "--x",
    "--x--",
    "",
    "A: b",
    " c",
    "Content-Type: multipart/mixed; boundary=x",
    "Content-Type: message/rfc822",
    "Content-Type: text/html",
    "Content-Transfer-Encoding: base64",
    "text",
    "=?utf-8?Q?=E4?=",
    "\xff\xfe",
    "From: <a@b>",
    "Received: from x",
    "--y",
    'Content-Type: multipart/digest; boundary="y"',
  );

  it("never throws", () => {
    fc.assert(
      fc.property(
        fc.array(line, { maxLength: 25 }),
        fc.constantFrom("\n", "\r\n", "\r"),
        (lines, end) => {
          const mail = read(lines.join(end));
          for (const field of [
            "ALL",
            "ALL:raw",
            "ALL-UNTRUSTED",
            "ToCc:addr",
            "EnvelopeFrom",
            "From:name",
          ])
            mail.get(field);
          expect(mail.parts.length).toBeGreaterThan(0);
          expect(mail.body.every((text) => text.length <= 2049)).toBe(true);
          expect(mail.rawbody.join("").length).toBeLessThanOrEqual(10_000);
        },
      ),
    );
  });

  it.each([
    [
      "parts",
      (size: number) => `Content-Type: multipart/mixed; boundary=x\n\n${"--x\n".repeat(size / 4)}`,
    ],
    ["fields", (size: number) => `${"To: a@b\n".repeat(size / 8)}\n`],
    ["one field", (size: number) => `A:${" x\n".repeat(size / 3)}\n`],
    ["messages", (size: number) => `${"Content-Type: message/rfc822\n\n".repeat(size / 30)}`],
    ["blank lines", (size: number) => `A: b\n\n${"\n".repeat(size)}x`],
    [
      "a charset",
      (size: number) =>
        `Content-Type: multipart/mixed; boundary=x\n\n--x\nContent-Type: text/plain; charset=${"koi8 ".repeat(size / 5)}\n\n\xff\n--x--\n`,
    ],
  ])("costs in proportion: %s", (_name, make) => {
    const cost = (size: number): number => {
      const text = make(size);
      const before = process.cpuUsage().user;
      const mail = read(text);
      for (const field of ["ALL", "ToCc:addr", "EnvelopeFrom"]) mail.get(field);
      expect(mail.body.length + mail.rawbody.length + mail.flags.size).toBeGreaterThan(-1);
      return process.cpuUsage().user - before;
    };
    cost(30_000);
    expect(cost(400_000)).toBeLessThan(20 * cost(80_000) + 300_000);
  });
});
