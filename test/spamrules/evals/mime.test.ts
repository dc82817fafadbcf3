// What rules ask of MIME.
import { describe, expect, it } from "vitest";
import type { EvalContext } from "../../../src/spamrules/evals/eval.ts";
import { MIME } from "../../../src/spamrules/evals/mime.ts";
import { uppercaseShare } from "../../../src/spamrules/evals/uppercase.ts";
import { renderHtml } from "../../../src/spamrules/html/render.ts";
import { parseRules } from "../../../src/spamrules/language/parse.ts";
import { prepare, toolsOf } from "../../../src/spamrules/prepare.ts";
import type { Rule } from "../../../src/spamrules/rulebook.ts";

const book = parseRules({ texts: [], includes: new Map(), problems: [] }, { local: true });
const tools = toolsOf(book.settings, renderHtml);

function ask(mail: string, name: string, ...args: string[]): boolean | number | undefined {
  const memo = new Map<symbol, unknown>();
  const context = {
    subject: prepare(Buffer.from(mail, "latin1"), { now: 0 }, tools),
    book,
    memo: (key: symbol, make: () => unknown) => {
      if (!memo.has(key)) memo.set(key, make());
      return memo.get(key);
    },
  } as unknown as EvalContext;
  return MIME[name]?.(context, args, {} as Rule);
}

const alternative = (text: string, html: string): string =>
  `Content-Type: multipart/alternative; boundary=x\n\n--x\nContent-Type: text/plain\n\n${text}\n--x\nContent-Type: text/html\n\n${html}\n--x--\n`;

describe("MIMEEval", () => {
  it.each([
    ["Content-Transfer-Encoding: base64\n\nYQ==\n", "mime_base64_count", true],
    ["Content-Transfer-Encoding: base64\n\nYQ==\n", "mime_base64_encoded_text", true],
    [
      "Content-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: base64\n\nYQ==\n",
      "mime_base64_encoded_text",
      false,
    ],
    ["A: b\n\nx\n", "mime_base64_count", false],
    // Counted are octets quoted without need, once there is any quoted-printable: "=" must be quoted.
    ["Content-Transfer-Encoding: quoted-printable\n\na=3Db\n", "mime_qp_count", false],
    ["Content-Transfer-Encoding: quoted-printable\n\na=41b\n", "mime_qp_count", true],
    ["Content-Transfer-Encoding: quoted-printable\n\na=20=20\n", "mime_qp_count", false],
    [
      `Content-Transfer-Encoding: quoted-printable\n\n${"a".repeat(79)}\n`,
      "mime_qp_long_line",
      true,
    ],
    [
      `Content-Transfer-Encoding: quoted-printable\n\n${"a".repeat(78)}\n`,
      "mime_qp_long_line",
      false,
    ],
    ["Content-Type: text/plain; charset=iso-odd-1\n\nx\n", "mime_bad_iso_charset", true],
    ["Content-Type: text/plain; charset=iso-8859-15\n\nx\n", "mime_bad_iso_charset", false],
    ["Content-Disposition: attachment\n\nx\n", "mime_attachment", true],
    ["Content-Type: multipart/mixed; boundary=x\n\n--x\n\na\n", "mime_missing_boundary", true],
    [
      "Content-Type: multipart/mixed; boundary=x\n\n--x\n\na\n--x--\n",
      "mime_missing_boundary",
      false,
    ],
    ["A: b\n\nx\n", "mimepart_limit_exceeded", false],
  ])("%j %s: %s", (mail, test, expected) => {
    expect(ask(mail, "check_for_mime", test)).toBe(expected);
  });

  it("knows HTML alone", () => {
    expect(ask("Content-Type: text/html\n\nx", "check_for_mime_html_only")).toBe(true);
    expect(ask(alternative("a", "<b>a</b>"), "check_for_mime_html_only")).toBe(false);
    expect(ask(alternative("a", "<b>a</b>"), "check_for_mime_html")).toBe(true);
  });

  it("compares text with HTML", () => {
    const mail = alternative("a".repeat(10), "b".repeat(100));
    expect(ask(mail, "check_mime_multipart_ratio", "0.09", "0.11")).toBe(true);
    expect(ask(mail, "check_mime_multipart_ratio", "0.11", "1.00")).toBe(false);
  });

  it("sees 8-bit text in ASCII and entities in text", () => {
    expect(ask("Content-Type: text/plain\n\n\xe9", "check_for_ascii_text_illegal")).toBe(true);
    expect(
      ask("Content-Type: text/plain; charset=utf-8\n\n\xe9", "check_for_ascii_text_illegal"),
    ).toBe(false);
    expect(ask("A: b\n\nabcdefghij&#x0041;", "check_abundant_unicode_ratio", "0.10")).toBe(true);
    expect(ask("A: b\n\nabcdefghij&#x0041;", "check_abundant_unicode_ratio", "0.11")).toBe(false);
  });

  it("measures lines of base64", () => {
    const mail = `Content-Transfer-Encoding: base64\n\n${"A".repeat(77)}\n`;
    expect(ask(mail, "check_base64_length", "78", "79")).toBe(true);
    expect(ask(mail, "check_base64_length", "79")).toBe(false);
  });

  it("finds what is no text among alternatives", () => {
    const mail = (type: string): string => alternative("a", "b").replace("text/html", type);
    expect(ask(mail("image/png"), "check_ma_non_text")).toBe(true);
    expect(ask(mail("application/rtf"), "check_ma_non_text")).toBe(false);
  });

  it("counts capitals", () => {
    const lines = [`${"AB cd ".repeat(40)}\n`];
    expect(uppercaseShare(lines)).toBe(50);
    expect(uppercaseShare(["AB cd\n"])).toBe(0);
    expect(uppercaseShare(["A".repeat(500)])).toBe(0);
    expect(ask(`A: b\n\n${"AB cd ".repeat(40)}`, "check_for_uppercase", "25", "50")).toBe(true);
    expect(
      ask(
        `Content-Type: text/plain; charset=koi8-r\n\n${"AB cd ".repeat(40)}`,
        "check_for_uppercase",
        "25",
        "50",
      ),
    ).toBe(false);
  });

  it("tells what the parser noted", () => {
    expect(ask("A: b", "check_msg_parse_flags", "missing_head_body_separator")).toBe(true);
    expect(ask("A: b\n\n", "check_msg_parse_flags", "missing_head_body_separator")).toBe(false);
  });
});
