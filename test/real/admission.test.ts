// What a worker refuses before it does harm: a full disk, memory, more messages in flight than it may have; and that mail flows again
// as soon as there is room, with nothing lost.
import { mkdir, readdir, rm, statfs, writeFile } from "node:fs/promises";
import { readFile } from "node:fs/promises";
import type { NetConnectOpts } from "node:net";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { processTree } from "../bench/procfs.ts";
import { lab, must, run, until, type Lab } from "./lab/lab.ts";
import { have } from "./lab/peers.ts";
import { freePorts } from "./lab/ports.ts";
import { postern, type Postern } from "./lab/postern.ts";
import { session, transaction, type Session } from "./lab/session.ts";

const TO = "bob@ours.example";
const LINE = `${"x".repeat(70)}\r\n`;
const MEGABYTE = LINE.repeat(14_564);

let room: Lab;
let server: Postern;
let tcp: NetConnectOpts & { port: number };
let http: string;
let mail: string;

/** Mailboxes lie outside of state_dir, so that its disk alone decides. */
async function start(name: string, state: string, more: string): Promise<void> {
  const [smtpPort = 0, httpPort = 0] = await freePorts(2);
  tcp = { host: "127.0.0.1", port: smtpPort };
  http = `http://127.0.0.1:${httpPort}`;
  mail = join(room.dir, name, "mail");
  server = room.add(
    await postern({
      dir: room.dir,
      name,
      file: null,
      more: `[[listener]]\nprotocol = "smtp"\nlisten = "127.0.0.1:${smtpPort}"
[[listener]]\nprotocol = "http"\nlisten = "127.0.0.1:${httpPort}"
[delivery]\ndomains = ["ours.example"]\nunknown = "create"\nmail_root = "${mail}"
[server]\nhostname = "mx.ours.example"\nstate_dir = "${state}"\n${more}`,
    }),
  );
}

async function opened(): Promise<Session> {
  const one = await session(tcp);
  await one.ask("EHLO mx.sender.example");
  return one;
}

/** One message on a connection of its own. */
async function sent(message = "Subject: hi\n\nhello"): Promise<string> {
  const one = await opened();
  const reply = await transaction(one, TO, message);
  one.close();
  return reply;
}

/** A session with `text` of its message sent, and no dot. */
async function begun(text: string): Promise<Session> {
  const one = await opened();
  expect(await transactionBegun(one)).toMatch(/^354/);
  one.send(text);
  return one;
}

async function transactionBegun(one: Session): Promise<string> {
  await one.ask("MAIL FROM:<ann@sender.example>");
  await one.ask(`RCPT TO:<${TO}>`);
  return one.ask("DATA");
}

async function delivered(): Promise<number> {
  const all = await readdir(mail, { recursive: true }).catch(() => []);
  return all.filter((path) => path.includes("/new/")).length;
}

async function metric(name: string): Promise<number> {
  const page = await (await fetch(`${http}/metrics`)).text();
  const [, figure] = new RegExp(`^${name} (\\S+)$`, "m").exec(page) ?? [];
  return Number(figure);
}

const workers = (): number[] =>
  processTree(server.pid())
    .filter(({ parent }) => parent === server.pid())
    .map(({ pid }) => pid);

beforeAll(async () => {
  room = await lab("admission");
});

afterAll(() => room?.cleanUp());

describe.skipIf(!have("root"))("a full disk", () => {
  let disk: string;

  beforeAll(async () => {
    disk = join(room.dir, "disk");
    await mkdir(disk);
    await must("mount", ["-t", "tmpfs", "-o", "size=64m,mode=0755", "tmpfs", disk]);
    room.add({ stop: async () => void (await run("umount", ["-l", disk])) });
    await start("full", disk, "");
  });

  async function fill(leave: number): Promise<() => Promise<void>> {
    const filler = join(disk, "filler");
    await writeFile(filler, "");
    const { bavail, bsize } = await statfs(disk);
    await must("fallocate", ["-l", String(bavail * bsize - leave), filler]);
    return () => rm(filler);
  }

  test("mail is put off with 452 before the disk is full, and taken again when there is room", async () => {
    expect(await sent()).toMatch(/^250/);
    const half = await begun("Subject: half\r\n\r\nfirst\r\n");
    const waiting = await opened();
    await waiting.ask("MAIL FROM:<ann@sender.example>");
    await waiting.ask(`RCPT TO:<${TO}>`);
    // A tenth of this small disk must stay free.
    const empty = await fill(3_000_000);
    await until("452", async () => /^452 4\.3\.1/.test(await sent()), 10_000);
    expect(await waiting.ask("DATA")).toMatch(/^452 4\.3\.1/);
    half.send("second\r\n.\r\n");
    expect(await half.reply()).toMatch(/^250/);
    expect(server.log()).toMatch(/no mail is taken for now \(452\): \d+ octets are free in/);
    expect(await metric('postern_admissions_total\\{result="disk"\\}')).toBeGreaterThanOrEqual(2);
    expect(await metric("postern_state_free_bytes")).toBeLessThan(6_000_000);
    await empty();
    await until("room", async () => /^250/.test(await sent()), 10_000);
    expect(server.log()).toMatch(/there is room for mail again/);
    const before = await delivered();
    // What it announces counts before it comes.
    const large = await opened();
    expect(await large.ask("MAIL FROM:<ann@sender.example> SIZE=62000000")).toMatch(/^452 4\.3\.1/);
    expect(await delivered()).toBe(before);
    for (const one of [half, waiting, large]) one.close();
  }, 90_000);

  test("a disk that fills up under a message costs a 452 and no message", async () => {
    await writeFile(
      server.configFile,
      `${await readFile(server.configFile, "utf8")}[limits]\nmin_free = 0\n`,
    );
    server.signal("SIGHUP");
    await until("the reload", () => /configuration loaded from/.test(server.log()));
    await until("one worker", () => workers().length === 1, 20_000);
    const before = await delivered();
    const empty = await fill(0);
    expect(await sent(`Subject: large\n\n${MEGABYTE}`)).toMatch(/^452 4\.3\.1/);
    expect(await delivered()).toBe(before);
    await empty();
    expect(await sent(`Subject: large\n\n${MEGABYTE}`)).toMatch(/^250/);
    expect(await delivered()).toBe(before + 1);
  }, 90_000);
});

describe("messages in flight", () => {
  test("a client with many messages cannot keep another from its share", async () => {
    await start(
      "crowd",
      join(room.dir, "crowd/state"),
      '[limits]\nin_flight = 4\nin_flight_bytes = "2M"\n',
    );
    const from = async (client: string): Promise<Session> => {
      const one = await opened();
      await one.ask(`XFORWARD ADDR=${client}`);
      return one;
    };
    const inside: Session[] = [];
    for (let i = 0; i < 4; i++) {
      const one = await from("192.0.2.1");
      expect(await one.ask("MAIL FROM:<greedy@sender.example>")).toMatch(/^250/);
      inside.push(one);
    }
    const order: string[] = [];
    const waiting: Promise<void>[] = [];
    const wait = async (client: string): Promise<void> => {
      const one = await from(client);
      one.send("MAIL FROM:<ann@sender.example>\r\n");
      waiting.push(
        one.reply().then((reply) => {
          order.push(`${client} ${reply.slice(0, 3)}`);
          inside.push(one);
        }),
      );
    };
    for (let i = 0; i < 6; i++) await wait("192.0.2.1");
    await until("six that wait", async () => (await metric("postern_admission_waiting")) === 6);
    await wait("192.0.2.2");
    await wait("192.0.2.3");
    await until("all that wait", async () => (await metric("postern_admission_waiting")) === 8);
    inside.shift()?.close();
    inside.shift()?.close();
    await until("two let in", () => order.length === 2);
    expect(order.sort()).toEqual(["192.0.2.2 250", "192.0.2.3 250"]);
    expect(await metric("postern_in_flight")).toBe(4);
    while (order.length < 8) {
      inside.shift()?.close();
      await pause(10);
    }
    await Promise.all(waiting);
    for (const one of inside) one.close();
    await until("an empty house", async () => (await metric("postern_in_flight")) === 0);
    expect(await metric('postern_admissions_total\\{result="waited"\\}')).toBe(8);

    // Octets: announced ones wait for room, others may grow while there is some.
    const [large, other] = [await opened(), await opened()];
    expect(await large.ask("MAIL FROM:<ann@sender.example> SIZE=1500000")).toMatch(/^250/);
    expect(await transactionBegun(other)).toMatch(/^354/);
    other.send(`Subject: grows\r\n\r\n${MEGABYTE}.\r\n`);
    expect(await other.reply()).toMatch(/^452 4\.3\.1/);
    large.close();
    await until("room", async () => (await metric("postern_in_flight_bytes")) === 0);
    expect(await sent(`Subject: grows\n\n${MEGABYTE}`)).toMatch(/^250/);
  }, 90_000);
});

describe("memory", () => {
  const header = (octets: number): string =>
    `X-Long: ${"h".repeat(60)}\r\n`.repeat(Math.ceil(octets / 70));
  const hog = (): Promise<string> => sent(`${header(8_000_000)}Subject: hog\n\nhello`);

  test("a worker above its ceiling is replaced while mail flows, one above twice that is killed", async () => {
    await start(
      "memory",
      join(room.dir, "memory/state"),
      'worker_memory = "192M"\n[limits]\nheader_size = "64M"\n',
    );
    const [first = 0] = workers();
    const kept = await begun("Subject: kept\r\n\r\nfirst\r\n");
    await until("growth", async () => {
      expect(await hog()).toMatch(/^(250|452 4\.3\.1)/);
      return (await metric("postern_worker_memory_bytes")) > 192 * 1024 * 1024;
    });
    // What it took may be given back before a worker is old enough to be replaced: it goes on.
    await until(
      "a replacement",
      async () => {
        expect(await hog()).toMatch(/^(250|452 4\.3\.1)/);
        return /a new one takes its place/.test(server.log());
      },
      60_000,
    );
    await until("the new one", () => workers().some((pid) => pid !== first));
    kept.send("second\r\n.\r\n");
    expect(await kept.reply()).toMatch(/^250/);
    await until("the end of the old one", () => !workers().includes(first));
    expect(await metric('postern_worker_ends_total\\{reason="outgrown"\\}')).toBeGreaterThanOrEqual(
      1,
    );
    expect(await sent()).toMatch(/^250/);

    // Many at once: it is killed for what it holds, and nothing of it was acknowledged.
    await until(
      "a kill",
      async () => {
        await Promise.all(Array.from({ length: 10 }, () => hog().catch(() => "refused")));
        return /twice \[server\] worker_memory: it is killed/.test(server.log());
      },
      100_000,
    );
    await until("mail again", async () => /^250/.test(await sent().catch(() => "")));
    expect(await metric('postern_worker_ends_total\\{reason="killed"\\}')).toBeGreaterThanOrEqual(
      1,
    );
  }, 300_000);
});

const pause = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));
