// Training folders in a whole serve that delivers by itself: what users move within their Maildirs is learned within the period, so many
// messages a mailbox and day and no more, once whatever the number of workers, and all of a mailbox can be taken back.
import { mkdir, readdir, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { lab, until, type Lab } from "./lab/lab.ts";
import { learned, words } from "./lab/lessons.ts";
import { letter, scoringHost, type ScoringHost } from "./lab/scoring-host.ts";

const PER_DAY = 4;
const ALICE = "alice@example.com";
const BOB = "bob@example.com";
const CAROL = "carol@example.com";
/** Some periods, on a busy machine; far below the minute that nobody should have to wait. */
const SOON_MS = 20_000;

describe("training folders of a running serve", () => {
  let room: Lab;
  let host: ScoringHost;
  let sent = 0;

  beforeAll(async () => {
    room = await lab("training");
    const users = join(room.dir, "users");
    await writeFile(
      users,
      [ALICE, BOB, CAROL].map((address) => `${address}:{PLAIN}x::::::\n`).join(""),
      { mode: 0o600 },
    );
    const site = join(room.dir, "site");
    await mkdir(site);
    await writeFile(
      join(site, "site.cf"),
      "body LAB_ZEBRA /\\bzebra\\b/\nscore LAB_ZEBRA 6\ndescribe LAB_ZEBRA Zebras\n",
    );
    host = await scoringHost(room, {
      server: "workers = 2",
      nextHop: 'relay = "local"\naddress_extension = "+"',
      delivery: `users = "${users}"\nmail_root = "${room.dir}/mail"\ncreate_folders = ["Junk", "MissedSpam"]`,
      more: `[spam]\nengine = "native"\nrule_dirs = ["${site}"]\n[[training]]\nmailboxes = ["${ALICE}", "b*@example.com"]\nspam_folders = ["MissedSpam"]\nham_folders = ["NotSpam"]\njunk_folder = "Junk"\nevery = "1s"\nper_day = ${PER_DAY}\n`,
    });
  });
  afterAll(() => room?.cleanUp());

  const folderOf = (address: string, folder: string): string => {
    const [local = "", domain = ""] = address.split("@");
    return join(room.dir, "mail", domain, local, "Maildir", folder);
  };
  /** Delivers a letter and finds its file. */
  const delivered = async (to: string, folder: string, body: string): Promise<string> => {
    const name = `training-${++sent}`;
    const before = await filesOf(folderOf(to, folder));
    const { reply } = await host.send(letter(name, body), to);
    expect(reply).toMatch(/^250 /);
    return until(`a new file in ${folder} of ${to}`, async () =>
      (await filesOf(folderOf(to, folder))).find((file) => !before.includes(file)),
    );
  };
  const filesOf = async (folder: string): Promise<string[]> => {
    const there: string[] = [];
    for (const sub of ["new", "cur"]) {
      const names = await readdir(join(folder, sub)).catch(() => []);
      there.push(...names.map((name) => join(folder, sub, name)));
    }
    return there;
  };
  /** As an IMAP server moves a message: a rename, with the flag of one that was seen. */
  const move = async (file: string, to: string, folder: string): Promise<string> => {
    for (const sub of ["cur", "new", "tmp"])
      await mkdir(join(folderOf(to, folder), sub), { recursive: true, mode: 0o700 });
    const base = file.split("/").at(-1)?.split(":")[0] ?? "";
    const moved = join(folderOf(to, folder), "cur", `${base}:2,S`);
    await rename(file, moved);
    return moved;
  };
  const missed = async (who: string, count: number): Promise<void> => {
    for (let n = 0; n < count; n++)
      await move(await delivered(who, "", words("pills", ++sent)), who, ".MissedSpam");
  };
  const lessons = (result: string): Promise<number> =>
    host.count(`postern_bayes_lessons_total{result="${result}"}`);
  /** Waits until so much was learned. */
  const soon = (spam: number, ham: number): Promise<unknown> =>
    until(
      `${spam} spam and ${ham} ham`,
      async () => {
        const known = await learned(host.postern);
        return known.spam === spam && known.ham === ham;
      },
      SOON_MS,
    );
  /** Long enough for both workers to have looked again. */
  const someRounds = (): Promise<unknown> => new Promise((resolve) => setTimeout(resolve, 4000));

  test("what lies in the inbox teaches nothing, what a user moves to MissedSpam does, once", async () => {
    const file = await delivered(ALICE, "", words("casino", 1));
    await delivered(BOB, "", words("casino", 2));
    await someRounds();
    expect(await learned(host.postern)).toMatchObject({ spam: 0, ham: 0 });
    await move(file, ALICE, ".MissedSpam");
    await soon(1, 0);
    await someRounds();
    expect(await lessons("learned")).toBe(1);
    expect(await learned(host.postern)).toEqual({
      spam: 1,
      ham: 0,
      mailboxes: [{ mailbox: ALICE, messages: 1 }],
    });
  });

  test("what the filter puts into Junk teaches nothing; moved out by hand it is ham, and moved in spam", async () => {
    const flagged = await delivered(BOB, ".Junk", "A zebra.");
    await someRounds();
    expect(await learned(host.postern)).toMatchObject({ spam: 1, ham: 0 });
    const rescued = await move(flagged, BOB, "");
    await soon(1, 1);
    const byHand = await delivered(BOB, "", words("pills", 3));
    await move(byHand, BOB, ".Junk");
    await soon(2, 1);
    // Not what it was delivered as counts, but the last thing that its owner did with it.
    await move(rescued, BOB, ".MissedSpam");
    await soon(3, 0);
    expect(await lessons("relearned")).toBe(1);
  });

  test("a mailbox teaches so much a day, whoever else teaches, and nobody who is not named does", async () => {
    await missed(CAROL, 1);
    await missed(ALICE, PER_DAY + 1);
    await soon(3 + PER_DAY - 1, 0);
    await until("the cap", async () => (await lessons("capped")) > 0, SOON_MS);
    await missed(BOB, 1);
    await soon(3 + PER_DAY, 0);
    await someRounds();
    expect((await learned(host.postern)).mailboxes).toEqual([
      { mailbox: ALICE, messages: PER_DAY },
      { mailbox: BOB, messages: 3 },
    ]);
  });

  test("what a mailbox taught is taken back, and what lies in its folders does not teach it again", async () => {
    const ran = await host.postern.command("learn", "--forget-mailbox", ALICE);
    expect(ran).toMatchObject({ code: 0, stdout: `${ALICE}: ${PER_DAY} forgotten\n` });
    const left = { spam: 3, ham: 0, mailboxes: [{ mailbox: BOB, messages: 3 }] };
    expect(await learned(host.postern)).toEqual(left);
    // Here no cap stands before it.
    await host.postern.command("learn", "--forget-mailbox", BOB);
    await someRounds();
    expect(await learned(host.postern)).toEqual({ spam: 0, ham: 0, mailboxes: [] });
    expect(await lessons("known")).toBe(0);
    expect(host.postern.log()).not.toMatch(/training: |Error/);
  });
});
