// Clients of the spamd listener of a running serve that mean it no good, hundreds at once: mail goes on beside them in time and is scored,
// and the worker's memory and disk stay bounded.
import { connect, type Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { deflateSync } from "node:zlib";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { processTree, residentOf } from "../bench/procfs.ts";
import { lab, type Lab } from "./lab/lab.ts";
import { have } from "./lab/peers.ts";
import { scoringHost, type ScoringHost } from "./lab/scoring-host.ts";

const MIB = 1024 * 1024;
/** For an ordinary letter on a busy machine. */
const FAST_MS = 5000;
/** What the worker may take beside what it had: half of 1 GiB would be, were the octets of messages kept in memory. */
const MEMORY = 350 * MIB;

const head = (method: string, length: number, more = ""): Buffer =>
  Buffer.from(`${method} SPAMC/1.5\r\n${more}Content-length: ${length}\r\n\r\n`);
const text = (octets: number): Buffer =>
  Buffer.alloc(octets, "Words of a letter that somebody could have written.\r\n");
const piece = text(MIB);
const repeated = (count: number): Buffer[] => new Array<Buffer>(count).fill(piece);

interface Attack {
  readonly clients: number;
  readonly words: readonly Buffer[];
  /** What it does behind these words: waits for the answer, says an octet a second, or that and never reads. */
  readonly then: "waits" | "drips" | "is deaf";
}

const bomb = deflateSync(Buffer.concat(repeated(99)));
const ATTACKS: Readonly<Record<string, Attack>> = {
  "announce much and say little": { clients: 300, words: [head("CHECK", 500_000)], then: "drips" },
  "send as much as is scored": {
    clients: 100,
    words: [head("PROCESS", 499_000), text(499_000)],
    then: "waits",
  },
  "send as much as may be": {
    clients: 30,
    words: [head("CHECK", 100 * MIB), ...repeated(99)],
    then: "drips",
  },
  "send bombs": {
    clients: 40,
    words: [head("CHECK", bomb.length, "Compress: zlib\r\n"), bomb],
    then: "waits",
  },
  "never read": {
    clients: 200,
    words: [head("PROCESS", 499_000), text(499_000)],
    then: "is deaf",
  },
  "teach what is no letter": {
    clients: 30,
    words: [head("TELL", 60 * MIB, "Message-class: spam\r\nSet: local\r\n"), ...repeated(60)],
    then: "waits",
  },
};

describe.skipIf(!have("spamd"))("a crowd at the spamd listener", () => {
  let room: Lab;
  let host: ScoringHost;
  let quiet = 0;
  let sent = 0;
  const open: Socket[] = [];

  const resident = (): number =>
    residentOf(
      processTree(host.postern.pid())
        .map(({ pid }) => pid)
        .filter((pid) => pid !== host.postern.pid()),
    );
  beforeAll(async () => {
    room = await lab("spamd-crowd");
    host = await scoringHost(room, {
      spamd: "allow_tell = true",
      more: `[spam]\nengine = "native"\n`,
    });
    for (let n = 0; n < 5; n++) await host.arrived(`warm-${n}`, "Dear Bob,\r\n\r\nthe minutes.");
    quiet = resident();
  });
  afterEach(() => open.splice(0).forEach((socket) => socket.destroy()));
  afterAll(() => room?.cleanUp());

  async function attack({ words, then }: Attack, answers: string[]): Promise<void> {
    const socket = connect({ host: "127.0.0.1", port: host.spamdPort });
    open.push(socket);
    let heard = "";
    socket.on("error", () => {});
    if (then === "is deaf") socket.pause();
    else socket.on("data", (octets: Buffer) => (heard = heard || octets.toString("latin1")));
    socket.on("close", () => answers.push(heard.split("\r\n")[0] ?? ""));
    const gone = new Promise((resolve) => socket.once("close", resolve));
    for (const octets of words) {
      if (socket.destroyed) return;
      if (socket.write(octets)) continue;
      await Promise.race([new Promise((resolve) => socket.once("drain", resolve)), gone]);
    }
    while (then !== "waits" && !socket.destroyed) {
      socket.write("x");
      await sleep(1000);
    }
  }

  test.each(Object.entries(ATTACKS))("clients that %s", async (what, how) => {
    const answers: string[] = [];
    const waits: number[] = [];
    for (let n = 0; n < how.clients; n++) void attack(how, answers);
    let most = 0;
    const watch = setInterval(() => (most = Math.max(most, resident())), 200);
    await sleep(1000);
    for (let n = 0; n < 8; n++) {
      const { ms, status } = await host.arrived(`crowd-${++sent}`, "Dear Bob,\r\n\r\nthe minutes.");
      waits.push(ms);
      expect(ms).toBeLessThan(FAST_MS);
      expect(status).toMatch(/^No, score=/);
      expect(await host.count("postern_in_flight")).toBeLessThanOrEqual(51);
      expect(await host.count("postern_in_flight_bytes")).toBeLessThanOrEqual(520 * MIB);
      await sleep(500);
    }
    clearInterval(watch);
    console.log(
      `${how.clients} clients that ${what}: a letter waits ${Math.round(Math.max(...waits))} ms at most, memory ${Math.round(quiet / MIB)} to ${Math.round(most / MIB)} MiB`,
    );
    expect(most - quiet).toBeLessThan(MEMORY);
    expect(answers.filter((one) => one !== "" && !/ 0 EX_OK$|too many messages/.test(one))).toEqual(
      [],
    );
  });

  test("and behind them a client is served as before", async () => {
    await expect.poll(() => host.count("postern_in_flight"), { timeout: 20_000 }).toBe(0);
    const answers: string[] = [];
    void attack({ clients: 1, words: [head("CHECK", 1000), text(1000)], then: "waits" }, answers);
    await expect.poll(() => answers, { timeout: 10_000 }).toEqual(["SPAMD/1.1 0 EX_OK"]);
    expect(host.postern.log()).not.toMatch(/no mail is taken|could not answer/);
  });
});
