// What rules ask of HTML parts, bodies, images and links that lie, on small messages.
import { expect, it } from "vitest";
import { BODY } from "../../../src/spamrules/evals/body.ts";
import type { EvalContext, Evals } from "../../../src/spamrules/evals/eval.ts";
import { HTML } from "../../../src/spamrules/evals/html.ts";
import { HTTPS } from "../../../src/spamrules/evals/https.ts";
import { IMAGE_INFO } from "../../../src/spamrules/evals/imageinfo.ts";
import { renderHtml } from "../../../src/spamrules/html/render.ts";
import { prepare, toolsOf } from "../../../src/spamrules/prepare.ts";
import type { Rule } from "../../../src/spamrules/rulebook.ts";
import { bookOf } from "../language/book.ts";

const book = bookOf("util_rb_tld com example\nutil_rb_2tld co.example\n");
const tools = toolsOf(book.settings, renderHtml);
const ALL: Evals = { ...BODY, ...HTML, ...HTTPS, ...IMAGE_INFO };

/** Calls `check('A','B')` as a rule would. */
function ask(message: string, call: string, on: "body" | "rawbody" = "body"): boolean {
  const [, name = "", list = ""] = /^(\w+)\((.*)\)$/.exec(call) ?? [];
  const args = [...list.matchAll(/'([^']*)'/g)].map(([, arg = ""]) => arg);
  const kept = new Map<symbol, unknown>();
  const context: EvalContext = {
    subject: prepare(Buffer.from(message, "latin1"), { now: 0 }, tools),
    book,
    proofs: { spf: null, dkim: null, dmarc: null, arc: null },
    local: true,
    hits: () => 0,
    memo: <T>(key: symbol, make: () => T): T => {
      if (!kept.has(key)) kept.set(key, make());
      return kept.get(key) as T;
    },
    tag: () => undefined,
  };
  const rule = { definition: { type: "eval", on, function: name, args } } as unknown as Rule;
  return Number(ALL[name]?.(context, args, rule)) > 0;
}

const html = (body: string): string =>
  `From: a@b.example\nSubject: One two\nContent-Type: text/html; charset=utf-8\n\n${body}`;
const plain = (body: string): string => `Subject: s\n\n${body}`;
const image = (type: string, name: string, octets: string): string =>
  `Subject: s\nContent-Type: multipart/mixed; boundary=x\n\n--x\nContent-Type: ${type}; name="${name}"\n` +
  `Content-Transfer-Encoding: base64\n\n${Buffer.from(octets, "latin1").toString("base64")}\n--x\n\nten octets\n--x--\n`;
const alternative = (text: string, page: string): string =>
  `Subject: s\nContent-Type: multipart/alternative; boundary=x\n\n--x\n\n${text}\n--x\nContent-Type: text/html\n\n${page}\n--x--\n`;

const PNG = "\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\x01\0\0\0\0\x20\x08\x02\0\0\0crc.";
const GIF = "GIF89a\x20\0\x10\0\0\0\0";
const JPEG = "\xff\xd8\xff\xe0\0\x04ab\xff\xc2\0\x0b\x08\0\x10\0\x30\x01";

it.each<[string, string, boolean]>([
  [html("<b><b></b>"), "html_tag_balance('b','!= 0')", true],
  [html("<b></b>"), "html_tag_balance('b','!= 0')", false],
  [html("<i>"), "html_tag_balance('b','== 0')", false],
  [html("<b>"), "html_tag_balance('b','+ 1')", false],
  [html("<img>"), "html_image_only('3','6')", true],
  [html("<img>"), "html_image_only('6','9')", false],
  [html("abc<img width=10 height=1>"), "html_image_ratio('0.2','0.3')", true],
  [html("abc<img width=10 height=1>"), "html_image_ratio('0.3','0.4')", false],
  [html("<p>"), "html_tag_exists('p')", true],
  [html("<p>"), "html_tag_exists('b')", false],
  [html("<embed>"), "html_test('embeds')", true],
  [html("x"), "html_test('embeds')", false],
  [html("x"), "html_test('html')", true],
  [plain("<p>x"), "html_test('html')", false],
  [html("x"), "html_eval('length','< 3')", true],
  [html("x"), "html_eval('length','< 2')", true],
  [html("x"), "html_eval('length','> 2')", false],
  [html("<title>ab</title>"), "html_text_match('title','(?i)^AB$')", true],
  [html("<title>\xd0\x96\xd0\x96</title>"), "html_text_match('title','^.{2}$')", true],
  [html("<title>\xd0\x96</title>"), "html_text_match('title','[^\\x00-\\x7f]')", true],
  [html("<title>\xc3\xa9</title>"), "html_text_match('title','^\\xe9$')", true],
  [html("<title>ab</title>"), "html_text_match('title','[')", false],
  [html("<title>ab</title>"), "html_text_not_match('title','b')", false],
  [html("<title>ab</title>"), "html_text_not_match('title','c')", true],
  [html("<!-- c -->"), "html_text_match('comment','^<!-- c -->$')", true],
  [html(`<title>${"x".repeat(17)}</title>`), "html_title_subject_ratio('2')", true],
  [html(`<title>${"x".repeat(16)}</title>`), "html_title_subject_ratio('2')", false],
  [html("<font size=6>"), "html_range('max_size','5','inf')", true],
  [html("<font size=6>"), "html_range('max_size','6','inf')", false],
  [html("<font size=6>"), "html_range('max_size','5','6')", true],
  [html("<font size=6>"), "html_range('nosuch','0','inf')", false],
  [html("<iframe src=x>"), "check_iframe_src()", true],
  [html("<iframe>"), "check_iframe_src()", false],
  [
    html('<meta http-equiv=Content-Type content="x; charset=koi8-r">'),
    "html_charset_faraway()",
    false,
  ],
])("of %j: %s is %s", (message, call, expected) => {
  expect(ask(message, call)).toBe(expected);
});

it.each<[string, string, boolean]>([
  ["<a href=http://a.com/>https://b.com/", "check_https_http_mismatch('1','10')", true],
  ["<a href=http://x.a.com/>https://y.a.com/", "check_https_http_mismatch('1','10')", false],
  ["<a href=http://192.0.2.1/>https://b.com/", "check_https_http_mismatch('1','10')", false],
  ["<a href=http://a.com/>https://192.0.2.1/", "check_https_http_mismatch()", true],
  ["<a href=http://a.com/>https://b.nosuchtop/", "check_https_http_mismatch('1','10')", false],
  ["<a href=http://a.com/>https://b.com/", "check_https_http_mismatch('2','10')", false],
  ["<a href=http://a.com/>https://b.com/", "check_https_http_mismatch('1','1')", false],
])("of %j: %s is %s", (body, call, expected) => {
  expect(ask(html(body), call)).toBe(expected);
});

it.each<[string, string, boolean]>([
  [alternative("a b", "a <b>b</b>"), "multipart_alternative_difference('0','0')", true],
  [alternative("a b", "a c d"), "multipart_alternative_difference('60','70')", true],
  [alternative("a", "a a"), "multipart_alternative_difference('99','100')", true],
  [alternative("a", "<img src=x> - "), "multipart_alternative_difference('99','undef')", true],
  [alternative("a", "- &mdash;"), "multipart_alternative_difference('99','undef')", false],
  [alternative("caf\xc3\xa9", "caf&eacute;"), "multipart_alternative_difference('1','100')", false],
  [alternative("a b c d e f", "a b"), "multipart_alternative_difference_count('2','1')", true],
  [alternative("a b c d", "a b"), "multipart_alternative_difference_count('2','1')", false],
  [plain("a\n\n\nb\n"), "check_blank_line_ratio('40','60','4')", true],
  [plain("a\n\n\nb\n"), "check_blank_line_ratio('40','60','5')", false],
  [plain("a b c d e f g\n"), "tvd_vertical_words('80','100')", true],
  [plain("abcdefg hi\n"), "tvd_vertical_words('22','23')", true],
  [plain("Company: x\nSymbol : y\nPrice target: 3\n"), "check_stock_info('3')", true],
  [plain("Company: x\nCOMPANY: z\n"), "check_stock_info('2')", false],
  [plain("12345\n"), "check_body_length('6')", true],
  [plain("12345\n"), "check_body_length('5')", false],
  [plain("text\n-- \nsignature\n"), "plaintext_body_length('5','5')", true],
  [plain("text\n-- \nsignature\n"), "plaintext_sig_length('11','11')", true],
  [plain("text\n-- \nab\n"), "plaintext_sig_length('1')", false],
  [plain("text\n-- \nsignature\n"), "plaintext_body_sig_ratio('0.4','0.5')", true],
  [plain("text\n"), "plaintext_body_sig_ratio('1000000')", true],
])("of %j: %s is %s", (message, call, expected) => {
  expect(ask(message, call)).toBe(expected);
});

it.each<[string, string, boolean]>([
  [image("image/png", "a.png", PNG), "image_size_exact('png','32','256')", true],
  [image("image/png", "a.png", PNG), "pixel_coverage('all','8192','8192')", true],
  [image("image/gif", "a.gif", GIF), "image_size_exact('all','16','32')", true],
  [image("image/jpg", "a.jpg", JPEG), "image_size_range('jpeg','16','48')", true],
  [image("image/jpg", "a.jpg", JPEG), "image_size_range('jpeg','16','48','99','47')", false],
  [image("image/jpeg", "a.jpg", "no image"), "image_count('jpeg','1','1')", true],
  [image("image/jpeg", "a.jpg", "no image"), "pixel_coverage('jpeg','1')", false],
  [image("image/gif", "a.gif", GIF), "image_count('png','1')", false],
  [image("image/gif", "a.gif", GIF), "image_named('a.gif')", true],
  [image("image/gif", "a.gif", "GIF"), "image_named('a.gif')", false],
  [image("image/gif", "a.gif", GIF), "image_name_regex('\\.gif$')", true],
  // The body is "s", a line end, "ten octets".
  [image("image/gif", "a.gif", GIF), "image_to_text_ratio('gif','0.02','0.03')", true],
  [image("image/gif", "a.gif", GIF), "image_to_text_ratio('gif','0','0.02')", false],
])("of an image: %j: %s is %s", (message, call, expected) => {
  expect(ask(message, call)).toBe(expected);
});

it("counts the raw body for raw body rules", () => {
  const message = image("image/gif", "a.gif", GIF);
  expect(ask(message, "image_to_text_ratio('gif','0.018','0.02')", "rawbody")).toBe(true);
});
