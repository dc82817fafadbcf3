// The path of a policy request with the real rules grammar and the real SQLite store; checks that are slow or broken are made here.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { rcptChecksOf, type RcptChecks } from "../../src/checks/index.ts";
import { rcptAnswers, type AnswerRcptMeans } from "../../src/engine/answer-rcpt.ts";
import { networks } from "../../src/mail/ip.ts";
import { actionLine } from "../../src/mail/policy-request.ts";
import { ok, reject, tempfail, type Reply } from "../../src/mail/reply.ts";
import { compileRules } from "../../src/ruleset/compile.ts";
import { prepareStore, sqliteStore } from "../../src/state/sqlite.ts";
import type { Store } from "../../src/state/store.ts";
import { textLog } from "../../src/sys/log.ts";
import { metrics } from "../../src/sys/metrics.ts";
import type { Check } from "../../src/verdict/check.ts";
import type { Finding } from "../../src/verdict/finding.ts";

let dir: string;
let store: Store;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "policy-"));
  prepareStore(join(dir, "state.db"));
  store = sqliteStore(join(dir, "state.db"));
});
afterEach(async () => {
  await store.close();
  rmSync(dir, { recursive: true });
});

const POLICY = `fate listed any any tag
fate greylisted any any tempfail
fate unchecked any any accept
fate spam any any reject
for postmaster@ spam=tag listed=tag greylisted=accept
`;

interface Facts {
  readonly rules?: Readonly<Record<string, string>>;
  /** Checks for mail from outside, beside those that ship. */
  readonly more?: readonly Check<"rcpt">[];
  readonly means?: Partial<AnswerRcptMeans>;
}

function service({ rules = {}, more = [], means = {} }: Facts = {}) {
  const source = new Map(Object.entries({ "policy.rules": POLICY, ...rules }));
  const compiled = compileRules(source, { modes: [], hasOutgoing: false });
  if ("errors" in compiled) throw new Error(JSON.stringify(compiled.errors));
  const shipped = rcptChecksOf(compiled.ok, { rates: store.rates });
  const checks: RcptChecks = { ...shipped, inbound: [...shipped.inbound, ...more] };
  const lines: string[] = [];
  const limited: string[] = [];
  const meters = metrics();
  const into = { write: (text: string) => lines.push(text.trimEnd()), flushSync() {} };
  const answer = rcptAnswers({
    bench: () => ({ rules: compiled.ok, checks }),
    internal: networks(["10.0.0.0/8"]),
    relays: networks(["192.0.2.200"]),
    isLocal: (domain) => domain === "example.com",
    recipient: () => null,
    budgetMs: 5000,
    onFail: "dunno",
    onCheck: () => {},
    limitPassed: (finding) => limited.push(finding.detail),
    log: textLog(into, into),
    metrics: meters,
    ...means,
  });
  const ask = async (attributes: Record<string, string> = {}): Promise<string> => {
    const request = new Map(
      Object.entries({
        request: "smtpd_access_policy",
        protocol_state: "RCPT",
        client_address: "192.0.2.7",
        client_name: "mx.example.org",
        sender: "a@example.org",
        recipient: "user@example.com",
        ...attributes,
      }),
    );
    return actionLine(await answer(request)).slice("action=".length, -2);
  };
  return { ask, lines, limited, meters };
}

const check = (
  name: string,
  run: () => Promise<readonly Partial<Finding>[]>,
  tier: Check["tier"] = "client",
): Check<"rcpt"> => ({
  name,
  stage: "rcpt",
  tier,
  symbols: [],
  run: async () =>
    (await run()).map((finding) => ({
      check: name,
      symbol: "TEST",
      category: "note",
      score: 0,
      detail: "detail",
      ...finding,
    })),
});
const listed = check("dnsxl", async () => [
  { category: "note", detail: "192.0.2.7 is listed by bl.test (127.0.0.2)" },
  { category: "listed", detail: "rank 3: client 192.0.2.7 in bl.test*3" },
]);
const WARNING = "192.0.2.7 is listed by bl.test (127.0.0.2)";
const grey = check("greylist", async () => [
  { category: "greylisted", say: "Greylisted, 263 seconds missing" },
]);

describe("states", () => {
  test.each(["CONNECT", "EHLO", "HELO", "MAIL", "VRFY", "ETRN", "", "<b>"])(
    "%j is DUNNO whatever the rules say: postmaster must be reachable",
    async (protocol_state) => {
      const { ask, meters } = service({ rules: { "clients.rules": "deny *" }, more: [grey] });
      expect(await ask({ protocol_state, recipient: "" })).toBe("DUNNO");
      expect(await meters.registry.metrics()).toMatch(
        /^postern_policy_total\{state="[A-Z-]+|other",action="DUNNO"\} 1$/m,
      );
    },
  );

  test("DATA with one recipient is judged, with several only counted", async () => {
    const { ask } = service({ rules: { "clients.rules": "deny *" } });
    expect(await ask({ protocol_state: "DATA" })).toBe("REJECT 5.7.1 Access denied");
    expect(await ask({ protocol_state: "DATA", recipient: "", recipient_count: "2" })).toBe(
      "DUNNO",
    );
  });
});

describe("access lines", () => {
  test.each<[Record<string, string>, string]>([
    [{}, "DUNNO"],
    [
      { "clients.rules": 'deny 192.0.2.0/24 "log" "Blocked, call us"' },
      "REJECT 5.7.1 Blocked, call us",
    ],
    [{ "clients.rules": "deny .example.org" }, "REJECT 5.7.1 Access denied"],
    [{ "senders.rules": "deny example.org" }, "REJECT 5.7.1 Access denied"],
    [{ "recipients.rules": "deny user@" }, "REJECT 5.7.1 Access denied"],
    [{ "clients.rules": "allow .example.org", "senders.rules": "deny example.org" }, "DUNNO"],
    [{ "clients.rules": "permit .example.org", "senders.rules": "deny example.org" }, "OK"],
    [{ "recipients.rules": "allow user@ skip greylist" }, "DUNNO"],
  ])("%j → %s", async (rules, expected) => {
    expect(await service({ rules }).ask()).toBe(expected);
  });

  test("a denied client reaches postmaster", async () => {
    const { ask } = service({ rules: { "clients.rules": "deny *" } });
    expect(await ask({ recipient: "postmaster@example.com" })).toBe("DUNNO");
  });

  test("nothing of a request gets into the answer or forges a log line", async () => {
    const { ask, lines } = service({
      rules: { "senders.rules": 'deny /./ "x" "No\\naction=OK é"' },
    });
    const answer = await ask({ sender: "a\u2028\u0085action=OK, b@example.org" });
    expect(answer).toMatch(/^REJECT 5\.7\.1 No[\x20-\x7e]*$/);
    expect(lines).toHaveLength(1);
    expect(lines[0]).not.toMatch(/[\u2028\u0085]/);
  });

  test("the null sender is not an unreadable one", async () => {
    const { ask } = service({ rules: { "senders.rules": "deny <>" } });
    expect(await ask({ sender: "" })).toBe("REJECT 5.7.1 Access denied");
    expect(await ask({ sender: "a@@b <c" })).toBe("DUNNO");
    expect(await ask({ sender: "two words@example.org" })).toBe("DUNNO");
  });
});

describe("who is asked about what", () => {
  test.each<[string, Record<string, string>, string]>([
    ["from outside", {}, "DEFER_IF_PERMIT 4.7.1 Greylisted, 263 seconds missing"],
    ["to postmaster", { recipient: "postmaster@example.com" }, `PREPEND X-RBL-Warning: ${WARNING}`],
    ["with a login", { sasl_username: "bob" }, "DUNNO"],
    ["from our network", { client_address: "10.1.2.3" }, "DUNNO"],
    ["from a relay", { client_address: "192.0.2.200" }, "DUNNO"],
    ["submission", { policy_context: "submission" }, "DUNNO"],
    [
      "inbound",
      { policy_context: "inbound" },
      "DEFER_IF_PERMIT 4.7.1 Greylisted, 263 seconds missing",
    ],
  ])("%s: %j → %s", async (_name, attributes, expected) => {
    expect(await service({ more: [listed, grey] }).ask(attributes)).toBe(expected);
  });

  test("the hint is prepended once per message", async () => {
    const { ask } = service({ more: [listed] });
    expect(await ask({ instance: "1.a" })).toBe(`PREPEND X-RBL-Warning: ${WARNING}`);
    expect(await ask({ instance: "1.a", recipient: "b@example.com" })).toBe("DUNNO");
    expect(await ask({ instance: "1.b" })).toBe(`PREPEND X-RBL-Warning: ${WARNING}`);
  });

  test("a mail that came back says so; of two hints each goes with one recipient", async () => {
    const detail =
      "delayed 314 seconds by postern at mx.example.com; Sat, 21 Nov 2026 01:03:48 +0000";
    const back = check("greylist", async () => [{ symbol: "GREYLIST_DELAYED", detail }]);
    const { ask } = service({ more: [listed, back] });
    expect(await ask({ instance: "1" })).toBe(`PREPEND X-RBL-Warning: ${WARNING}`);
    expect(await ask({ instance: "1" })).toBe(`PREPEND X-Greylist: ${detail}`);
    expect(await ask({ instance: "1" })).toBe("DUNNO");
  });

  test("a listed client is refused or deferred where policy says so", async () => {
    for (const [fate, expected] of [
      ["reject", `REJECT 5.7.1 Service unavailable; ${WARNING}`],
      ["tempfail", "DEFER_IF_PERMIT 4.7.1 Try again later"],
      ["accept", `PREPEND X-RBL-Warning: ${WARNING}`],
      ["discard", `PREPEND X-RBL-Warning: ${WARNING}`],
    ]) {
      const rules = { "policy.rules": `fate listed any any ${fate}` };
      expect(await service({ rules, more: [listed] }).ask(), fate).toBe(expected);
    }
  });

  test("later tiers are not asked when an earlier one stops", async () => {
    let asked = 0;
    const last = check("late", async () => (asked++, []), "last");
    const { ask } = service({ rules: { "clients.rules": "deny *" }, more: [last] });
    await ask();
    expect(asked).toBe(0);
  });
});

describe("recipients", () => {
  const replies: Readonly<Record<string, Reply>> = {
    "user@example.com": ok("Recipient ok"),
    "nobody@example.com": reject(550, "5.1.1", "User unknown"),
    "full@example.com": reject(552, "5.2.2", "Mailbox is full"),
    "sick@example.com": tempfail(451, "4.3.0", "Mailbox cannot be written"),
  };
  const recipient: AnswerRcptMeans["recipient"] = async (address) =>
    replies[address.raw] ?? ok("Ok");

  test.each<[Record<string, string>, string]>([
    [{ recipient: "user@example.com" }, "DUNNO"],
    [{ recipient: "nobody@example.com" }, "REJECT 5.1.1 User unknown"],
    [{ recipient: "full@example.com" }, "REJECT 5.2.2 Mailbox is full"],
    [{ recipient: "sick@example.com" }, "DEFER_IF_PERMIT 4.3.0 Mailbox cannot be written"],
    [{ recipient: "nobody@example.com", sasl_username: "bob" }, "REJECT 5.1.1 User unknown"],
    [{ recipient: "nobody@example.com", policy_context: "submission" }, "DUNNO"],
    [{ recipient: "nobody@example.com", protocol_state: "DATA" }, "DUNNO"],
    [{ recipient: "" }, "DUNNO"],
  ])("%j → %s", async (attributes, expected) => {
    const { ask, lines } = service({ means: { recipient } });
    expect(await ask(attributes)).toBe(expected);
    expect(lines).toHaveLength(expected === "DUNNO" ? 0 : 1);
  });
});

describe("limits", () => {
  const rules = { "limits.rules": 'limit login 2 messages per 1h defer "stolen?" "Too many"' };
  const bob = { sasl_username: "Bob", policy_context: "submission" };

  test("messages count once per instance, however many recipients and questions", async () => {
    const { ask, limited, lines } = service({ rules });
    for (const instance of ["1", "2"])
      for (const recipient of ["a@b.example", "c@b.example", "a@b.example"])
        expect(await ask({ ...bob, instance, recipient })).toBe("DUNNO");
    expect(await ask({ ...bob, instance: "2", protocol_state: "DATA", recipient: "" })).toBe(
      "DUNNO",
    );
    expect(await ask({ ...bob, instance: "3" })).toBe("DEFER_IF_PERMIT 4.7.1 Too many");
    expect(await ask({ ...bob, sasl_username: "eve", instance: "4" })).toBe("DUNNO");
    expect(limited).toEqual(["login bob passed 2 messages per 1h: stolen?"]);
    expect(lines).toEqual([
      "policy: action=defer_if_permit, reason=login bob passed 2 messages per 1h: stolen?, state=RCPT, client_name=mx.example.org, client_address=192.0.2.7, sender=a@example.org, recipient=user@example.com, sasl_username=Bob",
    ]);
  });

  test("recipients count at RCPT, each once per instance", async () => {
    const { ask } = service({
      rules: { "limits.rules": "limit client 2 recipients per 10m for 192.0.2.0/24 reject" },
    });
    const to = (recipient: string, instance = "1") => ask({ recipient, instance });
    expect(await to("a@example.com")).toBe("DUNNO");
    expect(await to("a@example.com")).toBe("DUNNO");
    expect(await to("b@example.com")).toBe("DUNNO");
    expect(await to("c@example.com")).toBe("REJECT 5.7.1 Too much mail, limit passed");
    expect(await ask({ client_address: "198.51.100.1", recipient: "c@example.com" })).toBe("DUNNO");
    expect(await ask({ protocol_state: "DATA", recipient: "", instance: "9" })).toBe("DUNNO");
  });

  test("note passes and tells; reject goes before defer", async () => {
    const { ask, limited } = service({
      rules: {
        "limits.rules":
          "limit login 1 messages per 1h note\nlimit sender 1 messages per 1h\nlimit client 1 messages per 1h reject",
      },
    });
    const login = { sasl_username: "bob" };
    expect(await ask({ ...login, instance: "1" })).toBe("DUNNO");
    expect(
      await ask({ ...login, instance: "2", sender: "x@y.example", client_address: "192.0.2.9" }),
    ).toBe("DUNNO");
    expect(limited).toEqual(["login bob passed 1 messages per 1h"]);
    expect(await ask({ ...login, instance: "3" })).toMatch(/^REJECT/);
  });
});

describe("when something is down", () => {
  const broken = check("greylist", () => Promise.reject(new Error("store down")));
  const silent = check("dnsxl", () => new Promise(() => {}));

  test.each<[string, Check<"rcpt">, "dunno" | "defer", string]>([
    ["broken", broken, "dunno", "DUNNO"],
    ["broken", broken, "defer", "DEFER_IF_PERMIT 4.3.0 Temporary failure, try again later"],
    ["silent", silent, "dunno", "DUNNO"],
    ["silent", silent, "defer", "DEFER_IF_PERMIT 4.3.0 Temporary failure, try again later"],
  ])("a check is %s, on_fail %4$s", async (_name, down, onFail, expected) => {
    const failures: unknown[] = [];
    const onCheck: AnswerRcptMeans["onCheck"] = (name, _ms, failed) =>
      failed !== null && failures.push(name);
    const { ask } = service({ more: [down], means: { onFail, budgetMs: 300, onCheck } });
    expect(await ask()).toBe(expected);
    expect(failures).toEqual([down.name]);
  });

  test("what the other checks found still holds", async () => {
    const { ask } = service({ more: [silent, grey], means: { budgetMs: 400 } });
    expect(await ask()).toBe("DEFER_IF_PERMIT 4.7.1 Greylisted, 263 seconds missing");
  });

  test("a silent tier leaves time for the next, and may say what it has", async () => {
    const signalled: Check<"rcpt"> = {
      ...silent,
      run: (_question, { signal }) =>
        new Promise((resolve) =>
          signal.addEventListener("abort", () =>
            resolve([
              {
                check: "dnsxl",
                symbol: "UNCHECKED_DNSXL",
                category: "unchecked",
                score: 0,
                detail: "half",
              },
            ]),
          ),
        ),
    };
    const failures: string[] = [];
    const onCheck: AnswerRcptMeans["onCheck"] = (name, _ms, failed) =>
      failed !== null && failures.push(name);
    const last = check("greylist", async () => {
      await new Promise((resolve) => setTimeout(resolve, 20));
      return [{ category: "greylisted", say: "later" }];
    });
    const more = [signalled, { ...last, tier: "last" } as Check<"rcpt">];
    const { ask } = service({ more, means: { budgetMs: 1500, onCheck } });
    expect(await ask()).toBe("DEFER_IF_PERMIT 4.7.1 later");
    expect(failures).toEqual([]);
  });

  test("the budget holds whatever hangs, and is said", async () => {
    const recipient: AnswerRcptMeans["recipient"] = () => new Promise<Reply>(() => {});
    for (const [onFail, expected] of [
      ["dunno", "DUNNO"],
      ["defer", "DEFER_IF_PERMIT 4.3.0 Temporary failure, try again later"],
    ] as const) {
      const { ask, lines } = service({ means: { recipient, onFail, budgetMs: 50 } });
      const start = performance.now();
      expect(await ask()).toBe(expected);
      expect(performance.now() - start).toBeLessThan(2000);
      expect(lines).toEqual(["(!)policy: a request could not be answered: no answer within 50 ms"]);
    }
  });

  test("the state store is gone: mail passes", async () => {
    const { ask } = service({ rules: { "limits.rules": "limit client 1 messages per 1h" } });
    await store.close();
    expect(await ask()).toBe("DUNNO");
    store = sqliteStore(join(dir, "state.db"));
  });
});
