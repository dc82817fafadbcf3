import { mkdir, mkdtemp, readdir, rename, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { parseConfig, type Config } from "../src/config.ts";
import { prepareStore, sqliteStore } from "../src/state/sqlite.ts";
import type { HostStore } from "../src/state/store.ts";
import { processLog } from "../src/sys/log.ts";
import { watchEventLoop } from "../src/sys/event-loop.ts";
import { metrics } from "../src/sys/metrics.ts";
import { training, type Training } from "../src/training.ts";

let dir: string;
let store: HostStore;
let job: Training;
const loop = watchEventLoop();

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), "postern-training-"));
  prepareStore(join(dir, "state.db"));
  store = sqliteStore(join(dir, "state.db"), 20_000);
});
afterEach(async () => {
  await job.stop();
  await store.close();
  await rm(dir, { recursive: true });
});

function begin(more = ""): { page: () => Promise<string>; config: Config } {
  const config = parseConfig(
    `[delivery]
mail_root = "mail"
users = "users"
[[training]]
mailboxes = ["*@example.org", "carol@example.net"]
spam_folders = ["MissedSpam"]
ham_folders = ["NotSpam"]
junk_folder = "Junk"
${more}`,
    join(dir, "postern.toml"),
  );
  const all = metrics(loop);
  const data = { texts: [], includes: [], problems: [], local: true, bayes: false, hostname: "mx" };
  job = training({ config, store, data, log: processLog("text"), metrics: all });
  return { page: () => all.registry.metrics(), config };
}

const seconds = Math.floor(Date.now() / 1000);
let number = 0;

/** Puts a message into a folder of a mailbox and gives its path. */
async function put(
  mailbox: string,
  folder: string,
  words: string,
  { flagged = false, at = seconds }: { flagged?: boolean; at?: number } = {},
): Promise<string> {
  const [local = "", domain = ""] = mailbox.split("@");
  const root = join(dir, "mail", domain, local, "Maildir");
  const base = folder === "" ? root : join(root, folder);
  for (const name of ["cur", "new", "tmp"])
    await mkdir(join(base, name), { recursive: true, mode: 0o700 });
  const flag = flagged ? "X-Spam-Flag: YES\n" : "";
  const text = `${flag}From: a@b.example\nSubject: ${words}\nMessage-ID: <${++number}@b.example>\n\n${words} ${number}\n`;
  const file = join(base, "cur", `${at}.M${number}P1.host,S=${text.length}:2,S`);
  await writeFile(file, text);
  return file;
}

async function move(file: string, folder: string): Promise<void> {
  const base = join(file, "../../..", folder);
  for (const name of ["cur", "new", "tmp"])
    await mkdir(join(base, name), { recursive: true, mode: 0o700 });
  const size = /,S=\d+/.exec(file)?.[0] ?? "";
  await rename(file, join(base, "cur", `${seconds}.M${++number}P2.host${size}:2,S`));
}

async function users(...names: string[]): Promise<void> {
  await mkdir(join(dir, "mail"), { recursive: true, mode: 0o700 });
  await writeFile(join(dir, "users"), names.map((name) => `${name}:{PLAIN}x::::::\n`).join(""));
}

const learned = async (): Promise<[number, number]> => {
  const { spam, ham } = await store.tokens.totals();
  return [spam, ham];
};

describe("training folders", () => {
  it("teach what users put into them, of the mailboxes that are named, once", async () => {
    await users("alice@example.org", "bob@example.com");
    begin();
    await put("alice@example.org", ".MissedSpam", "pills");
    await put("alice@example.org", ".MissedSpam", "more pills");
    await put("alice@example.org", ".NotSpam", "minutes");
    await put("alice@example.org", "", "a letter");
    await put("bob@example.com", ".MissedSpam", "not asked");
    await put("carol@example.net", ".MissedSpam", "named");
    await job.round();
    expect(await learned()).toEqual([3, 1]);
    await job.round();
    expect(await learned()).toEqual([3, 1]);
    expect((await store.tokens.summary(Date.now())).mailboxes).toEqual([
      { mailbox: "alice@example.org", messages: 3 },
      { mailbox: "carol@example.net", messages: 1 },
    ]);
  });

  it("teach no more than a mailbox may in a day, and no old file", async () => {
    await users("alice@example.org");
    const { page } = begin("per_day = 2");
    await put("alice@example.org", ".MissedSpam", "old", { at: seconds - 15 * 86_400 });
    for (let n = 0; n < 4; n++) await put("alice@example.org", ".MissedSpam", `pills ${n}`);
    await job.round();
    await job.round();
    expect(await learned()).toEqual([2, 0]);
    expect(await page()).toMatch(/bayes_lessons_total\{result="learned"\} 2/);
    expect(await page()).toMatch(/bayes_lessons_total\{result="capped"\} 2/);
  });

  it("teach what a user moves into the junk folder, and not what the filter put there", async () => {
    await users("alice@example.org");
    begin();
    await put("alice@example.org", ".Junk", "by hand");
    await put("alice@example.org", ".Junk", "by the filter", { flagged: true });
    await job.round();
    expect(await learned()).toEqual([1, 0]);
  });

  it("teach as ham what leaves the junk folder, unless it is thrown away", async () => {
    await users("alice@example.org");
    begin();
    const rescued = await put("alice@example.org", ".Junk", "a good letter", { flagged: true });
    const thrown = await put("alice@example.org", ".Junk", "bad letters", { flagged: true });
    const mistaken = await put("alice@example.org", ".Junk", "moved by mistake");
    await put("alice@example.org", "", "another one", { flagged: true });
    await job.round();
    expect(await learned()).toEqual([1, 0]);
    await move(rescued, ".");
    await move(mistaken, ".Work.2026");
    await move(thrown, ".Trash");
    await job.round();
    expect(await learned()).toEqual([0, 2]);
    await job.round();
    expect(await learned()).toEqual([0, 2]);
    expect(await store.filed.list("example.org/alice/Maildir .Junk", Date.now())).toEqual([]);
  });

  it("follow no links and go on behind a mailbox that is not safe", async () => {
    await users("alice@example.org", "mallory@example.org", "zoe@example.org");
    begin();
    const secret = await put("secret@example.net", "", "a secret");
    const mine = await put("mallory@example.org", ".MissedSpam", "x");
    await symlink(secret, join(mine, "..", `${seconds}.link,S=10:2,S`));
    await rm(join(dir, "mail/example.org/alice"), { recursive: true, force: true });
    await mkdir(join(dir, "mail/example.org/alice"), { recursive: true, mode: 0o700 });
    await symlink(join(secret, "../.."), join(dir, "mail/example.org/alice/Maildir"));
    await put("zoe@example.org", ".MissedSpam", "pills");
    await job.round();
    expect(await learned()).toEqual([2, 0]);
  });

  it("have notes only of files that are there", async () => {
    await users("alice@example.org");
    begin();
    const file = await put("alice@example.org", ".MissedSpam", "pills");
    await job.round();
    const place = "example.org/alice/Maildir .MissedSpam";
    expect(await store.filed.list(place, Date.now())).toHaveLength(1);
    await rm(file);
    await job.round();
    expect(await store.filed.list(place, Date.now())).toEqual([]);
    expect(await readdir(join(file, ".."))).toEqual([]);
  });
});
