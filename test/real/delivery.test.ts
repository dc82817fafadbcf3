// postern-delivery behind a real Postfix and a real Dovecot, with the filter in front, all from deploy/, each as the user of its
// unit: mail from a stranger is read back over IMAP; hostile addresses and planted links write nothing outside mail_root.
import { readdir, readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { until } from "./lab/lab.ts";
import { mailHost, type MailHost } from "./lab/mail-host.ts";
import { have } from "./lab/peers.ts";
import { addedFields, GTUBE_SAMPLE, ORDINARY } from "./lab/samples.ts";
import { as, idsOf } from "./lab/unit.ts";

const PASSWORD = "correct horse; battery:staple";
const ALICE = "alice@example.com";
const CAROL = "carol@example.com";
const ERIN = "erin@example.com";
const NFD = "Gru\u0308\u00dfe";

const message = (name: string, octets = 0) =>
  Buffer.from(
    `Message-ID: <lab-${name}@sender.example>\r\nFrom: ann@sender.example\r\nSubject: lab-${name}\r\n\r\n` +
      `${"0123456789abcdef".repeat(4)}\r\n`.repeat(Math.ceil(octets / 66)),
  );

describe.skipIf(!have("root", "users", "postfix", "dovecot"))("the delivery role", () => {
  let host: MailHost;
  beforeAll(async () => {
    host = await mailHost({
      domains: ["example.com", "alias.example"],
      virtual: "alias.example anything\n@alias.example bob@example.com\n",
    });
    for (const [address, ...more] of [
      [ALICE, "--quota", "1M"],
      [CAROL, "--quota", "200K", "--scheme", "argon2id"],
      [ERIN],
    ] as const) {
      const made = await host.user(`${PASSWORD}\n`, "add", address, "--password-stdin", ...more);
      expect(made).toMatchObject({ code: 0, stdout: `${address} added\n`, stderr: "" });
    }
  });
  afterAll(() => host?.lab.cleanUp());

  const folder = (user: string, name = "INBOX") => host.imap.read(user, PASSWORD, name);
  /** The message lab-NAME of a folder, when it has come. */
  const arrived = (name: string, user: string, where = "INBOX", password = PASSWORD) =>
    until(`lab-${name} in ${where} of ${user}`, async () => {
      const found = await host.imap.read(user, password, where);
      return found.find(({ source }) => source.includes(`<lab-${name}@`));
    });

  describe("users", () => {
    test("a batch is made whole, or not at all", async () => {
      const lines = `bob@example.com,${PASSWORD}\n# a comment\n\ndave@example.com\n`;
      const bad = await host.user(`${lines}not an address\n`, "add", "--batch");
      expect(bad.code).toBe(1);
      expect(bad.stderr).toMatch(/^line 5: .*\nnothing was changed\n$/);
      expect((await host.user("", "list")).stdout).not.toContain("bob@");

      const good = await host.user(lines, "add", "--batch", "--quota", "5M");
      expect(good).toMatchObject({ code: 0, stderr: "" });
      const generated = /^dave@example\.com added, password: (\S{12,})$/m.exec(good.stdout)?.[1];
      expect(await host.imap.read("dave@example.com", generated ?? "")).toEqual([]);
      expect(await host.imap.read("bob@example.com", PASSWORD)).toEqual([]);
    });

    test("list names all of them with quota and place", async () => {
      const listed = (await host.user("", "list", "--json")).stdout.trimEnd().split("\n");
      expect(listed.map((line) => JSON.parse(line) as unknown)).toEqual(
        [
          [ALICE, 1024 ** 2],
          [CAROL, 200 * 1024],
          [ERIN, null],
          ["bob@example.com", 5 * 1024 ** 2],
          ["dave@example.com", 5 * 1024 ** 2],
        ].map(([address, quota]) => {
          const [local, domain] = String(address).split("@");
          const mailbox = join(host.mailRoot, `${domain}/${local}/Maildir`);
          return { address, mailbox, quota, messages: null };
        }),
      );
    });

    test("both schemes log in, a wrong password does not; the table keeps mode and owner", async () => {
      const text = await readFile(host.usersFile, "utf8");
      expect(text).toMatch(/^alice@example\.com:\{SHA512-CRYPT\}/m);
      expect(text).toMatch(/^carol@example\.com:\{ARGON2ID\}/m);
      for (const user of [ALICE, CAROL]) {
        expect(await folder(user)).toEqual([]);
        await expect(host.imap.read(user, "wrong")).rejects.toThrow();
      }
      const { mode, uid, gid } = await stat(host.usersFile);
      expect({ mode: mode & 0o777, uid, gid }).toEqual({
        mode: 0o640,
        uid: 0,
        gid: (await idsOf("postern")).gid,
      });
    });
  });

  describe("folders", () => {
    test("a stranger's mail lies in INBOX byte for byte, its size exact", async () => {
      expect((await host.send(ALICE, ORDINARY.raw)).reply).toMatch(/^250 /);
      const { source, size, flags } = await arrived("ordinary", ALICE);
      expect(size).toBe(source.length);
      expect(flags).not.toContain("\\Seen");
      const added = addedFields(ORDINARY.raw, source);
      expect(added?.slice(0, 3)).toEqual([
        "Return-Path: <ann@sender.example>\r\n",
        `Delivered-To: ${ALICE}\r\n`,
        `X-Original-To: ${ALICE}\r\n`,
      ]);
      const rest = new Set(added?.slice(3).map((field) => field.split(":")[0]));
      expect(rest).toEqual(new Set(["Received"]));
    });

    test.each([
      ["exact", "alice+Lists@example.com", "Lists"],
      ["other-case", "ALICE+lISTS@Example.COM", "Lists"],
      ["below", "alice+lists/news@example.com", "Lists/News"],
      ["dotted", "alice+lists.news@example.com", "Lists/News"],
      ["not-there", "alice+nothere@example.com", "INBOX"],
      ["not-there-below", "alice+lists/other@example.com", "INBOX"],
      ["umlaut", "alice+Gr\u00fc\u00dfe@example.com", "Gr\u00fc\u00dfe"],
      ["umlaut-case", "alice+gR\u00dc\u00dfe@example.com", "Gr\u00fc\u00dfe"],
      ["umlaut-nfd", `alice+${NFD}@example.com`, "Gr\u00fc\u00dfe"],
    ])("%s: %s goes to %s", async (name, to, where) => {
      if (!(await host.imap.folders(ALICE, PASSWORD)).includes("Lists"))
        await host.imap.make(ALICE, PASSWORD, "Lists", "Lists/News", "Gr\u00fc\u00dfe");
      expect((await host.send(to, message(name))).reply).toMatch(/^250 /);
      const { source, size } = await arrived(name, ALICE, where);
      expect(size).toBe(source.length);
      const folders = await host.imap.folders(ALICE, PASSWORD);
      expect(folders.filter((one) => /^(?:lists|gr|not)/i.test(one)).sort()).toEqual([
        "Gr\u00fc\u00dfe",
        "Lists",
        "Lists/News",
      ]);
    });

    test("spam below the kill level lies in Junk, which is made for it and subscribed", async () => {
      const mailbox = join(host.mailRoot, "example.com/erin/Maildir");
      expect(await readdir(mailbox)).not.toContain(".Junk");
      expect((await host.send(ERIN, GTUBE_SAMPLE.raw)).reply).toMatch(/^250 /);
      const file = await until("a file in Junk", async () => {
        const names = await readdir(join(mailbox, ".Junk/new")).catch(() => []);
        return names[0];
      });
      // Before Dovecot ever saw the mailbox: its own `auto = subscribe` has had no part in it.
      expect(file).toMatch(/,S=\d+/);
      expect(await readFile(join(mailbox, "subscriptions"), "utf8")).toContain("Junk");
      const { source, size } = await arrived("gtube", ERIN, "Junk");
      expect(size).toBe(source.length);
      expect(source.toString("latin1")).toMatch(/^X-Spam-Flag: YES\r$/m);
      expect(await host.imap.subscribed(ERIN, PASSWORD)).toContain("Junk");
      expect(await folder(ERIN)).toEqual([]);
      expect(host.filter.log()).toMatch(/ Passed SPAM .*<lab-gtube@/);
    });
  });

  describe("refusals", () => {
    test("an unknown user is 550 5.1.1 at RCPT, from us and from Postfix to the stranger", async () => {
      const direct = await host.deliver("ghost@example.com", message("ghost"));
      expect(direct.rcpt).toEqual([expect.stringMatching(/^550 5\.1\.1 /)]);
      const { rcpt, data } = await host.send("ghost@example.com", message("ghost"));
      expect(rcpt).toEqual([expect.stringMatching(/^550 5\.1\.1 .*said: 550 5\.1\.1 /)]);
      expect(data).toEqual([]);
    });

    test("a domain that is not ours is 550 5.7.1", async () => {
      const direct = await host.deliver("x@elsewhere.example", message("relay"));
      expect(direct.rcpt).toEqual([expect.stringMatching(/^550 5\.7\.1 /)]);
    });

    test("Dovecot counts the quota as we do; over it is 552 5.2.2, and the sender hears it", async () => {
      expect((await host.send(CAROL, message("fits", 120_000))).reply).toMatch(/^250 /);
      await arrived("fits", CAROL);
      const seen = await host.imap.quota(CAROL, PASSWORD);
      const maildir = join(host.mailRoot, "example.com/carol/Maildir");
      const [file = ""] = (await readdir(join(maildir, "cur"))).concat(
        await readdir(join(maildir, "new")),
      );
      const stored = Number(/,S=(\d+)/.exec(file)?.[1]);
      // GETQUOTA speaks in units of 1,024 octets (RFC 9208 5.1).
      expect(seen).toEqual({ used: Math.ceil(stored / 1024) * 1024, limit: 200 * 1024 });

      const announced = await host.deliver(CAROL, message("big", 120_000), "SIZE=120500");
      expect(announced.rcpt).toEqual([expect.stringMatching(/^552 5\.2\.2 /)]);
      const silent = await host.deliver(CAROL, message("big", 120_000));
      expect(silent.rcpt).toEqual([expect.stringMatching(/^250 /)]);
      expect(silent.reply).toMatch(/^552 5\.2\.2 /);

      expect((await host.send(CAROL, message("huge", 120_000))).reply).toMatch(/^250 /);
      const bounce = await host.sink.find("552 5.2.2");
      expect(bounce).toMatchObject({ from: "", to: ["ann@sender.example"] });
      const left = await folder(CAROL);
      expect(left.map(({ source }) => source.includes("<lab-fits@"))).toEqual([true]);
      expect(await host.imap.quota(CAROL, PASSWORD)).toEqual(seen);
    });
  });

  describe("virtual aliases", () => {
    test("a catch-all of another domain leads to its user", async () => {
      expect((await host.send("whoever@alias.example", message("alias"))).reply).toMatch(/^250 /);
      const { source } = await arrived("alias", "bob@example.com");
      expect(source.toString()).toMatch(/^Delivered-To: bob@example\.com\r$/m);
      expect(source.toString()).toMatch(/^X-Original-To: whoever@alias\.example\r$/m);
    });

    test("a user made in that domain gets own mail at once, the rest goes on to the catch-all", async () => {
      const made = await host.user(`${PASSWORD}\n`, "add", "zoe@alias.example", "--password-stdin");
      expect(made).toMatchObject({ code: 0, stderr: "" });
      await until("the new alias", async () => {
        await host.deliver("zoe@alias.example", message("zoe"));
        // QUIRK: Dovecot looks at the table's date at most once a second, so that a new user may wait that long to log in.
        const mail = await folder("zoe@alias.example").catch((error: unknown) => {
          if ((error as { authenticationFailed?: boolean }).authenticationFailed === true)
            return [];
          throw error;
        });
        return mail.length > 0;
      });
      await host.deliver("other@alias.example", message("other"));
      await arrived("other", "bob@example.com");
    });
  });

  describe("two users", () => {
    const identity = async (pid: number) => {
      const status = await readFile(`/proc/${pid}/status`, "utf8");
      return /^Uid:\t(\d+)\t(\d+)\t(\d+)\t(\d+)$/m.exec(status)?.slice(1).map(Number);
    };
    test("run the two roles, and only one of them can see the mailboxes", async () => {
      for (const [peer, user] of [
        [host.filter, "postern"],
        [host.delivery, "vmail"],
      ] as const) {
        const { uid } = await idsOf(user);
        expect(await identity(peer.pid())).toEqual([uid, uid, uid, uid]);
      }
      expect((await stat(host.mailRoot)).mode & 0o777).toBe(0o700);
      const inbox = join(host.mailRoot, "example.com/alice/Maildir/new");
      expect((await as("postern", "ls", inbox)).code).not.toBe(0);
      expect((await as("vmail", "ls", inbox)).code).toBe(0);
      for (const secret of ["filter/state/quarantine", "filter/state/spool"])
        expect((await as("vmail", "ls", join(host.lab.dir, secret))).code).not.toBe(0);
    });

    test("Postfix may use the sockets, others may not", async () => {
      const { gid } = await idsOf("postfix");
      for (const [path, user] of [
        [host.mta.socket, "postern"],
        [host.socket, "vmail"],
      ] as const) {
        const found = await stat(path);
        const wanted = { mode: 0o660, uid: (await idsOf(user)).uid, gid };
        expect({ mode: found.mode & 0o777, uid: found.uid, gid: found.gid }).toEqual(wanted);
      }
      const dial = `use IO::Socket::UNIX; exit(IO::Socket::UNIX->new($ARGV[0]) ? 0 : 1)`;
      for (const [user, code] of [
        ["postfix", 0],
        ["nobody", 1],
      ] as const)
        expect((await as(user, "perl", "-e", dial, host.socket)).code, user).toBe(code);
    });

    test("each file of the mailboxes is vmail's alone", async () => {
      const { uid } = await idsOf("vmail");
      const names = await readdir(host.mailRoot, { recursive: true });
      expect(names.length).toBeGreaterThan(30);
      for (const name of names) {
        if (/\/dovecot[^/]*$/.test(name)) continue; // Dovecot's own modes
        const { mode, uid: owner } = await stat(join(host.mailRoot, name));
        expect({ name, owner, others: mode & 0o077 }).toEqual({ name, owner: uid, others: 0 });
      }
    });
  });
});
