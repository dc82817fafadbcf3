// Reloads and upgrades under load: new workers take over while sessions come, stay and are in the middle of a message. No connection
// is refused, no session without a message is sent away, no acknowledged message is lost, and the metrics know of every one.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFile, rm, writeFile } from "node:fs/promises";
import type { NetConnectOpts } from "node:net";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { afterAll, beforeAll, expect, test } from "vitest";
import { MARK } from "../bench/digest-body.ts";
import { processTree } from "../bench/procfs.ts";
import { lab, until, type Lab } from "./lab/lab.ts";
import { freePorts } from "./lab/ports.ts";
import { postern, type Postern } from "./lab/postern.ts";
import type { Recorded, Said } from "./lab/recorder.ts";
import { session, transaction } from "./lab/session.ts";

const SENDERS = 6;

let room: Lab;
let server: Postern;
let http: string;
let tcp: NetConnectOpts & { port: number };
let unix: NetConnectOpts;
let freePort = 0;
const arrived = new Map<number, number>();

beforeAll(async () => {
  room = await lab("rolling");
  const [sinkPort = 0, httpPort = 0, smtpPort = 0, spare = 0] = await freePorts(4);
  freePort = spare;
  const recorder = spawn(process.execPath, [
    join(import.meta.dirname, "lab/recorder.ts"),
    String(sinkPort),
  ]);
  room.add({
    async stop() {
      if (recorder.exitCode !== null || !recorder.kill("SIGKILL")) return;
      await once(recorder, "exit");
    },
  });
  createInterface({ input: recorder.stdout }).on("line", (line) => {
    const told = JSON.parse(line) as Recorded | Said;
    if ("id" in told) arrived.set(told.id, (arrived.get(told.id) ?? 0) + 1);
  });
  const socket = join(room.dir, "filter.sock");
  http = `http://127.0.0.1:${httpPort}`;
  tcp = { host: "127.0.0.1", port: smtpPort };
  unix = { path: socket };
  server = room.add(
    await postern({
      dir: room.dir,
      file: null,
      more: `[[listener]]\nprotocol = "smtp"\nlisten = "127.0.0.1:${smtpPort}"
[[listener]]\nprotocol = "smtp"\nlisten = "unix:${socket}"
[[listener]]\nprotocol = "http"\nlisten = "127.0.0.1:${httpPort}"
[server]\nhostname = "mx.ours.example"\nstate_dir = "state"\nworkers = 2
[next_hop]\nrelay = "smtp:127.0.0.1:${sinkPort}"
[limits]\nmessage_size = "10M"\n`,
    }),
  );
});

afterAll(() => room?.cleanUp());

/** What the senders saw. */
const acknowledged = new Set<number>();
const refused: string[] = [];
let sentAway = 0;
let count = 0;

const message = (id: number): string => `${MARK}${id}\nSubject: rolling ${id}\n\nhello ${id}`;

/** Sessions of one to four messages, one after the other, until `over`. */
async function sender(to: NetConnectOpts, over: AbortSignal): Promise<void> {
  while (!over.aborted) {
    const one = await session(to).catch((error: Error) => void refused.push(error.message));
    if (one === undefined) return;
    if (!one.greeting.startsWith("220")) refused.push(`greeting: ${one.greeting}`);
    const hello = await one.ask("EHLO mx.sender.example");
    if (!hello.startsWith("250")) refused.push(`EHLO: ${hello}`);
    for (let left = 1 + Math.floor(Math.random() * 4), first = true; left > 0; left--) {
      const id = ++count;
      const reply = await transaction(one, "bob@ours.example", message(id));
      if (reply.startsWith("250")) acknowledged.add(id);
      else if (!first && (reply.startsWith("421") || reply === "")) {
        sentAway++; // an MTA sends it again on a new connection
        break;
      } else refused.push(`message ${first ? 1 : "later"}: ${reply || "closed"}`);
      first = false;
      await pause(Math.random() * 20);
    }
    one.close();
  }
}

const workers = (): number[] => {
  const supervisor = server.pid();
  return processTree(supervisor)
    .filter(({ parent }) => parent === supervisor)
    .map(({ pid }) => pid);
};

async function change(from: string | RegExp, to: string): Promise<void> {
  const before = await readFile(server.configFile, "utf8");
  const after = before.replace(from, to);
  expect(after).not.toBe(before);
  await writeFile(server.configFile, after);
}

/** Sends the signal and waits until none of the workers of before is left. */
async function replaced(signal: NodeJS.Signals): Promise<void> {
  const before = workers();
  server.signal(signal);
  await until("new workers", () => !workers().some((pid) => before.includes(pid)), 60_000);
  expect(workers()).toHaveLength(2);
}

const answered = async (path: string): Promise<string> => (await fetch(http + path)).text();

async function metric(name: string): Promise<number> {
  const [, figure] = new RegExp(`^${name} (\\S+)$`, "m").exec(await answered("/metrics")) ?? [];
  return Number(figure);
}

test("three reloads and an upgrade under load: nothing refused, nothing lost, all counted", async () => {
  const over = new AbortController();
  const senders = Promise.all(
    Array.from({ length: SENDERS }, (_, i) => sender(i % 2 === 0 ? tcp : unix, over.signal)),
  );
  await until("some load", () => acknowledged.size > 50);
  const slow = await session(tcp);
  await slow.ask("EHLO slow.example");
  await slow.ask("MAIL FROM:<slow@sender.example>");
  await slow.ask("RCPT TO:<bob@ours.example>");
  expect(await slow.ask("DATA")).toMatch(/^354/);
  const slowId = ++count;
  slow.send(`${MARK}${slowId}\r\nSubject: slow\r\n\r\nfirst half\r\n`);
  const fresh = await session(unix);

  const before = workers();
  await change('message_size = "10M"', 'message_size = "11M"');
  server.signal("SIGHUP");
  await until("the reload", () => /configuration loaded from/.test(server.log()));
  expect(workers().length).toBeGreaterThan(2);
  // A session that has said nothing yet still gets its message through, one in the middle of a message as well.
  await fresh.ask("EHLO fresh.example");
  const freshId = ++count;
  expect(await transaction(fresh, "bob@ours.example", message(freshId))).toMatch(/^250/);
  acknowledged.add(freshId);
  expect(await fresh.reply()).toMatch(/^421 4\.3\.2/);
  slow.send("second half\r\n.\r\n");
  expect(await slow.reply()).toMatch(/^250/);
  acknowledged.add(slowId);
  await until("the end of the old workers", () => !workers().some((pid) => before.includes(pid)));

  await change('message_size = "11M"', 'message_size = "12M"');
  await replaced("SIGHUP");
  await replaced("SIGUSR2");
  await change(/workers = 2/, 'workers = 2\nworker_memory = "2G"');
  await replaced("SIGHUP");
  const sized = await session(tcp);
  await sized.ask("EHLO x");
  expect(await sized.ask("MAIL FROM:<> SIZE=11900000")).toMatch(/^250/);
  sized.close();
  over.abort();
  await senders;

  expect(refused).toEqual([]);
  await until("the last message", () => [...acknowledged].every((id) => arrived.has(id)), 5000);
  expect([...arrived].filter(([id, copies]) => copies > 1 && acknowledged.has(id))).toEqual([]);
  expect(await metric('postern_messages_total\\{[^}]*disposition="accept"\\}')).toBe(
    acknowledged.size,
  );
  expect(await metric('postern_worker_ends_total\\{reason="renewed"\\}')).toBe(8);
  expect(await metric('postern_config_reloads_total\\{result="ok"\\}')).toBe(3);
  expect(await metric("postern_in_flight")).toBe(0);
  console.log(
    `4 replacements of 2 workers: ${acknowledged.size} messages acknowledged and arrived, 0 sessions refused, ${sentAway} sent away with 421 between two messages`,
  );
}, 240_000);

test("a wrong configuration and wrong rules change nothing, and are told", async () => {
  const before = workers();
  const good = await readFile(server.configFile, "utf8");
  await change('message_size = "12M"', 'mesage_size = "12M"');
  server.signal("SIGHUP");
  const line = good.split("\n").findIndex((text) => text.startsWith("message_size")) + 1;
  const fault = `postern.toml:${line}: unknown key "limits.mesage_size" (did you mean "message_size"?)`;
  await until("the error", () => server.log().includes(fault));
  expect(await answered("/readyz")).toContain(
    `last good configuration is kept: ${server.configFile}:${line}`,
  );
  expect(await metric("postern_config_load_success")).toBe(0);

  // An address that somebody else has: found before any worker is started for it.
  const taken = tcp.port;
  await writeFile(
    server.configFile,
    `${good}\n[[listener]]\nprotocol = "smtp"\nlisten = "127.0.0.2:${taken}"\n[[listener]]\nprotocol = "smtp"\nlisten = "localhost:${taken}"\n`,
  );
  server.signal("SIGHUP");
  await until("the error", () =>
    /listener\.listen: cannot listen on localhost:/.test(server.log()),
  );
  expect(workers()).toEqual(before);

  await writeFile(server.configFile, good);
  await writeFile(join(server.rulesDir, "local.d/senders.rules"), 'denny .x.example "no"\n');
  server.signal("SIGHUP");
  await until("the error", () => /senders\.rules:1: /.test(server.log()));
  expect(await answered("/readyz")).toMatch(
    /^ready\nthe last good rules are kept: .*senders\.rules:1/,
  );
  expect(await metric("postern_rules_load_success")).toBe(0);
  expect(await metric("postern_config_load_success")).toBe(1);
  await rm(join(server.rulesDir, "local.d/senders.rules"));
  server.signal("SIGHUP");
  await until("good rules", async () => (await answered("/readyz")) === "ready\n");

  // One that is right: a further address, and an HTTP address, without a restart.
  await writeFile(
    server.configFile,
    `${good}\n[[listener]]\nprotocol = "smtp"\nlisten = "127.0.0.1:${freePort}"\n`,
  );
  await replaced("SIGHUP");
  const one = await session({ host: "127.0.0.1", port: freePort });
  expect(one.greeting).toMatch(/^220/);
  one.close();
  expect(refused).toEqual([]);
}, 120_000);

const pause = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));
