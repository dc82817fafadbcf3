// The delivery role against addresses and mailboxes that mean harm, as the user of its unit: whatever it answers, it writes nothing
// outside mail_root. Beside mail_root lie traps that this user could write to; the file system is compared before and after.
import { randomBytes } from "node:crypto";
import { chmod, lstat, mkdir, readdir, rename, symlink, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { inject } from "./lab/inject.ts";
import { lab, must, run, until, type Lab } from "./lab/lab.ts";
import { userTable } from "./lab/mail-host.ts";
import { have } from "./lab/peers.ts";
import { postern, type Postern } from "./lab/postern.ts";
import { directoryOf, idsOf } from "./lab/unit.ts";

const LONG = "x".repeat(300);
const MANY = "\u0251".repeat(150); // 300 octets of UTF-8, 600 of modified UTF-7

const NAMES = [
  "..", ".", "../trap", "../../trap", "../../../trap/new", "/etc/cron.d/x", "/", "a/b", "a/../../../trap", "alice/../../trap",
  "..\\..\\trap", "a\u0000b", "\u0000", "a%00b", "~root", "~", "-rf", "|touch trap", "a b", "e\u0301tude", "\u00e9tude", "\u202e../trap",
  "\uff0e\uff0e/trap", "\ufe52\ufe52", "cur", "new", "tmp", ".Junk", "Junk/..", "..Junk", "INBOX/../..", "&AC4ALg-", "&-", "a\u007fb",
  "a\tb", "CON", "maildirsize", "subscriptions", "dovecot-uidlist", "maildirfolder", LONG, MANY, `${LONG}/${LONG}`, "a.".repeat(150),
]; // prettier-ignore

/** Each name as local part, as domain, as folder; quoted where a local part is. */
const ADDRESSES = NAMES.flatMap((name) => [
  `${name}@example.com`,
  `"${name.replace(/["\\]/g, "\\$&")}"@example.com`,
  `alice@${name}`,
  `alice@example.com/${name}`,
  `alice+${name}@example.com`,
  `"alice+${name.replace(/["\\]/g, "\\$&")}"@example.com`,
  `${name}+${name}@example.com`,
]);

const message = Buffer.from("Subject: harm\r\nMessage-ID: <harm@sender.example>\r\n\r\nharm\r\n");
/** For a look through all file systems of the machine: large and slow ones take minutes. */
const LOOK_MS = 200_000;

describe.skipIf(!have("root", "users"))("hostile addresses and mailboxes", () => {
  let room: Lab;
  let root: string;
  let trap: string;
  let users: string;
  let agents: Readonly<Record<"refuse" | "create", Postern>>;
  const socketOf = (agent: string) => join(room.dir, `sockets/${agent}.sock`);

  beforeAll(async () => {
    room = await lab("hostile");
    [root, trap] = [join(room.dir, "mail/root"), join(room.dir, "mail/trap")];
    await mkdir(dirname(root), { mode: 0o755 });
    for (const dir of ["mail", "mail/root", "mail/trap", "sockets"])
      await directoryOf("vmail", join(room.dir, dir), dir === "mail" ? 0o755 : 0o700);
    for (const dir of ["new", "cur", "tmp", "Maildir", "Maildir/new", "Maildir/cur", "Maildir/tmp"])
      await directoryOf("vmail", join(trap, dir), 0o700);
    for (const file of ["maildirsize", "subscriptions"]) await writeFile(join(trap, file), "");
    await must("chown", ["-R", "vmail:vmail", trap]);
    users = await userTable(room.dir);
    agents = { refuse: await agent("refuse"), create: await agent("create") };
    const made = await agents.refuse.feed(
      "secret-enough\n",
      "user",
      "add",
      "alice@example.com",
      "--password-stdin",
    );
    expect(made.code, made.stderr).toBe(0);
  });
  afterAll(() => room?.cleanUp());

  async function agent(unknown: "refuse" | "create"): Promise<Postern> {
    const create = { 'unknown = "refuse"': 'unknown = "create"', '["Junk"]': '"always"' };
    return room.add(
      await postern({
        dir: room.dir,
        name: `agent-${unknown}`,
        file: "delivery.toml",
        unit: "postern-delivery",
        replace: {
          "/var/spool/postfix/postern-delivery/lmtp.sock": socketOf(unknown),
          "/var/vmail": root,
          "/etc/postern/users": users,
          ...(unknown === "create" ? create : {}),
        },
        more: 'quota = "10M"',
      }),
    );
  }

  const deliver = (agentName: string, to: string) =>
    inject({
      path: socketOf(agentName),
      lmtp: true,
      from: "ann@sender.example",
      to: [Buffer.from(to).toString("latin1")],
      data: message,
      mailParams: "SMTPUTF8",
    }).then(
      ({ reply }) => reply,
      (error: unknown) => `closed: ${String(error)}`,
    );

  /** Everything beside mail_root and the agents' own state that their user could change: path to mode, owner, size, times. */
  async function outside(top: string = room.dir): Promise<ReadonlyMap<string, string>> {
    const { uid } = await idsOf("vmail");
    // Not `must`: below / files come and go while it looks.
    const found = await run("find", [
      top, "-xdev", "(", "-path", root, "-o", "-path", "*/state-delivery", "-o", "-path", "/proc", "-o", "-path", "/tmp/node-compile-cache",
      "-o", "(", "-path", "/tmp/postern-lab-*", "-not", "-path", `${room.dir}*`, ")", ")", "-prune", "-o",
      "(", "-user", String(uid), "-o", "-path", `${room.dir}/*`, ")", "-printf", "%p\\t%y %m %U %s %T@ %C@\\n",
    ], { timeoutMs: LOOK_MS }); // prettier-ignore
    return new Map(found.stdout.split("\n").map((line) => line.split("\t") as [string, string]));
  }

  async function unharmed(before: ReadonlyMap<string, string>, top?: string): Promise<void> {
    const after = await outside(top);
    const changed = [...after].filter(([path, facts]) => before.get(path) !== facts);
    expect(changed.filter(([path]) => !/\/users(?:\.lock)?$|\/sockets/.test(path))).toEqual([]);
    expect([...before.keys()].filter((path) => !after.has(path))).toEqual([]);
    for (const peer of Object.values(agents)) expect(peer.pid()).toBeGreaterThan(0);
  }

  test.each(["refuse", "create"] as const)(
    "no address writes outside mail_root where unknown users are: %s",
    { timeout: 3 * LOOK_MS },
    async (agentName) => {
      const before = await outside("/");
      expect(before.size).toBeGreaterThan(20);
      const replies = new Map<string, string>();
      for (const address of ADDRESSES) replies.set(address, await deliver(agentName, address));
      const odd = [...replies].filter(([, reply]) => !/^[25]\d\d /.test(reply));
      expect(odd).toEqual([]);
      expect(await deliver(agentName, "alice@example.com")).toMatch(/^250 /);
      await unharmed(before, "/");
    },
  );

  test("what lies in mail_root has plain names, no links, and one owner", async () => {
    const { uid } = await idsOf("vmail");
    const paths = await readdir(root, { recursive: true });
    for (const path of paths) {
      const stats = await lstat(join(root, path));
      expect({ path, link: stats.isSymbolicLink(), uid: stats.uid }).toEqual({
        path,
        link: false,
        uid,
      });
      const [domain = "", local] = path.split("/");
      expect(domain).toBe("example.com");
      if (local !== undefined) expect(local).toMatch(/^[a-z0-9][a-z0-9._=-]{0,63}$/);
      expect(Buffer.byteLength(path.split("/").at(-1) ?? "")).toBeLessThanOrEqual(255);
    }
    expect(paths.length).toBeGreaterThan(10);
  });

  /** Made by hand: one that postern knows is open, and deliveries to it go on into the directories that were checked. */
  async function mailboxOf(name: string): Promise<void> {
    const home = join(root, "example.com", name);
    for (const folder of ["", ".Junk"])
      for (const dir of ["new", "cur", "tmp"])
        await mkdir(join(home, "Maildir", folder, dir), { recursive: true, mode: 0o700 });
    await must("chown", ["-R", "vmail:vmail", home]);
  }

  /** What stands in the way, the folder that is asked for, and whether mail may still arrive. */
  const PLANTED: readonly (readonly [what: string, link: string, to: string, folder: string])[] = [
    ["new/", "Maildir/new", "trap/new", ""],
    ["tmp/", "Maildir/tmp", "trap/tmp", ""],
    ["cur/", "Maildir/cur", "trap/cur", ""],
    ["the Maildir", "Maildir", "trap/Maildir", ""],
    ["the home", ".", "trap", ""],
    ["a folder", "Maildir/.Junk", "trap/Maildir", "+Junk"],
    ["a folder's new/", "Maildir/.Junk/new", "trap/new", "+Junk"],
    ["a folder that is not there", "Maildir/.Fresh", "trap/fresh", "+Fresh"],
    ["maildirsize", "Maildir/maildirsize", "trap/maildirsize", ""],
    ["subscriptions", "Maildir/subscriptions", "trap/subscriptions", "+Other"],
    ["subscriptions that are not there", "Maildir/subscriptions", "trap/fresh", "+Other"],
  ];

  test.each(PLANTED)("a link for %s (%s) to %s is not followed", async (_, link, to, folder) => {
    const name = `victim-${randomBytes(4).toString("hex")}`;
    await mailboxOf(name);
    const home = join(root, "example.com", name);
    const place = link === "." ? home : join(home, link);
    await rename(place, `${place}.away`).catch(() => undefined);
    await symlink(join(room.dir, "mail", to), place);
    await must("chown", ["-h", "vmail:vmail", place]);
    const before = await outside();
    const reply = await deliver("create", `${name}${folder}@example.com`);
    expect(reply).toMatch(/^(?:250|451) /);
    // A link where a directory should be is an alert, and the mail waits.
    if (!/size|subscr/.test(link)) expect(reply).toMatch(/^451 /);
    await unharmed(before);
  });

  test.each([
    ["writable by a group", async (path: string) => chmod(path, 0o770)],
    ["of another user", async (path: string) => void (await must("chown", ["postern", path]))],
  ])("a Maildir that is %s is not used", async (what, spoil) => {
    const name = `spoilt-${what.length}`;
    await mailboxOf(name);
    const maildir = join(root, "example.com", name, "Maildir");
    await spoil(maildir);
    const before = agents.create.log().length;
    expect(await deliver("create", `${name}@example.com`)).toMatch(/^451 /);
    await until("the operator hears of it", () =>
      /^\(!+\)delivery: /m.test(agents.create.log().slice(before)),
    );
  });
});
