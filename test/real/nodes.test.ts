// Two mail hosts that share a Redis Cluster: each a real Postfix with a postern of its own. What one remembers the other knows; what
// one keeps the other releases; and a master of the cluster that dies stops no mail.
import { mkdir, writeFile } from "node:fs/promises";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { whyNoRedis } from "../fakes/redis-server.ts";
import { inject, type Injected } from "./lab/inject.ts";
import { lab, must, until, type Lab } from "./lab/lab.ts";
import { have } from "./lab/peers.ts";
import { freePorts } from "./lab/ports.ts";
import { postern, type Postern } from "./lab/postern.ts";
import { postfix, type Postfix } from "./lab/postfix.ts";
import { redisCluster, type RedisCluster } from "./lab/redis-cluster.ts";
import { sink, type Sink } from "./lab/sink.ts";

const missing = whyNoRedis();
const title = (text: string): string => (missing === null ? text : `${text} (skipped: ${missing})`);

interface Host {
  readonly name: string;
  readonly node: Postern;
  readonly mta: Postfix;
  readonly filterPort: number;
  send(from: string, text?: Buffer): Promise<Injected>;
  metrics(): Promise<string>;
}

const RULES = {
  "limits.rules": "limit sender 4 messages per 1h for rate@sender.example reject\n",
  "senders.rules": "allow sender.example skip greylist\n",
};

const mail = (subject: string, name: string | null = null): Buffer => {
  const type = name === null ? [] : [`Content-Type: application/x-msdownload; name="${name}"`];
  const lines = ["From: a@b.example", "To: user@example.com", `Subject: ${subject}`];
  const id = `Message-ID: <${subject}@b.example>`;
  return Buffer.from([...lines, id, "MIME-Version: 1.0", ...type, "", "hello", ""].join("\r\n"));
};

async function host(room: Lab, name: string, redis: string, end: number): Promise<Host> {
  const dir = `${room.dir}/${name}`;
  await mkdir(dir, { mode: 0o755 });
  const [policyPort = 0, filterPort = 0, reinjectPort = 0, httpPort = 0] = await freePorts(4);
  const toml = `
[server]
hostname = "${name}.example.com"
node = "${name}"
workers = 2
state_dir = "${dir}/postern/state"
rules_dir = "${dir}/postern/rules"
[[listener]]
protocol = "policy"
listen = "127.0.0.1:${policyPort}"
[[listener]]
protocol = "smtp"
listen = "127.0.0.1:${filterPort}"
[[listener]]
protocol = "http"
listen = "127.0.0.1:${httpPort}"
[next_hop]
relay = "smtp:127.0.0.1:${reinjectPort}"
[delivery]
domains = ["example.com"]
users = "${dir}/users"
[dns]
servers = "off"
[greylist]
when = "always"
delay = "2s"
[redis]
url = "${redis}"
`;
  await writeFile(`${dir}/users`, "user@example.com:{PLAIN}x::::::\n", { mode: 0o600 });
  const node = room.add(await postern({ dir, file: null, more: toml, rules: RULES }));
  const mta = room.add(
    await postfix({
      dir,
      nextHop: end,
      hookup: "after-queue",
      filterPort,
      reinjectPort,
      policyPort,
    }),
  );
  return {
    name,
    node,
    mta,
    filterPort,
    send: (from, data = mail("hello")) =>
      inject({
        port: mta.smtpPort,
        from,
        to: ["user@example.com"],
        data,
        xclient: { ADDR: "192.0.2.7", NAME: "mx.elsewhere.example" },
      }),
    metrics: async () => (await fetch(`http://127.0.0.1:${httpPort}/metrics`)).text(),
  };
}

const GREY = /^450 4\.7\.1 .*Greylisted/;

describe.skipIf(missing !== null || !have("root", "postfix"))(title("two nodes"), () => {
  let room: Lab;
  let redis: RedisCluster;
  let end: Sink;
  let one: Host;
  let two: Host;
  beforeAll(async () => {
    room = await lab("nodes");
    redis = room.add(await redisCluster(room.dir));
    end = room.add(await sink());
    one = await host(room, "mx1", redis.url, end.port);
    two = await host(room, "mx2", redis.url, end.port);
  });
  afterAll(() => room?.cleanUp());

  /** Waits until `postern quarantine list` of a node shows a message with this subject; its id. */
  const listed = (at: Host, subject: string): Promise<string> =>
    until(
      `${subject} in the list of ${at.name}`,
      async () => {
        const { code, stdout } = await at.node.command("quarantine", "list", "--subject", subject);
        expect(code).toBe(0);
        return /^mx\d\s+(\S{12}) /m.exec(stdout)?.[1];
      },
      20_000,
    );

  test("greylisted on one, passed on the other", async () => {
    expect((await one.send("x@stranger.example")).reply).toMatch(GREY);
    expect((await two.send("x@stranger.example")).reply).toMatch(GREY);
    await new Promise((resolve) => setTimeout(resolve, 2_200));
    expect((await two.send("x@stranger.example", mail("waited"))).reply).toMatch(/^250 /);
    await end.find("Subject: waited");
    // And the first one knows that it has passed.
    expect((await one.send("x@stranger.example", mail("known"))).reply).toMatch(/^250 /);
  });

  test("rates are counted together", async () => {
    const replies: string[] = [];
    for (const at of [one, two, one, two, one, two])
      replies.push((await at.send("rate@sender.example")).reply.slice(0, 3));
    expect(replies.slice(0, 4)).toEqual(["250", "250", "250", "250"]);
    expect(replies.slice(4)).toEqual(["554", "554"]);
  });

  test("kept on one, released from the other, once", async () => {
    await one.send("ann@sender.example", mail("kept-1", "run.exe"));
    const id = await listed(two, "kept-1");
    const both = await two.node.command("quarantine", "list", "--json");
    expect(JSON.parse(both.stdout.split("\n")[0] ?? "")).toMatchObject({ id, node: "mx1" });
    const shown = await two.node.command("quarantine", "show", id);
    expect(shown.stdout).toContain("Subject: kept-1");
    const released = await two.node.command("quarantine", "release", id);
    expect(released).toMatchObject({
      code: 0,
      stdout: expect.stringMatching(/^<user@example\.com>: 250 /),
    });
    const copy = await end.find("Subject: kept-1");
    expect(copy.data.toString()).toContain("Resent-To: <user@example.com>");
    expect(end.caught.filter(({ data }) => data.includes("Subject: kept-1"))).toHaveLength(1);
    await until("the line in the log of mx1", () =>
      /Quarantined message release \(banned\): \S+ <ann@sender\.example> -> <user@example\.com>, by command line \(.+\) on mx2, request /.test(
        one.node.log(),
      ),
    );
    await until("the release in the index", async () =>
      (await two.node.command("quarantine", "list")).stdout.includes("(released)"),
    );
    const nobody = await two.node.command("quarantine", "release", "AAAAAAAAAAAA");
    expect(nobody).toMatchObject({ code: 1, stderr: expect.stringContaining("on any node") });
    expect(await two.node.command("quarantine", "delete", id)).toMatchObject({ code: 0 });
    expect((await one.node.command("quarantine", "list")).stdout).toBe("");
    await until(
      "its end in the index",
      async () => (await two.node.command("quarantine", "list")).stdout === "",
    );
  });

  test("a master of the cluster is killed: mail flows, and says so", async () => {
    await redis.kill(1);
    const start = performance.now();
    let slowest = 0;
    for (let n = 0; n < 10; n++) {
      const at = n % 2 === 0 ? one : two;
      const asked = performance.now();
      const { reply } = await at.send(`n${n}@flows.example`, mail(`flows-${n}`));
      slowest = Math.max(slowest, performance.now() - asked);
      // As long as the cluster has not noticed, those whose keys live elsewhere are still greylisted.
      expect(reply).toMatch(/^(?:250 |450 4\.7\.1 .*Greylisted)/);
      if (n === 4) await new Promise((resolve) => setTimeout(resolve, 4_000));
      if (n > 4) {
        expect(reply).toMatch(/^250 /);
        await end.find(`Subject: flows-${n}`);
      }
    }
    expect(performance.now() - start).toBeLessThan(60_000);
    expect(slowest).toBeLessThan(6_000);
    const unchecked = /^postern_check_errors_total\{check="greylist".*\} [1-9]/m;
    expect(await one.metrics()).toMatch(unchecked);
    expect(one.node.log()).toContain("check greylist could not answer");
    // What is kept meanwhile is told to the index when the cluster is back.
    await one.send("ann@sender.example", mail("kept-2", "run.exe"));
    console.info(`slowest answer with a dead master: ${slowest.toFixed(0)} ms`);

    await redis.revive(1);
    await until(
      "greylisting",
      async () => GREY.test((await two.send(`${Math.random()}@back.example`)).reply),
      20_000,
    );
    const id = await listed(two, "kept-2");
    expect(await two.node.command("quarantine", "release", id)).toMatchObject({ code: 0 });
    await end.find("Subject: kept-2");
  });

  test("a node is down: its Postfix uses the other one, and its entries are still listed", async () => {
    await one.send("ann@sender.example", mail("kept-3", "run.exe"));
    const id = await listed(two, "kept-3");
    const etc = `${room.dir}/mx1/postfix/etc`;
    const fallback = `scan/unix/smtp_fallback_relay=[127.0.0.1]:${two.filterPort}`;
    await must("postconf", ["-c", etc, "-P", fallback]);
    await must("postfix", ["-c", etc, "reload"]);
    await one.node.stop();
    expect((await one.send("new@fallback.example", mail("fallback"))).reply).toMatch(/^250 /);
    const { data } = await end.find("Subject: fallback");
    expect(data.toString()).toMatch(/^Received: .*by mx2\.example\.com/ms);
    expect(await listed(two, "kept-3")).toBe(id);
    // Its name is held for a minute, and the message waits where it is: asked again later, it is released.
    await one.node.start();
    expect(await two.node.command("quarantine", "release", id)).toMatchObject({ code: 0 });
    await end.find("Subject: kept-3");
  });
});
