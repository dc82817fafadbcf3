// DNS lists over a real resolver and a name server of ours: what counts, what never does, what is said when nobody answers.
import { afterEach, describe, expect, test } from "vitest";
import { dnsxl, dnsxlAtRcpt, rblWarnings, type DnsxlMeans } from "../../src/checks/dnsxl.ts";
import { zoneWatch } from "../../src/checks/dnsxl-zones.ts";
import { dnsResolver } from "../../src/clients/dns.ts";
import { networks } from "../../src/mail/ip.ts";
import type { Client, RcptQuestion } from "../../src/mail/message.ts";
import { UNKNOWN_CLIENT } from "../../src/mail/message.ts";
import { compileRules, type RuleSet } from "../../src/ruleset/compile.ts";
import { address, message, tree, type MessageFacts } from "../fakes/message.ts";
import { zoneServer, type Zone, type ZoneServer } from "../fakes/dns-zone.ts";

const open: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of open.splice(0).reverse()) await close();
});

const SO = { findings: [], signal: new AbortController().signal };

const SOUND: Zone = {
  "2.0.0.127.bl.test": { A: "127.0.0.2" },
  "2.0.0.127.wl.test": { A: "127.0.0.2" },
  "2.0.0.127.all.test": { A: "127.0.0.2" },
  "*.all.test": { A: "127.0.0.2" },
  "*.broken.test": { A: "127.255.255.254" },
  "*.ads.test": { A: "198.51.100.99" },
  "test.names.test": { A: "127.0.1.2" },
  "7.2.0.192.bl.test": {
    A: ["127.0.0.2", "127.0.0.9"],
    TXT: "see https://bl.test/\r\nX-Evil: yes",
  },
  "8.2.0.192.bl.test": { A: "127.0.0.77" },
  "7.2.0.192.wl.test": { A: "127.0.0.2" },
  "99.100.51.198.bl.test": { A: "127.0.0.2" },
  "bad.example.names.test": { A: "127.0.1.2" },
  "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.bl.test": { A: "127.0.0.2" },
};

interface Rig {
  readonly rules: RuleSet;
  readonly means: DnsxlMeans;
  readonly peer: ZoneServer;
  readonly results: string[];
  readonly health: Map<string, string | null>;
  readonly says: string[];
}

async function rig(lines: string, zone: Zone = SOUND, budgetMs = 1500): Promise<Rig> {
  const compiled = compileRules(new Map([["dnsxl.rules", lines]]), {
    modes: [],
    hasOutgoing: false,
  });
  if ("errors" in compiled) throw new Error(JSON.stringify(compiled.errors));
  const peer = await zoneServer({ ...zone });
  const dns = dnsResolver({
    servers: [peer.server],
    budgetMs,
    timeoutMs: budgetMs,
    retries: 0,
    inFlight: 64,
  });
  const health = new Map<string, string | null>();
  const says: string[] = [];
  const zones = zoneWatch(
    dns,
    {
      tested: (name, trouble) => health.set(name, trouble),
      gone: (name) => health.delete(name),
      warn: (text) => says.push(text),
      info: (text) => says.push(text),
    },
    { everyMs: 3_600_000, soonMs: 30 },
  );
  zones.use(compiled.ok.dnsxl.zones);
  open.push(
    () => peer.stop(),
    () => dns.close(),
    () => zones.close(),
  );
  const results: string[] = [];
  const means: DnsxlMeans = {
    dns,
    zones,
    budgetMs,
    internal: networks(["203.0.113.0/24"]),
    relays: networks(["198.51.100.1"]),
    onResult: (name, result) => results.push(`${name} ${result}`),
  };
  return { rules: compiled.ok, means, peer, results, health, says };
}

const question = (client: Partial<Client>, more: Partial<RcptQuestion> = {}): RcptQuestion => ({
  client: { ...UNKNOWN_CLIENT, ...client },
  login: null,
  sender: address("a@good.example"),
  recipient: address("user@example.net"),
  recipientCount: 1,
  size: 0,
  state: "RCPT",
  instance: "1",
  context: "inbound",
  origin: "inbound",
  ...more,
});

const atRcpt = ({ rules, means }: Rig, asked: RcptQuestion) =>
  dnsxlAtRcpt(rules, means).run(asked, SO);
const atData = ({ rules, means }: Rig, facts: MessageFacts) =>
  dnsxl(rules, means).run(message(facts), SO);
const brief = (found: Awaited<ReturnType<typeof atRcpt>>) =>
  found.map(({ symbol, category, score, detail }) => `${symbol} ${category} ${score} ${detail}`);

describe("at RCPT", () => {
  test("a listed client: a finding for the zone, one for the rank, the list's text on one line", async () => {
    const here = await rig('list bl.test=127.0.0.[2..9]*3 "bad one" "Blocked"\nthreshold 3');
    const found = await atRcpt(here, question({ address: "192.0.2.7" }));
    expect(brief(found)).toEqual([
      "RCVD_IN_BL_TEST note 3 192.0.2.7 is listed by bl.test (127.0.0.2, 127.0.0.9): bad one",
      "DNSXL_LISTED listed 0 rank 3: client 192.0.2.7 in bl.test*3",
    ]);
    expect(found[1]).toMatchObject({ rule: "rules/dnsxl.rules:1", say: "Blocked" });
    expect(here.results).toEqual(["bl.test listed"]);
  });

  test("what the list says comes on one line, and becomes the warning", async () => {
    const here = await rig('list bl.test=127.0.0.2 "" "Blocked"');
    const found = await atRcpt(here, question({ address: "192.0.2.7" }));
    expect(rblWarnings(found)).toEqual([
      "192.0.2.7 is listed by bl.test (127.0.0.2): see https://bl.test/ X-Evil: yes",
    ]);
  });

  test.each([
    ["IPv6", "list bl.test", { address: "2001:db8::1" }, ["RCVD_IN_BL_TEST", "DNSXL_LISTED"]],
    [
      "an allow list lowers the rank",
      "list bl.test*3\nlist wl.test*-2\nthreshold 2",
      { address: "192.0.2.7" },
      ["RCVD_IN_BL_TEST", "RCVD_IN_WL_TEST"],
    ],
    ["a reply that no line counts", "list bl.test=127.0.0.2", { address: "192.0.2.8" }, []],
    [
      "below the threshold",
      "list bl.test*2\nthreshold 3",
      { address: "192.0.2.7" },
      ["RCVD_IN_BL_TEST"],
    ],
    [
      "two lines of one zone",
      "list bl.test=127.0.0.2*2 symbol=TWO\nlist bl.test=127.0.0.9*2 symbol=NINE\nthreshold 4",
      { address: "192.0.2.7" },
      ["TWO", "NINE", "DNSXL_LISTED"],
    ],
    [
      "HELO",
      "list names.test=127.0.1.2 for=helo",
      { helo: "Bad.Example" },
      ["HELO_IN_NAMES_TEST", "DNSXL_LISTED"],
    ],
    [
      "HELO with an address is no name",
      "list names.test=127.0.1.2 for=helo",
      { helo: "[192.0.2.7]" },
      [],
    ],
    ["HELO without a dot", "list names.test=127.0.1.2 for=helo", { helo: "localhost" }, []],
    ["an unknown client", "list bl.test", {}, []],
    ["a private one", "list all.test test=no", { address: "10.0.0.1" }, []],
    ["an unlisted one", "list bl.test", { address: "192.0.2.99" }, []],
    [
      "an exception",
      "list names.test=127.0.1.2 for=helo\nexcept example",
      { helo: "bad.example" },
      [],
    ],
  ])("%s", async (_what, lines, client, symbols) => {
    const found = await atRcpt(await rig(lines), question(client));
    expect(found.map(({ symbol }) => symbol)).toEqual(symbols);
  });

  test("the sender's domain", async () => {
    const here = await rig("list names.test=127.0.1.[2..9]*3 for=sender\nthreshold 3");
    const found = await atRcpt(here, question({}, { sender: address("x@BAD.example") }));
    expect(found.map(({ symbol }) => symbol)).toEqual(["SENDER_IN_NAMES_TEST", "DNSXL_LISTED"]);
    expect(await atRcpt(here, question({}, { sender: null }))).toEqual([]);
  });

  test.each([
    ["a login", { login: "alice" }, "192.0.2.7"],
    ["outbound mail", { origin: "outbound" as const }, "192.0.2.7"],
    ["a client of our own network", {}, "203.0.113.5"],
  ])("%s is never asked about", async (_what, more, ip) => {
    const here = await rig("list bl.test test=no\nlist all.test test=no");
    expect(await atRcpt(here, question({ address: ip }, more))).toEqual([]);
    expect(here.peer.asked).toEqual([]);
  });

  test("one question for each zone and name, however many lines ask it", async () => {
    const here = await rig(
      "list bl.test=127.0.0.2 test=no\nlist bl.test=127.0.0.9 test=no symbol=NINE",
    );
    await atRcpt(here, question({ address: "192.0.2.7" }));
    await atData(here, { client: { address: "192.0.2.7" } });
    expect(here.peer.asked.filter((one) => one.startsWith("A "))).toEqual(["A 7.2.0.192.bl.test"]);
  });
});

describe("lists that are not in order", () => {
  test.each([
    ["broken.test", "refuses us (127.255.255.254)"],
    ["ads.test", "is answered by somebody else (198.51.100.99)"],
    ["all.test", "lists everything (127.0.0.2)"],
    ["empty.test", "does not list its test entry"],
  ])("%s lists nobody, is visibly unchecked and said once", async (zone, trouble) => {
    const here = await rig(`list ${zone}*9\nlist bl.test*1`);
    for (let i = 0; i < 2; i++) {
      const found = await atRcpt(here, question({ address: "192.0.2.7" }));
      expect(found.map(({ symbol }) => symbol)).toEqual([
        "RCVD_IN_BL_TEST",
        "DNSXL_LISTED",
        "UNCHECKED_DNSXL",
      ]);
      expect(found[2]).toMatchObject({ category: "unchecked", detail: `${zone} ${trouble}` });
      expect(found[1]?.detail).toBe("rank 1: client 192.0.2.7 in bl.test*1");
    }
    expect(here.health.get(zone)).toBe(trouble);
    expect(here.health.get("bl.test")).toBeNull();
    expect(here.says).toEqual([
      `DNS list ${zone} ${trouble}; it is not asked until it is in order`,
    ]);
    expect(here.results).toContain(`${zone} skipped`);
  });

  test("an error reply never counts, even where a zone is not tested", async () => {
    const here = await rig("list broken.test=127.[0..255].[0..255].[0..255]*9 test=no");
    const found = await atRcpt(here, question({ address: "192.0.2.7" }));
    expect(brief(found)).toEqual([
      "UNCHECKED_DNSXL unchecked 0 broken.test refuses us (127.255.255.254)",
    ]);
  });

  test("a zone that comes back is asked again", async () => {
    const here = await rig("list bl.test", {});
    await here.means.zones.ready("bl.test");
    expect(here.means.zones.trouble("bl.test")).toBe("does not list its test entry");
    Object.assign(here.peer.zone, SOUND);
    await expect.poll(() => here.means.zones.trouble("bl.test")).toBeNull();
    expect(here.says.at(-1)).toBe("DNS list bl.test is in order again");
  });
});

describe("lists that are silent", () => {
  test("the answer comes within the budget; after five such answers the zone rests, until a test succeeds", async () => {
    const here = await rig("list bl.test", SOUND, 300);
    await here.means.zones.ready("bl.test");
    here.peer.silent = true;
    for (let i = 0; i < 5; i++) {
      const before = performance.now();
      const found = await atRcpt(here, question({ address: `192.0.2.${100 + i}` }));
      expect(performance.now() - before).toBeLessThan(5_000);
      expect(brief(found)).toEqual(["UNCHECKED_DNSXL unchecked 0 bl.test does not answer"]);
    }
    here.results.length = 0;
    await atRcpt(here, question({ address: "192.0.2.7" }));
    expect(here.results).toEqual(["bl.test skipped"]);
    here.peer.silent = false;
    await expect.poll(() => here.means.zones.trouble("bl.test")).toBeNull();
    const found = await atRcpt(here, question({ address: "192.0.2.7" }));
    expect(found[0]?.symbol).toBe("RCVD_IN_BL_TEST");
  });

  test("one silent list does not hide what the others say", async () => {
    const here = await rig(
      "list bl.test\nlist slow.test test=no",
      { ...SOUND, "*.slow.test": { fails: "timeout" } },
      150,
    );
    const found = await atRcpt(here, question({ address: "192.0.2.7" }));
    expect(found.map(({ symbol }) => symbol)).toEqual([
      "RCVD_IN_BL_TEST",
      "DNSXL_LISTED",
      "UNCHECKED_DNSXL",
    ]);
  });

  test("a client that has gone is not the zone's fault", async () => {
    const here = await rig("list slow.test test=no", { "*.slow.test": { fails: "timeout" } }, 200);
    const gone = { findings: [], signal: AbortSignal.abort() };
    for (let i = 0; i < 9; i++)
      await dnsxlAtRcpt(here.rules, here.means).run(question({ address: `192.0.2.${i}` }), gone);
    expect(here.means.zones.trouble("slow.test")).toBeNull();
  });
});

describe("hops before the client", () => {
  const line = (ip: string, protocol = "ESMTP") =>
    `Received: from x.example (x.example [${ip}]) by y.example with ${protocol} id 1;\r\n Sat, 21 Nov 2026 01:03:48 +0000\r\n`;
  const lines = "list bl.test=127.0.0.2 for=received test=no";

  test.each([
    ["the hop before", line("192.0.2.50") + line("192.0.2.7"), ["192.0.2.7"]],
    [
      "behind our own relay",
      line("198.51.100.1") + line("192.0.2.50") + line("192.0.2.7"),
      ["192.0.2.7"],
    ],
    ["the client itself is asked as client", line("192.0.2.50"), []],
    ["who logged in is at home", line("192.0.2.50") + line("192.0.2.7", "ESMTPSA"), []],
    [
      "and so is who stands before that",
      line("192.0.2.50") + line("192.0.2.60", "ESMTPA") + line("192.0.2.7"),
      [],
    ],
    ["web mail", line("192.0.2.50") + line("192.0.2.7", "HTTP"), []],
    ["private hops", line("192.0.2.50") + line("10.0.0.1") + line("192.0.2.7"), ["192.0.2.7"]],
    ["our own network ends it", line("192.0.2.50") + line("203.0.113.9") + line("192.0.2.7"), []],
  ])("%s", async (_what, received, hops) => {
    const here = await rig(lines);
    await atData(here, {
      client: { address: "192.0.2.50" },
      header: `${received}Subject: x\r\n\r\n`,
    });
    const asked = here.peer.asked.filter((one) => one.startsWith("A "));
    expect(asked).toEqual(hops.map((ip) => `A ${ip.split(".").reverse().join(".")}.bl.test`));
  });

  test("only so many", async () => {
    const here = await rig(lines);
    const header = Array.from({ length: 90 }, (_, i) => line(`192.0.2.${i + 1}`)).join("");
    const found = await atData(here, {
      client: { address: "198.51.100.7" },
      header: `${header}\r\n`,
    });
    expect(here.peer.asked.filter((one) => one.startsWith("A "))).toHaveLength(8);
    expect(found.map(({ symbol }) => symbol)).toEqual(["HOP_IN_BL_TEST", "DNSXL_LISTED"]);
  });
});

describe("links in the text", () => {
  const withText = (text: string): MessageFacts => ({
    client: { address: "192.0.2.50" },
    tree: {
      ...tree({}),
      texts: [{ path: "1", type: "text/html", charset: "", octets: Buffer.from(text) }],
    },
  });

  test("domains and addresses, each asked where a line says so, once", async () => {
    const here = await rig(
      "list names.test=127.0.1.2*2 for=uri test=no\nlist bl.test*2 for=uri-ip test=no\nthreshold 4",
    );
    const found = await atData(
      here,
      withText(
        '<a href="http://www.bad.example/">http://bad.example</a> http://192.0.2.7/ http://good.example',
      ),
    );
    expect(brief(found)).toEqual([
      "URI_IN_NAMES_TEST note 2 bad.example is listed by names.test (127.0.1.2)",
      "URI_IN_BL_TEST note 2 192.0.2.7 is listed by bl.test (127.0.0.2, 127.0.0.9): see https://bl.test/ X-Evil: yes",
      "DNSXL_LISTED listed 0 rank 4: uri bad.example in names.test*2, uri-ip 192.0.2.7 in bl.test*2",
    ]);
    expect(here.peer.asked.filter((one) => one.startsWith("A ")).sort()).toEqual([
      "A 7.2.0.192.bl.test",
      "A bad.example.names.test",
      "A good.example.names.test",
    ]);
  });

  test("too many hosts are said", async () => {
    const here = await rig("list names.test=127.0.1.2 for=uri test=no");
    const many = Array.from({ length: 60 }, (_, i) => `http://h${i}.example`).join(" ");
    expect((await atData(here, withText(many))).map(({ symbol }) => symbol)).toEqual([
      "DNSXL_LIMIT",
    ]);
  });

  test("without such a line the tree is not read", async () => {
    const here = await rig("list bl.test test=no");
    expect(await atData(here, { client: { address: "192.0.2.99" } })).toEqual([]);
  });
});
