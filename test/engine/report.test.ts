// Who is sent a report, over every mixture of verdicts and results of sender authentication: never somebody whose address another
// may have used.
import fc from "fast-check";
import { expect, test } from "vitest";
import type { Outcome } from "../../src/engine/apply.ts";
import { owedReports, report } from "../../src/engine/report.ts";
import type { Destination } from "../../src/mail/destination.ts";
import { ok, reject } from "../../src/mail/reply.ts";
import type { Finding } from "../../src/verdict/finding.ts";
import type { FateName } from "../../src/verdict/policy.ts";
import { address, message } from "../fakes/message.ts";

const SENDERS = ["a@remote.example", "a@sub.remote.example", "victim@bank.example"];
const DOMAINS = ["remote.example", "mail.remote.example", "evil.example", "bank.example"];
const RESULTS = ["pass", "fail", "softfail", "none", "temperror"];

const finding = (symbol: string, detail: string): Finding => ({
  check: "auth",
  symbol,
  category: "note",
  score: 0,
  detail,
});
const auth = fc
  .record({
    method: fc.constantFrom("spf", "dkim", "dmarc"),
    result: fc.constantFrom(...RESULTS),
    domain: fc.constantFrom(...DOMAINS),
    wide: fc.boolean(),
  })
  .map(({ method, result, domain, wide }) => ({
    method,
    result,
    domain,
    wide,
    finding: finding(
      method === "dmarc" && result === "fail"
        ? "DMARC_FAIL_REJECT"
        : `${method}_${result}`.toUpperCase(),
      `${method}=${result}${method === "spf" && wide ? " (everybody passes)" : ""} ${{ spf: "smtp.mailfrom", dkim: "header.d", dmarc: "header.from" }[method] ?? ""}=${domain}`,
    ),
  }));
const foreign: Finding = { ...finding("SPF_PASS", "spf=pass"), check: "spam", foreign: "spamd" };

const outcome = fc.record({
  category: fc.constantFrom<FateName>(
    "virus",
    "banned",
    "listed",
    "unchecked",
    "spam",
    "malformed",
  ),
  how: fc.constantFrom("bounced", "rejected", "discarded", "handed-on"),
  byNextHop: fc.boolean(),
  eicar: fc.boolean(),
});

test("nothing that we stopped is reported to a sender that is not proven", async () => {
  let sent = 0;
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom(...SENDERS),
      fc.array(auth, { maxLength: 4 }),
      fc.array(outcome, { minLength: 1, maxLength: 3 }),
      fc.boolean(),
      fc.boolean(),
      async (from, results, facts, hidden, outbound) => {
        const to: string[] = [];
        const route: Destination = {
          prepare: async (copy, recipients) => {
            expect(copy.sender).toBeNull();
            to.push(...recipients.map((recipient) => recipient.address.raw));
            const replies = [ok("queued")];
            return { replies, commit: async () => replies, abort: async () => {} };
          },
        };
        const base = message({ sender: from });
        const mail = {
          ...base,
          envelope: {
            ...base.envelope,
            origin: outbound ? ("outbound" as const) : ("inbound" as const),
          },
        };
        const findings = [...results.map((one) => one.finding), foreign];
        const outcomes = facts.map(({ category, how, byNextHop, eicar }): Outcome =>
          outcomeOf(
            category,
            how as Outcome["how"],
            byNextHop && how === "rejected",
            eicar,
            findings,
          ),
        );
        const owed = owedReports(outcomes, hidden);
        const reported = await report(mail, owed, {
          hostname: "mx.example",
          routeTo: () => route,
          deadline: new AbortController().signal,
          dsnCutoff: 10,
        });
        const proven = results.some(
          ({ method, result, domain, wide }) =>
            result === "pass" &&
            (method === "dkim" || (method === "spf" && !wide)) &&
            domain.split(".").slice(-2).join(".") === from.split(/[@.]/).slice(-2).join("."),
        );
        sent += to.length;
        expect(to.every((one) => one === from)).toBe(true);
        if (!outbound && !proven)
          expect(reported.about.every(({ byNextHop }) => byNextHop)).toBe(true);
        const refuted = results.some(
          ({ method, result }) => result === "fail" && method !== "dkim",
        );
        if (!outbound && !proven && refuted) expect(to).toEqual([]);
        if ((outbound || proven) && owed.some(({ byNextHop }) => byNextHop))
          expect(to).toEqual([from]);
        expect(to.length).toBeLessThanOrEqual(1);
      },
    ),
    { numRuns: 400 },
  );
  expect(sent).toBeGreaterThan(20);
});

function outcomeOf(
  category: FateName,
  how: Outcome["how"],
  byNextHop: boolean,
  eicar: boolean,
  findings: readonly Finding[],
): Outcome {
  const test: Finding = { ...finding("SELFTEST_EICAR", "x"), check: "selftest", category: "virus" };
  return {
    judged: {
      recipient: { address: address("u@ours.example"), params: [] },
      policy: {} as Outcome["judged"]["policy"],
      local: true,
      verdict: {
        disposition: how === "bounced" ? "bounce" : "reject",
        quarantine: false,
        folder: null,
        notices: [],
        categories: [category],
        category,
        score: 1,
        because: null,
        rule: null,
        findings: eicar ? [...findings, test] : findings,
      },
    },
    reply: how === "rejected" ? reject(554, "5.7.0", "no") : ok("Ok"),
    skipped: false,
    byNextHop,
    how,
  };
}
