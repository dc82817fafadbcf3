// rules/spam, the small set for machines without SpamAssassin: it compiles without a word, every rule is explained and has points, and
// some letters of our own get what they deserve.
import { readdirSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import { renderHtml } from "../../src/spamrules/html/render.ts";
import { parseRules } from "../../src/spamrules/language/parse.ts";
import { prepare, toolsOf, type Tools } from "../../src/spamrules/prepare.ts";
import { compileProgram, type Program } from "../../src/spamrules/program.ts";
import { run } from "../../src/spamrules/run.ts";

const DIRECTORY = resolve(import.meta.dirname, "../../rules/spam");
const NOW = Date.parse("2026-11-21T12:00:00Z");
let program: Program;
let tools: Tools;

beforeAll(() => {
  const texts = readdirSync(DIRECTORY)
    .filter((name) => name.endsWith(".cf"))
    .sort()
    .map((name) => ({ file: name, octets: readFileSync(join(DIRECTORY, name), "latin1") }));
  const book = parseRules({ texts, includes: new Map(), problems: [] }, { local: true });
  program = compileProgram(book, { local: true, bayes: false });
  tools = toolsOf(book.settings, renderHtml);
});

function judged(lines: readonly string[]): { total: number; rules: readonly string[] } {
  const subject = prepare(Buffer.from(`${lines.join("\r\n")}\r\n`), { now: NOW }, tools);
  const { total, hits } = run(program, subject, {
    proofs: { spf: null, dkim: null, dmarc: null, arc: null },
  }).finish({}, false);
  return { total, rules: hits.map(({ rule }) => rule) };
}

const FROM_A_HOST = [
  "Received: from mail.far.example (mail.far.example [192.0.2.7])",
  "\tby mx.ours.example (Postfix) with ESMTP id 4XyZ12;",
  "\tSat, 21 Nov 2026 11:59:58 +0000 (UTC)",
];
const FROM_A_LINE = [
  "Received: from friend (unknown [203.0.113.77])",
  "\tby mx.ours.example (Postfix) with ESMTP id 4XyZ13;",
  "\tSat, 21 Nov 2026 11:59:58 +0000 (UTC)",
];
const HEADER = [
  "Date: Sat, 21 Nov 2026 12:59:50 +0100",
  "Message-ID: <20261121115950.GA1234@far.example>",
  "To: Ann <ann@ours.example>",
];

describe("rules/spam", () => {
  it("compiles without a word", () =>
    expect([...program.book.problems, ...program.problems]).toEqual([]));

  it("explains every rule that counts, and gives it points", () => {
    const counting = [...program.book.rules.values()].filter(({ name }) => !name.startsWith("__"));
    expect(counting.length).toBeGreaterThan(100);
    expect(counting.filter(({ describe: text }) => text === "")).toEqual([]);
    const points = counting
      .filter(({ name }) => name !== "GTUBE")
      .map(({ scores: [local] }) => Math.abs(local));
    expect(Math.min(...points)).toBeGreaterThan(0);
    expect(Math.max(...points)).toBeLessThanOrEqual(3);
  });

  it("finds nothing in a letter", () => {
    const { total, rules } = judged([
      ...FROM_A_HOST,
      "From: Ben Miller <ben@far.example>",
      "Subject: Minutes of Thursday",
      ...HEADER,
      "",
      "Ann,",
      "",
      "the minutes are on the share. Could you look at point 3 before Monday?",
      "",
      "Ben",
    ]);
    expect(rules).toEqual([]);
    expect(total).toBe(0);
  });

  it("tags an offer of the usual kind", () => {
    const { total, rules } = judged([
      ...FROM_A_LINE,
      "From: FREE OFFERS <win48213@yahoo.com>",
      "Reply-To: offers7@hotmail.com",
      "Subject: AMAZING OPPORTUNITY - EARN CASH!!",
      ...HEADER,
      "Content-Type: text/html",
      "",
      "<html><body><center><font size=7>Make $5000 a week working from home, 100% guaranteed!!!</font>",
      "<p>Dear friend, click here: <a href=http://203.0.113.5/remove.html>order now</a>. This is not spam.",
      "To be removed from our list click here.</center></body></html>",
    ]);
    expect(rules).toEqual(
      expect.arrayContaining([
        ...["PN_NO_NAME", "PN_HELO_BARE", "PN_FROM_BORROWED", "PN_FROM_DIGITS", "PN_HTML_ONLY"],
        ...["PN_SUBJECT_SHOUTS", "PN_REMOVE_YOU", "PN_EARN", "PN_URI_NUMBER", "PN_NOT_SPAM"],
      ]),
    );
    expect(total).toBeGreaterThan(10);
  });

  it("knows GTUBE", () => {
    const line = "XJS*C4JDBQADN1.NSBN3*2IDNEN*GTUBE-STANDARD-ANTI-UBE-TEST-EMAIL*C.34X";
    const letter = [...FROM_A_HOST, "From: b@far.example", "Subject: test", ...HEADER, "", line];
    expect(judged(letter)).toEqual({ total: 1000, rules: ["GTUBE"] });
  });

  it("tags a threat that wants coins", () => {
    const { total, rules } = judged([
      ...FROM_A_LINE,
      "From: ann@ours.example",
      "Subject: I have recorded you, immediate payment",
      ...HEADER,
      "",
      "I have hacked your operating system and recorded a video with your webcam. I will send it to all your contacts.",
      "Transfer 900 USD in bitcoin within 48 hours to my wallet:",
      "bc1qar0srrr7xfkvy5l643lydnw9re59gtzzwf5mdq",
    ]);
    expect(rules).toContain("PN_EXTORTION");
    expect(total).toBeGreaterThan(5);
  });
});
