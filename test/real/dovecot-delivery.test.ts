// What the delivery agent writes, a real Dovecot serves: users made by `postern user`, INBOX, +folder, a folder beyond ASCII,
// Junk, exact sizes, quota counted by both.
import { chown, mkdir } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { user } from "../../src/cli/user.ts";
import { localDestination } from "../../src/delivery/local.ts";
import type { LocalDestination } from "../../src/delivery/local.ts";
import { userTable } from "../../src/delivery/users.ts";
import type { Copy } from "../../src/mail/destination.ts";
import { replyLine } from "../../src/mail/reply.ts";
import { mailstore } from "../../src/mailstore/maildir.ts";
import type { Mailstore } from "../../src/mailstore/maildir.ts";
import { copyOf, octets, rcpt } from "../fakes/copy.ts";
import { dovecot } from "./lab/dovecot.ts";
import type { Dovecot } from "./lab/dovecot.ts";
import { lab, must } from "./lab/lab.ts";
import type { Lab } from "./lab/lab.ts";
import { have } from "./lab/peers.ts";

const ALICE = "alice@example.test";
const CAROL = "carol@example.test";
const PASSWORD = "correct-horse";

describe.skipIf(!have("root", "dovecot"))("Dovecot reads what was delivered", () => {
  let here: Lab;
  let peer: Dovecot;
  let store: Mailstore;
  let destination: LocalDestination;

  beforeAll(async () => {
    here = await lab("delivery");
    const [usersFile, mailRoot] = [join(here.dir, "users"), join(here.dir, "mail")];
    const id = async (flag: string): Promise<number> =>
      Number((await must("id", [flag, "vmail"])).stdout);
    await mkdir(mailRoot, { mode: 0o700 });
    await chown(mailRoot, await id("-u"), await id("-g"));
    await addUsers(usersFile, mailRoot);
    await must("chgrp", ["dovecot", usersFile]);
    store = mailstore({ mailRoot, hostname: "mx.test", alert: (error) => console.error(error) });
    const users = userTable({ file: usersFile, mailRoot, report: (found) => console.error(found) });
    destination = localDestination({
      store,
      routes: async () => ({
        domains: new Set(["example.test"]),
        origin: "example.test",
        aliases: new Map(),
        virtual: new Map(),
        virtualDomains: new Set(),
        users: await users.current(),
        unknown: "refuse",
        delimiters: "+",
        outgoing: false,
        nonLocal: "refuse",
      }),
      quota: null,
      folders: { create: "always", separator: "/" },
      outgoing: null,
      report: (text, error) => console.error(text, error),
    });
    peer = here.add(await dovecot({ dir: here.dir, users: usersFile }));
  });
  afterAll(async () => {
    store.close();
    await here.cleanUp();
  });

  async function addUsers(usersFile: string, mailRoot: string): Promise<void> {
    const options = {
      usersFile,
      mailRoot,
      virtualFile: null,
      domains: new Set(["example.test"]),
      hostname: "mx.test",
    };
    const rows = [
      [ALICE, "1M", "sha512-crypt"],
      [CAROL, "1M", "argon2id"],
    ] as const;
    for (const [address, quota, scheme] of rows) {
      const stdin = (async function* () {
        yield `${PASSWORD}\n`;
      })();
      const io = { stdin, stdout: { write: () => true }, stderr: process.stderr };
      const args = ["add", address, "--quota", quota, "--scheme", scheme, "--password-stdin"];
      expect(await user(args, io, options)).toBe(0);
    }
  }

  async function deliver(to: string, change: Partial<Copy> = {}): Promise<string> {
    const signal = new AbortController().signal;
    const prepared = await destination.prepare(copyOf(change), [rcpt(to)], signal);
    return (await prepared.commit()).map((reply) => replyLine(reply).slice(0, 9)).join();
  }

  const body = (subject: string, lines: number = 3): Copy["body"] =>
    octets(`From: a@b.test\r\nSubject: ${subject}\r\n\r\n${"line\r\n".repeat(lines)}`);

  test.each([
    ["alice@example.test", null, "INBOX"],
    ["alice+Lists/News@example.test", null, "Lists/News"],
    ["alice+lists.news@example.test", null, "Lists/News"],
    ["alice+caf\u00e9@example.test", null, "caf\u00e9"],
    ["alice@example.test", "Junk", "Junk"],
  ])("%s with folder %s lies in %s, size exact", async (to, folder, where) => {
    const before = where === "Lists/News" && to.includes("lists.") ? 1 : 0;
    expect(await deliver(to, { body: body(`for ${where}`), folder })).toBe("250 2.0.0");
    expect(await peer.folders(ALICE, PASSWORD)).toContain(where);
    const found = await peer.read(ALICE, PASSWORD, where);
    expect(found).toHaveLength(before + 1);
    const source = found.at(-1)?.source ?? Buffer.alloc(0);
    const text = source.toString();
    expect(text).toMatch(/^Return-Path: <from@example\.org>\r\nDelivered-To: /);
    expect(text.endsWith("\r\n\r\nline\r\nline\r\nline\r\n")).toBe(true);
    expect(found.at(-1)?.size).toBe(source.length);
    expect(found.at(-1)?.flags).not.toContain("\\Seen");
  });

  test("the quota is one number for both, and full is full", async () => {
    const quota = { octets: 1024 ** 2, messages: null };
    const usage = await store.usage("example.test/alice/Maildir", quota);
    const seen = await peer.quota(ALICE, PASSWORD);
    expect(seen?.limit).toBe(1024 ** 2);
    expect(seen?.used).toBe(Math.ceil(usage.octets / 1024) * 1024);
    expect(usage.messages).toBe(5);
    const big = body("big", 120_000);
    expect(await deliver(CAROL, { body: big })).toBe("250 2.0.0");
    expect(await deliver(CAROL, { body: big })).toBe("552 5.2.2");
    expect(await deliver(ALICE, { body: body("huge", 300_000) })).toBe("552 5.2.2");
  });

  test("a password kept as ARGON2ID logs in; an unknown user is refused", async () => {
    expect(await peer.read(CAROL, PASSWORD)).toHaveLength(1);
    await expect(peer.read(CAROL, "wrong")).rejects.toThrow();
    expect(await deliver("ghost@example.test")).toBe("550 5.1.1");
  });

  test("hundreds at once while Dovecot reads: each appears once", async () => {
    const numbers = Array.from({ length: 200 }, (_, i) => i);
    const [, ...said] = await Promise.all([
      peer.read(ALICE, PASSWORD),
      ...numbers.map((i) => deliver("alice+many@example.test", { body: body(`n${i}`) })),
    ]);
    expect(new Set(said)).toEqual(new Set(["250 2.0.0"]));
    const found = await peer.read(ALICE, PASSWORD, "many");
    const subjects = found.map(({ source }) => /Subject: n(\d+)/.exec(source.toString())?.[1]);
    expect(subjects.map(Number).sort((a, b) => a - b)).toEqual(numbers);
  });
});
