import { mkdtemp, rm } from "node:fs/promises";
import { DatabaseSync } from "node:sqlite";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { prepareStore, sqliteStore } from "../../src/state/sqlite.ts";
import { question, stateContract, TIMES, type StateRig } from "../contract/state.ts";
import { statsContract } from "../contract/stats.ts";
import { tokensContract } from "../contract/tokens.ts";

const dirs: string[] = [];
afterEach(async () => {
  for (const dir of dirs.splice(0)) await rm(dir, { recursive: true });
});

async function prepared(): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), "postern-state-"));
  dirs.push(dir);
  const file = join(dir, "state.db");
  prepareStore(file);
  return file;
}

const open = async (): Promise<StateRig> => {
  const file = await prepared();
  const [store, other] = [sqliteStore(file, 10_000), sqliteStore(file, 10_000)];
  return {
    store,
    other,
    async close() {
      await Promise.all([store.close(), other.close()]);
    },
  };
};
stateContract("sqlite", open);
statsContract("sqlite", open);
tokensContract("sqlite", open);

describe("the embedded store", () => {
  it("is prepared again without losing anything", async () => {
    const file = await prepared();
    const store = sqliteStore(file);
    await store.people.remember(["a@example.org"], Date.now());
    await store.close();
    prepareStore(file);
    const again = sqliteStore(file);
    expect(await again.people.has("a@example.org", Date.now())).toBe(true);
    await again.close();
  });

  it("tells within its deadline that nothing can be written, and answers again afterwards", async () => {
    const file = await prepared();
    const store = sqliteStore(file, 50);
    const holder = new DatabaseSync(file);
    holder.exec("BEGIN IMMEDIATE");
    // The first is answered from what can be read; that it is not written shows soon.
    expect(await store.greylist.ask([question()], TIMES, 1)).toMatchObject([{ result: "new" }]);
    await expect
      .poll(() => store.greylist.ask([question()], TIMES, 2).then(() => "", String), {
        timeout: 10_000,
      })
      .toMatch(/no answer in time/);
    holder.exec("ROLLBACK");
    holder.close();
    await expect
      .poll(() => store.greylist.ask([question()], TIMES, 3).then(() => "", String), {
        timeout: 10_000,
      })
      .toBe("");
    await store.close();
  });

  it("has written on close what it told, even if it is closed at once", async () => {
    const file = await prepared();
    const store = sqliteStore(file, 10_000);
    const now = Date.now();
    await store.greylist.ask([question()], TIMES, now);
    await store.close();
    const again = sqliteStore(file, 10_000);
    expect(await again.greylist.records({}, 10, now)).toHaveLength(1);
    await again.close();
  });

  it("has written on close what it told", async () => {
    const file = await prepared();
    const store = sqliteStore(file, 10_000);
    const asked = Array.from({ length: 700 }, (_, n) =>
      question({ sender: `s${"abcdefghij"[n % 10]}${n}@example.org` }),
    );
    const now = Date.now();
    for (const one of asked) await store.greylist.ask([one], TIMES, now);
    await store.close();
    const again = sqliteStore(file, 10_000);
    expect(await again.greylist.records({}, 1000, now)).toHaveLength(700);
    await again.close();
  });

  it("fails a batch as a whole and works on when a table is broken", async () => {
    const file = await prepared();
    const store = sqliteStore(file, 10_000);
    const db = new DatabaseSync(file);
    db.exec("ALTER TABLE greylist RENAME TO away");
    await expect(store.greylist.ask([question()], TIMES, 1)).rejects.toThrow(/state store/);
    db.exec("ALTER TABLE away RENAME TO greylist");
    db.close();
    expect(await store.greylist.ask([question()], TIMES, 2)).toMatchObject([{ result: "new" }]);
    await store.close();
  });

  it("notes files by folder until they are dropped or forgotten", async () => {
    const store = sqliteStore(await prepared(), 10_000);
    const file = (name: string): { name: string; key: string; size: number } => ({
      name,
      key: "k",
      size: 7,
    });
    const now = Date.now();
    await store.filed.note("a", [file("1"), file("2")], 60_000, now);
    await store.filed.note("b", [file("1")], 300_000, now);
    await store.filed.drop("a", ["1", "9"]);
    expect(await store.filed.list("a", now)).toEqual([file("2")]);
    expect(await store.filed.list("a", now + 60_000)).toEqual([]);
    expect(await store.filed.list("b", now + 60_000)).toEqual([file("1")]);
    await store.close();
  });

  it("removes what has expired, a bounded number of rows at a time", async () => {
    const file = await prepared();
    const db = new DatabaseSync(file);
    db.exec(
      `WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 500)
       INSERT INTO people SELECT 'p' || i, 1 FROM n`,
    );
    const store = sqliteStore(file, 10_000);
    await store.people.remember(["a@example.org"], Date.now());
    // Expiry follows the answer: whoever asks next waits for it.
    expect(await store.people.has("a@example.org", Date.now())).toBe(true);
    const count = (): number => Number(db.prepare("SELECT count(*) AS n FROM people").get()?.["n"]);
    expect(count()).toBe(301);
    db.close();
    await store.close();
  });
});
