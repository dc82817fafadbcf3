// amavis' header fields to the letter; forged ones go, for local recipients of inbound mail only.
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { isFoldedField } from "../../src/mail/field-line.ts";
import { parseHeader } from "../../src/mail/header.ts";
import { headerEdits, removals, type Edit, type EditInput } from "../../src/verdict/edits.ts";
import { points, spamFields, type SpamFacts } from "../../src/verdict/spam-fields.ts";

const SPAM: SpamFacts = {
  score: 8.672,
  tag: 2,
  tag2: 6.2,
  kill: 10,
  tests: [
    { symbol: "AM.WBL", score: 5 },
    { symbol: "DRUGS_ERECTILE", score: 1.778 },
    { symbol: "RCVD_ILLEGAL_IP", score: 1.3 },
    { symbol: "SUBJ_BUY", score: 0.594 },
  ],
  autolearn: "autolearn=no autolearn_force=no",
};
const fields = (text: string): EditInput["fields"] =>
  parseHeader(Buffer.from(`${text}\r\n\r\n`, "latin1"), { maxBytes: 100_000 }).header.fields;
const INPUT: EditInput = {
  hostname: "mail.example.com",
  product: "postern",
  mailId: "vihf9CcCEk-b",
  origin: "inbound",
  trusted: false,
  local: true,
  fields: fields("Subject: hello"),
  quarantined: false,
  virusScanned: false,
  viruses: [],
  banned: null,
  malformed: null,
  spam: null,
  subjectTag: null,
  rblWarnings: [],
  greylist: null,
  authResults: null,
  received: {
    greeting: "mx.example.com",
    peer: "127.0.0.1",
    hostname: "mail.example.com",
    socket: null,
    product: "postern",
    protocol: "ESMTP",
    mailId: "vihf9CcCEk-b",
    recipients: ["user@example.com"],
    date: new Date(0),
  },
};
const lines = (edits: readonly Edit[]): string[] =>
  edits.flatMap((edit) => (edit.do === "prepend" ? [edit.line] : []));
/** Prepended lines without the Received that always comes first. */
const added = (over: Partial<EditInput>): string[] => {
  const [received = "", ...rest] = lines(headerEdits({ ...INPUT, ...over }));
  expect(received).toMatch(/^Received: from mx/);
  return rest;
};

test("clean mail gets Received alone", () => {
  expect(headerEdits(INPUT)).toHaveLength(1);
  expect(added({})).toEqual([]);
});

test("all fields, in order and form", () => {
  const all = added({
    quarantined: true,
    virusScanned: true,
    viruses: ["Eicar-Signature", "Other"],
    banned: ".exe,invoice.pdf.exe",
    malformed: "duplicate header field",
    spam: SPAM,
    rblWarnings: ["zen.example: 192.0.2.1 is listed"],
    greylist: "delayed 312 seconds",
  });
  expect(all).toEqual([
    "X-RBL-Warning: zen.example: 192.0.2.1 is listed",
    "X-Greylist: delayed 312 seconds",
    "X-Quarantine-ID: <vihf9CcCEk-b>",
    "X-Virus-Scanned: postern at mail.example.com",
    "X-Amavis-Alert: INFECTED, message contains virus: Eicar-Signature, Other",
    "X-Amavis-Alert: BANNED, message contains .exe,invoice.pdf.exe",
    "X-Amavis-Alert: BAD HEADER SECTION, duplicate header field",
    "X-Spam-Flag: YES",
    "X-Spam-Score: 8.672",
    "X-Spam-Level: ********",
    "X-Spam-Status: Yes, score=8.672 tagged_above=2 required=6.2 tests=[AM.WBL=5,\r\n" +
      " DRUGS_ERECTILE=1.778, RCVD_ILLEGAL_IP=1.3, SUBJ_BUY=0.594]\r\n autolearn=no autolearn_force=no",
  ]);
});

test("a recipient elsewhere sees neither score nor alert nor quarantine", () => {
  const over = {
    local: false,
    quarantined: true,
    viruses: ["x"],
    spam: SPAM,
    subjectTag: "***SPAM*** ",
  };
  expect(added(over)).toEqual([]);
  expect(added({ ...over, virusScanned: true })).toEqual([
    "X-Virus-Scanned: postern at mail.example.com",
  ]);
});

describe("X-Spam-*", () => {
  test.each<[Partial<SpamFacts>, string[]]>([
    [{ score: 1.9 }, []],
    [{ tag: null }, []],
    [
      { score: -3.25, tag: Number.NEGATIVE_INFINITY, tests: [], autolearn: null },
      [
        "X-Spam-Flag: NO",
        "X-Spam-Score: -3.25",
        "X-Spam-Level:",
        "X-Spam-Status: No, score=-3.25 required=6.2 tests=[]",
      ],
    ],
  ])("%j", (over, expected) => {
    expect(spamFields({ ...SPAM, ...over })).toEqual(expected);
  });
  test("a scorer that was asked and knows no rule that holds", () => {
    const [, , , status] = spamFields({ ...SPAM, score: 0, tag: -999, tests: [] });
    expect(status).toBe(
      "X-Spam-Status: No, score=0 tagged_above=-999 required=6.2 tests=[none]\r\n autolearn=no autolearn_force=no",
    );
  });
  test("a line holds 78 characters, and what belongs together stays together", () => {
    const tests = Array.from({ length: 40 }, (_, i) => ({
      symbol: `RULE_${"X".repeat(i)}`,
      score: i,
    }));
    const lines = (spamFields({ ...SPAM, tests })[3] ?? "").split("\r\n");
    for (const line of lines) expect(line.length).toBeLessThanOrEqual(78);
    for (const [i, line] of lines.entries())
      if (i > 0)
        expect((lines[i - 1] ?? "").length + line.split(", ", 1)[0]!.length).toBeGreaterThanOrEqual(
          78,
        );
    expect(lines.at(-1)).toBe(" autolearn=no autolearn_force=no");
  });
  test("the level stops at 64", () => {
    expect(spamFields({ ...SPAM, score: 1001.3 })[2]).toBe(`X-Spam-Level: ${"*".repeat(64)}`);
  });
  test.each([
    [5, "5"],
    [1000, "1000"],
    [0, "0"],
    [-0.0001, "0"],
    [1.2346, "1.235"],
    [-1.5, "-1.5"],
  ])("points(%d)", (score, text) => {
    expect(points(score)).toBe(text);
  });
});

describe("removals", () => {
  const forged = fields(
    [
      "X-Spam-Status: No",
      "x-spam-flag : NO",
      "X-RBL-Warning: x",
      "X-Greylist: x",
      "X-Quarantine-ID: <x>",
      "X-Amavis-Alert: x",
      "Authentication-Results: (x (y) \\)) mail.EXAMPLE.com; dkim=pass",
      'Authentication-Results: "mail.example.com" 1; dkim=pass',
      "Authentication-Results: mail.example.com.; dkim=pass",
      "Authentication-Results: mail.example.com/7; dkim=pass",
      "Authentication-Results: other.example.com; dkim=pass",
      "X-Virus-Scanned: by them",
      "X-Spam: no",
      "Subject: x",
    ].join("\r\n"),
  );
  test("inbound: all that is forgeable", () => {
    const gone = removals({ ...INPUT, fields: forged });
    expect(gone.map(({ index }) => index)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
    const edits = headerEdits({ ...INPUT, fields: forged });
    expect(edits.filter((edit) => edit.do === "remove")).toHaveLength(10);
  });
  test.each([{ origin: "outbound" as const }, { trusted: true }])("%j: nothing", (over) => {
    expect(removals({ ...INPUT, fields: forged, ...over })).toEqual([]);
  });
});

describe("the subject tag", () => {
  const tagged = (subject: string, tag = "***SPAM*** "): string => {
    const edits = headerEdits({ ...INPUT, fields: fields(subject), spam: SPAM, subjectTag: tag });
    const edit =
      edits.find((e) => e.do === "replace") ??
      edits.find((e) => e.do === "prepend" && e.line.startsWith("Subject"));
    return edit === undefined || edit.do === "remove" ? "" : edit.line;
  };
  test.each([
    ["Subject: hello", "Subject: ***SPAM*** hello"],
    ["Subject: Re: ***SPAM*** ***SPAM*** hello", "Subject: ***SPAM*** Re: hello"],
    ["Subject:", "Subject: ***SPAM***"],
    ["Subject: =?utf-8?q?gr=C3=BCn?=", "Subject: ***SPAM*** =?utf-8?q?gr=C3=BCn?="],
    ["Subject: gr\xfcn", "Subject: ***SPAM*** =?UTF-8?B?Z3LDvG4=?="],
    ["To: x", "Subject: ***SPAM***"],
  ])("%j", (from, to) => {
    expect(tagged(from)).toBe(to);
  });
  test("below tag2, or switched off, the subject stays", () => {
    const low = { ...SPAM, score: 6.1 };
    expect(
      headerEdits({ ...INPUT, spam: low, subjectTag: "*** " }).every((e) => e.do === "prepend"),
    ).toBe(true);
    expect(headerEdits({ ...INPUT, spam: SPAM }).every((e) => e.do === "prepend")).toBe(true);
  });
  test("a tag that is not ASCII keeps its space before an encoded word", () => {
    expect(tagged("Subject: =?utf-8?q?x?=", "Müll ")).toBe(
      `Subject: =?UTF-8?B?${Buffer.from("Müll ").toString("base64")}?= =?utf-8?q?x?=`,
    );
  });
});

test("whatever text comes in, every line is one folded field in ASCII", () => {
  const text = fc.string({ unit: "binary", maxLength: 80 });
  fc.assert(
    fc.property(text, text, text, fc.array(text, { maxLength: 4 }), (a, b, c, list) => {
      const edits = headerEdits({
        ...INPUT,
        fields: fields(`Subject: ${a.replace(/[\r\n]/g, "")}`),
        viruses: list,
        banned: a,
        malformed: b,
        rblWarnings: list,
        greylist: c,
        virusScanned: true,
        subjectTag: b,
        spam: { ...SPAM, tests: list.map((symbol) => ({ symbol, score: 1 })), autolearn: c },
        received: { ...INPUT.received, greeting: a, peer: b, protocol: c, recipients: [a] },
      });
      for (const edit of edits) {
        if (edit.do === "remove") continue;
        expect(isFoldedField(edit.line)).toBe(true);
        expect(edit.line).toMatch(/^[A-Za-z-]+:(?:[\x20-\x7e]|\r\n )*$/);
      }
    }),
  );
});
