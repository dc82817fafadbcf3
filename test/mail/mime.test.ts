import { describe, expect, test } from "vitest";
import fc from "fast-check";
import { DEFECTS } from "../../src/mail/defects.ts";
import { DEFAULT_WALK_LIMITS, walker } from "../../src/mail/mime.ts";
import type { WalkLimits } from "../../src/mail/mime.ts";
import type { Entity } from "../../src/mail/entity.ts";

interface Seen {
  type: string;
  data: string;
  size: number;
  defects: string[];
}

interface Walked {
  parts: Record<string, Seen>;
  overLimit: string | null;
}

function walk(
  bytes: Buffer,
  cuts: readonly number[] = [],
  limits: WalkLimits = DEFAULT_WALK_LIMITS,
): Walked {
  const open = new Map<Entity, Seen>();
  const parts: Record<string, Seen> = {};
  const one = walker(
    {
      open(entity) {
        if (entity.parent !== null) expect(open.has(entity.parent)).toBe(true);
        const seen = { type: entity.type, data: "", size: -1, defects: [] };
        open.set(entity, seen);
        parts[entity.path] = seen;
      },
      data(entity, octets) {
        expect(octets.length).toBeGreaterThan(0);
        open.get(entity)!.data += octets.toString("latin1");
      },
      close(entity, size) {
        const seen = open.get(entity)!;
        seen.size = size;
        seen.defects = entity.defects.map((d) => d.kind);
        open.delete(entity);
      },
    },
    limits,
  );
  const ends = [...cuts.map((cut) => cut % (bytes.length + 1)), bytes.length].sort((a, b) => a - b);
  let at = 0;
  for (const end of ends) {
    one.write(bytes.subarray(at, end));
    at = end;
  }
  one.end();
  expect(open.size).toBe(0);
  return { parts, overLimit: one.overLimit };
}

const lines = (...all: string[]): Buffer => Buffer.from(all.join("\r\n"), "latin1");
const brief = ({ parts }: Walked): Record<string, string> =>
  Object.fromEntries(Object.entries(parts).map(([path, one]) => [path, `${one.type}|${one.data}`]));
const kinds = ({ parts }: Walked): string[] => Object.values(parts).flatMap((one) => one.defects);

const MIXED = 'Content-Type: multipart/mixed; boundary="b"';

describe("structure", () => {
  const cases: [string, Buffer, Record<string, string>, string[]][] = [
    ["a plain message", lines("A: b", "", "text", ""), { "1": "text/plain|text\r\n" }, []],
    ["nothing at all", Buffer.alloc(0), { "1": "text/plain|" }, []],
    ["a header without empty line", lines("A: b"), { "1": "text/plain|" }, []],
    [
      "two parts, preamble, epilogue",
      lines(
        MIXED,
        "",
        "pre",
        "--b",
        "",
        "one",
        "--b",
        "Content-Type: text/html",
        "",
        "two",
        "--b--",
        "epi",
      ),
      { "1": "multipart/mixed|preepi", "1/1": "text/plain|one", "1/2": "text/html|two" },
      [],
    ],
    [
      "white space behind boundaries",
      lines(MIXED, "", "--b \t", "", "one", "--b--  ", ""),
      { "1": "multipart/mixed|", "1/1": "text/plain|one" },
      [],
    ],
    [
      "an empty part and one without header",
      lines(MIXED, "", "--b", "--b", "", "--b--"),
      { "1": "multipart/mixed|", "1/1": "text/plain|", "1/2": "text/plain|" },
      [],
    ],
    [
      "multipart in multipart",
      lines(
        MIXED,
        "",
        "--b",
        "Content-Type: multipart/alternative; boundary=bb",
        "",
        "--bb",
        "",
        "x",
        "--bb--",
        "--b",
        "",
        "y",
        "--b--",
      ),
      {
        "1": "multipart/mixed|",
        "1/1": "multipart/alternative|",
        "1/1/1": "text/plain|x",
        "1/2": "text/plain|y",
      },
      ["boundary-within-boundary"],
    ],
    [
      "a message in a part",
      lines(
        MIXED,
        "",
        "--b",
        "Content-Type: message/rfc822",
        "",
        "Subject: inner",
        "",
        "hi",
        "--b--",
      ),
      { "1": "multipart/mixed|", "1/1": "message/rfc822|", "1/1/1": "text/plain|hi" },
      [],
    ],
    [
      "a digest's default type",
      lines(
        "Content-Type: multipart/digest; boundary=b",
        "",
        "--b",
        "",
        "Subject: inner",
        "",
        "hi",
        "--b--",
      ),
      { "1": "multipart/digest|", "1/1": "message/rfc822|", "1/1/1": "text/plain|hi" },
      [],
    ],
    [
      "a base64 message, opened all the same",
      lines(
        MIXED,
        "",
        "--b",
        "Content-Type: message/rfc822",
        "Content-Transfer-Encoding: base64",
        "",
        Buffer.from(`${MIXED}\n\n--b\n\nx\n--b--\n`).toString("base64"),
        "--b",
        "",
        "y",
        "--b--",
      ),
      {
        "1": "multipart/mixed|",
        "1/1": "message/rfc822|",
        "1/1/1": "multipart/mixed|",
        "1/1/1/1": "text/plain|x",
        "1/2": "text/plain|y",
      },
      ["encoded-message"],
    ],
    [
      "a missing end boundary",
      lines(MIXED, "", "--b", "", "one"),
      { "1": "multipart/mixed|", "1/1": "text/plain|one" },
      ["missing-end-boundary"],
    ],
    [
      "an inner multipart that an outer boundary ends",
      lines(
        MIXED,
        "",
        "--b",
        "Content-Type: multipart/mixed; boundary=c",
        "",
        "--c",
        "",
        "x",
        "--b",
        "",
        "y",
        "--b--",
      ),
      {
        "1": "multipart/mixed|",
        "1/1": "multipart/mixed|",
        "1/1/1": "text/plain|x",
        "1/2": "text/plain|y",
      },
      ["unclosed-multipart"],
    ],
    [
      "another part after the end",
      lines(MIXED, "", "--b", "", "x", "--b--", "", "--b", "", "hidden", "--b--"),
      { "1": "multipart/mixed|", "1/1": "text/plain|x", "1/2": "text/plain|hidden" },
      ["boundary-after-end"],
    ],
    [
      "junk behind a boundary",
      lines(MIXED, "", "--b", "", "x", "--bjunk", "", "y", "--b--"),
      { "1": "multipart/mixed|", "1/1": "text/plain|x\r\n--bjunk\r\n\r\ny" },
      ["boundary-with-junk"],
    ],
    [
      "a boundary that never comes",
      lines(MIXED, "", "--c", "", "x"),
      { "1": "multipart/mixed|--c\r\n\r\nx" },
      ["missing-first-boundary"],
    ],
    [
      "no boundary parameter",
      lines("Content-Type: multipart/mixed", "", "--b", "", "x"),
      { "1": "multipart/mixed|--b\r\n\r\nx" },
      ["missing-boundary"],
    ],
    [
      "an empty boundary",
      lines('Content-Type: multipart/mixed; boundary=""', "", "--", "", "x"),
      { "1": "multipart/mixed|--\r\n\r\nx" },
      ["missing-boundary"],
    ],
    [
      "two boundaries",
      lines("Content-Type: multipart/mixed; boundary=b; boundary=c", "", "--b", "", "x", "--b--"),
      { "1": "multipart/mixed|", "1/1": "text/plain|x" },
      ["conflicting-boundary"],
    ],
    [
      "a plain boundary beside an RFC 2231 one",
      lines(
        "Content-Type: multipart/mixed; boundary=b; boundary*=us-ascii''c",
        "",
        "--b",
        "",
        "x",
        "--b--",
      ),
      { "1": "multipart/mixed|", "1/1": "text/plain|x" },
      ["conflicting-boundary"],
    ],
    [
      "the same boundary with the two dashes of an end inside",
      lines(
        MIXED,
        "",
        "--b",
        "Content-Type: multipart/mixed; boundary=b--",
        "",
        "--b--",
        "",
        "x",
        "--b----",
        "--b--",
      ),
      {
        "1": "multipart/mixed|",
        "1/1": "multipart/mixed|",
        "1/1/1": "text/plain|x",
        "1/1/2": "text/plain|",
      },
      ["boundary-after-end", "missing-end-boundary", "missing-end-boundary", "reused-boundary"],
    ],
    [
      "a boundary behind a bare CR",
      lines(MIXED, "", "--b", "", "x\r--b\r\ry", "--b--"),
      { "1": "multipart/mixed|", "1/1": "text/plain|x\r--b\r\ry" },
      ["bare-cr-before-boundary"],
    ],
    [
      "the same boundary inside",
      lines(MIXED, "", "--b", MIXED, "", "--b", "", "x", "--b--", "--b--"),
      { "1": "multipart/mixed|", "1/1": "multipart/mixed|", "1/1/1": "text/plain|x" },
      ["missing-end-boundary", "reused-boundary"],
    ],
    [
      "a boundary in a part's header",
      lines(MIXED, "", "--b", "A: b", "--b", "", "x", "--b--"),
      { "1": "multipart/mixed|", "1/1": "text/plain|", "1/2": "text/plain|x" },
      ["header-cut-by-boundary"],
    ],
    [
      "a multipart said to be base64",
      lines(MIXED, "Content-Transfer-Encoding: base64", "", "--b", "", "x", "--b--"),
      { "1": "multipart/mixed|", "1/1": "text/plain|x" },
      ["encoded-multipart"],
    ],
    [
      "a half multipart type",
      lines("Content-Type: multipart; boundary=b", "", "--b", "", "x", "--b--"),
      { "1": "multipart/mixed|", "1/1": "text/plain|x" },
      ["bad-multipart-type"],
    ],
    [
      "a type that starts like a message",
      lines("Content-Type: message/;rfc822", "", "Subject: inner", "", "x"),
      { "1": "text/plain|Subject: inner\r\n\r\nx" },
      ["bad-multipart-type"],
    ],
  ];

  test.each(cases)("%s", (_what, bytes, expected, defects) => {
    const got = walk(bytes);
    expect(brief(got)).toEqual(expected);
    expect(kinds(got).sort()).toEqual(defects.sort());
    for (let cut = 0; cut <= bytes.length; cut++) expect(walk(bytes, [cut])).toEqual(got);
  });

  test("sizes of containers count their content as it stands", () => {
    const inner = "--b\r\n\r\none\r\n--b--\r\n";
    expect(walk(Buffer.from(`${MIXED}\r\n\r\n${inner}`)).parts["1"]!.size).toBe(inner.length);
  });
});

describe("a part's header", () => {
  test.each([
    [["Content-Type: text/plain", "Content-Type: text/html"], "conflicting-content-type"],
    [["Content-Type: text/html", "content-type: TEXT/html"], "repeated-mime-field"],
    [
      ["Content-Transfer-Encoding: 7bit", "Content-Transfer-Encoding: base64"],
      "conflicting-transfer-encoding",
    ],
    [["Content-Disposition: inline", "Content-Disposition: attachment"], "conflicting-disposition"],
    [["MIME-Version: 1.0", "MIME-Version: 2.0"], "conflicting-mime-version"],
    [["Content-Transfer-Encoding: base-64"], "unknown-transfer-encoding"],
    [["Content-Transfer-Encoding: base64;"], "odd-transfer-encoding"],
    [["Content-Transfer-Encoding: 8-bit"], "odd-transfer-encoding"],
    [["Content-Transfer-Encoding: base64 (x)"], "comment-in-mime-value"],
    [["Content-Type: application/(x)zip"], "comment-in-mime-value"],
    [["Content-Type: html"], "bad-content-type"],
    [["Content-Type: message/partial; id=1"], "message-partial"],
    [["Content-Type: message/external-body; access-type=url"], "external-body"],
    [["Content-Type: a/b; name=a.txt; name=b.exe"], "conflicting-names"],
    [["Content-Type: a/b; name=a.txt; name*=utf-8''b.exe"], "conflicting-names"],
    [['Content-Disposition: x; filename="a.txt\\".exe"'], "conflicting-names"],
    [['Content-Type: multipart/mixed; boundary="a"b'], "conflicting-boundary"],
    [[`Content-Type: multipart/mixed; boundary=${"b".repeat(80)}`], "odd-boundary"],
    [[`Content-Type: multipart/mixed; boundary=${"b".repeat(1_200)}`], "overlong-boundary"],
    [[`Content-Type: a/b; x=${"b".repeat(20_000)}`], "overlong-field"],
  ])("%j is %s", (fields, kind) => {
    expect(kinds(walk(lines(...fields, "", "")))).toContain(kind);
  });

  test.each([
    [["MIME-Version: 1.0 (Mailer 2.0)", "Content-Type: text/plain; charset=us-ascii (Plain text)"]],
    [
      [
        'Content-Type: application/pdf; name="=?utf-8?Q?r=C3=A9sum=C3=A9.pdf?="',
        "Content-Disposition: attachment; filename*=utf-8''r%C3%A9sum%C3%A9.pdf",
      ],
    ],
    [
      [
        "Content-Disposition: attachment; filename=\"r_sum_.pdf\"; filename*=utf-8''r%C3%A9sum%C3%A9.pdf",
      ],
    ],
    [['Content-Type: image/png; name="my picture.png"', "Content-Transfer-Encoding: BASE64"]],
  ])("of an ordinary mailer has no ambiguity: %j", (fields) => {
    const found = kinds(walk(lines(...fields, "", "")));
    expect(
      found.filter((kind) => DEFECTS[kind as keyof typeof DEFECTS].class === "ambiguous"),
    ).toEqual([]);
  });
});

describe("limits", () => {
  const limits = (change: Partial<WalkLimits>): WalkLimits => ({
    ...DEFAULT_WALK_LIMITS,
    ...change,
  });

  test("on parts stop the walk", () => {
    const bytes = lines(
      MIXED,
      "",
      ..."x"
        .repeat(9)
        .split("")
        .flatMap((x) => ["--b", "", x]),
      "--b--",
    );
    const got = walk(bytes, [], limits({ maxParts: 4 }));
    expect(Object.keys(got.parts)).toEqual(["1", "1/1", "1/2", "1/3"]);
    expect(got.overLimit).toBe("more than 4 parts");
    expect(kinds(got)).toContain("too-many-parts");
  });

  test("on depth leave the inner part whole", () => {
    const bytes = lines(
      ...["a", "c", "d"].flatMap((b) => [
        `Content-Type: multipart/mixed; boundary=${b}`,
        "",
        `--${b}`,
      ]),
      "",
      "x",
    );
    const got = walk(bytes, [], limits({ maxDepth: 2 }));
    expect(brief(got)["1/1"]).toBe(
      "multipart/mixed|--c\r\nContent-Type: multipart/mixed; boundary=d\r\n\r\n--d\r\n\r\nx",
    );
    expect(got.overLimit).toMatch(/deeper than 2/);
    expect(kinds(got)).toContain("too-deep");
  });

  test("on header octets stop the walk, wherever the chunks end", () => {
    const bytes = lines(MIXED, "", "--b", `A: ${"x".repeat(90)}`, "B: c", "", "y", "--b--");
    const got = walk(bytes, [], limits({ maxHeaderBytes: 80 }));
    expect(got.overLimit).toMatch(/header/);
    expect(kinds(got)).toContain("header-too-large");
    for (let cut = 0; cut < bytes.length; cut++) {
      const again = walk(bytes, [cut], limits({ maxHeaderBytes: 80 }));
      expect(again.overLimit).toBe(got.overLimit);
      expect(kinds(again)).toEqual(kinds(got));
    }
  });

  test("a thousand levels do not hurt", () => {
    const open = Array.from(
      { length: 1_000 },
      (_, i) => `Content-Type: multipart/mixed; boundary=b${i}\r\n\r\n--b${i}\r\n`,
    );
    expect(walk(Buffer.from(open.join(""))).overLimit).toMatch(/deeper/);
    expect(
      walk(Buffer.from("Content-Type: message/rfc822\r\n\r\n".repeat(1_000))).overLimit,
    ).toMatch(/deeper/);
  });
});

test("never throws, and does not depend on the chunks", () => {
  const piece = fc.oneof(
    fc.constantFrom(
      "\r\n",
      "\n",
      "\r",
      "\r--b\r",
      "\r-",
      "\r\n\r\n",
      "--b",
      "--b--",
      "\r\n--b\r\n",
      "\r\n--b--\r\n",
      "--bb",
      "\r\n--bb\r\n\r\n",
      "-",
      "--",
      " ",
      `${MIXED}\r\n\r\n`,
      "Content-Type: multipart/digest; boundary=bb\r\n\r\n",
      "Content-Type: message/rfc822\r\n\r\n",
      "Content-Transfer-Encoding: base64\r\n",
      "Content-Transfer-Encoding: quoted-printable\r\n",
      "QUJD",
      "=0D=0A--b",
      "x".repeat(2_100),
      "--b" + " ".repeat(1_500),
      "--b" + "\t".repeat(3_000) + "\r\n",
      "Content-Type: text/html\r\n",
    ),
    fc.string({ unit: "binary", maxLength: 20 }),
  );
  fc.assert(
    fc.property(
      fc.array(piece, { maxLength: 40 }),
      fc.array(fc.nat(), { maxLength: 8 }),
      (pieces, cuts) => {
        const bytes = Buffer.from(MIXED + "\r\n\r\n--b\r\n" + pieces.join(""), "latin1");
        expect(walk(bytes, cuts)).toEqual(walk(bytes));
      },
    ),
    { numRuns: 1_000 },
  );
});
