// The resolver against a server of ours: every outcome has its own word, in bounded time, and nothing is asked twice.
import { createSocket } from "node:dgram";
import { afterEach, describe, expect, test, vi } from "vitest";
import { dnsResolver, type Dns, type DnsOptions, type DnsType } from "../../src/clients/dns.ts";
import { fcrdns } from "../../src/clients/dns-fcrdns.ts";
import { mailauthResolver } from "../../src/clients/dns-mailauth.ts";
import { resource, zoneServer, type Zone, type ZoneServer } from "../fakes/dns-zone.ts";

const open: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of open.splice(0).reverse()) await close();
});

async function setUp(
  zone: Zone,
  options: Partial<DnsOptions> = {},
): Promise<{ dns: Dns; peer: ZoneServer }> {
  const peer = await zoneServer(zone);
  const dns = dnsResolver({
    servers: [peer.server],
    budgetMs: 2000,
    timeoutMs: 1000,
    retries: 1,
    inFlight: 64,
    ...options,
  });
  open.push(
    () => peer.stop(),
    () => dns.close(),
  );
  return { dns, peer };
}

const LONG = "v=spf1 ".padEnd(3000, "x");

describe("what comes back", () => {
  const zone: Zone = {
    "host.test": { A: ["192.0.2.1", "192.0.2.2"], AAAA: "2001:db8::7:0:1", ttl: 600 },
    "mail.test": { MX: ["10 mx1.test", "20 mx2.test"], NS: "ns.test" },
    "null.test": { MX: "0 ." },
    "text.test": { TXT: ["v=spf1 -all", "grüße"] },
    "long.test": { TXT: LONG },
    "cut.test": { A: "192.0.2.9", cut: true },
    "7.2.0.192.in-addr.arpa": { PTR: "host.test" },
    "alias.test": { CNAME: "alias2.test", ttl: 60 },
    "alias2.test": { CNAME: "host.test" },
    "gone.test": { CNAME: "nowhere.test" },
    "loop.test": { CNAME: "pool.test" },
    "pool.test": { CNAME: "loop.test" },
    "fail.test": { fails: "servfail" },
    "no.test": { fails: "refused" },
    "_a._domainkey.test": { TXT: "p=" },
  };
  test.each<[string, DnsType, string, unknown, number?]>([
    ["host.test", "A", "ok", ["192.0.2.1", "192.0.2.2"], 600],
    ["HOST.Test.", "AAAA", "ok", ["2001:db8::7:0:1"]],
    [
      "mail.test",
      "MX",
      "ok",
      [
        { priority: 10, exchange: "mx1.test" },
        { priority: 20, exchange: "mx2.test" },
      ],
    ],
    ["null.test", "MX", "ok", [{ priority: 0, exchange: "" }]],
    ["mail.test", "NS", "ok", ["ns.test"]],
    ["text.test", "TXT", "ok", [["v=spf1 -all"], ["grüße"]]],
    ["7.2.0.192.in-addr.arpa", "PTR", "ok", ["host.test"]],
    ["_a._domainkey.test", "TXT", "ok", [["p="]]],
    ["cut.test", "A", "ok", ["192.0.2.9"]],
    ["alias.test", "A", "ok", ["192.0.2.1", "192.0.2.2"], 60],
    ["alias.test", "CNAME", "ok", ["alias2.test"]],
    ["host.test", "TXT", "nodata", [], 77],
    ["nothing.test", "A", "nxdomain", [], 77],
    ["gone.test", "A", "nxdomain", []],
    ["loop.test", "A", "servfail", []],
    ["fail.test", "A", "servfail", [], 0],
    ["no.test", "A", "refused", [], 0],
    ["a..b", "A", "bad", []],
    ["", "A", "bad", []],
    [`${"x".repeat(64)}.test`, "A", "bad", []],
    [`${"x.".repeat(130)}test`, "A", "bad", []],
    ["bücher.test", "A", "bad", []],
  ])("%s %s: %s", async (name, type, status, records, ttl) => {
    const { dns } = await setUp(zone);
    const answer = await dns.resolve(name, type);
    expect(answer).toMatchObject({ status, records });
    if (ttl !== undefined) expect(answer.ttl).toBe(ttl);
  });

  test("a long answer comes over TCP, whole, in its pieces", async () => {
    const { dns, peer } = await setUp(zone);
    const { records } = await dns.resolve("long.test", "TXT");
    expect(records[0]?.join("")).toBe(LONG);
    expect(records[0]?.[0]).toHaveLength(255);
    expect(peer.asked).toEqual(["TXT long.test", "TXT long.test tcp"]);
  });

  test("an alias that leads out of the answer is asked for", async () => {
    const { dns, peer } = await setUp({
      "out.test": { raw: (question) => cnameOnly(question, "out.test", "there.test") },
      "there.test": { A: "192.0.2.3" },
    });
    expect(await dns.resolve("out.test", "A")).toMatchObject({
      status: "ok",
      records: ["192.0.2.3"],
      ttl: 55,
    });
    expect(peer.asked).toEqual(["A out.test", "A there.test"]);
  });

  test("a chain that leads on and on ends", async () => {
    const { dns, peer } = await setUp({
      "*.on.test": {
        raw: (question) => {
          const number = Number(question.toString("latin1", 13, 14));
          return cnameOnly(question, `${number}.on.test`, `${(number + 1) % 10}.on.test`);
        },
      },
    });
    expect((await dns.resolve("0.on.test", "A")).status).toBe("servfail");
    expect(peer.asked.length).toBeLessThan(10);
  });
});

function cnameOnly(question: Buffer, from: string, to: string): Buffer {
  const head = Buffer.from(question.subarray(0, question.length - 11)); // without the OPT record
  head.writeUInt16BE(0x8180, 2);
  head.writeUInt16BE(1, 6);
  head.writeUInt16BE(0, 10);
  const target = Buffer.concat([
    ...to.split(".").map((label) => Buffer.from([label.length, ...Buffer.from(label)])),
    Buffer.alloc(1),
  ]);
  return Buffer.concat([head, resource(from, "CNAME", 55, target)]);
}

describe("servers that misbehave", () => {
  test("silence ends with the budget, every try made", async () => {
    const { dns, peer } = await setUp(
      { "a.test": { fails: "timeout" } },
      { timeoutMs: 40, retries: 2, budgetMs: 10_000 },
    );
    const before = performance.now();
    expect((await dns.resolve("a.test", "A")).status).toBe("timeout");
    expect(performance.now() - before).toBeLessThan(8_000);
    expect(peer.asked).toHaveLength(3);
  });

  test("the budget is for all tries together", async () => {
    const { dns } = await setUp(
      { "a.test": { fails: "timeout" } },
      { timeoutMs: 5000, retries: 5, budgetMs: 60 },
    );
    const before = performance.now();
    expect((await dns.resolve("a.test", "A")).status).toBe("timeout");
    expect(performance.now() - before).toBeLessThan(4_000);
  });

  test("a port where nobody listens is known at once; the next server answers, and is asked first from then on", async () => {
    const dead = createSocket("udp4");
    await new Promise<void>((resolve) => dead.bind(0, "127.0.0.1", resolve));
    const { port } = dead.address();
    dead.close();
    const peer = await zoneServer({ "a.test": { A: "192.0.2.1" }, "b.test": { A: "192.0.2.2" } });
    open.push(() => peer.stop());
    const { dns } = await setUp(
      {},
      { servers: [{ host: "127.0.0.1", port }, peer.server], timeoutMs: 5000, budgetMs: 10_000 },
    );
    const before = performance.now();
    expect((await dns.resolve("a.test", "A")).status).toBe("ok");
    expect((await dns.resolve("b.test", "A")).status).toBe("ok");
    expect(performance.now() - before).toBeLessThan(4_000);
  });

  test("a server to which no way leads is known at once; the next server answers", async () => {
    const peer = await zoneServer({ "a.test": { A: "192.0.2.1" } });
    open.push(() => peer.stop());
    // The kernel refuses to connect to this address, as to any other while the network is down.
    const { dns } = await setUp(
      {},
      { servers: [{ host: "255.255.255.255", port: 53 }, peer.server], timeoutMs: 5000 },
    );
    const before = performance.now();
    expect((await dns.resolve("a.test", "A")).status).toBe("ok");
    expect(performance.now() - before).toBeLessThan(4_000);
  });

  test("a server that fails is asked once; another one decides", async () => {
    const good = await zoneServer({ "a.test": { A: "192.0.2.1" } });
    const bad = await zoneServer({ "a.test": { fails: "servfail" } });
    open.push(
      () => good.stop(),
      () => bad.stop(),
    );
    const { dns } = await setUp({}, { servers: [bad.server, good.server], retries: 3 });
    expect((await dns.resolve("a.test", "A")).status).toBe("ok");
    expect([bad.asked.length, good.asked.length]).toEqual([1, 1]);
  });

  test("one that knows no EDNS is asked without", async () => {
    const { dns } = await setUp({
      "old.test": {
        raw: (question) => {
          const answer = Buffer.from(question);
          if (question.readUInt16BE(10) > 0) answer.writeUInt16BE(0x8181, 2);
          else answer.writeUInt16BE(0x8183, 2);
          return answer;
        },
      },
    });
    expect((await dns.resolve("old.test", "A")).status).toBe("nxdomain");
  });

  test("answers with another id, another question or no question are passed over", async () => {
    const { dns } = await setUp({
      "a.test": {
        raw: (question) => {
          const forged = Buffer.concat([
            ok(question, 1),
            resource("a.test", "A", 9999, Buffer.from([6, 6, 6, 6])),
          ]);
          const otherId = Buffer.from(forged);
          otherId.writeUInt16BE(question.readUInt16BE(0) ^ 1, 0);
          const otherName = Buffer.from(forged);
          otherName[13] = 0x7a;
          const noQuestion = Buffer.from(forged);
          noQuestion.writeUInt16BE(0, 4);
          return [otherId, otherName, noQuestion, Buffer.alloc(3), question, ok(question, 0)];
        },
      },
    });
    expect((await dns.resolve("a.test", "A")).status).toBe("nodata");
  });

  test("letters in another case are believed over TCP only", async () => {
    const { dns, peer } = await setUp({
      "abcdefghijklmnopqrstuvwxyz.test": {
        raw: (question) => {
          const answer = Buffer.concat([
            ok(question, 1),
            resource("abcdefghijklmnopqrstuvwxyz.test", "A", 60, Buffer.from([192, 0, 2, 1])),
          ]);
          Buffer.from(answer.toString("latin1", 12, 45).toLowerCase(), "latin1").copy(answer, 12);
          return answer;
        },
      },
    });
    expect((await dns.resolve("abcdefghijklmnopqrstuvwxyz.test", "A")).records).toEqual([
      "192.0.2.1",
    ]);
    expect(peer.asked).toHaveLength(2);
  });

  test.each([
    [
      "a name that points at itself",
      (q: Buffer) => Buffer.concat([ok(q, 1), Buffer.from([0xc0, q.length - 11])]),
    ],
    ["records that are not there", (q: Buffer) => ok(q, 9)],
    ["65,535 records", (q: Buffer) => ok(q, 65_535)],
    [
      "an address of five octets",
      (q: Buffer) => Buffer.concat([ok(q, 1), resource("a.test", "A", 1, Buffer.alloc(5))]),
    ],
  ])("%s is bad", async (_what, raw) => {
    const { dns } = await setUp({ "a.test": { raw } }, { retries: 0 });
    expect((await dns.resolve("a.test", "A")).status).toBe("bad");
  });
});

/** A positive answer's head for the question, announcing so many records. */
function ok(question: Buffer, count: number): Buffer {
  const head = Buffer.from(question.subarray(0, question.length - 11));
  head.writeUInt16BE(0x8180, 2);
  head.writeUInt16BE(count, 6);
  head.writeUInt16BE(0, 10);
  return head;
}

describe("the cache", () => {
  const zone: Zone = {
    "a.test": { A: "192.0.2.1", ttl: 100 },
    "short.test": { A: "192.0.2.2", ttl: 0 },
    "fail.test": { fails: "servfail" },
  };
  test("answers until the TTL ends, then asks again; a no as long as its SOA says, a failure for seconds", async () => {
    let now = 0;
    const { dns, peer } = await setUp(zone, { now: () => now, retries: 0 });
    const ask = async (...names: string[]): Promise<number> => {
      peer.asked.length = 0;
      for (const name of names) await dns.resolve(name, "A");
      return peer.asked.length;
    };
    expect(await ask("a.test", "A.test.", "short.test", "short.test", "no.test", "no.test")).toBe(
      3,
    );
    expect(await ask("fail.test", "fail.test")).toBe(1);
    now = 11_000;
    expect(await ask("a.test", "short.test", "no.test")).toBe(0);
    expect(await ask("fail.test")).toBe(1);
    now = 78_000;
    expect(await ask("no.test")).toBe(1);
    expect(await ask("a.test")).toBe(0);
    now = 101_000;
    expect(await ask("a.test")).toBe(1);
  });

  test("identical questions at the same time are one", async () => {
    const { dns, peer } = await setUp(zone);
    const all = await Promise.all(Array.from({ length: 50 }, () => dns.resolve("a.test", "A")));
    expect(all.every(({ status }) => status === "ok")).toBe(true);
    expect(peer.asked).toHaveLength(1);
  });

  test("is bounded in entries and octets", async () => {
    const bounds = { entries: 3, octets: 5000, minTtl: 30, maxTtl: 60, failureTtl: 10 };
    const { dns, peer } = await setUp(
      { "*.test": { A: "192.0.2.1" }, "big.test": { TXT: LONG } },
      { cache: bounds },
    );
    for (const name of ["a.test", "b.test", "c.test", "a.test", "d.test"])
      await dns.resolve(name, "A");
    peer.asked.length = 0;
    for (const name of ["a.test", "c.test", "d.test"]) await dns.resolve(name, "A");
    expect(peer.asked).toEqual([]);
    await dns.resolve("b.test", "A");
    expect(peer.asked).toEqual(["A b.test"]);
    await dns.resolve("big.test", "TXT");
    await dns.resolve("big2.test", "TXT");
    await dns.resolve("big.test", "TXT");
    expect(peer.asked.filter((one) => one === "TXT big.test tcp")).toHaveLength(1);
  });
});

test("hundreds of questions at once all get their answers through a narrow door", async () => {
  const { dns } = await setUp({ "*.test": { A: "192.0.2.1" } }, { inFlight: 8 });
  const all = await Promise.all(
    Array.from({ length: 300 }, (_, i) => dns.resolve(`n${i}.test`, "A")),
  );
  expect(all.filter(({ status }) => status === "ok")).toHaveLength(300);
});

test("a signal ends the waiting, not the question", async () => {
  const { dns, peer } = await setUp({ "a.test": { A: "192.0.2.1" } });
  expect((await dns.resolve("a.test", "A", { signal: AbortSignal.abort() })).status).toBe(
    "timeout",
  );
  expect((await dns.resolve("a.test", "A")).status).toBe("ok");
  expect(peer.asked).toHaveLength(1);
});

test("close lets nobody wait", async () => {
  const { dns } = await setUp(
    { "a.test": { fails: "timeout" } },
    { budgetMs: 60_000, timeoutMs: 60_000 },
  );
  const waiting = dns.resolve("a.test", "A");
  setImmediate(() => dns.close());
  expect((await waiting).status).toBe("timeout");
});

describe("fcrdns", () => {
  const zone: Zone = {
    "1.2.0.192.in-addr.arpa": { PTR: ["Other.test", "Host.test"] },
    "2.2.0.192.in-addr.arpa": { PTR: "liar.test" },
    "3.2.0.192.in-addr.arpa": { PTR: "broken.test" },
    "4.2.0.192.in-addr.arpa": { fails: "servfail" },
    "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa": { PTR: "six.test" },
    "host.test": { A: ["192.0.2.99", "192.0.2.1"] },
    "other.test": { A: "192.0.2.98" },
    "liar.test": { A: "192.0.2.50" },
    "broken.test": { fails: "servfail" },
    "six.test": { AAAA: "2001:db8::1" },
  };
  test.each([
    ["192.0.2.1", "host.test", true, false],
    ["192.0.2.2", "liar.test", false, false],
    ["192.0.2.3", "broken.test", false, true],
    ["192.0.2.4", null, false, true],
    ["192.0.2.5", null, false, false],
    ["2001:DB8:0::1", "six.test", true, false],
    ["nonsense", null, false, false],
  ])("%s", async (address, name, confirmed, failed) => {
    const { dns } = await setUp(zone, { retries: 0 });
    expect(await fcrdns(dns, address)).toEqual({ name, confirmed, failed });
  });
});

test("mailauth gets records, or errors with the codes of node:dns", async () => {
  const { dns } = await setUp(
    {
      "a.test": { TXT: ["one", "two"], MX: "5 mx.test", A: "192.0.2.1" },
      "fail.test": { fails: "servfail" },
      "late.test": { fails: "timeout" },
      "no.test": { fails: "refused" },
    },
    { timeoutMs: 300, retries: 0 },
  );
  const resolver = mailauthResolver(dns);
  expect(await resolver("a.test", "TXT")).toEqual([["one"], ["two"]]);
  expect(await resolver("a.test", "mx")).toEqual([{ priority: 5, exchange: "mx.test" }]);
  for (const [name, type, code] of [
    ["a.test", "AAAA", "ENODATA"],
    ["b.test", "A", "ENOTFOUND"],
    ["a..b", "A", "ENOTFOUND"],
    ["fail.test", "A", "ESERVFAIL"],
    ["late.test", "A", "ETIMEOUT"],
    ["no.test", "A", "EREFUSED"],
    ["a.test", "SRV", "ENOTIMP"],
  ] as const)
    await expect(resolver(name, type)).rejects.toMatchObject({ code });
});

describe("a server that falls silent", () => {
  const short = { timeoutMs: 300, budgetMs: 2400, retries: 1 };
  const zone = (): Zone => ({
    ...{ "host.test": { A: "192.0.2.1" }, localhost: { A: "127.0.0.1" } },
    "*.dead.test": { fails: "timeout" },
  });
  const time = async (work: Promise<unknown>): Promise<number> => {
    const begun = performance.now();
    await work;
    return performance.now() - begun;
  };

  test("is not waited for after a few questions, and asked again once it speaks", async () => {
    const { dns, peer } = await setUp(zone(), short);
    peer.silent = true;
    for (let i = 0; i < 3; i++) await dns.resolve(`a${i}.test`, "A");
    await vi.waitFor(async () => {
      const before = peer.asked.length;
      const { status } = await dns.resolve(`b${Math.random()}.test`, "A");
      expect(status).toBe("timeout");
      expect(peer.asked.slice(before).filter((what) => !what.includes("localhost"))).toEqual([]);
    }, 10_000);
    expect(await time(dns.resolve("host.test", "A"))).toBeLessThan(250);
    peer.silent = false;
    await vi.waitFor(
      async () => expect((await dns.resolve("host.test", "A")).status).toBe("ok"),
      10_000,
    );
  });

  test("is another one than a server of which only some names time out", async () => {
    const { dns, peer } = await setUp(zone(), short);
    for (let i = 0; i < 6; i++)
      expect((await dns.resolve(`n${i}.dead.test`, "A")).status).toBe("timeout");
    expect(peer.asked.filter((what) => what.includes("localhost")).length).toBeGreaterThan(0);
    expect((await dns.resolve("host.test", "A")).status).toBe("ok");
  });
});
