// What rules ask DNS, and what the answers make of them.
import { describe, expect, it } from "vitest";
import {
  answersToHits,
  questionKey,
  questionsFor,
  type DnsQuestion,
  type DnsReply,
} from "../../../src/spamrules/evals/dns.ts";
import { renderHtml } from "../../../src/spamrules/html/render.ts";
import { prepare, toolsOf } from "../../../src/spamrules/prepare.ts";
import type { RuleBook } from "../../../src/spamrules/rulebook.ts";
import { bookWith } from "../uri/finder.ts";

const HOPS = ["8.8.4.4", "8.8.8.8", "10.0.0.1", "9.9.9.9"]
  .map(
    (ip, at) =>
      `Received: from h${at}.example.com (h${at}.example.com [${ip}])\n\tby us${at}.example.net (Postfix) with ESMTP id ${at}; Mon, 7 Oct 2002 09:00:0${at} +0000\n`,
  )
  .join("");
const MESSAGE = `${HOPS}From: user@example.com\nSubject: x\n\nhttp://www.a.co.uk/ http://192.0.2.9/ mailto:x@mail.org http://skip.com/\n`;

function asked(book: RuleBook, tags: Record<string, string[]> = {}): readonly DnsQuestion[] {
  const subject = prepare(Buffer.from(MESSAGE), { now: 0 }, toolsOf(book.settings, renderHtml));
  return questionsFor(book, subject, {
    scoreSet: 1,
    senders: ["user@example.com"],
    tags: new Map(Object.entries(tags)),
    proofs: { spf: null, dkim: null, dmarc: null, arc: null },
  });
}

const names = (lines: string, tags?: Record<string, string[]>): string[] =>
  asked(bookWith(lines), tags).map(questionKey).sort();

function hits(lines: string, replies: Record<string, Partial<DnsReply>>): string[] {
  const book = bookWith(lines);
  const answers = new Map(
    Object.entries(replies).map(
      ([key, reply]) => [key, { code: 0, records: [], ...reply }] as const,
    ),
  );
  let questions = asked(book);
  const found: string[] = [];
  for (let round = 0; round < 3 && questions.length > 0; round += 1) {
    const settled = answersToHits(book, questions, answers, (host) =>
      host.split(".").slice(-2).join("."),
    );
    found.push(...settled.hits.keys());
    questions = settled.questions;
  }
  return found.sort();
}

const a = (...texts: string[]): Partial<DnsReply> => ({
  records: texts.map((text) => ({ type: "A", text })),
});

describe("relays", () => {
  it.each([
    ["z-lastexternal", ["A 4.4.8.8.l.org"]],
    ["z-firsttrusted", ["A 4.4.8.8.l.org"]],
    ["z-notfirsthop", ["A 4.4.8.8.l.org", "A 8.8.8.8.l.org"]],
    ["z-untrusted", ["A 8.8.8.8.l.org", "A 9.9.9.9.l.org"]],
    ["z", ["A 4.4.8.8.l.org", "A 8.8.8.8.l.org", "A 9.9.9.9.l.org"]],
  ])("%s", (set, wanted) => {
    expect(names(`header X eval:check_rbl('${set}', 'l.org.')`)).toEqual(wanted);
  });

  it("asks nothing for rules without points, for skipped lists and under a restriction", () => {
    const rule = "header X eval:check_rbl('z-lastexternal', 'l.org.')\n";
    expect(names(`${rule}score X 0`)).toEqual([]);
    expect(names(`${rule}skip_rbl_checks 1`)).toEqual([]);
    expect(names(`${rule}dns_query_restriction deny org`)).toEqual([]);
    expect(
      names(`${rule}dns_query_restriction deny *\ndns_query_restriction allow l.org`),
    ).toHaveLength(1);
  });

  it("tells answers apart", () => {
    const lines = `header ANY eval:check_rbl('z-lastexternal', 'l.org.')
header EXACT eval:check_rbl_sub('z-lastexternal', '127.0.0.2')
header MASK eval:check_rbl_sub('z-lastexternal', '4')
header LIKE eval:check_rbl_sub('z-lastexternal', '^127\\.0\\.0\\.[67]$')
header OTHER eval:check_rbl_sub('y', '127.0.0.2')`;
    const key = "A 4.4.8.8.l.org";
    expect(hits(lines, { [key]: a("127.0.0.2") })).toEqual(["ANY", "EXACT"]);
    expect(hits(lines, { [key]: a("127.0.0.6") })).toEqual(["ANY", "LIKE", "MASK"]);
    expect(hits(lines, { [key]: a("10.0.0.2") })).toEqual([]);
    expect(hits(lines, { [key]: { code: 3 } })).toEqual([]);
    expect(hits(lines, {})).toEqual([]);
  });

  it("knows domains of senders", () => {
    expect(names("header X eval:check_rbl_from_host('h', 'l.org')")).toEqual([
      "A example.com.l.org",
    ]);
  });
});

describe("URIs", () => {
  const list = (line: string, flags = ""): string =>
    `${line}\nbody X eval:check_uridnsbl('X')\ntflags X net ${flags}\nuridnsbl_skip_domain skip.com`;

  it("asks by domain or address, not for what is skipped nor for mail", () => {
    expect(names(list("urirhsbl X l.org. A"))).toEqual(
      ["A 9.2.0.192.l.org", "A a.co.uk.l.org"].sort(),
    );
    expect(names(list("urirhsbl X l.org. A", "domains_only"))).toEqual(["A a.co.uk.l.org"]);
    expect(names(list("urirhsbl X l.org. A", "ips_only"))).toEqual(["A 9.2.0.192.l.org"]);
    expect(names(list("urirhsbl X l.org. A", "domains_only notrim"))).toEqual([
      "A www.a.co.uk.l.org",
    ]);
  });

  it("follows hosts to their addresses and name servers", () => {
    const zone = { "A 7.7.7.7.l.org": a("127.0.0.2") };
    expect(
      hits(list("uridnssub X l.org. A 127.0.0.2", "a"), { "A www.a.co.uk": a("7.7.7.7"), ...zone }),
    ).toEqual(["X"]);
    const server = { "NS a.co.uk": { records: [{ type: "NS", text: "ns1.host.net." }] } };
    expect(
      hits(list("urinsrhsbl X l.org. A"), { ...server, "A host.net.l.org": a("127.0.0.2") }),
    ).toEqual(["X"]);
    expect(
      hits(list("urifullnsrhsbl X l.org. A"), {
        ...server,
        "A ns1.host.net.l.org": a("127.0.0.2"),
      }),
    ).toEqual(["X"]);
  });

  it.each([
    ["2", "127.0.0.2", true],
    ["2", "10.0.0.2", false],
    ["127.0.0.2", "127.0.0.2", true],
    ["127.0.0.2", "127.0.0.3", false],
    ["127.0.0.2-127.0.0.9", "127.0.0.5", true],
    ["0x2/0xff", "10.0.0.2", true],
  ])("%s of %s: %s", (test, text, wanted) => {
    const found = hits(list(`urirhssub X l.org. A ${test}`), { "A a.co.uk.l.org": a(text) });
    expect(found).toEqual(wanted ? ["X"] : []);
  });
});

describe("tags and hashes", () => {
  it("makes names of tags, one for each value, none without", () => {
    expect(names("askdns X _T_.l.org A", { T: ["a", "b"] })).toEqual(["A a.l.org", "A b.l.org"]);
    expect(names("askdns X _T_.l.org A")).toEqual([]);
    expect(names("askdns X _URIDOMAINS_.l.org TXT")).toContain("TXT a.co.uk.l.org");
  });

  it("looks at the records that the rule wants", () => {
    const lines = "askdns X l.org TXT /^yes/\naskdns N n.org A [NXDOMAIN]";
    expect(
      hits(lines, { "TXT l.org": { records: [{ type: "TXT", text: "yes, it is" }] } }),
    ).toEqual(["X"]);
    expect(
      hits(lines, {
        "TXT l.org": { records: [{ type: "A", text: "yes" }] },
        "A n.org": { code: 3 },
      }),
    ).toEqual(["N"]);
  });

  it("hashes addresses", () => {
    const sha1 = "63a710569261a24b3766275b7000ce8d7b32e2f7";
    expect(names("header X eval:check_hashbl_emails('l.org', 'sha1', 'ALLFROM')")).toEqual([
      `A ${sha1}.l.org`,
    ]);
    expect(names("header X eval:check_hashbl_emails('l.org/TXT', 'md5/user', 'ALLFROM')")).toEqual([
      "TXT ee11cbb19052e40b07aac0ca060c23ee.l.org",
    ]);
  });

  it("hashes what the first group of a pattern takes of the body", () => {
    const sha1 = "1d6e1cf70ec6f9ab28d3ea4b27a49a77654d370e"; // of "mail"
    const rule = String.raw`body X eval:check_hashbl_bodyre('l.org', 'sha1', '\bx@(\w+)\.org')`;
    expect(names(rule)).toEqual([`A ${sha1}.l.org`]);
  });
});
