// The small rule set over letters made here: what the tests of it share.
import { readdirSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { renderHtml } from "../../src/spamrules/html/render.ts";
import { parseRules } from "../../src/spamrules/language/parse.ts";
import { prepare, toolsOf } from "../../src/spamrules/prepare.ts";
import { compileProgram, type Program } from "../../src/spamrules/program.ts";
import { run } from "../../src/spamrules/run.ts";

const DIRECTORY = resolve(import.meta.dirname, "../../rules/spam");
const NOW = Date.parse("2026-11-21T12:00:00Z");

export interface Judgement {
  readonly total: number;
  readonly rules: readonly string[];
}

export interface SmallSet {
  readonly program: Program;
  /** Lines of a message without their ends. */
  judged(lines: readonly string[]): Judgement;
}

/** The rules as they are shipped. */
export function smallSet(): SmallSet {
  const texts = readdirSync(DIRECTORY)
    .filter((name) => name.endsWith(".cf"))
    .sort()
    .map((name) => ({ file: name, octets: readFileSync(join(DIRECTORY, name), "latin1") }));
  const book = parseRules({ texts, includes: new Map(), problems: [] }, { local: true });
  const program = compileProgram(book, { local: true, bayes: false });
  const tools = toolsOf(book.settings, renderHtml);
  const proofs = { spf: null, dkim: null, dmarc: null, arc: null };
  const judged = (lines: readonly string[]): Judgement => {
    const subject = prepare(Buffer.from(`${lines.join("\r\n")}\r\n`), { now: NOW }, tools);
    const { total, hits } = run(program, subject, { proofs }).finish({}, false);
    return { total, rules: hits.map(({ rule }) => rule) };
  };
  return { program, judged };
}

export const FROM_A_HOST = [
  "Received: from mail.far.example (mail.far.example [192.0.2.7])",
  "\tby mx.ours.example (Postfix) with ESMTP id 4XyZ12;",
  "\tSat, 21 Nov 2026 11:59:58 +0000 (UTC)",
];
export const FROM_A_LINE = [
  "Received: from friend (unknown [203.0.113.77])",
  "\tby mx.ours.example (Postfix) with ESMTP id 4XyZ13;",
  "\tSat, 21 Nov 2026 11:59:58 +0000 (UTC)",
];
export const HEADER = [
  "Date: Sat, 21 Nov 2026 12:59:50 +0100",
  "Message-ID: <20261121115950.GA1234@far.example>",
  "To: Ann <ann@ours.example>",
];

/** A field value in UTF-8. */
export const word = (text: string): string => `=?UTF-8?B?${Buffer.from(text).toString("base64")}?=`;

/** A letter from a host with a name: plain text in UTF-8, or HTML when it starts with "<". */
export function letter(
  from: string,
  subject: string,
  body: readonly string[],
  more: readonly string[] = [],
): string[] {
  const type = body[0]?.startsWith("<") === true ? "html" : "plain";
  return [
    ...FROM_A_HOST,
    `From: ${from}`,
    `Subject: ${subject}`,
    ...HEADER,
    ...more,
    "MIME-Version: 1.0",
    `Content-Type: text/${type}; charset=utf-8`,
    "Content-Transfer-Encoding: 8bit",
    "",
    ...body,
  ];
}
