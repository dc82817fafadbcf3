// What hosts share behind Redis Sentinel, when the master goes: killed, or frozen so that its connections stay open and say
// nothing. Mail flows meanwhile, visibly not greylisted; then the replica has the records and greylisting is back.
import { connect } from "node:net";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { redisFindings } from "../../src/cli/doctor-redis.ts";
import { nextHop } from "../fakes/next-hop.ts";
import { whyNoRedis } from "../fakes/redis-server.ts";
import { runningApp, type RunningApp } from "../fakes/running-app.ts";
import { lab, until, type Lab } from "./lab/lab.ts";
import { sentinels, type Sentinels } from "./lab/sentinel.ts";

const missing = whyNoRedis();
const title = (text: string): string => (missing === null ? text : `${text} (skipped: ${missing})`);

const toml = (relay: string, url: string): string => `
[next_hop]
relay = "${relay}"
[delivery]
domains = ["ours.example"]
[dns]
servers = "off"
[greylist]
when = "always"
[redis]
url = "${url}"
timeout = "300ms"
[[listener]]
protocol = "policy"
listen = "unix:DIR/policy.sock"
`;
const GREY = /^action=DEFER_IF_PERMIT 4\.7\.1 Greylisted, please come back in (\d+) seconds/;

describe.skipIf(missing !== null)(title("the master of Redis Sentinel goes"), () => {
  let room: Lab;
  let redis: Sentinels;
  let app: RunningApp;
  let hop: Awaited<ReturnType<typeof nextHop>>;
  beforeEach(async () => {
    room = await lab("sentinel");
    redis = room.add(await sentinels(room.dir));
    hop = await nextHop();
    app = await runningApp({ toml: toml(hop.address, redis.url) });
  });
  afterEach(async () => {
    await app.stop();
    await hop.close();
    await room.cleanUp();
  });

  const ask = (recipient: string): Promise<string> =>
    new Promise((resolve, reject) => {
      const socket = connect(`${app.dir}/policy.sock`);
      socket.on("error", reject);
      socket.on("data", (data) => {
        resolve(data.toString());
        socket.destroy();
      });
      socket.write(
        `request=smtpd_access_policy\nprotocol_state=RCPT\nprotocol_name=ESMTP\nclient_address=192.0.2.5\nclient_name=mx.remote.example\nhelo_name=mx.remote.example\nsender=a@remote.example\nrecipient=${recipient}\n\n`,
      );
    });
  const mail = {
    from: "a@remote.example",
    to: ["u@ours.example"],
    xforward: { ADDR: "192.0.2.5", NAME: "mx.remote.example" },
    text: "Subject: x\n\nhello\n",
  };
  const unchecked = async (): Promise<number> => {
    const { values } = await app.metrics.checkErrors.get();
    return values.find(({ labels }) => labels.check === "greylist")?.value ?? 0;
  };

  test.each([
    ["killed", "SIGKILL"],
    ["frozen", "SIGSTOP"],
  ] as const)("%s", { timeout: 120_000 }, async (_, signal) => {
    const old = redis.master();
    await until("the first question", async () => GREY.test(await ask("first@ours.example")));
    await until("the replica's copy of it", () =>
      redis.ports.every((port) => redis.keys(port) > 0),
    );
    await redis.signal(old, signal);

    // Until the replica is chosen and found, every answer comes soon and lets the mail go.
    let slowest = 0;
    let passed = 0;
    const since = performance.now();
    for (;;) {
      const start = performance.now();
      const said = await ask(`during${passed}@ours.example`);
      slowest = Math.max(slowest, performance.now() - start);
      if (GREY.test(said)) break;
      expect(said).toBe("action=DUNNO\n\n");
      if (passed === 0) expect(await app.send(mail)).toMatchObject([{ code: 250 }]);
      passed++;
      expect(performance.now() - since).toBeLessThan(30_000);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    const away = performance.now() - since;
    expect(passed).toBeGreaterThan(0);
    expect(slowest).toBeLessThan(2000);
    expect(await unchecked()).toBeGreaterThan(0);

    // What was known is known, on the server that was the replica.
    const early = GREY.exec(await ask("first@ours.example"));
    expect(Number(early?.[1])).toBeLessThan(300);
    expect(redis.master()).not.toBe(old);
    expect(redis.role(redis.master())).toBe("master");
    expect(app.says.join("\n")).toMatch(/redis: .*mail goes on without greylisting/);
    expect(app.says.at(-1)).toContain("redis: connected");

    // The old master comes back as a replica, and nobody is sent there.
    if (signal === "SIGKILL") await redis.revive(old);
    else await redis.signal(old, "SIGCONT");
    await until("the old master to follow", () => redis.role(old) === "slave", 60_000);
    expect(await ask("later@ours.example")).toMatch(GREY);
    const doctor = (await redisFindings(app.config)).map(({ level, text }) => `${level}: ${text}`);
    expect(
      doctor.filter((line) => /^ok: sentinel .* OK 3 usable Sentinels/.test(line)),
    ).toHaveLength(3);
    expect(doctor).toContainEqual(expect.stringMatching(/^ok: Redis mail .*, master$/));
    console.info(
      `${signal}: ${passed} let pass in ${away.toFixed(0)} ms, slowest ${slowest.toFixed(0)} ms`,
    );
  });

  test("a sentinel that says nothing is passed over", async () => {
    redis.freezeFirstSentinel(true);
    const late = await runningApp({ toml: toml(hop.address, redis.url) });
    try {
      await until("a connection", () => late.says.join("\n").includes("redis: connected"), 15_000);
    } finally {
      await late.stop();
      redis.freezeFirstSentinel(false);
    }
  });
});
