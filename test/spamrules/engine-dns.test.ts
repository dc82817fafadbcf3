// Rules that ask DNS, through the engine's threads: rounds of questions, waiting that holds nobody else up, and lists left alone.
import { afterEach, describe, expect, it } from "vitest";
import { spamEngine, type SpamEngine } from "../../src/spamrules/engine.ts";
import type { Outside } from "../../src/spamrules/engine-asks.ts";
import type { DnsLookup } from "../../src/spamrules/engine-job.ts";
import type { DnsReply, Replies } from "../../src/spamrules/evals/dns.ts";

const RULES = `
loadplugin Mail::SpamAssassin::Plugin::DNSEval
loadplugin Mail::SpamAssassin::Plugin::URIDNSBL
util_rb_tld org net
header LISTED eval:check_rbl('bl-lastexternal', 'bl.test.')
tflags LISTED net
score LISTED 2
describe LISTED On a list
header BLOCKED eval:check_rbl_sub('bl-lastexternal', '127.255.255.255')
tflags BLOCKED net
score BLOCKED 0.001
dns_block_rule BLOCKED bl.test
urinsrhsbl SERVED ns.test. A
body SERVED eval:check_uridnsbl('SERVED')
tflags SERVED net
score SERVED 4
body LOCAL /hello/
score LOCAL 1
meta BOTH LISTED && LOCAL
score BOTH 8
`;
const MAIL = `Received: from a.example (a.example [8.8.4.4])\n\tby mx.home.example (Postfix) with ESMTP id 1; Sat, 21 Nov 2026 10:00:05 +0000\nSubject: x\n\nhello http://www.spammer.org/\n`;

let engine: SpamEngine;
afterEach(() => engine.close());

function start(rules = RULES, deadlineMs = 5000): void {
  const texts = [{ file: "/own.cf", octets: rules }];
  const data = { texts, includes: [], problems: [], local: false, bayes: false, hostname: "h" };
  engine = spamEngine({ data, deadlineMs });
}
const score = (
  dns: Outside["dns"],
  over: Partial<Outside> & { explain?: boolean } = {},
): ReturnType<SpamEngine["score"]> =>
  engine.score([Buffer.from(MAIL)], { now: 0, dns, ...over }, null);

/** Answers by key; the others are told to be no names. */
const answering =
  (answers: Record<string, DnsReply["records"]>, asked: string[][] = []): Outside["dns"] =>
  async (lookups: readonly DnsLookup[]): Promise<Replies> => {
    asked.push(lookups.map(({ key }) => key));
    return new Map(
      lookups.map(({ key }) => [key, { code: answers[key] ? 0 : 3, records: answers[key] ?? [] }]),
    );
  };
const a = (text: string): DnsReply["records"] => [{ type: "A", text }];
const names = (answer: Awaited<ReturnType<typeof score>>): readonly string[] =>
  "failed" in answer ? [answer.failed] : answer.names;

describe("rules that ask DNS", () => {
  it("hit by what it answers, round after round, and metas follow", async () => {
    start();
    const asked: string[][] = [];
    const answers = {
      "A 4.4.8.8.bl.test": a("127.0.0.2"),
      "NS spammer.org": [{ type: "NS", text: "ns1.host.net." }],
      "A host.net.ns.test": a("127.0.0.2"),
    };
    const answer = await score(answering(answers, asked), { explain: true });
    expect(answer).toMatchObject({ total: 15, dns: { asked: 3, silent: 0 }, partial: null });
    expect(names(answer)).toEqual(["BOTH", "LISTED", "LOCAL", "SERVED"]);
    expect(asked.map((keys) => keys.sort())).toEqual([
      ["A 4.4.8.8.bl.test", "NS spammer.org"],
      ["A host.net.ns.test"],
    ]);
    expect("failed" in answer ? [] : answer.hits).toContainEqual({
      rule: "SERVED",
      score: 4,
      describe: "",
      count: 1,
      matched: { where: "DNS", text: "host.net" },
    });
  });

  it("do not hit without an answer, which is counted; nor without anybody to ask", async () => {
    start();
    const silent = await score(async () => new Map());
    expect(silent).toMatchObject({ total: 1, dns: { asked: 2, silent: 2 }, partial: null });
    const failing = await score(() => Promise.reject(new Error("down")));
    expect(failing).toMatchObject({ total: 1, dns: { asked: 2, silent: 2 } });
    expect(await score(null)).not.toHaveProperty("dns");
  });

  it("wait while the only thread scores others", async () => {
    start();
    await engine.warm();
    let release: (replies: Replies) => void = () => {};
    const waiting = score(() => new Promise((resolve) => (release = resolve)));
    for (let n = 0; n < 3; n++) expect(names(await score(null))).toEqual(["LOCAL"]);
    release(new Map([["A 4.4.8.8.bl.test", { code: 0, records: a("127.0.0.2") }]]));
    expect(names(await waiting)).toEqual(["BOTH", "LISTED", "LOCAL"]);
  });

  it("leave what had hit when their thread is killed for another message", async () => {
    start(`${RULES}body ENDLESS /^(?:x+x+)+[^x]$/\nscore ENDLESS 1\n`, 2000);
    await engine.warm();
    const waiting = score(() => new Promise(() => {}));
    const bait = Buffer.from(`Subject: y\n\n${"x".repeat(60)}!!\n`);
    expect(await engine.score([bait], { now: 0 }, null)).toHaveProperty("partial.rule", "ENDLESS");
    expect(await waiting).toMatchObject({ names: ["LOCAL"], total: 1, partial: {} });
    expect(names(await score(null))).toContain("LOCAL");
  });

  it("leave a list alone that says it will not answer", async () => {
    start();
    const asked: string[][] = [];
    const refusing = answering({ "A 4.4.8.8.bl.test": a("127.255.255.255") }, asked);
    expect(names(await score(refusing))).toContain("BLOCKED");
    expect(names(await score(refusing))).toEqual(["LOCAL"]);
    expect(asked.flat().filter((key) => key.endsWith("bl.test"))).toHaveLength(1);
  });
});
