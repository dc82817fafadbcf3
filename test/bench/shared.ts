// What several nodes cost the Redis that they share: octets of each kind of record, and commands for each message and policy
// question. Counts of a real redis-server, not times: they are the same on any machine. deploy/CAPACITY.md reckons with them.
import { createConnection } from "node:net";
import { Redis } from "ioredis";
import { redisStore } from "../../src/state/redis.ts";
import { nextHop } from "../fakes/next-hop.ts";
import { redisServer } from "../fakes/redis-server.ts";
import { runningApp } from "../fakes/running-app.ts";
import { table } from "./statistics.ts";

const RECORDS = 10_000;
const MESSAGES = 200;
const DAY = 86_400_000;
const TIMES = {
  delay: 300_000,
  window: 2 * DAY,
  lifetime: 35 * DAY,
  autoWhitelist: 5,
  countEvery: 3_600_000,
};

export async function shared({ json }: { readonly json: boolean }): Promise<number> {
  const redis = await redisServer();
  const client = new Redis({ path: redis.url.replace("redis+unix://", "") });
  try {
    const octets = await records(redis.url, client);
    const commands = await commandsOf(redis.url, client);
    if (json) process.stdout.write(`${JSON.stringify({ octets, commands }, null, 2)}\n`);
    else
      process.stdout.write(
        `${table(["record", "octets"], rows(octets))}\n\n${table(["for each", "commands"], rows(commands))}\n`,
      );
    return 0;
  } finally {
    client.disconnect();
    await redis.stop();
  }
}

const rows = (figures: Readonly<Record<string, number>>): string[][] =>
  Object.entries(figures).map(([name, figure]) => [name, String(figure)]);

const info = async (client: Redis, section: string, field: string): Promise<number> =>
  Number(new RegExp(`^${field}:(\\d+)`, "m").exec(await client.info(section))?.[1]);

/** Octets of memory for each record of a kind, over many. */
async function records(url: string, client: Redis): Promise<Record<string, number>> {
  const store = redisStore({ url, prefix: "postern:", deadlineMs: 60_000 });
  const now = Date.now();
  const entry = JSON.stringify({ about: "x".repeat(1_000) });
  const put: Record<string, (n: number) => Promise<unknown>> = {
    "greylisted triplet": (n) =>
      store.greylist.ask(
        [
          {
            sender: `newsletter-${n}@sender-${n % 977}.example`,
            recipient: `user${n % 1_009}@example.com`,
            origins: [`net:192.0.${n % 251}.0/24`, `dom:sender-${n % 977}.example`],
            clients: [`net:192.0.${n % 251}.0/24`],
            person: null,
          },
        ],
        TIMES,
        now,
      ),
    "count of a limit": (n) => store.rates.take(`login user${n}`, `${n}.1`, 1, 100, 3_600_000, now),
    "known correspondent": (n) => store.people.remember([`friend-${n}@elsewhere.example`], now),
    "kept message in the index (entry of 1 KB)": (n) =>
      store.nodes.index.put("mx1", [{ id: `id-${n}-xxxxxx`, until: now + DAY, text: entry }], now),
  };
  const octets: Record<string, number> = {};
  for (const [kind, one] of Object.entries(put)) {
    const before = await info(client, "memory", "used_memory");
    for (let n = 0; n < RECORDS; n += 100)
      await Promise.all(Array.from({ length: 100 }, (_, i) => one(n + i)));
    const used = (await info(client, "memory", "used_memory")) - before;
    octets[kind] = Math.round(used / RECORDS);
  }
  await store.close();
  return octets;
}

/** Commands that Redis runs, those inside scripts included, for a message or question from a stranger. */
async function commandsOf(url: string, client: Redis): Promise<Record<string, number>> {
  const hop = await nextHop();
  const app = await runningApp({
    toml: `[next_hop]\nrelay = "${hop.address}"\n[delivery]\ndomains = ["ours.example"]\n[dns]\nservers = "off"\n[greylist]\nwhen = "always"\ndelay = "1s"\n[redis]\nurl = "${url}"\ntimeout = "5s"\n[[listener]]\nprotocol = "policy"\nlisten = "unix:DIR/policy.sock"\n`,
  });
  const counted = async (one: (n: number) => Promise<unknown>): Promise<number> => {
    await one(MESSAGES);
    const calls = (): Promise<number> => info(client, "stats", "total_commands_processed");
    const before = await calls();
    for (let n = 0; n < MESSAGES; n++) await one(n);
    // What the node asks by itself meanwhile (2 polls a second) is in it: below one command.
    return Math.round(((await calls()) - before) / MESSAGES);
  };
  try {
    return {
      "policy question about a new triplet": await counted((n) => ask(`${app.dir}/policy.sock`, n)),
      "message after the queue": await counted((n) =>
        app.send({
          to: ["u@ours.example"],
          xforward: { ADDR: "192.0.2.5", NAME: "mx.remote.example" },
          text: `Subject: ${n}\n\nhello ${n}\n`,
        }),
      ),
    };
  } finally {
    await app.stop();
    await hop.close();
  }
}

function ask(path: string, n: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = createConnection(path);
    socket.on("error", reject);
    socket.on("data", () => {
      socket.destroy();
      resolve();
    });
    socket.write(
      `request=smtpd_access_policy\nprotocol_state=RCPT\nprotocol_name=ESMTP\nclient_address=192.0.2.5\nclient_name=mx.remote.example\nhelo_name=mx.remote.example\nsender=a${n}@remote.example\nrecipient=u@ours.example\n\n`,
    );
  });
}
