// Questions of spam rules, asked of our resolver: replies as the rules look at them, the budget, and how many there may be.
import { afterEach, describe, expect, it } from "vitest";
import { MOST_LOOKUPS, ruleLookups } from "../../src/checks/spam-dns.ts";
import { dnsResolver } from "../../src/clients/dns.ts";
import type { DnsLookup } from "../../src/spamrules/engine-job.ts";
import { zoneServer, type Zone, type ZoneServer } from "../fakes/dns-zone.ts";

const open: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of open.splice(0)) await close();
});

async function asking(zone: Zone, budgetMs = 2000) {
  const server: ZoneServer = await zoneServer(zone);
  const dns = dnsResolver({
    servers: [server.server],
    budgetMs: 3000,
    timeoutMs: 1500,
    retries: 0,
    inFlight: 64,
  });
  open.push(
    () => dns.close(),
    () => server.stop(),
  );
  return { server, ask: ruleLookups({ dns, budgetMs }) };
}
const look = (name: string, ...types: string[]): DnsLookup => ({
  key: `${types.join("+")} ${name}`,
  name,
  types,
});

describe("lookups", () => {
  it("come back as records of a zone file, with the code of the answer", async () => {
    const { ask } = await asking({
      "a.test": { A: ["127.0.0.2", "127.0.0.4"], TXT: "é", MX: "10 mx.test", NS: "ns.test" },
      "gone.test": { fails: "refused" },
    });
    const replies = await ask(
      [
        look("a.test", "A"),
        look("a.test", "A", "TXT", "MX", "NS"),
        look("a.test", "AAAA"),
        look("no.test", "A"),
        look("gone.test", "A"),
        look("a.test", "SRV"),
      ],
      1000,
    );
    expect(Object.fromEntries(replies)).toEqual({
      "A a.test": {
        code: 0,
        records: [
          { type: "A", text: "127.0.0.2" },
          { type: "A", text: "127.0.0.4" },
        ],
      },
      "A+TXT+MX+NS a.test": {
        code: 0,
        records: [
          { type: "A", text: "127.0.0.2" },
          { type: "A", text: "127.0.0.4" },
          { type: "TXT", text: "\xc3\xa9" },
          { type: "MX", text: "10 mx.test." },
          { type: "NS", text: "ns.test." },
        ],
      },
      "AAAA a.test": { code: 0, records: [] },
      "A no.test": { code: 3, records: [] },
      "A gone.test": { code: 5, records: [] },
      "SRV a.test": { code: 4, records: [] },
    });
  });

  it("without an answer within the budget have no reply, and the others do", async () => {
    const { ask, server } = await asking(
      { "a.test": { A: "127.0.0.2" }, "b.test": { fails: "timeout" } },
      700,
    );
    const start = performance.now();
    const replies = await ask([look("a.test", "A"), look("b.test", "A")], 60_000);
    expect([...replies.keys()]).toEqual(["A a.test"]);
    expect(performance.now() - start).toBeLessThan(1400);
    // The budget is for all rounds: a second one has what the first has left. Timers may be a millisecond early.
    await new Promise((resolve) => setTimeout(resolve, 20));
    const before = server.asked.length;
    expect([...(await ask([look("c.test", "A")], 60_000)).keys()]).toEqual([]);
    expect(server.asked).toHaveLength(before);
  });

  it("have the whole budget however late the first round comes", async () => {
    const { ask } = await asking({ "a.test": { A: "127.0.0.2" } }, 700);
    await new Promise((resolve) => setTimeout(resolve, 750));
    expect((await ask([look("a.test", "A")], 60_000)).size).toBe(1);
  });

  it("are so many and no more", async () => {
    const { ask, server } = await asking({ "*.test": { A: "127.0.0.2" } }, 20_000);
    const many = Array.from({ length: MOST_LOOKUPS + 50 }, (_, n) => look(`n${n}.test`, "A"));
    expect((await ask(many, 20_000)).size).toBe(MOST_LOOKUPS);
    expect(server.asked).toHaveLength(MOST_LOOKUPS);
    expect((await ask([look("more.test", "A")], 20_000)).size).toBe(0);
  });
});
