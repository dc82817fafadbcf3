// The shared store against real Redis: a cluster of three, and a server that is killed while mail flows. Sentinel: redis-sentinel.test.ts.
import { spawn, spawnSync, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { connect, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { redisFindings } from "../../src/cli/doctor-redis.ts";
import { parseConfig } from "../../src/config.ts";
import { redisStore } from "../../src/state/redis.ts";
import { question, stateContract, TIMES } from "../contract/state.ts";
import { nextHop } from "../fakes/next-hop.ts";
import { answering, redisServer, whyNoRedis } from "../fakes/redis-server.ts";
import { runningApp } from "../fakes/running-app.ts";

const missing = whyNoRedis();
const title = (text: string): string => (missing === null ? text : `${text} (skipped: ${missing})`);

async function freePort(): Promise<number> {
  for (;;) {
    const server = createServer().listen(0, "127.0.0.1");
    await once(server, "listening");
    const { port } = server.address() as { port: number };
    server.close();
    await once(server, "close");
    // A cluster node takes port + 10000 as well.
    if (port < 50_000) return port;
  }
}

function started(dir: string, name: string, args: readonly string[]): ChildProcess {
  return spawn(
    "redis-server",
    [
      ...args,
      "--dir",
      dir,
      "--save",
      "",
      "--bind",
      "127.0.0.1",
      "--logfile",
      join(dir, `${name}.log`),
    ],
    { stdio: "ignore" },
  );
}

async function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exited = once(child, "exit");
  child.kill("SIGKILL");
  await exited;
}

describe.skipIf(missing !== null)(title("a Redis cluster of three"), () => {
  const nodes: ChildProcess[] = [];
  let dir = "";
  let url = "";
  let rigs = 0;

  beforeAll(async () => {
    dir = await mkdtemp(join(tmpdir(), "postern-cluster-"));
    const ports: number[] = [];
    for (let n = 0; n < 3; n++) {
      const port = await freePort();
      ports.push(port);
      nodes.push(
        started(dir, String(n), [
          "--port",
          String(port),
          "--cluster-enabled",
          "yes",
          "--cluster-config-file",
          `nodes-${n}.conf`,
        ]),
      );
      await answering(port);
    }
    const made = spawnSync(
      "redis-cli",
      ["--cluster", "create", ...ports.map((port) => `127.0.0.1:${port}`), "--cluster-yes"],
      { encoding: "utf8" },
    );
    expect(made.stdout).toContain("All 16384 slots covered");
    url = `redis+cluster://${ports.map((port) => `127.0.0.1:${port}`).join(",")}`;
  });
  afterAll(async () => {
    await Promise.all(nodes.map(ended));
    await rm(dir, { recursive: true, force: true });
  });

  stateContract("redis cluster", async () => {
    const options = { url, prefix: `t${rigs++}:`, deadlineMs: 10_000 };
    const [store, other] = [redisStore(options), redisStore(options)];
    return {
      store,
      other,
      async close() {
        await Promise.all([store.close(), other.close()]);
      },
    };
  });

  it("doctor asks every node", async () => {
    const config = parseConfig(`[redis]\nurl = "${url}"\n`, join(dir, "postern.toml"));
    const found = (await redisFindings(config)).map(({ level, text }) => `${level}: ${text}`);
    expect(
      found.filter((line) => /^ok: Redis 127\.0\.0\.1:\d+ .*, master$/.test(line)),
    ).toHaveLength(3);
    expect(found.filter((line) => line.includes("writes nothing to disk"))).toHaveLength(3);
    expect(found).toHaveLength(6);
  });

  it("a node that stops costs no more than the deadline", async () => {
    const store = redisStore({ url, prefix: "stop:", deadlineMs: 300 });
    const ask = (n: number) =>
      store.greylist.ask([question({ sender: `s${n}@example.org` })], TIMES, 1);
    await Promise.all(Array.from({ length: 30 }, (_, n) => ask(n).catch(() => null)));
    nodes[0]?.kill("SIGSTOP");
    const start = performance.now();
    const answers = await Promise.allSettled(Array.from({ length: 60 }, (_, n) => ask(n)));
    expect(performance.now() - start).toBeLessThan(2000);
    expect(answers.some(({ status }) => status === "rejected")).toBe(true);
    expect(answers.some(({ status }) => status === "fulfilled")).toBe(true);
    nodes[0]?.kill("SIGCONT");
    await expect
      .poll(
        () =>
          Promise.all(Array.from({ length: 30 }, (_, n) => ask(n))).then(
            () => true,
            () => false,
          ),
        { timeout: 20_000 },
      )
      .toBe(true);
    await store.close();
  });
});

describe.skipIf(missing !== null)(title("Redis killed in the middle"), () => {
  it("mail and policy answers flow, visibly unchecked, and greylisting comes back", async () => {
    const redis = await redisServer();
    const hop = await nextHop();
    const app = await runningApp({
      toml: `[next_hop]\nrelay = "${hop.address}"\n[delivery]\ndomains = ["ours.example"]\n[dns]\nservers = "off"\n[greylist]\nwhen = "always"\n[redis]\nurl = "${redis.url}"\ntimeout = "200ms"\n[[listener]]\nprotocol = "policy"\nlisten = "unix:DIR/policy.sock"\n`,
    });
    const ask = (recipient: string): Promise<string> => policy(`${app.dir}/policy.sock`, recipient);
    const mail = {
      from: "a@remote.example",
      to: ["u@ours.example"],
      xforward: { ADDR: "192.0.2.5", NAME: "mx.remote.example" },
      text: "Subject: x\n\nhello\n",
    };
    try {
      expect(await ask("u@ours.example")).toContain(
        "DEFER_IF_PERMIT 4.7.1 Greylisted, please come back in 300 seconds",
      );
      await redis.kill();
      const start = performance.now();
      expect(await ask("v@ours.example")).toContain("DUNNO");
      expect(await app.send(mail)).toMatchObject([{ code: 250 }]);
      expect(performance.now() - start).toBeLessThan(5000);
      const errors = await app.metrics.checkErrors.get();
      expect(
        errors.values.some(({ labels, value }) => labels.check === "greylist" && value > 0),
      ).toBe(true);
      expect(app.says.join("\n")).toContain("redis: ");
      await redis.restart();
      await expect.poll(() => ask("w@ours.example"), { timeout: 15_000 }).toContain("Greylisted");
      expect(app.says.join("\n")).toContain("redis: connected");
    } finally {
      await app.stop();
      await hop.close();
      await redis.stop();
    }
  });
});

function policy(path: string, recipient: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(path);
    socket.on("error", reject);
    socket.on("data", (data) => {
      resolve(data.toString());
      socket.destroy();
    });
    socket.write(
      `request=smtpd_access_policy\nprotocol_state=RCPT\nprotocol_name=ESMTP\nclient_address=192.0.2.5\nclient_name=mx.remote.example\nhelo_name=mx.remote.example\nsender=a@remote.example\nrecipient=${recipient}\n\n`,
    );
  });
}
