import { DatabaseSync } from "node:sqlite";
import { beforeEach, describe, expect, it } from "vitest";
import { greylist } from "../../src/cli/greylist.ts";
import { networks } from "../../src/mail/ip.ts";
import type { GreylistStore } from "../../src/state/greylist-store.ts";
import { sqliteOperations, type Operations } from "../../src/state/sqlite-operations.ts";
import { SCHEMA } from "../../src/state/sqlite-schema.ts";
import { TIMES, question } from "../contract/state.ts";

const T0 = Date.UTC(2026, 10, 21);
let operations: Operations;
let now = T0;
beforeEach(() => {
  const db = new DatabaseSync(":memory:");
  db.exec(SCHEMA);
  operations = sqliteOperations(db);
  now = T0;
});

const store: GreylistStore = {
  ask: async (...args) => operations.ask(...args, true),
  peek: async (...args) => operations.ask(...args, false),
  records: async (...args) => operations.records(...args),
  client: async (...args) => operations.client(...args),
  allowPair: async (...args) => operations.allowPair(...args),
  allowClient: async (...args) => operations.allowClient(...args),
  clear: async (...args) => operations.clear(...args),
  clearClient: async (...args) => operations.clearClient(...args),
};

async function run(...args: string[]): Promise<{ code: number; out: string; err: string }> {
  let [out, err] = ["", ""];
  const code = await greylist(
    args,
    { out: (text) => (out += text), err: (text) => (err += text) },
    {
      store,
      times: TIMES,
      when: new Set(["rdns"]),
      dns: null,
      internal: networks(["10.0.0.0/8"]),
      relays: networks([]),
      shared: new Set(),
      hostname: "mx.ours.example",
      now: () => now,
    },
  );
  return { code, out, err };
}

const EXPLAIN = [
  "explain",
  "--client",
  "192.0.2.9",
  "--sender",
  "a@example.org",
  "--recipient",
  "b@example.net",
];

describe("postern greylist", () => {
  it("lists what waits and what passed", async () => {
    await store.ask([question()], TIMES, T0);
    now = T0 + 60_000;
    const { out } = await run("list");
    expect(out).toBe(
      "2026-11-21T00:00:00Z  net:192.0.2.0/24  <a@example.org> -> <b@example.net>  waits, 4 min missing, 1 tries\n",
    );
    const json = JSON.parse(
      (await run("list", "--json", "--recipient", "B@example.net")).out,
    ) as object;
    expect(json).toMatchObject({ origin: "net:192.0.2.0/24", first: T0, passed: 0 });
    expect((await run("list", "--sender", "other@example.org")).out).toBe("");
  });

  it("explains a triplet through its life", async () => {
    expect((await run(...EXPLAIN)).out).toMatch(
      /suspicions: +rdns [^]*now: +waits: it is new, 5 min missing/,
    );
    expect((await run(...EXPLAIN, "--name", "mx.example.org")).out).toMatch(
      /known as: +net:192.0.2.0\/24, dom:example.org\n[^]*now: +passes: it is new, and nothing/,
    );
    await store.ask([question()], TIMES, T0);
    now = T0 + 37_000;
    expect((await run(...EXPLAIN)).out).toMatch(
      /record: +first try 2026-11-21T00:00:00Z, 2 tries\nnow: +waits: 4 min missing/,
    );
    now = T0 + 400_000;
    expect((await run(...EXPLAIN)).out).toMatch(/now: +passes: it has waited long enough/);
    await store.ask([question()], TIMES, now);
    expect((await run(...EXPLAIN)).out).toMatch(
      /now: +passes: it was accepted 2026-11-21T00:06:40Z after 7 min/,
    );
  });

  it.each([
    [
      ["--client", "10.0.0.1", "--sender", "a@example.org", "--recipient", "b@example.net"],
      "internal",
    ],
    [
      ["--client", "192.0.2.9", "--sender", "a@example.org", "--recipient", "abuse@example.net"],
      "postmaster@ and abuse@",
    ],
    [["--client", "192.0.2.9", "--sender", "<>", "--recipient", "b@example.net"], "null sender"],
  ])("explains why %j is exempt", async (args, why) => {
    expect((await run("explain", ...args)).out).toContain(why);
  });

  it("allows a sender or a network, and clears them again", async () => {
    expect((await run("allow", "a@example.org", "b@example.net")).code).toBe(0);
    expect((await run(...EXPLAIN)).out).toContain("passes: it was accepted");
    expect((await run("clear", "a@example.org", "b@example.net")).out).toBe(
      "1 records forgotten\n",
    );
    expect((await run("allow", "192.0.2.200")).out).toBe("net:192.0.2.0/24 waits no more\n");
    expect((await run(...EXPLAIN)).out).toContain("the client is on the white-list");
    expect((await run("clear", "192.0.2.1")).code).toBe(0);
    expect((await run("clear", "192.0.2.1")).code).toBe(1);
    expect((await run("clear", "--all")).code).toBe(0);
  });

  it.each([
    [[]],
    [["nothing"]],
    [["list", "--all"]],
    [["explain", "--client", "x"]],
    [["allow"]],
    [["allow", "not an address", "x"]],
    [["clear", "--all", "x"]],
    [["list", "--limit", "x"]],
    [["list", "--no"]],
  ])("%j makes no sense", async (args) => {
    const { code, err } = await run(...args);
    expect(code).toBe(2);
    expect(err).toContain("usage:");
  });

  it("lets nothing of an address act upon the terminal", async () => {
    await store.ask([question({ sender: "\u001b[2J@example.org" })], TIMES, T0);
    expect((await run("list")).out).toContain("\\u{1b}[2J");
  });
});
