// kill -9 of the workers that release a message for another node: before the last step to the next hop, and in it. In the first
// case the message goes out once, in the second nobody gets two, and who asked is told the truth.
import { mkdir } from "node:fs/promises";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { otherNodes, type OtherNodes } from "../../src/cli/quarantine-nodes.ts";
import type { HeldAnswer } from "../../src/engine/held-order.ts";
import { redisStore, type SharedStore } from "../../src/state/redis.ts";
import { nextHop, type NextHopServer, type Script } from "../fakes/next-hop.ts";
import { redisServer, whyNoRedis, type RedisServer } from "../fakes/redis-server.ts";
import { inject } from "./lab/inject.ts";
import { lab, run, until, type Lab } from "./lab/lab.ts";
import { freePorts } from "./lab/ports.ts";
import { postern, type Postern } from "./lab/postern.ts";

const missing = whyNoRedis();
const title = (text: string): string => (missing === null ? text : `${text} (skipped: ${missing})`);

describe.skipIf(missing !== null)(title("workers killed while they release"), () => {
  let room: Lab;
  let redis: RedisServer;
  let hop: NextHopServer;
  let node: Postern;
  let store: SharedStore;
  let others: OtherNodes;
  let filterPort = 0;
  beforeAll(async () => {
    room = await lab("nodes-crash");
    redis = await redisServer();
    hop = await nextHop();
    const [port = 0, httpPort = 0] = await freePorts(2);
    filterPort = port;
    await mkdir(`${room.dir}/postern`);
    node = room.add(
      await postern({
        dir: room.dir,
        file: null,
        more: `
[server]
hostname = "mx1.example.com"
node = "mx1"
workers = 2
state_dir = "${room.dir}/postern/state"
rules_dir = "${room.dir}/postern/rules"
[[listener]]
protocol = "smtp"
listen = "127.0.0.1:${port}"
[[listener]]
protocol = "http"
listen = "127.0.0.1:${httpPort}"
[next_hop]
relay = "${hop.address}"
[delivery]
domains = ["example.com"]
[dns]
servers = "off"
[greylist]
when = []
[redis]
url = "${redis.url}"
`,
      }),
    );
    store = redisStore({ url: redis.url, prefix: "postern:", deadlineMs: 5_000 });
    others = otherNodes({ nodes: store.nodes, node: "mx2", by: "test" });
  });
  afterAll(async () => {
    await store.close();
    await room.cleanUp();
    await hop.close();
    await redis.stop();
  });

  /** Keeps a message on the node; its id, once the index has it. */
  const kept = async (subject: string): Promise<string> => {
    const type = 'Content-Type: application/x-msdownload; name="run.exe"';
    const head = [`Subject: ${subject}`, `Message-ID: <${subject}@b.example>`, "MIME-Version: 1.0"];
    const data = Buffer.from([...head, type, "", subject, ""].join("\r\n"));
    await inject({ port: filterPort, from: "a@b.example", to: ["user@example.com"], data });
    return until(`${subject} in the index`, async () => {
      for await (const entry of others.list({ subject })) return entry.id;
      return undefined;
    });
  };

  /** Releases; kills all workers as soon as the next hop hangs in this place, and lets it go on for those that follow. */
  const releaseKilledAt = async (id: string, place: "rcpt" | "dot"): Promise<HeldAnswer> => {
    let hung = false;
    const hang: Script = () => {
      hung = true;
      return null;
    };
    const wish = { do: "release", id, recipients: [], virus: false } as const;
    hop.script({ [place]: hang });
    const answer = others.ask("mx1", wish);
    await until("the next hop to be asked", () => hung);
    hop.script({ [place]: "250 2.0.0 Ok" });
    const { stdout } = await run("pgrep", ["-P", String(node.pid())]);
    const workers = stdout.split("\n").filter((pid) => pid !== "");
    expect(workers.length).toBeGreaterThanOrEqual(2);
    for (const pid of workers) process.kill(Number(pid), "SIGKILL");
    return answer;
  };
  /** Not the notice about the banned file, which names the subject too. */
  const copies = (subject: string): number =>
    hop.transactions.filter(
      ({ complete, body }) =>
        complete && body.includes(`Subject: ${subject}`) && body.includes("\nResent-To: "),
    ).length;

  test("before the last step: released once, by a worker that follows", async () => {
    const id = await kept("before-the-dot");
    expect(await releaseKilledAt(id, "rcpt")).toEqual({
      done: true,
      lines: [expect.stringMatching(/^<user@example\.com>: 250 /)],
    });
    expect(copies("before-the-dot")).toBe(1);
  });

  test("in the last step: not released again, and said so", async () => {
    const id = await kept("in-the-dot");
    expect(await releaseKilledAt(id, "dot")).toEqual({
      done: false,
      lines: [expect.stringContaining("it may have been released")],
    });
    expect(copies("in-the-dot")).toBe(1);
    // The operator looked, and means it.
    const wish = { do: "release", id, recipients: [], virus: false } as const;
    expect(await others.ask("mx1", wish)).toMatchObject({ done: true });
    expect(copies("in-the-dot")).toBe(2);
  });
});
