import {
  chmod,
  chown,
  copyFile,
  mkdir,
  mkdtemp,
  readdir,
  rename,
  rm,
  symlink,
  writeFile,
} from "node:fs/promises";
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
import { trainingRound, type RoundMeans } from "../src/training-round.ts";

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
    `[server]
state_dir = "."
[delivery]
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

/** Puts a copy of a file into a folder of a mailbox. */
async function copyOf(file: string, mailbox: string, folder: string): Promise<void> {
  const [local = "", domain = ""] = mailbox.split("@");
  const to = join(dir, "mail", domain, local, "Maildir", folder, "cur");
  await copyFile(file, join(to, `${seconds}.M${++number}P3.host:2,S`));
}

async function move(file: string, folder: string): Promise<string> {
  const root = file.slice(0, file.indexOf("/Maildir/") + "/Maildir".length);
  const base = join(root, folder);
  for (const name of ["cur", "new", "tmp"])
    await mkdir(join(base, name), { recursive: true, mode: 0o700 });
  const size = /,S=\d+/.exec(file)?.[0] ?? "";
  const moved = join(base, "cur", `${seconds}.M${++number}P2.host${size}:2,S`);
  await rename(file, moved);
  return moved;
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

  it("forget what its owner moves back, and nothing that others taught", async () => {
    await users("alice@example.org", "bob@example.org");
    const { page } = begin();
    const missed = await put("alice@example.org", ".MissedSpam", "a slip of the hand");
    const thrown = await put("alice@example.org", ".MissedSpam", "thrown away");
    const filed = await put("alice@example.org", ".MissedSpam", "on its way to the filter's");
    const rescued = await put("alice@example.org", ".Junk", "looked good", { flagged: true });
    await put("bob@example.org", ".Junk", "the same, at bob's", { flagged: true });
    await job.round();
    const back = await move(rescued, ".");
    await copyOf(back, "bob@example.org", ".Junk");
    await job.round();
    expect(await learned()).toEqual([3, 1]);
    await move(missed, ".");
    await move(thrown, ".Trash");
    await move(filed, ".Junk");
    await move(back, ".Junk");
    await job.round();
    expect(await learned()).toEqual([2, 0]);
    expect(await page()).toMatch(/bayes_lessons_total\{result="forgotten"\} 2/);
    await job.round();
    expect(await learned()).toEqual([2, 0]);
  });

  it("go on behind a folder or a file that is not to be read", async () => {
    await users("alice@example.org", "bob@example.org");
    begin();
    const open = await put("alice@example.org", ".MissedSpam", "anybody may write here");
    await chmod(join(open, "../.."), 0o777);
    await put("alice@example.org", ".NotSpam", "minutes");
    await mkdir(join(open, "../../../.Junk/cur"), { recursive: true, mode: 0o700 });
    await mkdir(join(open, `../../../.NotSpam/cur/${seconds}.M1P1.directory:2,`));
    const locked = await put("bob@example.org", ".MissedSpam", "of somebody else");
    if (process.geteuid?.() === 0) await chown(locked, 12_345, 12_345);
    else await chmod(locked, 0);
    await put("bob@example.org", ".MissedSpam", "bob's own");
    await job.round();
    expect(await learned()).toEqual([1, 1]);
    await chmod(join(open, "../.."), 0o700);
    await job.round();
    expect(await learned()).toEqual([2, 1]);
  });

  it("are taught once by two workers at the same time, and by the next one after a restart", async () => {
    await users("alice@example.org", "bob@example.org");
    const first = begin();
    const other = job;
    for (const who of ["alice", "bob"])
      for (let n = 0; n < 8; n++) await put(`${who}@example.org`, ".MissedSpam", `pills ${n}`);
    const second = begin();
    await Promise.all([other.round(), job.round()]);
    expect(await learned()).toEqual([16, 0]);
    await other.stop();
    for (const { page } of [first, second])
      expect(await page()).not.toMatch(/result="(?:known|relearned|failed)"/);
    const half = job.round();
    await job.stop();
    await half;
    begin();
    await put("bob@example.org", ".MissedSpam", "pills 9");
    await job.round();
    expect(await learned()).toEqual([17, 0]);
    for (const who of ["alice", "bob"])
      while ((await store.tokens.forgetMailbox(`${who}@example.org`, 5, Date.now())) > 0);
    expect(await store.tokens.summary(Date.now())).toMatchObject({ spam: 0, tokens: 0 });
    await job.round();
    expect(await learned()).toEqual([0, 0]);
  });
});

describe("one round", () => {
  const place = "example.org/alice/Maildir .MissedSpam";
  const folders = { spam: ["MissedSpam"], ham: [], junk: "Junk", trash: [], maxAge: 86_400_000 };
  /** Reads nothing: a message is its octets. `before` comes between the list of files and each of them. */
  const means = (before = async (): Promise<void> => {}): RoundMeans & { read: string[] } => {
    const read: string[] = [];
    return {
      read,
      mailRoot: join(dir, "mail"),
      teacher: {
        async read(octets) {
          read.push(Buffer.from(octets).toString());
          await before();
          const flagged = octets.toString().startsWith("X-Spam-Flag");
          return { keys: [Buffer.from(octets).toString("hex")], tokens: [1], at: 1, flagged };
        },
        teach: ({ keys, tokens, at }, { label, mailbox }) =>
          store.tokens.learn(
            { keys, label, tokens, at, mailbox, timid: false, rememberMs: 1e9 },
            Date.now(),
          ),
        forget: ({ keys, tokens }) => store.tokens.forget(keys, tokens, Date.now()),
      },
      tokens: store.tokens,
      filed: store.filed,
      allowed: async () => true,
      onResult: () => {},
      signal: new AbortController().signal,
      now: () => Date.now(),
    };
  };
  const round = (with_: RoundMeans): Promise<void> =>
    trainingRound("alice@example.org", "example.org/alice/Maildir", folders, with_);

  it("does not take a file for read that got another name, nor one of a folder that went away", async () => {
    await users();
    begin();
    const files = [];
    for (let n = 0; n < 3; n++)
      files.push(await put("alice@example.org", ".MissedSpam", "x", { at: seconds - n }));
    const [, marked = "", last = ""] = files;
    await round(
      means(async () => {
        await rename(marked, marked.replace(":2,S", ":2,RS")).catch(() => {});
        await rename(join(last, "../.."), join(last, "../../../.Elsewhere")).catch(() => {});
      }),
    );
    expect(await learned()).toEqual([1, 0]);
    expect(await store.filed.list(place, Date.now())).toHaveLength(1);
    await round(means());
    expect(await learned()).toEqual([1, 0]);
    await rename(join(last, "../../../.Elsewhere"), join(last, "../.."));
    await round(means());
    expect(await learned()).toEqual([3, 0]);
  });

  it("reads some of a huge folder, the newest first, and of one without end no more than can be noted", async () => {
    await users();
    begin();
    const one = await put("alice@example.org", ".Junk", "x", { flagged: true });
    const name = (n: number): string => join(one, "..", `${seconds - n}.M${n}P7.host,S=1:2,S`);
    for (let n = 1; n <= 20_300; n++) await writeFile(name(n), `X-Spam-Flag: YES ${n}`);
    const junk = "example.org/alice/Maildir .Junk";
    const first = means();
    await round(first);
    expect(first.read).toHaveLength(1000);
    expect(first.read[5]).toBe("X-Spam-Flag: YES 5");
    const noted = Array.from({ length: 20_000 }, (_, n) => ({
      name: `${seconds - n - 300}.M${n + 300}P7.host,S=1`,
      key: "",
      size: 1,
    }));
    await store.filed.note(junk, noted, 1e9, Date.now());
    for (let n = 0; n < 3; n++) await round(means());
    const settled = means();
    await round(settled);
    expect(settled.read).toEqual([]);
    expect(await store.filed.list(junk, Date.now())).toHaveLength(20_000);
    expect(await learned()).toEqual([0, 0]);
  }, 60_000);
});
