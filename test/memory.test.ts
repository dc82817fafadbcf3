// What a worker of a running server keeps in memory of its own, with postern's small set of spam rules: a generous bound, so that
// what grows back is seen.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { processTree } from "./bench/procfs.ts";

const MAIN = new URL("../src/main.ts", import.meta.url).pathname;
const RULES = new URL("../rules", import.meta.url).pathname;
const MIB = 1024 * 1024;
const MAILS = 400;
let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "postern-memory-"));
  cpSync(RULES, join(dir, "rules"), { recursive: true });
});
afterEach(() => rmSync(dir, { recursive: true }));

function configure(saveMemory: boolean): void {
  writeFileSync(
    join(dir, "postern.toml"),
    `[server]\nsave_memory = ${saveMemory}\n[[listener]]\nprotocol = "smtp"\nlisten = "unix:${dir}/filter.sock"\nsocket_mode = "0600"\n` +
      `[dns]\nservers = "off"\n[delivery]\ndomains = ["ours.example"]\nunknown = "create"\n` +
      `[spam]\nengine = "native"\nrule_dirs = []\n`,
  );
}

/** Runs the server while `during` runs, which is told the worker's process id. */
async function served<T>(during: (worker: number) => Promise<T>): Promise<T> {
  const config = join(dir, "postern.toml");
  const child = spawn(process.execPath, [MAIN, "serve", "--config", config], { cwd: dir });
  let said = "";
  for (const stream of [child.stdout, child.stderr])
    stream.on("data", (data: Buffer) => (said += data.toString()));
  const ended = once(child, "exit");
  try {
    await expect.poll(() => said, { timeout: 60_000, interval: 50 }).toMatch(/ready: postern/);
    const worker = processTree(child.pid ?? 0).find(({ parent }) => parent === child.pid);
    return await during(worker?.pid ?? 0);
  } finally {
    child.kill("SIGTERM");
    await ended;
  }
}

async function send(count: number): Promise<number> {
  const socket = connect(join(dir, "filter.sock"));
  let heard = "";
  socket.on("data", (data: Buffer) => (heard += data.toString("latin1")));
  // A server that stops before it has read all resets the connection; who waits for an answer hears of it below.
  socket.on("error", () => {});
  const says = async (text: string, answer: RegExp): Promise<void> => {
    heard = "";
    socket.write(text);
    while (!answer.test(heard)) await once(socket, "data");
  };
  await says("EHLO there.example\r\n", /^250 /m);
  let taken = 0;
  for (; taken < count; taken++) {
    await says("MAIL FROM:<a@there.example>\r\n", /^250 /m);
    await says("RCPT TO:<b@ours.example>\r\n", /^250 /m);
    await says("DATA\r\n", /^354 /m);
    await says(letter(taken), /^250 /m);
  }
  socket.end("QUIT\r\n");
  if (!socket.closed) await new Promise((resolve) => socket.once("close", resolve));
  return taken;
}

const letter = (n: number): string =>
  `Message-ID: <${n}@there.example>\r\nDate: ${new Date().toUTCString()}\r\nFrom: A <a@there.example>\r\n` +
  `To: b@ours.example\r\nSubject: the minutes ${n}\r\nMIME-Version: 1.0\r\nContent-Type: text/html\r\n\r\n` +
  `${`<p>Dear Bob, <a href="http://there.example/${n}">here</a> they are.\r\n`.repeat(40)}.\r\n`;

/** Octets that no other process shares. */
const ownMemory = (pid: number): number =>
  1024 *
  Number(/^Anonymous:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/smaps_rollup`, "latin1"))?.[1]);

async function kept(saveMemory: boolean): Promise<number> {
  configure(saveMemory);
  // The first start of a new version compiles what the cache of later ones has.
  await served(() => send(1));
  return served(async (worker) => {
    expect(await send(MAILS)).toBe(MAILS);
    return ownMemory(worker) / MIB;
  });
}

test.skipIf(!existsSync("/proc/self/smaps_rollup"))(
  "a worker that has scored mail keeps little memory of its own, and less where memory is to be saved",
  async () => {
    // It takes 110 to 125, and 90: far enough below for any machine.
    const usual = await kept(false);
    expect(usual).toBeLessThan(160);
    expect(await kept(true)).toBeLessThan(usual * 0.92);
  },
  120_000,
);
