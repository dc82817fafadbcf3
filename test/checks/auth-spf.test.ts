import { describe, expect, it, test } from "vitest";
import { spfOf } from "../../src/checks/auth-spf.ts";
import { address } from "../fakes/message.ts";
import { answering, dnsError, type Answers } from "../fakes/dns-answers.ts";

const never = new AbortController().signal;

/** RFC 7208 appendix A: hosts, mail exchangers, names of addresses. */
const RFC_ZONE: Answers = {
  "MX example.com": [
    { exchange: "mail-a.example.com", priority: 10 },
    { exchange: "mail-b.example.com", priority: 20 },
  ],
  "A example.com": ["192.0.2.10", "192.0.2.11"],
  "A amy.example.com": ["192.0.2.65"],
  "A bob.example.com": ["192.0.2.66"],
  "A mail-a.example.com": ["192.0.2.129"],
  "A mail-b.example.com": ["192.0.2.130"],
  "MX example.org": [{ exchange: "mail-c.example.org", priority: 10 }],
  "A mail-c.example.org": ["192.0.2.140"],
  "PTR 10.2.0.192.in-addr.arpa": ["example.com"],
  "PTR 11.2.0.192.in-addr.arpa": ["example.com"],
  "PTR 65.2.0.192.in-addr.arpa": ["amy.example.com"],
  "PTR 66.2.0.192.in-addr.arpa": ["bob.example.com"],
  "PTR 129.2.0.192.in-addr.arpa": ["mail-a.example.com"],
  "PTR 130.2.0.192.in-addr.arpa": ["mail-b.example.com"],
  "PTR 140.2.0.192.in-addr.arpa": ["mail-c.example.org"],
  "PTR 4.0.0.10.in-addr.arpa": ["bob.example.com"],
};
const HOSTS = [10, 11, 65, 66, 128, 129, 130, 131, 140, 143].map((n) => `192.0.2.${n}`);

async function passing(record: string, more: Answers = {}): Promise<string[]> {
  const resolver = answering({ ...RFC_ZONE, ...more, "TXT example.com": [record] });
  const passed: string[] = [];
  for (const host of [...HOSTS, "10.0.0.4"]) {
    const sender = address("strong-bad@example.com");
    const found = await spfOf({ address: host }, "mx.example.com", sender, resolver, never);
    if (found?.result === "pass") passed.push(host.replace("192.0.2.", "."));
  }
  return passed;
}

describe("the examples of RFC 7208", () => {
  test.each([
    ["v=spf1 +all", [...HOSTS.map((host) => host.replace("192.0.2.", ".")), "10.0.0.4"]],
    ["v=spf1 -all", []],
    ["v=spf1 a -all", [".10", ".11"]],
    ["v=spf1 a:example.org -all", []],
    ["v=spf1 mx -all", [".129", ".130"]],
    ["v=spf1 mx:example.org -all", [".140"]],
    ["v=spf1 mx mx:example.org -all", [".129", ".130", ".140"]],
    ["v=spf1 mx/30 mx:example.org/30 -all", [".128", ".129", ".130", ".131", ".140", ".143"]],
    ["v=spf1 ptr -all", [".10", ".11", ".65", ".66", ".129", ".130"]],
    ["v=spf1 ip4:192.0.2.128/28 -all", [".128", ".129", ".130", ".131", ".140", ".143"]],
  ])("A.1 %s", async (record, expected) => {
    expect(await passing(record)).toEqual(expected);
  });

  const A2 = {
    "TXT example.com": ["v=spf1 mx -all"],
    "TXT example.net": ["v=spf1 a -all"],
    "A example.net": ["192.0.2.200"],
    "TXT example.org": ["v=spf1 include:example.com include:example.net -all"],
    "TXT la.example.org": ["v=spf1 redirect=example.org"],
  };
  test.each([
    ["192.0.2.129", "example.org", "pass"],
    ["192.0.2.129", "la.example.org", "pass"],
    ["192.0.2.200", "la.example.org", "pass"],
    ["192.0.2.140", "la.example.org", "fail"],
  ])("A.2: several domains, %s for %s: %s", async (client, domain, expected) => {
    const resolver = answering({ ...RFC_ZONE, ...A2 });
    const sender = address(`a@${domain}`);
    const found = await spfOf({ address: client }, null, sender, resolver, never);
    expect(found).toMatchObject({ result: expected, domain });
  });

  const A3 = {
    "TXT example.com": [
      "v=spf1 mx include:mobile-users._spf.%{d} include:remote-users._spf.%{d} -all",
    ],
    "TXT mobile-users._spf.example.com": ["v=spf1 exists:%{l1r+}.%{d}"],
    "TXT remote-users._spf.example.com": ["v=spf1 exists:%{ir}.%{l1r+}.%{d}"],
    "A mary.mobile-users._spf.example.com": ["127.0.0.2"],
    "A fred.mobile-users._spf.example.com": ["127.0.0.2"],
    "A 15.15.168.192.joel.remote-users._spf.example.com": ["127.0.0.2"],
    "A 16.15.168.192.joel.remote-users._spf.example.com": ["127.0.0.2"],
  };
  test.each([
    ["198.51.100.9", "mary", "pass"],
    ["198.51.100.9", "fred+news", "pass"],
    ["192.168.15.15", "joel", "pass"],
    ["192.168.15.16", "joel+x", "pass"],
    ["192.168.15.17", "joel", "fail"],
    ["198.51.100.9", "strong-bad", "fail"],
    ["192.0.2.129", "strong-bad", "pass"],
  ])("A.3: users that a zone names, %s for %s: %s", async (client, local, expected) => {
    const resolver = answering({ ...RFC_ZONE, ...A3 });
    const sender = address(`${local}@example.com`);
    const found = await spfOf({ address: client }, null, sender, resolver, never);
    expect(found?.result).toBe(expected);
  });

  test.each([
    ["%{o}", "email.example.com"],
    ["%{d4}", "email.example.com"],
    ["%{d2}", "example.com"],
    ["%{dr}", "com.example.email"],
    ["%{d2r}", "example.email"],
    ["%{l}.x", "strong-bad.x"],
    ["%{l-}.x", "strong.bad.x"],
    ["%{lr-}.x", "bad.strong.x"],
    ["%{l1r-}.x", "strong.x"],
    ["%{ir}.%{v}._spf.%{d2}", "3.2.0.192.in-addr._spf.example.com"],
    ["%{lr-}.lp._spf.%{d2}", "bad.strong.lp._spf.example.com"],
    ["%{lr-}.lp.%{ir}.%{v}._spf.%{d2}", "bad.strong.lp.3.2.0.192.in-addr._spf.example.com"],
    ["%{ir}.%{v}.%{l1r-}.lp._spf.%{d2}", "3.2.0.192.in-addr.strong.lp._spf.example.com"],
    ["%{d2}.trusted-domains.example.net", "example.com.trusted-domains.example.net"],
  ])("7.4: %s is %s", async (macro, expected) => {
    const resolver = answering({ "TXT email.example.com": [`v=spf1 exists:${macro} -all`] });
    const sender = address("strong-bad@email.example.com");
    await spfOf({ address: "192.0.2.3" }, null, sender, resolver, never);
    expect(resolver.asked).toContain(`A ${expected}`);
  });

  it("7.4: an IPv6 address, nibble by nibble", async () => {
    const resolver = answering({
      "TXT email.example.com": ["v=spf1 exists:%{ir}.%{v}._spf.%{d2} -all"],
    });
    const sender = address("strong-bad@email.example.com");
    await spfOf({ address: "2001:db8::cb01" }, null, sender, resolver, never);
    expect(resolver.asked.at(-1)).toBe(
      "A 1.0.b.c.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6._spf.example.com",
    );
  });

  it("A.4: two requirements at once", async () => {
    const zone = {
      "TXT ip4._spf.example.com": ["v=spf1 -ip4:192.0.2.0/24 +all"],
      "TXT ptr._spf.example.com": ["v=spf1 -ptr:example.com +all"],
    };
    const record = "v=spf1 -include:ip4._spf.%{d} -include:ptr._spf.%{d} +all";
    expect(await passing(record, zone)).toEqual([".10", ".11", ".65", ".66", ".129", ".130"]);
  });
});

describe("result words", () => {
  const long = `v=spf1 ${"ip4:198.51.100.1 ".repeat(3_000)}-all`;
  test.each<[string, Answers, string]>([
    ["no record", {}, "none"],
    ["another TXT record", { "TXT example.com": ["hello"] }, "none"],
    ["~all", { "TXT example.com": ["v=spf1 ~all"] }, "softfail"],
    ["?all", { "TXT example.com": ["v=spf1 ?all"] }, "neutral"],
    ["-all", { "TXT example.com": ["v=spf1 -all"] }, "fail"],
    ["two records", { "TXT example.com": ["v=spf1 -all", "v=spf1 +all"] }, "permerror"],
    ["a wrong term", { "TXT example.com": ["v=spf1 ipv4:192.0.2.1 -all"] }, "permerror"],
    [
      "an include that is not there",
      { "TXT example.com": ["v=spf1 include:x.example.com"] },
      "permerror",
    ],
    [
      "a record that includes itself",
      { "TXT example.com": ["v=spf1 include:example.com"] },
      "permerror",
    ],
    [
      "eleven look-ups",
      {
        "TXT example.com": [`v=spf1 ${"a:x.example.com ".repeat(11)}-all`],
        "A x.example.com": ["192.0.2.1"],
      },
      "permerror",
    ],
    ["SERVFAIL", { "TXT example.com": dnsError("ESERVFAIL") }, "temperror"],
    ["REFUSED", { "TXT example.com": dnsError("EREFUSED") }, "temperror"],
    ["a timeout", { "TXT example.com": dnsError("ETIMEOUT") }, "temperror"],
    ["no answer at all", { "TXT example.com": "never" }, "temperror"],
    [
      "SERVFAIL in an include",
      {
        "TXT example.com": ["v=spf1 include:x.example.com -all"],
        "TXT x.example.com": dnsError("ESERVFAIL"),
      },
      "temperror",
    ],
    ["50 KB of TXT", { "TXT example.com": [long] }, "temperror"],
    ["a thousand records", { "TXT example.com": new Array<string>(1000).fill("x") }, "temperror"],
  ])("%s → %s", async (_, zone, expected) => {
    const resolver = answering(zone);
    const sender = address("a@example.com");
    const client = { address: "203.0.113.9" };
    const start = performance.now();
    const found = await spfOf(client, "mx.example.com", sender, resolver, never, 100);
    expect(found?.result).toBe(expected);
    expect(performance.now() - start).toBeLessThan(2_000);
  });

  test.each<[string, string, string | null, string | null, string]>([
    ["unknown client", "", "a@example.com", "h.example.com", "null"],
    ["loopback", "127.0.0.1", "a@example.com", "h.example.com", "null"],
    ["null sender: HELO", "192.0.2.7", null, "h.example.com", "pass helo h.example.com"],
    ["null sender, HELO no name", "192.0.2.7", null, "[192.0.2.7]", "none helo "],
    ["null sender, no HELO", "192.0.2.7", null, null, "none helo "],
    ["sender without a domain", "192.0.2.7", "postmaster", "h.example.com", "none mailfrom "],
    [
      "an odd local part",
      "192.0.2.7",
      '"a b\\@c"@h.example.com',
      null,
      "pass mailfrom h.example.com",
    ],
    ["IPv4 in IPv6", "::ffff:192.0.2.7", "a@h.example.com", null, "pass mailfrom h.example.com"],
  ])("%s", async (_, client, sender, helo, expected) => {
    const resolver = answering({ "TXT h.example.com": ["v=spf1 ip4:192.0.2.7 -all"] });
    const from = sender === null ? null : address(sender);
    const found = await spfOf(
      { address: client === "" ? null : client },
      helo,
      from,
      resolver,
      never,
    );
    expect(found === null ? "null" : `${found.result} ${found.identity} ${found.domain}`).toBe(
      expected,
    );
  });
});

describe("a pass that says nothing", () => {
  test.each([
    ["+all", "192.0.2.7", true],
    ["include:wide.example.com -all", "192.0.2.7", true],
    ["ip4:192.0.0.0/16 -all", "192.0.2.7", false],
    ["ip4:192.0.0.0/15 -all", "192.0.2.7", true],
    ["ip4:192.0.0.0/16 ip4:10.0.0.0/8 -all", "192.0.2.7", false],
    ["a/8 -all", "192.0.2.7", true],
    ["ip6:2001:db8::/32 -all", "2001:db8::7", false],
    ["ip6:2001::/16 -all", "2001:db8::7", true],
    ["ip6:::/0 -all", "2001:db8:1:2:3:4:5:6", true],
  ])("%s for %s: %s", async (terms, client, wide) => {
    const resolver = answering({
      "TXT example.com": [`v=spf1 ${terms}`],
      "TXT wide.example.com": ["v=spf1 ip4:0.0.0.0/0"],
      "A example.com": ["192.0.2.1"],
    });
    const found = await spfOf({ address: client }, null, address("a@example.com"), resolver, never);
    expect(found).toMatchObject({ result: "pass", wide });
  });

  it("asks DNS no question twice", async () => {
    const resolver = answering({
      "TXT example.com": ["v=spf1 include:x.example.com -all"],
      "TXT x.example.com": ["v=spf1 ip4:192.0.2.0/24"],
    });
    await spfOf({ address: "192.0.2.7" }, null, address("a@example.com"), resolver, never);
    expect(resolver.asked).toEqual(["TXT example.com", "TXT x.example.com"]);
  });
});
