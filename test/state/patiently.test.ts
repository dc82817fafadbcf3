import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { expect, it } from "vitest";
import { patiently } from "../../src/state/patiently.ts";

it("tries again while another holds the file, and no longer than it is told", () => {
  const dir = mkdtempSync(join(tmpdir(), "patiently-"));
  const [one, other] = [new DatabaseSync(join(dir, "db")), new DatabaseSync(join(dir, "db"))];
  try {
    one.exec("CREATE TABLE t (n INTEGER); BEGIN EXCLUSIVE; INSERT INTO t VALUES (1)");
    let tries = 0;
    const work = (): void => {
      tries++;
      other.exec("PRAGMA journal_mode = WAL");
    };
    expect(() => patiently(work, 100)).toThrow(/locked/);
    expect(tries).toBeGreaterThan(1);
    patiently(() => {
      if (++tries > 10) one.exec("COMMIT");
      work();
    });
    expect(other.prepare("SELECT n FROM t").all()).toEqual([{ n: 1 }]);
  } finally {
    one.close();
    other.close();
    rmSync(dir, { recursive: true, force: true });
  }
});

it("throws other errors at once", () => {
  let tries = 0;
  const work = (): void => {
    tries++;
    throw new TypeError("no");
  };
  expect(() => patiently(work)).toThrow(TypeError);
  expect(tries).toBe(1);
});
