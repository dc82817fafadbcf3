// `postern user`: files, mailboxes and aliases made together, a batch checked whole first.
import { chmod, mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { user } from "../../src/cli/user.ts";
import { isSha512Password } from "../../src/sys/crypt-sha512.ts";

let root: string;
beforeEach(async () => {
  root = await mkdtemp(path.join(tmpdir(), "postern-user-"));
});
afterEach(() => rm(root, { recursive: true }));

const at = (name: string): string => path.join(root, name);
const text = (name: string): Promise<string> => readFile(at(name), "utf8").catch(() => "");

async function run(
  args: string,
  stdin: string = "",
): Promise<{ code: number; out: string; err: string }> {
  let out = "";
  let err = "";
  const io = {
    stdin: (async function* () {
      yield stdin;
    })(),
    stdout: { write: (data: string) => (out += data) },
    stderr: { write: (data: string) => (err += data) },
  };
  const code = await user(args.split(" "), io, {
    usersFile: at("users"),
    mailRoot: at("mail"),
    virtualFile: at("virtual"),
    domains: new Set(["example.test", "v.test"]),
    hostname: "mx.test",
  });
  return { code, out, err };
}

test("add with a made-up password: shown once, kept as a hash, file 0640, mailbox made", async () => {
  const { code, out } = await run("add Alice@Example.test --quota 1G");
  expect(code).toBe(0);
  const password = /^alice@example\.test added, password: (\w{20})\n$/.exec(out)?.[1] ?? "";
  const line =
    /^alice@example\.test:\{SHA512-CRYPT\}(\$6\$[^:]+)::::(\S+)::userdb_quota_rule=\*:storage=1G\n$/.exec(
      await text("users"),
    );
  expect(line?.[2]).toBe(at("mail/example.test/alice"));
  expect(isSha512Password(password, line?.[1] ?? "")).toBe(true);
  expect((await stat(at("users"))).mode & 0o777).toBe(0o640);
  expect((await readdir(at("mail/example.test/alice/Maildir"))).sort()).toEqual([
    "cur",
    "new",
    "tmp",
  ]);
  expect(await text("virtual")).toBe("");
  expect((await readdir(root)).filter((name) => name.startsWith("."))).toEqual([]);
});

test("add with a password from standard input, argon2", async () => {
  expect((await run("add a@example.test --password-stdin --scheme argon2id", "s3cret\n")).out).toBe(
    "a@example.test added\n",
  );
  expect(await text("users")).toMatch(
    /^a@example\.test:\{ARGON2ID\}\$argon2id\$v=19\$m=65536,t=3,p=1\$[\w+/]{22}\$[\w+/]{43}::::\S+::\n$/,
  );
});

test("in a virtual domain the identity alias is made, and goes with the user", async () => {
  await writeFile(at("virtual"), "@v.test postmaster@example.test\ninfo@v.test x@example.test");
  expect((await run("add a@v.test")).code).toBe(0);
  expect(await text("virtual")).toBe(
    "@v.test postmaster@example.test\ninfo@v.test x@example.test\na@v.test a@v.test\n",
  );
  expect((await run("add info@v.test")).err).toMatch(/is an alias/);
  expect((await run("del a@v.test")).code).toBe(0);
  expect(await text("virtual")).toBe(
    "@v.test postmaster@example.test\ninfo@v.test x@example.test\n",
  );
  expect(await text("users")).toBe("");
});

test.each([
  ["nonsense", /is no address/],
  ["../x@example.test", /must match/],
  ["a/b@example.test", /must match/],
  ["jos\u00e9@example.test", /must match/],
  ["x@far.test", /not in \[delivery\] domains/],
  ["taken@example.test", /exists already/],
  ["TAKEN@example.test", /exists already/],
])("add %s is refused and changes nothing", async (address, message) => {
  await writeFile(at("users"), "taken@example.test:x\n");
  const { code, err } = await run(`add ${address}`);
  expect([code, message.test(err)]).toEqual([1, true]);
  expect(await text("users")).toBe("taken@example.test:x\n");
  expect(await readdir(root)).not.toContain("mail");
});

test("a batch is checked whole before anything changes", async () => {
  const bad = await run(
    "add --batch",
    "a@example.test,pw\n# comment\n\nb@example.test\na@example.test\nc@far.test\nd@example.test,\n",
  );
  expect(bad.code).toBe(1);
  expect(bad.err).toBe(
    "line 5: a@example.test: exists already\nline 6: c@far.test: far.test is not in [delivery] domains\nline 7: d@example.test: the password is empty\nnothing was changed\n",
  );
  expect(await text("users")).toBe("");
  const good = await run("add --batch", "a@example.test,p,w\r\nb@example.test\n");
  expect(good.out).toMatch(/^a@example\.test added\nb@example\.test added, password: \w{20}\n$/);
  expect(
    isSha512Password("p,w", /\{SHA512-CRYPT\}([^:]*)/.exec(await text("users"))?.[1] ?? ""),
  ).toBe(true);
});

test("comments and foreign lines stay; a wide open file is closed", async () => {
  await writeFile(at("users"), "# mine\nold@example.test:{PLAIN}x::::::");
  await chmod(at("users"), 0o666);
  await run("add a@example.test");
  expect(await text("users")).toMatch(
    /^# mine\nold@example\.test:\{PLAIN\}x::::::\na@example\.test:/,
  );
  expect((await stat(at("users"))).mode & 0o777).toBe(0o640);
  expect((await run("del nobody@example.test")).code).toBe(1);
});

test("ten at once lose nothing", async () => {
  const codes = await Promise.all(
    Array.from({ length: 10 }, (_, i) => run(`add u${i}@example.test`)),
  );
  expect(codes.map(({ code }) => code)).toEqual(Array(10).fill(0));
  expect((await text("users")).split("\n")).toHaveLength(11);
});

test("list, and wrong use", async () => {
  await run("add a@example.test --quota 5M");
  expect((await run("list")).out).toBe(
    `a@example.test  5242880 octets  ${at("mail/example.test/a/Maildir")}\n`,
  );
  expect(JSON.parse((await run("list --json")).out)).toEqual({
    address: "a@example.test",
    mailbox: at("mail/example.test/a/Maildir"),
    quota: 5_242_880,
    messages: null,
  });
  for (const args of [
    "",
    "add",
    "add a b",
    "frob",
    "add a@example.test --quota much",
    "list --nope",
    "add x --scheme md5",
  ]) {
    expect((await run(args)).code).toBe(2);
  }
});
