// What `postern doctor` says about what is remembered: the SQLite file, and real Redis servers that are well, gone, locked,
// replicas, forgetful.
import { mkdtemp, rm, truncate, writeFile } from "node:fs/promises";
import { DatabaseSync } from "node:sqlite";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, test } from "vitest";
import { infoFindings, infoOf, redisFindings } from "../../src/cli/doctor-redis.ts";
import { placeFinding, sqliteFindings } from "../../src/cli/doctor-sqlite.ts";
import type { Finding } from "../../src/cli/doctor-finding.ts";
import { parseConfig, type Config } from "../../src/config.ts";
import { prepareStore } from "../../src/state/sqlite.ts";
import { redisServer, whyNoRedis, type RedisServer } from "../fakes/redis-server.ts";

let dir: string;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), "postern-doctor-"));
});
afterEach(() => rm(dir, { recursive: true }));

const config = (redis = ""): Config =>
  parseConfig(
    `[server]\nstate_dir = "${dir}"\n${redis === "" ? "" : `[redis]\nurl = "${redis}"\n`}`,
    join(dir, "postern.toml"),
  );
const said = (found: readonly Finding[]): string[] =>
  found.map(({ level, text }) => `${level}: ${text}`);

describe("the SQLite file", () => {
  it("is not there before the first start", async () => {
    expect(said(await sqliteFindings(config()))).toEqual([
      `ok: state ${dir}/state.db: not there yet, made at the first start`,
    ]);
  });

  it("is sound, and what it holds is counted", async () => {
    prepareStore(join(dir, "state.db"));
    const db = new DatabaseSync(join(dir, "state.db"));
    db.exec("INSERT INTO greylist VALUES ('p','o','s','r',1,1,1,0,9)");
    db.close();
    expect(said(await sqliteFindings(config()))).toEqual([
      expect.stringMatching(
        /^ok: state \S+: 0\.\d MiB, 1 greylist records, 0 clients, 0 correspondents, sound$/,
      ),
    ]);
  });

  test.each([
    ["no database", async (file: string) => writeFile(file, "x".repeat(10_000))],
    ["cut short", async (file: string) => truncate(file, 8192)],
  ])("%s: what to do", async (_, harm) => {
    const file = join(dir, "state.db");
    prepareStore(file);
    await harm(file);
    const [finding] = await sqliteFindings(config());
    expect(finding?.level).toBe("wrong");
    expect(finding?.text).toMatch(/state\.db: .*: stop postern, move the file away/);
  });

  it("warns of a log that nobody copies", async () => {
    const file = join(dir, "state.db");
    prepareStore(file);
    await writeFile(`${file}-wal`, "");
    await truncate(`${file}-wal`, 300 * 1024 ** 2);
    expect(said(await sqliteFindings(config())).join("\n")).toMatch(
      /^warning: state \S+-wal has 300 MiB/m,
    );
  });

  it("must not lie on a network file system", () => {
    expect(said(placeFinding("f", 0x6969))).toEqual([expect.stringMatching(/^wrong: .*on NFS/)]);
    expect(placeFinding("f", 0xef53)).toEqual([]);
  });
});

const missing = whyNoRedis();
describe.skipIf(missing !== null)(
  `Redis${missing === null ? "" : ` (skipped: ${missing})`}`,
  () => {
    const withServer = async (
      args: readonly string[],
      run: (server: RedisServer) => Promise<void>,
    ): Promise<void> => {
      const server = await redisServer(args);
      try {
        await run(server);
      } finally {
        await server.stop();
      }
    };
    const socketOf = (url: string): string => url.replace("redis+unix://", "");

    it("is not asked without [redis] url", async () => {
      expect(await redisFindings(config())).toEqual([]);
    });

    it("is well", async () => {
      await withServer(["--appendonly", "yes"], async ({ url }) => {
        expect(said(await redisFindings(config(url)))).toEqual([
          expect.stringMatching(
            new RegExp(
              `^ok: Redis ${socketOf(url)} answers in \\d+\\.\\d ms: version \\S+, master$`,
            ),
          ),
        ]);
      });
    });

    it("forgets: no disk, eviction, little memory", async () => {
      const args = ["--maxmemory", "2mb", "--maxmemory-policy", "volatile-lru"];
      await withServer(args, async ({ url }) => {
        const found = said(await redisFindings(config(url))).join("\n");
        expect(found).toMatch(/^warning: .* \(maxmemory-policy volatile-lru\): .*noeviction$/m);
        expect(found).toMatch(/^warning: .* writes nothing to disk: .*appendonly yes$/m);
        expect(found).not.toMatch(/^wrong/m);
      });
    });

    it("takes no writes: a replica", async () => {
      await withServer(["--replicaof", "127.0.0.1", "1"], async ({ url }) => {
        expect(said(await redisFindings(config(url))).join("\n")).toMatch(
          /^wrong: .* is a replica of 127\.0\.0\.1 and takes no writes: name the master/m,
        );
      });
    });

    it("wants a login; one that may not run scripts is told", async () => {
      const user = ["on", ">pw", "~*", "+@all", "-@scripting"];
      await withServer(["--requirepass", "secret", "--user", "weak", ...user], async ({ url }) => {
        expect(said(await redisFindings(config(url)))).toEqual([
          expect.stringMatching(/^wrong: .*NOAUTH.*: put the login into \[redis\] url/),
        ]);
        const login = (who: string): string => url.replace("://", `://${who}@`);
        expect(said(await redisFindings(config(login("weak:pw")))).join("\n")).toMatch(
          /^wrong: .* takes no scripts \(NOPERM .*: allow this user EVAL and EVALSHA/m,
        );
        const found = said(await redisFindings(config(login(":secret")))).join("\n");
        expect(found).toMatch(/^ok: /);
        expect(found).not.toContain("secret");
      });
    });

    it("is gone: said soon, with the reason", async () => {
      const start = performance.now();
      expect(said(await redisFindings(config("redis://:secret@127.0.0.1:1")))).toEqual([
        "wrong: Redis 127.0.0.1:1: connect ECONNREFUSED 127.0.0.1:1: mail goes on without greylisting and limits; start it, or see [redis] url",
      ]);
      const sentinel = "redis+sentinel://127.0.0.1:1/mail";
      expect(said(await redisFindings(config(sentinel)))).toEqual([
        expect.stringMatching(/^wrong: sentinel 127\.0\.0\.1:1: connect ECONNREFUSED/),
        "wrong: Redis mail (master by Sentinel): no sentinel names a server that is master",
      ]);
      expect(performance.now() - start).toBeLessThan(15_000);
    });
  },
);

test("what INFO says of a server that cannot write, is full, is too old", () => {
  const info = infoOf(
    "# Server\r\nredis_version:3.2.6\r\nrole:master\r\nconnected_slaves:0\r\nmaxmemory:1000\r\nused_memory:950\r\nmaxmemory_policy:noeviction\r\nrdb_last_bgsave_status:err\r\naof_enabled:0\r\n",
  );
  expect(said(infoFindings("r", info, "save,", true))).toEqual([
    "wrong: Redis r: 4.0 is the oldest that will do",
    "warning: Redis r has no replica: nobody can take its place",
    "warning: Redis r uses 95 % of its maxmemory: raise it, or mail will go on without greylisting",
    "wrong: Redis r could not write its snapshot: look at its disk and log",
  ]);
});
