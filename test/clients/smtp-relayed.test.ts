import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { replyLine, type Reply } from "../../src/mail/reply.ts";
import { failureReply, queuedAs, relayedReply } from "../../src/clients/smtp-relayed.ts";
import type { Failure } from "../../src/clients/smtp-connection.ts";

const MTA = "smtp:[127.0.0.1]:11025";
const REJECTED = `id=00042-01 - Rejected by next-hop MTA on relaying, from MTA(${MTA}): `;
const LATER = `id=00042-01 - Temporary MTA failure on relaying, from MTA(${MTA}): `;

describe("a next hop's reply under our own code", () => {
  test.each([
    [250, ["2.0.0 Ok: queued as 4ABC"], `250 2.0.0 from MTA(${MTA}): 250 2.0.0 Ok: queued as 4ABC`],
    [250, ["OK id=1abc-00-XX"], `250 2.0.0 from MTA(${MTA}): 250 OK id=1abc-00-XX`],
    [251, ["2.1.5 Will forward"], `250 2.1.5 from MTA(${MTA}): 251 2.1.5 Will forward`],
    [250, [""], `250 2.0.0 from MTA(${MTA}): 250`],
    [550, ["5.1.1 no such user"], `550 5.1.1 ${REJECTED}550 5.1.1 no such user`],
    [550, ["no such user"], `550 5.0.0 ${REJECTED}550 no such user`],
    [550, ["4.1.1 confused"], `550 5.0.0 ${REJECTED}550 4.1.1 confused`],
    [550, ["5.01.001 zeros"], `550 5.1.1 ${REJECTED}550 5.01.001 zeros`],
    [530, ["5.7.0 Must issue STARTTLS"], `554 5.7.0 ${REJECTED}530 5.7.0 Must issue STARTTLS`],
    [550, ["5.7.1 first", "5.7.1 second"], `550 5.7.1 ${REJECTED}550 5.7.1 first second`],
    [452, ["4.3.1 full"], `452 4.3.1 ${LATER}452 4.3.1 full`],
    [421, ["4.3.2 bye"], `451 4.3.2 ${LATER}421 4.3.2 bye`],
    [454, ["TLS"], `451 4.0.0 ${LATER}454 TLS`],
    [451, ["2.0.0 what"], `451 4.0.0 ${LATER}451 2.0.0 what`],
    [354, ["Go on"], `451 4.5.0 ${LATER}354 Go on`],
  ])("%i %j", (code, lines, expected) => {
    expect(replyLine(relayedReply({ code, lines }, MTA, "00042-01"))).toBe(expected);
  });

  test("class, code and status always agree, and the text is bounded", () => {
    const lines = fc.array(
      fc.oneof(fc.string(), fc.constantFrom("5.1.1 x", "2.0.0", "4.999.999 y")),
      { minLength: 1, maxLength: 100 },
    );
    fc.assert(
      fc.property(fc.integer({ min: 200, max: 599 }), lines, (code, text) => {
        const reply: Reply = relayedReply({ code, lines: text }, MTA, "00042-01");
        expect(String(reply.code)[0]).toBe(reply.status[0]);
        expect(reply.kind).toBe(code < 300 ? "ok" : code < 500 ? "tempfail" : "reject");
        expect(reply.text.length).toBeLessThan(1000);
        expect(reply.status).toMatch(/^[245]\.\d{1,3}\.\d{1,3}$/);
      }),
    );
  });
});

describe("no reply", () => {
  const failure = (change: Partial<Failure>): Failure => ({
    failed: "closed",
    detail: "ECONNRESET",
    reply: null,
    step: "fwd-rcpt-to",
    ...change,
  });
  test.each([
    [
      failure({}),
      `451 4.5.0 id=00042-01 - Temporary MTA failure on relaying, From MTA(${MTA}) during fwd-rcpt-to (ECONNRESET): id=00042-01`,
    ],
    [
      failure({ step: "fwd-data-end" }),
      `451 4.4.2 id=00042-01 - Temporary MTA failure on relaying, From MTA(${MTA}) during fwd-data-end (ECONNRESET): id=00042-01`,
    ],
    [
      failure({ failed: "timeout" }),
      `451 4.4.2 Timed out during fwd-rcpt-to, MTA(${MTA}), id=00042-01`,
    ],
    [
      failure({ failed: "spool", detail: "cannot read the message: Error: EIO /var/x" }),
      "451 4.3.0 id=00042-01 - Cannot read the message",
    ],
    [
      failure({ failed: "early", reply: { code: 552, lines: ["5.3.4 Big"] } }),
      `552 5.3.4 ${REJECTED}552 5.3.4 Big`,
    ],
    [
      failure({ failed: "early", step: "fwd-ehlo", reply: { code: 554, lines: ["5.7.1 No"] } }),
      `451 4.5.0 id=00042-01 - Temporary MTA failure on relaying, From MTA(${MTA}) during fwd-ehlo (554 5.7.1 No): id=00042-01`,
    ],
    [
      failure({
        failed: "early",
        reply: { code: 250, lines: ["Hm"] },
        detail: "reply out of turn",
      }),
      `451 4.5.0 id=00042-01 - Temporary MTA failure on relaying, From MTA(${MTA}) during fwd-rcpt-to (reply out of turn): id=00042-01`,
    ],
  ])("%j", (given, expected) => {
    expect(replyLine(failureReply(given, MTA, "00042-01"))).toBe(expected);
  });
});

test.each([
  ["from MTA(smtp:[127.0.0.1]:25): 250 2.0.0 Ok: queued as 4Zr8Yt3gVQz9", "4Zr8Yt3gVQz9"],
  ["from MTA(smtp:[127.0.0.1]:25): 250 OK id=1tXyzA-000000001Ab-0cDe", "1tXyzA-000000001Ab-0cDe"],
  ["from MTA(lmtp:unix:/x): 250 2.0.0 <a@b> 6yKjAQ Saved", null],
  ["id=00042-01 - Rejected", null],
  [`queued as ${"x".repeat(100)}`, "x".repeat(64)],
])("queuedAs %j", (text, id) => {
  expect(queuedAs(text)).toBe(id);
});
