// Reading aliases, virtual and users files: what is understood, and what is refused with its line.
import fc from "fast-check";
import { mkdtemp, rename, rm, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { describe, expect, test } from "vitest";
import { parseAliases } from "../../src/delivery/aliases.ts";
import { parseSize, parseUsers, userTable } from "../../src/delivery/users.ts";
import { parseVirtual } from "../../src/delivery/virtual.ts";
import { cpuClock } from "../fakes/cpu-clock.ts";

const shown = ({ entries }: ReturnType<typeof parseAliases>): Record<string, readonly string[]> =>
  Object.fromEntries([...entries].map(([key, to]) => [key, to.map(({ address }) => address)]));

describe("aliases", () => {
  test("comments, continuations, quotes, brackets", () => {
    const text =
      '# comment\n\nRoot: alice,\n\n# between\n\tbob\r\n"a b" : "c d"@x.test, Carol C <carol@x.test>\nlist+ext: \\alice\n';
    const table = parseAliases(text, "aliases");
    expect(table.problems).toEqual([]);
    expect(shown(table)).toEqual({
      root: ["alice", "bob"],
      "a b": ['"c d"@x.test', "carol@x.test"],
      "list+ext": ["alice"],
    });
    expect(table.entries.get("list+ext")?.[0]?.direct).toBe(true);
  });

  const BAD: readonly (readonly [string, number, RegExp])[] = [
    ["a: b\nx: |/bin/sh", 2, /commands are not run/],
    ['x: "|/bin/sh -c a, b"', 1, /commands are not run/],
    ["x: /var/mail/x", 1, /not written to files/],
    ['x: "/var/mail/x"', 1, /not written to files/],
    ["x: a,\n  :include:/etc/list", 1, /lists in other files/],
    ["no colon", 1, /expected "name/],
    ["x:", 1, /no address/],
    ["a@b.test: c", 1, /without domain/],
    [" lead: x\n", 1, /continues a line/],
    ['x: "open', 1, /quote is not closed/],
    ["x: a\nX: b", 2, /line 1 already/],
    ["x: a\x01b", 1, /control character/],
    [`x: ${"a,".repeat(1001)}b`, 1, /more than 1000/],
    ["x: @", 1, /is no address/],
  ];
  test.each(BAD)("%j is refused", (text, line, message) => {
    const { problems } = parseAliases(text, "rules/aliases");
    expect(problems).toHaveLength(1);
    expect(problems[0]).toMatchObject({ file: "rules/aliases", line });
    expect(problems[0]?.message).toMatch(message);
  });
});

describe("virtual", () => {
  test("patterns, declarations, catch-alls", () => {
    const text =
      "v.test anything\nA@V.test b@x.test c@x.test,\n  d@x.test\n*@w.test e@x.test\n@u.test @x.test\nbare f@x.test\nx@b\u00fccher.test g@x.test\n";
    const table = parseVirtual(text, "virtual");
    expect(table.problems).toEqual([]);
    expect(shown(table)).toMatchObject({
      "a@v.test": ["b@x.test", "c@x.test", "d@x.test"],
      "@w.test": ["e@x.test"],
      "@u.test": ["@x.test"],
      bare: ["f@x.test"],
      "x@xn--bcher-kva.test": ["g@x.test"],
    });
    expect([...table.domains].sort()).toEqual(["u.test", "v.test", "w.test"]);
  });

  test.each([
    ["a@b.test", /expected "address/],
    ["a@b..test x", /is no address/],
    ["a@b.test |cmd", /commands/],
    ["@v.test a\n*@v.test b", /already/],
  ])("%j is refused", (text, message) => {
    const { problems } = parseVirtual(text, "virtual");
    expect(problems.map((one) => one.message).join()).toMatch(message);
  });

  test("nothing makes the parsers throw", () => {
    const text = fc.string({
      unit: fc.constantFrom(...'ab@.:,<>"\\ \t\n\r#|/*+\x00é'),
      maxLength: 200,
    });
    fc.assert(
      fc.property(text, (table) => {
        parseAliases(table, "a");
        parseVirtual(table, "v");
      }),
    );
  });

  test("long tables take linear time", () => {
    const cpu = cpuClock();
    parseVirtual('"'.repeat(100_000) + " x", "v");
    parseAliases(`x: ${'"\\'.repeat(50_000)}`, "a");
    parseAliases(`${" ".repeat(100_000)}x`, "a");
    parseAliases(`x:${"\t".repeat(100_000)}<`, "a");
    expect(cpu()).toBeLessThan(1000);
  });
});

describe("users", () => {
  test("Dovecot's passwd-file", async () => {
    const text = [
      "# comment",
      "Alice@example.test:{PLAIN}x::::::userdb_quota_rule=*:storage=1M other=1",
      "bob@example.test:{PLAIN}x:1001:1001::/srv/mail/b/bob::",
      "carol:{PLAIN}x::::::quota_rule=*:storage=10:messages=5 userdb_mail=maildir:~/Mail",
    ].join("\n");
    const { users, problems } = await parseUsers(text, "users", "/srv/mail");
    expect(problems).toEqual([]);
    expect([...users.values()]).toEqual([
      {
        address: "alice@example.test",
        mailbox: "example.test/alice/Maildir",
        quota: { octets: 1024 ** 2, messages: null },
      },
      { address: "bob@example.test", mailbox: "b/bob/Maildir", quota: null },
      {
        address: "carol@localhost",
        mailbox: "localhost/carol/Mail",
        quota: { octets: 10_240, messages: 5 },
      },
    ]);
  });

  test.each([
    ["../../etc@example.test:x", /does not lie below/],
    ["..@example.test:x", /does not lie below/],
    ["a/b@example.test:x", /does not lie below/],
    ["a@example.test:x::::/home/a::", /does not lie below/],
    ["a@example.test:x::::/srv/mail/../x::", /does not lie below/],
    ["a@example.test:x::::::userdb_mail=mbox:~/x", /does not lie below/],
    ["a@example.test:x::::::userdb_mail=maildir:~/../../x", /does not lie below/],
    [`${"a".repeat(300)}@example.test:x`, /does not lie below/],
    ["@example.test:x", /address/],
    ["a@example.test:x::::::quota_rule=Trash:storage=1M", /quota_rule/],
    ["a@example.test:x::::::quota_rule=*:storage=many", /quota_rule/],
    ["b@example.test:x\nB@example.test:y", /stands in the file already/],
  ])("%j is a problem", async (text, message) => {
    const { problems } = await parseUsers(text, "users", "/srv/mail");
    expect(problems).toHaveLength(1);
    expect(problems[0]?.message).toMatch(message);
  });

  test("sizes", () => {
    expect(["1G", "512M", "10k", "7", "7B", "1GB"].map((text) => parseSize(text))).toEqual([
      1024 ** 3,
      512 * 1024 ** 2,
      10_240,
      7,
      7,
      1024 ** 3,
    ]);
    expect(["", "-1", "1X", "1.5G", "G"].map((text) => parseSize(text))).toEqual(
      Array(5).fill(null),
    );
  });

  test("a changed file is read again; a broken one leaves the last good users", async () => {
    const directory = await mkdtemp(path.join(tmpdir(), "postern-users-"));
    const file = path.join(directory, "users");
    const problems: string[] = [];
    const open = (): ReturnType<typeof userTable> =>
      userTable({
        file,
        mailRoot: "/srv/mail",
        lookMs: 0,
        report: (found) => void problems.push(...found.map((one) => `${one.line} ${one.message}`)),
      });
    try {
      const table = open();
      expect((await table.current()).size).toBe(0);
      const put = async (text: string, at: number): Promise<void> => {
        await writeFile(`${file}.new`, text);
        await utimes(`${file}.new`, at, at);
        await rename(`${file}.new`, file);
      };
      await put("a@example.test:x\n", 1000);
      expect([...(await table.current()).keys()]).toEqual(["a@example.test"]);
      await put("a@example.test:x\nb@example.test:x\n", 2000);
      expect((await table.current()).size).toBe(2);
      await put("nonsense@\n", 3000);
      expect((await table.current()).size).toBe(2);
      expect(problems).toEqual(["1 the line does not start with an address"]);
      await rm(file);
      expect((await table.current()).size).toBe(2);
      expect(problems.at(-1)).toMatch(/is gone/);
    } finally {
      await rm(directory, { recursive: true });
    }
  });
});
