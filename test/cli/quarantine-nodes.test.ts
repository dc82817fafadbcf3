// The quarantine command and two nodes in one process, over a real redis-server: what a person sees when a node answers, is
// away, is interrupted, or is called like another one.
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { otherNodes, shownBy } from "../../src/cli/quarantine-nodes.ts";
import { parseConfig } from "../../src/config.ts";
import { heldNodes, type HeldNodes } from "../../src/held-nodes.ts";
import type { Destination } from "../../src/mail/destination.ts";
import { ok } from "../../src/mail/reply.ts";
import { redisStore, type SharedStore } from "../../src/state/redis.ts";
import { textLog } from "../../src/sys/log.ts";
import { keptRoom, type KeptRoom } from "../fakes/kept.ts";
import { redisServer, whyNoRedis, type RedisServer } from "../fakes/redis-server.ts";

const missing = whyNoRedis();
const ID = "AAAAAAAAAAA1";

describe.skipIf(missing !== null)(
  `with a real redis-server${missing === null ? "" : `: ${missing}`}`,
  () => {
    let server: RedisServer;
    let room: KeptRoom;
    let store: SharedStore;
    let nodes: HeldNodes[];
    let rigs = 0;
    let copies: number;
    let said: string[];
    beforeAll(async () => {
      server = await redisServer();
    });
    afterAll(() => server.stop());
    beforeEach(async () => {
      room = await keptRoom();
      store = redisStore({ url: server.url, prefix: `cli${rigs++}:`, deadlineMs: 10_000 });
      [nodes, copies, said] = [[], 0, []];
    });
    afterEach(async () => {
      await Promise.all(nodes.map((node) => node.stop()));
      await store.close();
      await room.remove();
    });

    const destination: Destination = {
      prepare: async (_copy, recipients) => {
        const replies = recipients.map(() => ok("taken"));
        const commit = async () => {
          copies += 1;
          return replies;
        };
        return { replies, commit, abort: async () => {} };
      },
    };

    /** A node that keeps what is in the room; another `state` is another installation. */
    const start = async (name: string, state = "state"): Promise<HeldNodes> => {
      await mkdir(join(room.dir, state), { recursive: true });
      const toml = `[server]\nhostname = "${name}.example"\nnode = "${name}"\nstate_dir = "${state}"\n[quarantine]\ndir = "kept"\n`;
      const into = { write: (text: string) => said.push(text), flushSync() {} };
      const node = heldNodes({
        config: parseConfig(toml, join(room.dir, "postern.toml")),
        store: store,
        relays: () => ({ to: () => destination as never, close: async () => {} }),
        local: () => destination,
        log: textLog(into, into),
      });
      nodes.push(node);
      return node;
    };
    const asking = (patienceMs?: number) =>
      otherNodes({
        nodes: store.nodes,
        node: "mx2",
        by: "command line (ann)",
        ...(patienceMs !== undefined && { patienceMs }),
      });
    const ids = async (): Promise<string[]> => {
      const list: string[] = [];
      for await (const { id, node } of asking().list({})) list.push(`${node ?? ""} ${id}`);
      return list.sort();
    };

    test("lists, shows, releases and deletes what the other keeps", async () => {
      await room.keep({ mailId: ID });
      await start("mx1");
      await expect.poll(ids, { timeout: 15_000 }).toEqual([`mx1 ${ID}`]);
      expect(await asking().find(ID)).toBe("mx1");
      const shown = shownBy("mx1", {
        id: ID,
        answer: await asking().ask("mx1", { do: "show", id: ID }),
      });
      expect(shown).toMatchObject({ entry: { id: ID, node: "mx1" }, body: { size: 23 } });
      const released = await asking().ask("mx1", {
        do: "release",
        id: ID,
        recipients: [],
        virus: false,
      });
      expect(released).toEqual({ done: true, lines: ["<user@example.com>: 250 2.0.0 taken"] });
      expect(copies).toBe(1);
      expect(said.join("")).toMatch(/by command line \(ann\) on mx2, request /);
      expect(await asking().ask("mx1", { do: "delete", id: ID })).toEqual({
        done: true,
        lines: [],
      });
      await expect.poll(ids, { timeout: 15_000 }).toEqual([]);
      expect(await asking().find(ID)).toBeNull();
    });

    test("what changes on a node shows in the list", async () => {
      const node = await start("mx1");
      await expect
        .poll(() => store.nodes.index.nodes(Date.now()), { timeout: 15_000 })
        .toHaveLength(1);
      await room.keep({ mailId: ID });
      await node.quarantine.markReleased(
        ID,
        { recipients: ["x@example.com"], by: "test" },
        new Date(),
      );
      await expect.poll(ids, { timeout: 15_000 }).toEqual([`mx1 ${ID}`]);
      await node.quarantine.remove(ID);
      await expect.poll(ids, { timeout: 15_000 }).toEqual([]);
    });

    test("a node that does not answer: nothing is done later, and the line says what to do", async () => {
      await store.nodes.index.here("mx1", "one", Date.now());
      const wish = { do: "release", id: ID, recipients: [], virus: false } as const;
      const answer = await asking(600).ask("mx1", wish);
      expect(answer.done).toBe(false);
      expect(answer.lines[0]).toMatch(
        /^mx1 did not answer within 1 s \(last seen .*\): the request is withdrawn and nothing was done\. Start postern on mx1/,
      );
      await room.keep({ mailId: ID });
      await start("mx1", "one");
      expect(await store.nodes.requests.next("mx1", "p", null)).toBeNull();
    });

    test("a node that has begun and is silent: the line says to look first", async () => {
      const wish = { do: "delete", id: ID } as const;
      const asked = asking(1_500).ask("mx1", wish);
      await expect.poll(() => store.nodes.requests.next("mx1", "p", null)).not.toBeNull();
      const answer = await asked;
      expect(answer.lines[0]).toContain("has begun and did not answer");
      expect(answer.lines[0]).toContain(`postern quarantine show ${ID}`);
    });

    test("two installations with one name: the second one keeps out, and says so", async () => {
      await room.keep({ mailId: ID });
      await start("mx1", "one");
      await expect.poll(ids, { timeout: 15_000 }).toEqual([`mx1 ${ID}`]);
      await start("mx1", "two");
      await expect
        .poll(() => said.join(""), { timeout: 15_000 })
        .toContain("another postern is called mx1: set [server] node");
    });
  },
);
