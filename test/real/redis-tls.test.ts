// Redis as deploy/redis configures it: TLS with a certificate of one's own authority, and a login that may do what postern does
// and nothing else. The whole contract of the store runs through it.
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { writeFile } from "node:fs/promises";
import { connect } from "node:net";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { redisFindings } from "../../src/cli/doctor-redis.ts";
import { parseConfig } from "../../src/config.ts";
import { redisStore, type SharedStore } from "../../src/state/redis.ts";
import { stateContract } from "../contract/state.ts";
import { statsContract } from "../contract/stats.ts";
import { whyNoRedis } from "../fakes/redis-server.ts";
import { deployed, lab, must, run, until, type Lab } from "./lab/lab.ts";
import { freePort } from "./lab/ports.ts";

const missing = whyNoRedis();
const title = (text: string): string => (missing === null ? text : `${text} (skipped: ${missing})`);

/** An authority, and a certificate of it for localhost. */
async function certificates(dir: string): Promise<void> {
  const key = [
    "req",
    "-x509",
    "-newkey",
    "ec",
    "-pkeyopt",
    "ec_paramgen_curve:prime256v1",
    "-nodes",
  ];
  const subject = ["-days", "2", "-subj", "/CN=lab"];
  const files = ["-keyout", `${dir}/ca.key`, "-out", `${dir}/ca.crt`];
  await must("openssl", [...key, ...subject, ...files]);
  const own = ["-keyout", `${dir}/redis.key`, "-out", `${dir}/redis.crt`];
  const from = ["-CA", `${dir}/ca.crt`, "-CAkey", `${dir}/ca.key`];
  const names = ["-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"];
  const leaf = [...names, "-addext", "basicConstraints=critical,CA:FALSE"];
  await must("openssl", [...key, "-days", "2", "-subj", "/CN=redis", ...leaf, ...from, ...own]);
}

describe.skipIf(missing !== null)(title("Redis with TLS and a login, from deploy/redis"), () => {
  let room: Lab;
  let server: ChildProcess;
  let port = 0;
  let rigs = 0;
  beforeAll(async () => {
    room = await lab("redis-tls");
    const { dir } = room;
    await certificates(dir);
    port = await freePort();
    const conf = await deployed("redis/redis.conf", {
      "tls-port 6380": `tls-port ${port}`,
      "bind 0.0.0.0 -::*": "bind 127.0.0.1",
      "/etc/redis/tls": dir,
      "/etc/redis/postern.acl": `${dir}/postern.acl`,
      "dir /var/lib/redis": `dir ${dir}`,
    });
    const acl = await deployed("redis/postern.acl", { "change-this-password": "p@ss/word" });
    await writeFile(`${dir}/redis.conf`, conf);
    await writeFile(`${dir}/postern.acl`, acl);
    server = spawn("redis-server", [`${dir}/redis.conf`], { stdio: "ignore" });
    await until("a port that listens", () => listens(port));
  });
  afterAll(async () => {
    if (server.exitCode === null) {
      const exited = once(server, "exit");
      server.kill("SIGKILL");
      await exited;
    }
    await room.cleanUp();
  });

  const url = (password = "p%40ss%2Fword", host = "localhost"): string =>
    `rediss://postern:${password}@${host}:${port}`;
  const open = (over: Partial<Parameters<typeof redisStore>[0]> = {}): SharedStore =>
    redisStore({
      url: url(),
      caFile: `${room.dir}/ca.crt`,
      prefix: `postern:${rigs++}:`,
      deadlineMs: 10_000,
      ...over,
    });
  const rig = async () => {
    const prefix = `postern:c${rigs++}:`;
    const [store, other] = [open({ prefix }), open({ prefix })];
    return {
      store,
      other,
      async close() {
        await Promise.all([store.close(), other.close()]);
      },
    };
  };

  stateContract("redis over TLS", rig);
  statsContract("redis over TLS", rig);

  it("what nodes tell one another is allowed, too", async () => {
    const store = open();
    const { index, requests } = store.nodes;
    const now = Date.now();
    expect(await index.here("mx1", "one", now)).toBe(true);
    expect(await index.nodes(now)).toEqual([{ name: "mx1", seen: now }]);
    await index.put("mx1", [{ id: "a", until: now + 60_000, text: "{}" }], now);
    expect(await index.entry("mx1", "a", now)).toBe("{}");
    for await (const page of index.entries("mx1", now)) expect(page).toHaveLength(1);
    for await (const page of index.ids("mx1")) expect(page).toEqual(["a"]);
    await index.remove("mx1", ["a"]);
    const number = await requests.send("mx1", "do", 60_000);
    expect(await requests.next("mx1", "p1", null)).toEqual({ number, text: "do" });
    await requests.keep("mx1", number, "p1");
    expect(await requests.next("mx1", "p2", 0)).toEqual({ number, text: "do" });
    expect(await requests.withdraw("mx1", number)).toBe(false);
    await requests.done("mx1", number, "done");
    expect(await requests.answer("mx1", number)).toBe("done");
    await store.close();
  });

  it.each([
    ["a wrong password", { url: () => url("wrong") }, /WRONGPASS/],
    [
      "no authority of ours",
      { caFile: () => undefined },
      /self-signed|unable to verify|unable to get/,
    ],
  ] as const)("%s: nothing is asked, and the log says why", async (_, over, why) => {
    const said: string[] = [];
    const store = open({
      deadlineMs: 1_000,
      ...("url" in over && { url: over.url() }),
      ...("caFile" in over && { caFile: over.caFile() }),
      onState: (up, text) => void (up || said.push(text)),
    });
    await expect(store.people.has("x", 1)).rejects.toThrow();
    await until("a reason", () => why.test(said.join("\n")), 5_000).catch(() =>
      expect(said.join("\n")).toMatch(why),
    );
    await store.close();
  });

  it("the login may not look at, or drop, what is not postern's", async () => {
    const cli = ["--tls", "--cacert", `${room.dir}/ca.crt`, "-h", "localhost", "-p", String(port)];
    const login = ["--user", "postern", "--pass", "p@ss/word", "--no-auth-warning"];
    for (const words of [["FLUSHALL"], ["CONFIG", "GET", "*"], ["KEYS", "*"], ["GET", "other:x"]]) {
      const { stdout, stderr } = await run("redis-cli", [...cli, ...login, ...words]);
      expect(stdout + stderr).toMatch(/NOPERM/);
    }
    expect((await run("redis-cli", [...cli, "PING"])).stdout).toMatch(/NOAUTH/);
  });

  it("postern doctor asks the same way", async () => {
    const toml = `[redis]\nurl = "${url()}"\nca = "ca.crt"\n`;
    const found = (await redisFindings(parseConfig(toml, `${room.dir}/postern.toml`))).map(
      ({ level, text }) => `${level}: ${text}`,
    );
    expect(found.filter((line) => line.startsWith("ok: Redis"))).toHaveLength(1);
    expect(found.filter((line) => !line.startsWith("ok:"))).toEqual([]);
  });
});

function listens(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1");
    socket.once("connect", () => {
      socket.destroy();
      resolve(true);
    });
    socket.once("error", () => resolve(false));
  });
}
