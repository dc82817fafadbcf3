import { createHash } from "node:crypto";
import { readdirSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { gzipSync } from "node:zlib";
import { quotaOf } from "../../src/content/budget.ts";
import { gzip } from "../../src/content/containers/gzip.ts";
import { Broken, type Format } from "../../src/content/containers/format.ts";
import type { Part } from "../../src/mail/message.ts";
import { box, boxes, listed, mailWith, readHere, type BoxMember } from "./boxes.ts";

const boxed = (...members: readonly BoxMember[]): Buffer =>
  mailWith({ name: "a.box", octets: box(...members) });
const sha = (octets: Buffer | string): string => createHash("sha256").update(octets).digest("hex");
const EICAR = "X5O!P%@AP[4\\PZX54(P^)7CC)7}$EICAR-" + "STANDARD-ANTIVIRUS-TEST-FILE!$H+H*";

async function partsOf(...members: readonly BoxMember[]): Promise<readonly Part[]> {
  return (await readHere(boxed(...members))).tree.parts;
}

describe("members", () => {
  it("become parts under their container, measured like any part", async () => {
    const exe = Buffer.concat([Buffer.from("MZ"), Buffer.alloc(100)]);
    const parts = await partsOf(
      { name: "dir/evil.exe ", base64: exe.toString("base64") },
      { name: "eicar.com", text: EICAR, type: "text/plain" },
    );
    expect(parts.map(({ path }) => path)).toEqual(["1", "1/1", "1/2", "1/2/1", "1/2/2"]);
    expect(parts[3]).toMatchObject({
      type: "application/octet-stream",
      names: ["dir/evil.exe ", "evil.exe ", "evil.exe"],
      kinds: ["exe", "exe-ms"],
      size: 102,
      sha256: sha(exe),
      parent: parts[2],
      children: [],
      marks: [],
      encrypted: false,
      reading: null,
      defects: [],
    });
    expect(parts[4]).toMatchObject({ type: "text/plain", marks: ["EICAR"], sha256: sha(EICAR) });
    expect(parts[2]?.children).toEqual([parts[3], parts[4]]);
  });

  it("of containers within containers, polyglots and mail stand below each other", async () => {
    const inner = box({ name: "c.txt", text: "deep" });
    const mail = "Subject: in\r\nContent-Type: multipart/mixed; boundary=x\r\n\r\n";
    const parts = `--x\r\n\r\nhello\r\n--x\r\nContent-Type: a/b; name=d.box\r\n\r\n`;
    const { tree } = await readHere(
      boxed(
        { name: "b.box", base64: inner.toString("base64") },
        { name: "m.eml", text: `${mail}${parts}${inner.toString()}\r\n--x--\r\n` },
        { name: "last.txt", text: "end" },
      ),
    );
    expect(listed(tree)).toEqual([
      "1",
      "1/1  txt",
      "1/2 a.box ogg",
      "1/2/1 b.box ogg",
      "1/2/1/1 c.txt txt",
      "1/2/2 m.eml txt",
      "1/2/2/1",
      "1/2/2/1/1  txt",
      "1/2/2/1/2 d.box ogg",
      "1/2/2/1/2/1 c.txt txt",
      "1/2/3 last.txt txt",
    ]);
    expect(tree.unread).toBeNull();
  });

  it("are mail when they look like it, although nothing says so", async () => {
    const parts = await partsOf({ name: "x", text: "From: a@b\r\nSubject: hi\r\n\r\nbody\r\n" });
    expect(parts.map(({ path }) => path)).toEqual(["1", "1/1", "1/2", "1/2/1", "1/2/1/1"]);
    expect(parts[4]).toMatchObject({ type: "text/plain", sha256: sha("body\r\n") });
  });

  it("may come in pieces that all share one place", async () => {
    const inner = box({ name: "x", text: "deep" }).toString();
    const parts = await partsOf({ name: "a.box", text: inner, reuse: true });
    expect(parts[3]).toMatchObject({ sha256: sha(inner), kinds: ["ogg"], size: inner.length });
    expect(parts[4]).toMatchObject({ sha256: sha("deep") });
  });

  it("that are directories are no parts, links and encrypted ones are", async () => {
    const parts = await partsOf(
      { name: "dir", what: "directory" },
      { name: "link.exe", what: "link" },
      { name: "secret.doc", encrypted: true },
    );
    expect(parts.slice(3)).toMatchObject([
      { path: "1/2/1", names: ["link.exe"], size: 0, kinds: [], encrypted: false },
      {
        path: "1/2/2",
        names: ["secret.doc"],
        encrypted: true,
        defects: [{ kind: "container-encrypted", class: "encrypted" }],
      },
    ]);
  });

  it("get the name that the container's own name says they have", async () => {
    const name = async (outer: string, member: BoxMember): Promise<readonly string[]> =>
      (await readHere(mailWith({ name: outer, octets: box(member) }))).tree.parts[3]!.names;
    expect(await name("a.exe.bx", { text: "x" })).toEqual(["a.exe"]);
    expect(await name("a.TBX", { text: "x" })).toEqual(["a.tar"]);
    expect(await name("a.txt", { text: "x" })).toEqual([]);
    expect(await name("b.bx", { name: "orig", text: "x" })).toEqual(["orig", "b"]);
  });

  it("have long and many names cut, not their extensions", async () => {
    const many = Array.from({ length: 100 }, (_, i) => `${i}`);
    const [long, some] = (
      await partsOf({ name: `${"a".repeat(5000)}.exe`, text: "x" }, { names: many, text: "x" })
    ).slice(3);
    expect(long?.names[0]).toMatch(/^a{1020}\.exe$/);
    expect(some?.names).toEqual(many.slice(0, 16));
  });
});

describe("what a format says", () => {
  it("of the container is told once", async () => {
    const [, , part] = await partsOf(
      { do: "macro" },
      { do: "macro" },
      { do: "kind" },
      { do: "complain" },
      { do: "complain" },
      { do: "locked" },
      { name: "a", text: "b" },
    );
    expect(part).toMatchObject({
      kinds: ["docbox", "ogg"],
      attributes: ["MACRO"],
      encrypted: true,
      defects: [{ kind: "container-hidden-member" }, { kind: "container-encrypted" }],
    });
  });

  it.each(["broken", "bug"] as const)("%s: the members before it count", async (how) => {
    const parts = await partsOf({ name: "a", text: "b" }, { do: how }, { name: "lost", text: "c" });
    expect(parts.map(({ path }) => path)).toEqual(["1", "1/1", "1/2", "1/2/1"]);
    expect(parts[2]?.defects).toEqual([
      {
        kind: "container-broken",
        class: "unreadable",
        detail: how === "bug" ? "bug in the box" : "a hole in the box",
      },
    ]);
  });

  it.each(["broken", "bug"] as const)("%s in a member: its octets so far count", async (then) => {
    const inner = box({ name: "in.txt", text: EICAR }).toString();
    const parts = await partsOf({ name: "x.box", text: inner, then }, { name: "next", text: "c" });
    expect(parts.map(({ path }) => path).slice(3)).toEqual(["1/2/1", "1/2/1/1", "1/2/2"]);
    expect(parts[3]).toMatchObject({
      sha256: sha(inner),
      defects: [{ kind: "container-broken" }],
    });
    expect(parts[4]?.marks).toEqual(["EICAR"]);
    expect(parts[2]?.defects).toEqual([]);
  });
});

describe("formats that share a kind", () => {
  const never: Format = {
    name: "never",
    kinds: ["ogg"],
    // eslint-disable-next-line require-yield
    *members() {
      throw new Broken("not mine");
    },
  };
  const complains = (octets: Buffer): Promise<readonly Part[]> =>
    readHere(mailWith({ name: "a.dat", octets }), {}, [never, boxes]).then(
      ({ tree }) => tree.parts,
    );

  it("are tried until one reads it, and what the others said is forgotten", async () => {
    const parts = await complains(box({ name: "a", text: "b" }));
    expect(parts[2]?.defects).toEqual([]);
    expect(parts).toHaveLength(4);
    // A box that only says that it is locked was recognised all the same.
    expect((await complains(box({ do: "locked" })))[2]?.defects.map(({ kind }) => kind)).toEqual([
      "container-encrypted",
    ]);
  });

  it("say what is wrong when none reads it", async () => {
    expect((await complains(Buffer.from("OggS but no box")))[2]?.defects).toMatchObject([
      { kind: "container-broken", detail: "not mine" },
    ]);
  });

  it("by extension are tried against the content, without complaint", async () => {
    const byName: Format = { ...boxes, kinds: ["none"] };
    const named = async (octets: Buffer): Promise<readonly string[]> =>
      listed((await readHere(mailWith({ name: "a.box", octets }), {}, [byName])).tree).slice(2);
    const png = Buffer.from("89504e470d0a1a0a", "hex");
    expect(await named(png)).toEqual(["1/2 a.box png"]);
    expect(await named(Buffer.from("text"))).toEqual(["1/2 a.box txt container-broken"]);
    expect(await named(box({ name: "b", text: "c" }))).toEqual(["1/2 a.box ogg", "1/2/1 b txt"]);
  });
});

describe("limits", () => {
  it("of octets follow the size of the message, as in amavis", () => {
    const MIB = 1024 * 1024;
    expect(quotaOf(100, 300 * MIB)).toBe(100 * 1024);
    expect(quotaOf(MIB, 300 * MIB)).toBe(300 * MIB);
    expect(quotaOf(10_000, 300 * MIB)).toBe(5_000_000);
    expect(quotaOf(100 * MIB, 300 * MIB)).toBe(500 * MIB);
  });

  it("of octets end it amid a member, whose start is still known", async () => {
    const { tree, budget } = await readHere(
      mailWith(
        { name: "a.box", octets: box({ name: "bomb", zeros: 1e12 }, { name: "next", text: "x" }) },
        { name: "b.box", octets: box({ name: "never", text: "x" }) },
      ),
    );
    expect(listed(tree)).toEqual([
      "1",
      "1/1  txt",
      "1/2 a.box ogg container-too-large",
      "1/2/1 bomb dat",
      "1/3 b.box ogg",
    ]);
    expect(tree.parts[3]).toMatchObject({ sha256: "" });
    expect(tree.parts[3]!.size).toBeLessThan(budget.quota + 65_536);
    expect(tree.unread).toBe(
      `The members expand to more octets than the limit (${budget.quota} octets)`,
    );
  });

  it("of members count those of all containers", async () => {
    const some = box(...Array.from({ length: 60 }, (_, i) => ({ name: `${i}`, text: "x" })));
    const { tree } = await readHere(
      mailWith({ name: "a.box", octets: some }, { name: "b.box", octets: some }),
      { members: 100 },
    );
    expect(tree.parts).toHaveLength(4 + 100);
    expect(tree.parts.find(({ path }) => path === "1/3")?.defects).toMatchObject([
      { kind: "container-too-many-members", class: "limit", detail: "100" },
    ]);
    const empty = Array.from({ length: 300 }, () => ({ name: "d", what: "directory" as const }));
    expect((await readHere(boxed(...empty), { members: 20 })).tree.unread).toMatch(/directories/);
    expect((await readHere(boxed(...empty), { members: 100 })).tree.unread).toBeNull();
  });

  it("of depth stop a box that holds itself", async () => {
    const { tree } = await readHere(boxed({ name: "again.box", self: true }));
    expect(tree.parts).toHaveLength(3 + 14);
    expect(tree.parts.at(-1)).toMatchObject({
      path: `1/2${"/1".repeat(14)}`,
      defects: [{ kind: "container-too-deep", class: "limit", detail: "14" }],
    });
    expect(tree.unread).toBe("Containers are nested deeper than the limit (14)");
  });

  it("stop a box that holds itself many times", async () => {
    const again = Array.from({ length: 10 }, () => ({ name: "again.box", self: true as const }));
    const { tree } = await readHere(boxed(...again), { members: 500, octets: 1e9 });
    expect(tree.parts.length).toBeLessThanOrEqual(3 + 500);
    expect(tree.unread).not.toBeNull();
  });

  it("of depth count mail in boxes in mail", async () => {
    let octets = box({ name: "core", text: "x" });
    for (let i = 0; i < 4; i++)
      octets = box({
        name: "m.eml",
        text: `Content-Type: a/b; name=x.box\r\n\r\n${octets.toString()}`,
      });
    const { tree } = await readHere(mailWith({ name: "a.box", octets }), { depth: 8 });
    expect(tree.parts.at(-1)?.defects).toMatchObject([{ kind: "container-too-deep" }]);
    const more = await readHere(mailWith({ name: "a.box", octets }), { depth: 9 });
    expect(more.tree.unread).toBeNull();
    expect(more.tree.parts.at(-1)?.names).toEqual(["core"]);
  });

  it("of time end it", async () => {
    const { tree } = await readHere(boxed({ name: "bomb", zeros: 1e12 }), { ms: 30, octets: 1e15 });
    expect(tree.parts[2]?.defects.concat(tree.parts[3]?.defects ?? [])).toMatchObject([
      { class: "limit" },
    ]);
    expect(tree.unread).not.toBeNull();
  });

  it("hold for mail in a box: its parts are members", async () => {
    const head = "Content-Type: multipart/mixed; boundary=x\r\n\r\n";
    const text = `${head}${"--x\r\n\r\nhi\r\n".repeat(300)}--x--\r\n`;
    const { tree } = await readHere(boxed({ name: "m.eml", text }), { members: 50 });
    expect(tree.parts).toHaveLength(3 + 50);
    expect(tree.parts.find(({ path }) => path === "1/2/1")?.defects).toMatchObject([
      { kind: "container-too-many-members" },
    ]);
  });
});

describe("large members", () => {
  it("are kept in a file that leaves nothing behind", async () => {
    const zeros = 3 * 1024 * 1024;
    const inner = gzipSync(Buffer.alloc(zeros));
    const stored = gzipSync(
      Buffer.concat([box({ name: "x.txt", text: "in" }), Buffer.from("\n".repeat(zeros))]),
      {
        level: 0,
      },
    );
    const before = readdirSync("/proc/self/fd").length;
    const { tree } = await readHere(
      mailWith({ name: "a.gz", octets: inner }, { name: "b.box.gz", octets: stored }),
      {},
      [gzip, boxes],
    );
    expect(listed(tree).slice(2)).toEqual([
      "1/2 a.gz gz",
      "1/2/1 a dat",
      "1/3 b.box.gz gz",
      "1/3/1 b.box ogg",
      "1/3/1/1 x.txt txt",
    ]);
    expect(tree.parts[3]).toMatchObject({ size: zeros, sha256: sha(Buffer.alloc(zeros)) });
    expect(readdirSync("/proc/self/fd").length).toBe(before);
  });
});

describe("a directory that cannot be written", () => {
  it("is a limit, and the next container is read all the same", async () => {
    const big = box({ name: "x.txt", text: "x".repeat(2e6) }).toString();
    const message = mailWith(
      { name: "a.gz", octets: gzipSync(big) },
      { name: "b.gz", octets: gzipSync(box({ name: "small", text: "x" })) },
    );
    const { tree } = await readHere(message, {}, [gzip, boxes], () => [], "/dev/null/no");
    expect(listed(tree).slice(2)).toEqual([
      "1/2 a.gz gz container-too-large",
      "1/2/1 a ogg",
      "1/3 b.gz gz",
      "1/3/1 b ogg",
      "1/3/1/1 small txt",
    ]);
    expect(tree.unread).toMatch(/ENOTDIR/);
  });
});

describe("other readings", () => {
  const AMBIGUOUS = Buffer.from(
    "Content-Type: text/plain\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\nhello\r\n",
  );

  it("become parts beside the one that is read otherwise, are looked into and handed over", async () => {
    const octets = box({ name: "evil.exe", text: "MZ\0" });
    const { tree, payloads } = await readHere(AMBIGUOUS, {}, [boxes], (message, _, known) => {
      expect(message.size).toBe(AMBIGUOUS.length);
      expect([...known]).toEqual([sha("hello\r\n")]);
      return [
        {
          of: "1",
          reading: "the last Content-Type",
          type: "a/b",
          names: ["x.box"],
          octets: () => [octets],
        },
        { of: "1", reading: "the first name", type: "a/b", names: [], octets: () => [] },
      ];
    });
    expect(tree.parts.map(({ path, reading }) => `${path} ${reading}`)).toEqual([
      "1 null",
      "1+1 the last Content-Type",
      "1+1/1 null",
      "1+2 the first name",
    ]);
    expect(tree.parts[1]).toMatchObject({ names: ["x.box"], sha256: sha(octets) });
    expect(tree.parts[2]).toMatchObject({ names: ["evil.exe"], kinds: ["exe", "exe-ms"] });
    expect(payloads).toEqual([["1+1", octets.toString()]]);
  });

  it("are not asked for when readers agree", async () => {
    const asked = await readHere(Buffer.from("Subject: x\r\n\r\nhello\r\n"), {}, [boxes], () => {
      throw new Error("asked");
    });
    expect(asked.tree.parts).toHaveLength(1);
  });

  it("of mail in a box stand below it", async () => {
    const { tree } = await readHere(
      boxed({ name: "m.eml", text: AMBIGUOUS.toString() }),
      {},
      [boxes],
      () => [
        { of: "1", reading: "r", type: "a/b", names: ["n"], octets: () => [Buffer.from("x")] },
      ],
    );
    expect(tree.parts.map(({ path }) => path).slice(3)).toEqual(["1/2/1", "1/2/1/1", "1/2/1/1+1"]);
  });

  it("are handed over up to a limit, which is told", async () => {
    const big = Buffer.alloc(1000, "a");
    const part = { of: "1", reading: "r", type: "a/b", names: [], octets: () => [big, big] };
    const { tree, payloads } = await readHere(AMBIGUOUS, { payloads: 3000 }, [boxes], () => [
      part,
      part,
    ]);
    expect(payloads.map(([path, text]) => [path, text.length])).toEqual([["1+1", 2000]]);
    expect(tree.parts.at(-1)).toMatchObject({ size: 2000, defects: [{ class: "limit" }] });
    expect(tree.unread).toMatch(/3000 octets to scan/);
  });
});

describe("any box", () => {
  const member: fc.Arbitrary<BoxMember> = fc.record(
    {
      name: fc.string({ maxLength: 20 }),
      text: fc.string({ maxLength: 50 }),
      base64: fc.base64String({ maxLength: 50 }),
      zeros: fc.integer({ min: 0, max: 1e6 }),
      self: fc.constant(true as const),
      what: fc.constantFrom("file", "directory", "link", "special"),
      then: fc.constantFrom("broken", "bug"),
      do: fc.constantFrom("broken", "bug", "macro", "kind", "locked", "complain"),
    },
    { requiredKeys: [] },
  );

  it("gives a tree whose parts hang together, within the limits", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(member, { maxLength: 6 }), async (members) => {
        const { tree } = await readHere(boxed(...members), { members: 60 });
        expect(new Set(tree.parts.map(({ path }) => path)).size).toBe(tree.parts.length);
        expect(tree.parts.length).toBeLessThanOrEqual(3 + 60);
        const seen = new Set<Part | null>([null]);
        for (const part of tree.parts) {
          expect(seen.has(part.parent)).toBe(true);
          seen.add(part);
          for (const child of part.children) expect(child.parent).toBe(part);
        }
        const limit = tree.parts.some(({ defects }) => defects.some((d) => d.class === "limit"));
        expect(limit).toBe(tree.unread !== null);
      }),
      { numRuns: 150 },
    );
  });
});
