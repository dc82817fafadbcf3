import { mkdtemp, rm } from "node:fs/promises";
import { DatabaseSync } from "node:sqlite";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { prepareStore, sqliteStore } from "../../src/state/sqlite.ts";
import { question, stateContract, TIMES } from "../contract/state.ts";

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

stateContract("sqlite", async () => {
  const file = await prepared();
  const [store, other] = [sqliteStore(file, 10_000), sqliteStore(file, 10_000)];
  return {
    store,
    other,
    async close() {
      await Promise.all([store.close(), other.close()]);
    },
  };
});

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

  it("rejects by its deadline while another process holds the write lock, and answers again afterwards", async () => {
    const file = await prepared();
    const store = sqliteStore(file, 50);
    const holder = new DatabaseSync(file);
    holder.exec("BEGIN IMMEDIATE");
    await expect(store.greylist.ask([question()], TIMES, 1)).rejects.toThrow(/no answer in time/);
    holder.exec("ROLLBACK");
    holder.close();
    const patient = sqliteStore(file, 10_000);
    expect(await patient.greylist.ask([question()], TIMES, 2)).toHaveLength(1);
    await Promise.all([store.close(), patient.close()]);
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
