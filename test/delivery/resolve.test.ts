// Where recipients lead: the search order of virtual(5) and aliases(5), name spaces, loops, refusals.
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { replyLine } from "../../src/mail/reply.ts";
import { rawAddress, resolve } from "../../src/delivery/resolve.ts";
import { rcpt } from "../fakes/copy.ts";
import { routesOf } from "./rig.ts";
import type { RoutesText } from "./rig.ts";
import { cpuClock } from "../fakes/cpu-clock.ts";

/** "alice@d" or "alice@d/folder" for mailboxes, "=> a@b" for remote, "from x: …" with an owner; a refusal as its code. */
async function outcome(text: RoutesText, address: string): Promise<string> {
  const resolution = resolve(rcpt(address).address, await routesOf(text));
  if (resolution.kind === "refused") return replyLine(resolution.reply).slice(0, 9);
  const shown = resolution.targets.map((target) => {
    const from = target.sender === undefined ? "" : `from ${target.sender.raw}: `;
    if (target.kind === "remote") return `${from}=> ${target.address.raw}`;
    const folder = target.folder === null ? "" : `/${target.folder}`;
    return from + (target.user?.address ?? `new ${target.mailbox}`) + folder;
  });
  return (
    shown.sort().join(" ") +
    (resolution.dangling.length > 0 ? ` ?${resolution.dangling.join()}` : "")
  );
}

const USERS = "alice@a.test:x\nbob@a.test:x\nalice@v.test:x\nplain:x\nodd+name@a.test:x\n";
const DOMAINS = ["a.test", "v.test", "b.test"];

const ROWS: readonly (readonly [string, RoutesText, string, string])[] = [
  ["a user", {}, "alice@a.test", "alice@a.test"],
  ["case does not matter", {}, "ALICE@a.test", "alice@a.test"],
  ["a folder", {}, "alice+Lists@a.test", "alice@a.test/Lists"],
  ["an empty folder", {}, "alice+@a.test", "alice@a.test"],
  ["a user with the delimiter in the name", {}, "odd+name@a.test", "odd+name@a.test"],
  ["nobody", {}, "carol@a.test", "550 5.1.1"],
  ["not local", {}, "x@far.test", "550 5.7.1"],
  ["not local, passed on", { nonLocal: "outgoing", outgoing: true }, "x@far.test", "=> x@far.test"],
  ["not local, nowhere to pass", { nonLocal: "outgoing" }, "x@far.test", "451 4.3.5"],
  ["no domain: the origin", {}, "alice@", "alice@a.test"],
  ["users of localhost in every plain domain", {}, "plain@b.test", "plain@localhost"],
  ["but not in a virtual one", { virtual: "v.test x" }, "plain@v.test", "550 5.1.1"],
  ["control character", {}, "al\x00ice@a.test", "550 5.1.3"],

  ["virtual: whole address", { virtual: "x@a.test alice@a.test" }, "x@a.test", "alice@a.test"],
  [
    "virtual: user+ext before user",
    { virtual: "x+y@a.test bob@a.test\nx@a.test alice@a.test" },
    "x+y@a.test",
    "bob@a.test",
  ],
  [
    "virtual: the extension goes on",
    { virtual: "x@a.test alice@a.test" },
    "x+y@a.test",
    "alice@a.test/y",
  ],
  ["virtual: bare name", { virtual: "x alice@a.test" }, "x@b.test", "alice@a.test"],
  [
    "virtual: no bare name in a virtual domain",
    { virtual: "x alice@a.test\nv.test d" },
    "x@v.test",
    "550 5.1.1",
  ],
  ["virtual: catch-all", { virtual: "@v.test alice@a.test" }, "any@v.test", "alice@a.test"],
  [
    "virtual: catch-all with a star",
    { virtual: "*@v.test alice@a.test" },
    "any@v.test",
    "alice@a.test",
  ],
  [
    "virtual: catch-all goes before a real user",
    { virtual: "@v.test bob@a.test" },
    "alice@v.test",
    "bob@a.test",
  ],
  [
    "virtual: unless an identity names it",
    { virtual: "@v.test bob@a.test\nalice@v.test alice@v.test" },
    "alice@v.test",
    "alice@v.test",
  ],
  [
    "virtual: an identity with extension",
    { virtual: "@v.test bob@a.test\nalice@v.test alice@v.test" },
    "alice+x@v.test",
    "alice@v.test/x",
  ],
  [
    "virtual: domain for domain",
    { virtual: "@b.test @a.test" },
    "alice+x@b.test",
    "alice@a.test/x",
  ],
  [
    "virtual: again and again",
    { virtual: "x@a.test y@a.test\ny@a.test alice@a.test, bob@a.test" },
    "x@a.test",
    "alice@a.test bob@a.test",
  ],
  ["virtual: @localhost", { virtual: "x@v.test plain@localhost" }, "x@v.test", "plain@localhost"],
  [
    "virtual: remote",
    { virtual: "x@a.test y@far.test", outgoing: true },
    "x@a.test",
    "=> y@far.test",
  ],
  ["virtual: remote without outgoing", { virtual: "x@a.test y@far.test" }, "x@a.test", "451 4.3.5"],
  [
    "virtual: a circle",
    { virtual: "x@a.test y@a.test\ny@a.test x@a.test" },
    "x@a.test",
    "550 5.1.1",
  ],
  [
    "virtual: a circle over a user ends in the mailbox",
    { virtual: "alice@a.test bob@a.test\nbob@a.test alice@a.test" },
    "alice@a.test",
    "alice@a.test",
  ],
  ["quoted local part", { virtual: '"a b"@a.test alice@a.test' }, "a b@a.test", "alice@a.test"],

  ["alias", { aliases: "x: alice" }, "x@a.test", "alice@a.test"],
  ["alias in every plain domain", { aliases: "x: alice" }, "x@b.test", "alice@a.test"],
  [
    "no alias in a virtual domain",
    { aliases: "x: alice", virtual: "@v.test @v.test" },
    "x@v.test",
    "550 5.1.1",
  ],
  ["alias before user", { aliases: "alice: bob" }, "alice@a.test", "bob@a.test"],
  ["alias: extension is dropped", { aliases: "x: alice" }, "x+y@a.test", "alice@a.test"],
  ["alias: name+ext first", { aliases: "x: alice\nx+y: bob" }, "x+y@a.test", "bob@a.test"],
  [
    "alias: self means the mailbox",
    { aliases: "alice: alice, bob" },
    "alice@a.test",
    "alice@a.test bob@a.test",
  ],
  [
    "alias: self with folder",
    { aliases: "alice: alice, bob" },
    "alice+x@a.test",
    "alice@a.test/x bob@a.test",
  ],
  [
    "alias: backslash means the mailbox",
    { aliases: "alice: bob\nx: \\alice" },
    "x@a.test",
    "alice@a.test",
  ],
  ["alias: no target twice", { aliases: "x: alice, y\ny: alice" }, "x@a.test", "alice@a.test"],
  [
    "alias: owner becomes the sender",
    { aliases: "list: alice, z@far.test\nowner-list: bob", outgoing: true },
    "list@a.test",
    "from owner-list@a.test: => z@far.test from owner-list@a.test: alice@a.test",
  ],
  [
    "alias: unknown beside known",
    { aliases: "x: alice, ghost" },
    "x@a.test",
    "alice@a.test ?ghost@a.test",
  ],
  ["alias: only unknown", { aliases: "x: ghost" }, "x@a.test", "550 5.1.1"],
  ["alias: user of localhost", { aliases: "x: plain" }, "x@a.test", "plain@localhost"],

  ["create", { unknown: "create" }, "Carol+x@a.test", "new a.test/carol/Maildir/x"],
  ["create: dots up", { unknown: "create" }, "..@a.test", "550 5.1.3"],
  ["create: dots within", { unknown: "create" }, "a..b@a.test", "550 5.1.3"],
  ["create: slash", { unknown: "create" }, "a/b@a.test", "550 5.1.3"],
  ["create: other letters", { unknown: "create" }, "jose\u0301@a.test", "550 5.1.3"],
  ["create: long", { unknown: "create" }, `${"a".repeat(300)}@a.test`, "550 5.1.3"],
  ["create: leading dash", { unknown: "create" }, "-rf@a.test", "550 5.1.3"],
];

describe("resolve", () => {
  test.each(ROWS)("%s", async (_, text, address, expected) => {
    expect(await outcome({ domains: DOMAINS, users: USERS, ...text }, address)).toBe(expected);
  });

  test("more than 1,000 targets are a mistake, and so is an endless growth", async () => {
    const many = Array.from({ length: 1000 }, (_, i) => `t${i}@far.test`).join(", ");
    const text = { outgoing: true, aliases: `x: ${many}\ny: x, u@far.test` };
    expect((await outcome(text, "x@example.test")).split(" =>")).toHaveLength(1000);
    expect(await outcome(text, "y@example.test")).toBe("451 4.3.5");
    const growing = { virtual: "x@example.test x+a@example.test", outgoing: true };
    expect(await outcome(growing, "x@example.test")).toBe("451 4.3.5");
  });

  test("a doubling chain of aliases ends quickly", async () => {
    const chain = Array.from(
      { length: 60 },
      (_, i) => `n${i}: n${i + 1}, n${i + 1}x\nn${i + 1}x: n${i + 1}`,
    );
    const cpu = cpuClock();
    expect(await outcome({ aliases: chain.join("\n") }, "n0@example.test")).toMatch(/^451|^550/);
    expect(cpu()).toBeLessThan(2000);
  });

  test("whatever the address, a mailbox stays below its domain", async () => {
    const routes = await routesOf({ unknown: "create" });
    fc.assert(
      fc.property(fc.string({ unit: "binary", maxLength: 80 }), (local) => {
        const resolution = resolve({ raw: "", local, domain: "example.test" }, routes);
        if (resolution.kind === "refused") return;
        for (const target of resolution.targets) {
          if (target.kind === "remote") throw new Error("remote");
          expect(target.mailbox).toMatch(/^example\.test\/[a-z0-9][a-z0-9._=-]*\/Maildir$/);
          expect(target.mailbox).not.toContain("..");
        }
      }),
    );
  });

  test("a local part is quoted where it needs it", () => {
    expect(rawAddress("a b", "x.test")).toBe('"a b"@x.test');
    expect(rawAddress('a"b\\', "x.test")).toBe('"a\\"b\\\\"@x.test');
    expect(rawAddress("a+b", "x.test")).toBe("a+b@x.test");
  });
});
