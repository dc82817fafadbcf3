// The scanner over fake clamds, on unix sockets and TCP (node-clamav): the contract, each failure of a clamd, failover, rest.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { clamd, type Clamd, type ClamdOptions } from "../../src/clients/clamd.ts";
import { parseEndpoint } from "../../src/clients/endpoint.ts";
import type { ScanReply } from "../../src/clients/clamd-reply.ts";
import type { Body } from "../../src/mail/message.ts";
import { clamdContract, inPieces, scanAt } from "../contract/clamd.ts";
import { EICAR, fakeClamd, type FakeClamd, type FakeMood } from "../fakes/clamd.ts";

const dir = mkdtempSync(join(tmpdir(), "clamd-"));
afterAll(() => rmSync(dir, { recursive: true }));
let count = 0;
const freshPath = () => join(dir, `${++count}.sock`);

const bodyOf = (text: string): Body => ({
  size: text.length,
  bytes: [Buffer.from(text)],
  open: () => inPieces(text),
});

const clean = { kind: "clean" };
const infected = { kind: "infected", name: "Eicar-Test-Signature" };

describe.each(["unix", "tcp"])("over %s", (kind) => {
  let fake: FakeClamd;
  beforeAll(async () => {
    fake = await fakeClamd(kind === "tcp" ? 0 : freshPath());
  });
  beforeEach(() => {
    fake.mood = "ok";
    fake.limit = 1e9;
  });
  afterAll(() => fake.stop());

  clamdContract("of the tests", () => fake.endpoint);

  const said = async (mood: FakeMood, text = "x".repeat(2000), deadlineMs = 300) => {
    fake.mood = mood;
    return scanAt(fake.endpoint, inPieces(text.slice(0, 1000), text.slice(1000)), { deadlineMs });
  };

  test.each<[FakeMood, string | RegExp]>([
    ["frozen", "no reply in time"],
    ["slow", "no reply in time"],
    ["half-reply", "no reply in time"],
    ["closes-late", "closed without a reply"],
    ["closes-early", /closed without a reply|ECONNRESET|EPIPE/],
    ["flood", "its reply has no end"],
    [{ says: "INSTREAM: Can't write to temporary file. ERROR" }, /^said "INSTREAM: Can't write/],
    [{ says: "" }, "closed without a reply"],
  ])("%j is an error", async (mood, why) => {
    const reply = await said(mood);
    expect(reply.kind).toBe("error");
    expect((reply as ScanReply & { kind: "error" }).why).toMatch(
      typeof why === "string" ? new RegExp(`^${why}$`) : why,
    );
    // Nothing is left open, whatever happened.
    await expect.poll(() => fake.stillOpen()).toBe(0);
  });

  test("a verdict before the end of the octets is none, unless it is a virus", async () => {
    fake.mood = "hasty";
    const slowly = async function* () {
      yield Buffer.from("a");
      await new Promise((resolve) => setTimeout(resolve, 100));
      yield Buffer.from(EICAR);
    };
    expect(await scanAt(fake.endpoint, slowly())).toEqual({
      kind: "error",
      why: "answered before it had all octets",
    });
  });

  test("more than StreamMaxLength is an error, whoever notices first", async () => {
    fake.limit = 1000;
    const piece = Buffer.alloc(256 * 1024);
    const reply = await scanAt(fake.endpoint, inPieces(...Array.from({ length: 40 }, () => piece)));
    expect(reply.kind).toBe("error");
    expect((reply as ScanReply & { kind: "error" }).why).toMatch(/size limit|ECONNRESET|EPIPE/);
  });

  test("nobody there: unreachable", async () => {
    const away = kind === "tcp" ? "tcp:127.0.0.1:1" : `unix:${dir}/none.sock`;
    const reply = await scanAt(away, inPieces("x"));
    expect(reply).toMatchObject({ kind: "error", unreachable: true });
    expect((reply as ScanReply & { kind: "error" }).why).toMatch(/^(?:ECONNREFUSED|ENOENT)$/);
  });
});

describe("several", () => {
  let fakes: FakeClamd[] = [];
  let scanner: Clamd | null = null;
  let health: string[] = [];
  let versions: (number | null)[] = [];
  const times = { connectMs: 2000, pingEveryMs: 20, pingMs: 600, versionEveryMs: 1e6, doubtMs: 20 };

  const start = async (n: number, own: Partial<ClamdOptions> = {}) => {
    for (let i = 0; i < n; i++) fakes.push(await fakeClamd(i % 2 === 0 ? freshPath() : 0));
    health = [];
    versions = [];
    scanner = clamd({
      endpoints: fakes.flatMap(({ endpoint }) => parseEndpoint(endpoint) ?? []),
      inFlight: 10,
      onHealth: ({ name }, why) =>
        health.push(`${fakes.findIndex((fake) => fake.endpoint === name)} ${why ?? "up"}`),
      onVersion: (_endpoint, { database }) => versions.push(database?.number ?? null),
      times,
      ...own,
    });
    await expect.poll(() => versions.length).toBe(n);
    return fakes;
  };
  const scan = (text: string, ms = 1000, signal = new AbortController().signal) =>
    (scanner as Clamd).scan(bodyOf(text), performance.now() + ms, signal);

  afterEach(async () => {
    scanner?.close();
    for (const fake of fakes) await fake.stop();
    fakes = [];
  });

  test("the first one is asked while it answers", async () => {
    const [a, b] = await start(2);
    expect(versions).toEqual([27500, 27500]);
    expect(await scan("x")).toEqual(clean);
    expect(await scan(EICAR)).toEqual(infected);
    expect([a?.scanned.length, b?.scanned.length]).toEqual([2, 0]);
    expect(health).toEqual(expect.arrayContaining(["0 up", "1 up"]));
  });

  test.each<FakeMood>(["closes-early", "closes-late", { says: "Can't allocate memory ERROR" }])(
    "%j: the next one gets the whole message, and the first stays in use",
    async (mood) => {
      const [a, b] = await start(2);
      if (a === undefined || b === undefined) throw new Error("two");
      a.mood = mood;
      expect(await scan(`hello ${EICAR}`)).toEqual(infected);
      expect(b.scanned.map(String)).toEqual([`hello ${EICAR}`]);
      await expect.poll(() => a.pings).toBeGreaterThan(0);
      a.mood = "ok";
      expect(await scan("x")).toEqual(clean);
      expect(b.scanned.length).toBe(1);
      expect(health.filter((line) => !line.endsWith("up"))).toEqual([]);
    },
  );

  test("one that is down rests, costs nothing, and is back without a message having tried it", async () => {
    const [a, b] = await start(2);
    await a?.stop();
    expect(await scan("x")).toEqual(clean);
    expect(health.at(-1)).toMatch(/^0 (?:ENOENT|ECONNREFUSED)$/);
    expect(await scan("y")).toEqual(clean);
    expect(b?.scanned.length).toBe(2);
    await a?.start();
    await expect.poll(() => health.at(-1)).toBe("0 up");
    expect(await scan("z")).toEqual(clean);
    expect(a?.scanned.map(String)).toEqual(["z"]);
  });

  test("one that freezes is left for the next within the deadline, a slow one is waited for", async () => {
    const [a, b] = await start(2);
    if (a === undefined || b === undefined) throw new Error("two");
    a.mood = "frozen";
    expect(await scan(EICAR, 5000)).toEqual(infected);
    expect(b.scanned.length).toBe(1);
    expect(health.at(-1)).toBe("0 no answer to PING");
    a.mood = "ok";
    await expect.poll(() => health.at(-1)).toBe("0 up");
    a.mood = "slow";
    expect(await scan("x", 400)).toEqual({
      kind: "error",
      why: `${a.endpoint}: no reply in time`,
    });
    expect(b.scanned.length).toBe(1);
  });

  test("all down: an error at once that names each, and scans again when one is back", async () => {
    const [a, b] = await start(2);
    await a?.stop();
    await b?.stop();
    const first = await scan("x");
    expect(first).toMatchObject({ kind: "error" });
    const before = performance.now();
    const reply = await scan("x", 10_000);
    expect(performance.now() - before).toBeLessThan(1000);
    expect((reply as ScanReply & { kind: "error" }).why).toMatch(
      /^unix:\S+: \w+; tcp:\S+: ECONNREFUSED$/,
    );
    await b?.start();
    await expect.poll(() => health.at(-1)).toBe("1 up");
    expect(await scan(EICAR)).toEqual(infected);
  });

  test("no more at once than the bound; who waits too long hears why", async () => {
    const [a] = await start(1, { inFlight: 3 });
    if (a === undefined) throw new Error("one");
    const replies = await Promise.all(Array.from({ length: 30 }, (_, i) => scan(`m${i}`, 5000)));
    expect(replies).toEqual(replies.map(() => clean));
    expect(a.most).toBeLessThanOrEqual(3);
    expect(a.scanned.length).toBe(30);
    a.mood = "slow";
    const gone = new AbortController();
    const held = [1, 2, 3].map(() => scan("x", 5000, gone.signal));
    expect(await scan("y", 100)).toEqual({
      kind: "error",
      why: "3 scans were under way all the time",
    });
    gone.abort();
    expect(await Promise.all(held)).toEqual(held.map(() => ({ kind: "error", why: "given up" })));
  });

  test("a clamd that is no clamd rests from the start", async () => {
    const fake = await fakeClamd(freshPath());
    fakes.push(fake);
    fake.version = "220 smtp ready";
    const seen: (string | null)[] = [];
    const one = clamd({
      endpoints: [parseEndpoint(fake.endpoint)].flatMap((at) => at ?? []),
      inFlight: 1,
      onHealth: (_endpoint, why) => seen.push(why),
      onVersion: () => undefined,
      times: { ...times, pingEveryMs: 1e6 },
    });
    await expect.poll(() => seen).toEqual(["its reply to VERSION is none of clamd's"]);
    expect(
      await one.scan(bodyOf("x"), performance.now() + 1000, new AbortController().signal),
    ).toEqual({ kind: "error", why: `${fake.endpoint}: its reply to VERSION is none of clamd's` });
    one.close();
  });
});
