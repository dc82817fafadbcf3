// Timelines through the real check and the real rules on SQLite in memory; the clock is the test's.
import { DatabaseSync } from "node:sqlite";
import { describe, expect, it } from "vitest";
import { greylist, greylistAtRcpt, type GreylistMeans } from "../../src/checks/greylist.ts";
import { greylistDelay } from "../../src/checks/greylist-delay.ts";
import { networks } from "../../src/mail/ip.ts";
import { UNKNOWN_CLIENT, type Client, type RcptQuestion } from "../../src/mail/message.ts";
import type { GreylistStore } from "../../src/state/greylist-store.ts";
import { sqliteOperations } from "../../src/state/sqlite-operations.ts";
import { SCHEMA } from "../../src/state/sqlite-schema.ts";
import type { Finding } from "../../src/verdict/finding.ts";
import { address, message, type MessageFacts } from "../fakes/message.ts";

const MIN = 60_000;
const HOUR = 60 * MIN;
const DAY = 24 * HOUR;
const T0 = Date.UTC(2026, 10, 21, 1, 3, 48);
const SIGNAL = new AbortController().signal;

interface Rig {
  at(ms: number): Rig;
  rcpt(over?: Partial<RcptQuestion>, findings?: readonly Finding[]): Promise<readonly Finding[]>;
  data(facts?: MessageFacts, findings?: readonly Finding[]): Promise<readonly Finding[]>;
  readonly lines: string[];
  readonly told: string[];
  readonly people: (person: string) => void;
  readonly asked: { count: number };
}

const CLIENT: Client = {
  ...UNKNOWN_CLIENT,
  address: "192.0.2.5",
  name: "mx.remote.example",
  helo: "mx.remote.example",
};
const ZOMBIE: Client = { ...UNKNOWN_CLIENT, address: "198.51.100.7", name: null, helo: "pc" };

function rig(over: Partial<GreylistMeans> = {}): Rig {
  const db = new DatabaseSync(":memory:");
  db.exec(SCHEMA);
  const operations = sqliteOperations(db);
  let now = T0;
  const lines: string[] = [];
  const told: string[] = [];
  const asked = { count: 0 };
  const store: Pick<GreylistStore, "ask" | "peek"> = {
    ask: async (...args) => {
      asked.count++;
      return operations.ask(...args, true);
    },
    peek: async (...args) => operations.ask(...args, false),
  };
  const means: GreylistMeans = {
    store,
    times: {
      delay: 5 * MIN,
      window: 2 * DAY,
      lifetime: 35 * DAY,
      autoWhitelist: 5,
      countEvery: HOUR,
    },
    when: "always",
    scoreFrom: 3,
    scoreTo: 10,
    shared: new Set(),
    dns: null,
    internal: networks(["10.0.0.0/8"]),
    relays: networks(["203.0.113.9"]),
    hostname: "mx.ours.example",
    product: "postern",
    atData: () => true,
    now: () => now,
    log: (line) => lines.push(line),
    told: (result) => told.push(result),
    ...over,
  };
  const [atRcpt, early, late] = [greylistAtRcpt(means), greylistDelay(means), greylist(means)];
  const self: Rig = {
    lines,
    told,
    asked,
    people: (person) => operations.rememberPeople([person], now),
    at(ms) {
      now = T0 + ms;
      return self;
    },
    rcpt: (question = {}, findings = []) =>
      atRcpt.run({ ...QUESTION, ...question }, { findings, signal: SIGNAL }),
    async data(facts = {}, findings = []) {
      const recipients = ["u@ours.example"];
      const mail = message({ client: CLIENT, sender: "a@remote.example", recipients, ...facts });
      const before = await early.run(mail, { findings, signal: SIGNAL });
      const so = { findings: [...findings, ...before], signal: SIGNAL };
      return [...before, ...(await late.run(mail, so))];
    },
  };
  return self;
}

const QUESTION: RcptQuestion = {
  client: CLIENT,
  login: null,
  sender: address("a@remote.example"),
  recipient: address("u@ours.example"),
  recipientCount: 0,
  size: 0,
  state: "RCPT",
  instance: "i1",
  context: "",
  origin: "inbound",
};

const symbols = (findings: readonly Finding[]): string[] => findings.map(({ symbol }) => symbol);
const note = (symbol: string, detail: string, score = 0): Finding => ({
  check: symbol.startsWith("SPF") || symbol.startsWith("DKIM") ? "auth" : "spam",
  symbol,
  category: "note",
  score,
  detail,
});

describe("greylisting at RCPT", () => {
  it("first try, early retry with the seconds missing, acceptance with X-Greylist, then silence", async () => {
    const r = rig();
    expect(await r.at(0).rcpt()).toMatchObject([
      {
        symbol: "GREYLISTED",
        category: "greylisted",
        detail: "new",
        say: "Greylisted, please come back in 300 seconds",
      },
    ]);
    expect(await r.at(37_000).rcpt()).toMatchObject([
      { detail: "early-retry (263s missing)", say: "Greylisted, please come back in 263 seconds" },
    ]);
    expect(await r.at(312_000).rcpt()).toMatchObject([
      {
        symbol: "GREYLIST_DELAYED",
        category: "note",
        detail:
          "delayed 312 seconds by postern at mx.ours.example; Sat, 21 Nov 2026 01:09:00 +0000 (UTC)",
      },
    ]);
    expect(await r.at(DAY).rcpt()).toEqual([]);
    const who =
      "client_name=mx.remote.example, client_address=192.0.2.5, sender=a@remote.example, recipient=u@ours.example";
    expect(r.lines).toEqual([
      `action=greylist, reason=new, ${who}`,
      `action=greylist, reason=early-retry (263s missing), ${who}`,
      `action=pass, reason=triplet found, delay=312, ${who}`,
      `action=pass, reason=triplet found, ${who}`,
    ]);
    expect(r.told).toEqual(["new", "early", "accepted", "passed"]);
  });

  it("the fifth triplet of a client still waits, the sixth does not", async () => {
    const r = rig();
    for (let n = 1; n <= 5; n++) {
      const recipient = address(`r${n}@ours.example`);
      expect(symbols(await r.at(n * 2 * HOUR).rcpt({ recipient }))).toEqual(["GREYLISTED"]);
      await r.at(n * 2 * HOUR + 6 * MIN).rcpt({ recipient });
    }
    expect(await r.at(12 * HOUR).rcpt({ recipient: address("r6@ours.example") })).toEqual([]);
    expect(r.lines.at(-1)).toContain("reason=client AWL");
  });

  it("a proven organisation passes from any of its networks, but its white-list is per sender domain", async () => {
    const r = rig();
    const from = (n: number, sender: string, to: string): Partial<RcptQuestion> => ({
      client: { ...CLIENT, address: `198.51.${n}.5`, name: `mx${n}.pool.example` },
      sender: address(sender),
      recipient: address(to),
    });
    for (let n = 1; n <= 5; n++) {
      await r.at(n * 2 * HOUR).rcpt(from(n, "a@one.example", `r${n}@ours.example`));
      const later = from(n + 50, "a@one.example", `r${n}@ours.example`);
      expect(symbols(await r.at(n * 2 * HOUR + 6 * MIN).rcpt(later))).toEqual(["GREYLIST_DELAYED"]);
    }
    expect(await r.at(DAY).rcpt(from(99, "a@one.example", "r6@ours.example"))).toEqual([]);
    expect(symbols(await r.rcpt(from(99, "a@two.example", "r6@ours.example")))).toEqual([
      "GREYLISTED",
    ]);
  });

  it.each<[string, Partial<Client>]>([
    ["a generic name proves nothing", { name: "dsl-51-9.pool.example" }],
    ["an unknown name proves nothing", { name: null }],
  ])("%s", async (_, client) => {
    const r = rig();
    await r.at(0).rcpt({ client: { ...CLIENT, ...client, address: "198.51.1.5" } });
    const later = r.at(6 * MIN).rcpt({ client: { ...CLIENT, ...client, address: "198.51.2.5" } });
    expect(symbols(await later)).toEqual(["GREYLISTED"]);
  });

  it.each([
    [false, "GREYLIST_DELAYED"],
    [true, "GREYLISTED"],
  ])("an SPF pass carries a pool, unless everybody passes (wide: %s)", async (wide, expected) => {
    const dns = {
      names: async () => ({ name: null, confirmed: false, failed: false }),
      spf: async () => ({ result: "pass", domain: "remote.example", wide }),
    };
    const r = rig({ dns });
    await r.at(0).rcpt({ client: { ...ZOMBIE, address: "198.51.1.5" } });
    const later = await r.at(6 * MIN).rcpt({ client: { ...ZOMBIE, address: "198.51.2.5" } });
    expect(symbols(later)).toEqual([expected]);
  });

  it.each<[string, Partial<RcptQuestion>]>([
    ["a login", { login: "joe" }],
    ["an outbound question", { origin: "outbound" }],
    ["a client of ours", { client: { ...CLIENT, address: "10.1.2.3" } }],
    ["a relay", { client: { ...CLIENT, address: "203.0.113.9" } }],
    ["postmaster@", { recipient: address("Postmaster@ours.example") }],
    ["abuse@", { recipient: address("abuse@ours.example") }],
    ["a null sender at RCPT", { sender: null }],
    ["a question before RCPT", { recipient: null, state: "MAIL" }],
    ["DATA after RCPT was judged", { state: "DATA" }],
    ["a client without an address", { client: UNKNOWN_CLIENT }],
  ])("%s is not asked about", async (_, question) => {
    const r = rig();
    expect(await r.rcpt(question)).toEqual([]);
    expect(r.asked.count).toBe(0);
  });

  it("an allow line that skips greylisting spares whom it is for", async () => {
    const r = rig();
    const line: Finding = { ...note("ACCESS_ALLOW", ""), waives: ["greylisted"] };
    expect(await r.rcpt({}, [line])).toEqual([]);
    const other = { ...line, recipient: address("v@ours.example") };
    expect(symbols(await r.rcpt({}, [other]))).toEqual(["GREYLISTED"]);
    expect(symbols(await r.data({}, [line]))).toEqual([]);
  });

  it("a null sender is judged at DATA", async () => {
    const r = rig();
    expect(symbols(await r.rcpt({ sender: null, state: "DATA" }))).toEqual(["GREYLISTED"]);
  });

  it("whom our users wrote to passes, unless SPF says that it is forged", async () => {
    const spf = { result: "none", domain: "remote.example", wide: false };
    const names = async () => ({ name: null, confirmed: false, failed: false });
    const r = rig({ dns: { names, spf: async () => spf } });
    r.people("a@remote.example");
    expect(await r.rcpt()).toEqual([]);
    expect(r.lines.at(-1)).toContain("reason=known correspondent");
    spf.result = "fail";
    expect(symbols(await r.rcpt())).toEqual(["GREYLISTED"]);
  });

  it("selective: only suspicion makes a client wait", async () => {
    const r = rig({ when: new Set(["dnsxl", "rdns", "helo", "spf"]) });
    expect(await r.rcpt()).toEqual([]);
    expect(r.told).toEqual(["unsuspected"]);
    expect(symbols(await r.rcpt({ client: ZOMBIE }))).toEqual(["GREYLISTED"]);
    const listed: Finding = {
      check: "dnsxl",
      symbol: "DNSXL_LISTED",
      category: "listed",
      score: 0,
      detail: "x",
    };
    expect(symbols(await r.rcpt({ recipient: address("v@ours.example") }, [listed]))).toEqual([
      "GREYLISTED",
    ]);
  });

  it.each([
    [
      "a list's hit below the threshold",
      "RCVD_IN_BL",
      "192.0.2.5 is listed by bl.example (127.0.0.2)",
    ],
    [
      "who is vouched for",
      "RCVD_IN_WL",
      "192.0.2.5 is vouched for by wl.example: once is listed by x",
    ],
    ["a list that could not be asked", "UNCHECKED_DNSXL", "bl.example does not answer"],
  ])("selective: %s is no suspicion", async (_, symbol, detail) => {
    const r = rig({ when: new Set(["dnsxl"]) });
    const category = symbol.startsWith("UNCHECKED_") ? "unchecked" : "note";
    const hit: Finding = { check: "dnsxl", symbol, category, score: 1, detail };
    expect(await r.rcpt({}, [hit])).toEqual([]);
    expect(await r.data({}, [hit])).toEqual([]);
    expect(r.told).toEqual(["unsuspected"]);
  });

  it("fails when the store fails, so that the mail goes on as unchecked", async () => {
    const down = async (): Promise<never> => {
      throw new Error("redis: no answer in time");
    };
    await expect(rig({ store: { ask: down, peek: down } }).rcpt()).rejects.toThrow(
      /no answer in time/,
    );
  });

  it("keeps one field per value in the log, whatever the client says", async () => {
    const r = rig();
    await r.rcpt({ sender: address('"a, sender=b"@remote.example') });
    expect(r.lines[0]?.split(", ").filter((part) => part.startsWith("sender="))).toHaveLength(1);
  });
});

describe("greylisting at the end of DATA", () => {
  const selective = { when: new Set(["score", "dnsxl"] as const) };

  it.each([
    [2.9, []],
    [3, ["GREYLISTED"]],
    [9.9, ["GREYLISTED"]],
    [10, []],
  ])("a score of %s in the band 3 to 10", async (score, expected) => {
    expect(symbols(await rig(selective).data({}, [note("X", "", score)]))).toEqual(expected);
  });

  it("shares the record with RCPT: who waited there passes here, and the other way round", async () => {
    const r = rig();
    await r.at(0).rcpt();
    expect(symbols(await r.at(6 * MIN).rcpt())).toEqual(["GREYLIST_DELAYED"]);
    expect(symbols(await r.at(6 * MIN + 1000).data())).toEqual(["GREYLIST_DELAYED"]);
    const s = rig();
    await s.at(0).data();
    expect(symbols(await s.at(6 * MIN).rcpt())).toEqual(["GREYLIST_DELAYED"]);
  });

  it.each<[string, MessageFacts, readonly Finding[], string]>([
    [
      "by its DKIM domain",
      { header: "Subject: one\r\n\r\n" },
      [note("DKIM_PASS", "dkim=pass header.d=pool.example")],
      "GREYLIST_DELAYED",
    ],
    ["by its text", {}, [], "GREYLIST_DELAYED"],
    [
      "not with another text and no signature",
      { header: "Subject: one\r\n\r\n" },
      [],
      "GREYLISTED",
    ],
    ["not to another recipient", { recipients: ["w@ours.example"] }, [], "GREYLISTED"],
  ])("a pool passes %s", async (_, facts, findings, expected) => {
    const r = rig();
    await r
      .at(0)
      .data({ client: { ...ZOMBIE, address: "198.51.1.5" } }, [
        note("DKIM_PASS", "dkim=pass header.d=pool.example"),
      ]);
    const later = r
      .at(6 * MIN)
      .data({ client: { ...ZOMBIE, address: "198.51.2.5" }, ...facts }, findings);
    expect(symbols(await later)).toEqual([expected]);
  });

  it("every recipient has a record of its own, all from one wait", async () => {
    const r = rig();
    const both = { recipients: ["u@ours.example", "v@ours.example", "abuse@ours.example"] };
    const found = await r.at(0).data(both);
    expect(found.map(({ recipient }) => recipient?.raw)).toEqual([
      "u@ours.example",
      "v@ours.example",
    ]);
    expect(r.asked.count).toBe(1);
  });

  it("where nobody may be told to come back, it only looks for what RCPT delayed", async () => {
    const r = rig({ atData: () => false });
    expect(await r.data()).toEqual([]);
    await r.at(0).rcpt();
    await r.at(6 * MIN).rcpt();
    expect(symbols(await r.at(7 * MIN).data())).toEqual(["GREYLIST_DELAYED"]);
    expect(await r.at(DAY).data()).toEqual([]);
    expect(r.asked.count).toBe(2);
  });

  it.each<[string, MessageFacts, readonly Finding[]]>([
    ["outbound mail", { origin: "outbound" }, []],
    [
      "what is stopped as a virus anyway",
      {},
      [{ check: "virus", symbol: "V", category: "virus", score: 0, detail: "" }],
    ],
  ])("%s is not asked about", async (_, facts, findings) => {
    const r = rig();
    expect(await r.data(facts, findings)).toEqual([]);
    expect(r.asked.count).toBe(0);
  });
});
