// What is read out of spamd's answers: real ones, ones that a message tries to forge, and noise.
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { MAX_REPLY, parseReply, replySize } from "../../src/clients/spamd-reply.ts";
import { rulesOf } from "../../src/clients/spamd-report.ts";
import { framed, reportOf } from "../fakes/spamd.ts";

const reply = (text: string) => parseReply(Buffer.from(text, "latin1"));

/** As spamd 4.0.1 wrote it. */
const STOCK = `Spam detection software, running on the system "vm",
has identified this incoming email as possible spam.

Content preview:  XJS*C4JDBQADN1.NSBN3*2IDNEN*GTUBE-STANDARD-ANTI-UBE-TEST-EMAIL*C.34X
   

Content analysis details:   (1001.3 points, 5.0 required)

 pts rule name              description
---- ---------------------- --------------------------------------------------
1000 GTUBE                  BODY: Generic Test for Unsolicited Bulk Email
 1.3 RCVD_ILLEGAL_IP        Received: contains illegal IP address
-1.0 ALL_TRUSTED            Passed through trusted hosts only via SMTP
 0.0 A_RULE_WITH_A_VERY_LONG_NAME_INDEED No description available.
 0.9 SPF_HELO_FAIL          SPF: HELO does not match SPF record (fail)
[SPF failed: Please see http://www.openspf.org/Why?s=helo;id=mail.example.org;ip=192.0.2.7]
 1.8 DRUGS_ERECTILE         Refers to an erectile drug which is written
                            7.0 NOT_A_RULE in a description
                            [URI: bad.example]
-0.0 T_TINY                 Next to nothing

`;

describe("a report", () => {
  it("as it comes from the box", () => {
    const { rules, exact, autolearn } = rulesOf(STOCK);
    expect(rules).toEqual([
      { name: "ALL_TRUSTED", score: -1 },
      { name: "A_RULE_WITH_A_VERY_LONG_NAME_INDEED", score: 0 },
      { name: "DRUGS_ERECTILE", score: 1.8 },
      { name: "GTUBE", score: 1000 },
      { name: "RCVD_ILLEGAL_IP", score: 1.3 },
      { name: "SPF_HELO_FAIL", score: 0.9 },
      { name: "T_TINY", score: 0 },
    ]);
    expect([exact, autolearn]).toEqual([false, null]);
    expect(rules.some(({ score }) => Object.is(score, -0))).toBe(false);
  });

  it("in Dutch, whose last column is narrower", () => {
    const dutch = STOCK.replace(/^---- .*$/m, `---- ${"-".repeat(22)} ${"-".repeat(41)}`);
    expect(rulesOf(dutch).rules).toHaveLength(7);
  });

  it("with the line that gives exact points", () => {
    const line =
      "tests=[DRUGS_ERECTILE=1.778,MSGID_SHORT=0.001,X=-0.1] autolearn=no autolearn_force=no";
    expect(rulesOf(`${STOCK}${line}\n\n`)).toEqual({
      rules: [
        { name: "DRUGS_ERECTILE", score: 1.778 },
        { name: "MSGID_SHORT", score: 0.001 },
        { name: "X", score: -0.1 },
      ],
      exact: true,
      autolearn: "autolearn=no autolearn_force=no",
    });
    expect(rulesOf(`tests=[none] autolearn=ham\n`)).toEqual({
      rules: [],
      exact: true,
      autolearn: "autolearn=ham",
    });
    expect(rulesOf("tests=[A=1]\n").autolearn).toBeNull();
  });

  it("with no rules in it", () => {
    expect(rulesOf("an operator's own words")).toEqual({
      rules: [],
      exact: false,
      autolearn: null,
    });
  });

  it("is not forged by what stands in the message", () => {
    const ruler = `---- ${"-".repeat(22)} ${"-".repeat(50)}`;
    const forged = STOCK.replace(
      "Content preview:  XJS",
      `Content preview:  x\n${ruler}\n-9.9 ALL_TRUSTED  x\n\ntests=[USER_IN_WELCOMELIST=-100] autolearn=ham\nXJS`,
    );
    expect(rulesOf(forged)).toEqual(rulesOf(STOCK));
  });

  it("of very many rules is bounded", () => {
    const many = Array.from({ length: 3000 }, (_, i) => ({ name: `R${i}`, score: 0.1 }));
    expect(rulesOf(reportOf(many)).rules).toHaveLength(500);
    expect(rulesOf(reportOf(many, { exact: true })).rules).toHaveLength(500);
  });
});

describe("a reply", () => {
  it("gives the total that spamd says, whatever the rules say", () => {
    expect(reply(framed(STOCK, "True ; 1001.3 / 5.0"))).toMatchObject({
      kind: "scored",
      total: 1001.3,
      required: 5,
    });
    expect(reply(framed("", "False ; -0.0 / 5.0"))).toMatchObject({ total: 0, rules: [] });
    expect(reply(framed(STOCK, "No ; -1.1 / 6.31"))).toMatchObject({ total: -1.1, required: 6.31 });
  });

  it("is whole when its length is there, not before", () => {
    const octets = Buffer.from(framed(STOCK), "latin1");
    const head = octets.indexOf("\r\n\r\n") + 4;
    for (const at of [0, 10, head - 1]) expect(replySize(octets.subarray(0, at))).toBeNull();
    for (const at of [head, octets.length])
      expect(replySize(octets.subarray(0, at))).toBe(octets.length);
  });

  it("is never more than is taken", () => {
    expect(replySize(Buffer.from(framed("x".repeat(MAX_REPLY)), "latin1"))).toBeLessThanOrEqual(
      MAX_REPLY + 200,
    );
    expect(reply(framed("x".repeat(MAX_REPLY)))).toMatchObject({ kind: "error" });
  });

  it("cut anywhere is an error", () => {
    const octets = Buffer.from(framed(STOCK, "True ; 9.0 / 5.0"), "latin1");
    for (let at = 0; at < octets.length; at++)
      expect(parseReply(octets.subarray(0, at)).kind).toBe("error");
    expect(parseReply(octets).kind).toBe("scored");
  });
});

describe("noise", () => {
  const piece = fc.oneof(
    fc.string({ unit: "binary", maxLength: 40 }),
    fc.constantFrom(
      "SPAMD/1.1 0 EX_OK\r\n",
      "Content-length: 5\r\n",
      "Spam: True ; 1.0 / 5.0\r\n",
      "\r\n",
      "tests=[A=1",
      "]",
      "\n---- ",
    ),
    fc.constantFrom(STOCK, " 1.0 NAME x\n", "\n\n", ":", "\0"),
  );
  const text = fc.array(piece, { maxLength: 12 }).map((list) => list.join(""));

  it("never throws, and what is wrong is told in printable words", () => {
    fc.assert(
      fc.property(text, (noise) => {
        const octets = Buffer.from(noise, "latin1");
        replySize(octets);
        const result = parseReply(octets);
        if (result.kind === "error") expect(result.why).toMatch(/^[\x20-\x7e]{1,200}$/);
        else expect(Number.isFinite(result.total)).toBe(true);
      }),
      { numRuns: 2000 },
    );
  });

  it("a report of any text gives names and numbers only", () => {
    fc.assert(
      fc.property(text, (noise) => {
        for (const { name, score } of rulesOf(noise).rules) {
          expect(name).toMatch(/^[A-Za-z][A-Za-z0-9_]{0,127}$/);
          expect(Number.isFinite(score)).toBe(true);
        }
      }),
      { numRuns: 2000 },
    );
  });

  it("takes linear time", () => {
    const cost = (size: number): number => {
      const noise = `tests=[${"A=1,".repeat(size)}!`;
      const start = process.cpuUsage().user;
      for (let i = 0; i < 5; i++) rulesOf(noise);
      return process.cpuUsage().user - start;
    };
    cost(1000);
    expect(cost(60_000)).toBeLessThan(Math.max(400_000, cost(6_000) * 40));
  });
});
