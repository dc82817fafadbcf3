import { createHash, randomBytes } from "node:crypto";
import { describe, expect, test } from "vitest";
import fc from "fast-check";
import { simpleParser } from "mailparser";
import { DEFAULT_TREE_LIMITS, readTree, treeReader } from "../../src/content/tree.ts";
import type { Body, Part, Tree } from "../../src/mail/message.ts";

const sha256 = (data: Buffer | string): string => createHash("sha256").update(data).digest("hex");

function body(bytes: Buffer, cuts: readonly number[] = [], inMemory = true): Body {
  const chunks: Buffer[] = [];
  let at = 0;
  for (const end of [...cuts.map((cut) => cut % (bytes.length + 1)), bytes.length].sort(
    (a, b) => a - b,
  )) {
    chunks.push(bytes.subarray(at, end));
    at = end;
  }
  return {
    size: bytes.length,
    bytes: inMemory ? chunks : null,
    async *open() {
      yield* chunks;
    },
  };
}

/** All pieces in one buffer, each overwritten by the next and by junk at the end. */
function lent(bytes: Buffer, cuts: readonly number[]): Body {
  const one = Buffer.alloc(bytes.length);
  return {
    ...body(bytes, cuts, false),
    async *lend() {
      for await (const piece of body(bytes, cuts).open()) {
        piece.copy(one);
        yield one.subarray(0, piece.length);
        one.fill("#");
      }
    },
  };
}

const message = (...lines: string[]): Buffer => Buffer.from(lines.join("\r\n"), "latin1");
const read = (bytes: Buffer): Promise<Tree> => readTree(body(bytes));
const base64 = (data: Buffer): string => data.toString("base64").replace(/.{76}/g, "$&\r\n");

/** All that a tree says, without its circles. */
function facts(tree: Tree): unknown {
  const one = (part: Part): unknown => ({
    ...part,
    parent: part.parent?.path ?? null,
    children: part.children.map((child) => child.path),
  });
  return { overLimit: tree.overLimit, root: tree.root.path, parts: tree.parts.map(one) };
}

describe("a part", () => {
  test("has hash, size and type of its decoded octets", async () => {
    const data = Buffer.concat([Buffer.from("PK\x03\x04"), randomBytes(100_000)]);
    const { parts, overLimit } = await read(
      message(
        "Content-Type: multipart/mixed; boundary=b",
        "",
        "--b",
        "",
        "hello",
        "--b",
        "Content-Type: application/octet-stream; name=a.txt",
        "Content-Disposition: attachment; filename=a.txt",
        "Content-Transfer-Encoding: base64",
        "",
        base64(data),
        "--b--",
        "",
      ),
    );
    expect(overLimit).toBeNull();
    expect(parts.map((p) => p.path)).toEqual(["1", "1/1", "1/2"]);
    expect(parts[2]).toMatchObject({
      size: data.length,
      sha256: sha256(data),
      kinds: ["zip"],
      names: ["a.txt"],
      disposition: "attachment",
      defects: [],
    });
    expect(parts[1]).toMatchObject({
      size: 5,
      sha256: sha256("hello"),
      type: "text/plain",
      kinds: ["txt"],
    });
    expect(parts[0]).toMatchObject({ sha256: "", kinds: [], children: [parts[1], parts[2]] });
  });

  test("that is empty has the hash of nothing", async () => {
    const { root, parts } = await read(message("A: b", "", ""));
    expect(parts).toEqual([root]);
    expect(root).toMatchObject({ size: 0, sha256: sha256(""), kinds: [], names: [] });
  });

  test("bears the self-test strings of its decoded octets, not of its encoding", async () => {
    const eicar = "X5O!P%@AP[4\\PZX54(P^)7CC)7}$EICAR-" + "STANDARD-ANTIVIRUS-TEST-FILE!$H+H*";
    const bytes = message("Content-Transfer-Encoding: base64", "", base64(Buffer.from(eicar)), "");
    expect((await read(bytes)).root.marks).toEqual(["EICAR"]);
    const preamble = message(
      "Content-Type: multipart/mixed; boundary=b",
      "",
      eicar,
      "--b",
      "",
      "--b--",
    );
    expect((await read(preamble)).root.marks).toEqual(["EICAR"]);
  });

  test("is known as an ISO image by a mark far inside, however it is cut", async () => {
    const data = Buffer.alloc(40_000);
    data.write("CD001", 32_769);
    const bytes = Buffer.concat([Buffer.from("A: b\r\n\r\n"), data]);
    for (const cut of [32_776, 32_777, 32_779, 32_781, 32_782]) {
      expect((await readTree(body(bytes, [cut]))).root.kinds).toEqual(["iso", "dat"]);
    }
  });

  test("in a uuencoded file of a text is a child of the text", async () => {
    const { parts } = await read(
      message(
        "A: b",
        "",
        "hi",
        "begin 644 dir/x.exe.",
        "#86)C",
        "`",
        "end",
        "begin 644 y",
        "#86)C",
        "",
      ),
    );
    expect(parts.map((p) => [p.path, p.type, p.size])).toEqual([
      ["1", "text/plain", parts[0]!.size],
      ["1/1", "application/octet-stream", 3],
      ["1/2", "application/octet-stream", 3],
    ]);
    expect(parts[1]).toMatchObject({
      names: ["dir/x.exe.", "x.exe.", "x.exe"],
      sha256: sha256("abc"),
      defects: [],
    });
    expect(parts[2]!.defects.map((d) => d.kind)).toEqual(["uuencode-truncated"]);
  });

  test("with the transfer encoding uuencode but no such file is unknown", async () => {
    const kinds = async (...lines: string[]): Promise<string[]> =>
      (
        await read(
          message("Content-Type: a/b", "Content-Transfer-Encoding: x-uuencode", "", ...lines),
        )
      ).root.defects.map((d) => d.kind);
    expect(await kinds("begin 644 x", "#86)C", "`", "end", "")).toEqual([]);
    expect(await kinds("#86)C", "")).toEqual(["unknown-transfer-encoding"]);
  });
});

test("uuencoded files count towards the limit on parts", async () => {
  const bytes = message(
    "A: b",
    "",
    ...Array.from({ length: 50 }, () => "begin 644 x\r\n#86)C\r\nend"),
    "",
  );
  const tree = await readTree(body(bytes), { ...DEFAULT_TREE_LIMITS, maxParts: 10 });
  expect(tree.parts).toHaveLength(10);
  expect(tree.overLimit).toBe("more than 10 parts");
});

describe("what hides", () => {
  const exe = Buffer.concat([Buffer.from("MZ"), Buffer.alloc(200)]);
  const cases: [string, string[]][] = [
    [
      "split by RFC 2231",
      ["Content-Disposition: attachment;", ' filename*0="evil.";', ' filename*1="exe"'],
    ],
    [
      "split and encoded",
      [
        "Content-Disposition: attachment;",
        " filename*0*=utf-8''evil%2;",
        " filename*1*=Eexe; filename*2=",
        "Content-Type: a/b; name=evil.exe",
      ],
    ],
    [
      "an encoded word",
      ['Content-Type: a/b; name="=?utf-8?B?' + Buffer.from("evil.exe").toString("base64") + '?="'],
    ],
    ["two encoded words", ['Content-Type: a/b; name="=?utf-8?Q?evil?=', ' =?utf-8?Q?=2Eexe?="']],
    ["a second field", ["Content-Type: a/b; name=good.txt", "Content-Type: a/b; name=evil.exe"]],
    ["a second parameter", ["Content-Type: a/b; name=good.txt; name=evil.exe"]],
    [
      "upper case and folding",
      ["CONTENT-DISPOSITION:", "\tATTACHMENT;", "\tFILENAME", '\t= "evil.exe"'],
    ],
    ["a directory", ["Content-Disposition: attachment; filename=../../evil.exe"]],
    ["a dot behind", ['Content-Disposition: attachment; filename="evil.exe. "']],
    ["an open quote", ['Content-Disposition: attachment; filename="evil.exe']],
  ];
  test.each(cases)("behind %s is named", async (_what, fields) => {
    const bytes = message(
      "Content-Type: multipart/mixed; boundary=b",
      "",
      "--b",
      ...fields,
      "Content-Transfer-Encoding: base64",
      "",
      base64(exe),
      "--b--",
    );
    const part = (await read(bytes)).parts[1]!;
    expect(part.names).toContain("evil.exe");
    expect(part.kinds).toEqual(["exe", "exe-ms"]);
    expect(part.sha256).toBe(sha256(exe));
  });
});

describe("any octets", () => {
  const piece = fc.oneof(
    fc.constantFrom(
      "\r\n",
      "\r\n\r\n",
      "--b\r\n",
      "\r\n--b\r\n",
      "\r\n--b--\r\n",
      "Content-Type: message/rfc822\r\n\r\n",
      "Content-Transfer-Encoding: base64\r\n\r\n",
      "Content-Transfer-Encoding: quoted-printable\r\n\r\n",
      "Content-Disposition: attachment; filename=x.exe\r\n",
      "begin 644 x\r\n#86)C\r\n",
      "`\r\nend\r\n",
      "QUJD",
      "=41",
    ),
    fc.string({ unit: "binary", maxLength: 30 }),
  );

  test("give a tree that does not depend on how they came", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(piece),
        fc.array(fc.nat(), { maxLength: 6 }),
        async (pieces, cuts) => {
          const bytes = Buffer.from(
            `Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n${pieces.join("")}`,
            "latin1",
          );
          const whole = facts(await read(bytes));
          expect(facts(await readTree(body(bytes, cuts)))).toEqual(whole);
          expect(facts(await readTree(body(bytes, cuts, false)))).toEqual(whole);
          expect(facts(await readTree(lent(bytes, cuts)))).toEqual(whole);
        },
      ),
      { numRuns: 500 },
    );
  });

  test("give the same tree when a large part comes in buffers that are overwritten", async () => {
    const data = randomBytes(300_000);
    const parts = ["base64", "quoted-printable", "8bit"].map(
      (encoding) =>
        `--b\r\nContent-Type: text/plain; name=${encoding}\r\nContent-Transfer-Encoding: ${encoding}\r\n\r\n` +
        (encoding === "base64" ? base64(data) : data.toString("hex").replace(/.{76}/g, "$&\r\n")),
    );
    const nested = base64(Buffer.from(`Subject: inner\r\n\r\n${data.toString("hex")}`));
    const bytes = message(
      "Content-Type: multipart/mixed; boundary=b",
      "",
      ...parts,
      `--b\r\nContent-Type: message/rfc822\r\nContent-Transfer-Encoding: base64\r\n\r\n${nested}`,
      "--b--",
      "",
    );
    const whole = facts(await read(bytes));
    const cuts = Array.from({ length: 100 }, (_, i) => i * 17_011);
    expect(facts(await readTree(lent(bytes, cuts)))).toEqual(whole);
    expect(facts(await readTree(lent(bytes, [0, 2_040, 2_060])))).toEqual(whole);
  });

  test("takes octets that are gone when a write has resolved", async () => {
    const data = randomBytes(100_000);
    const bytes = message("Subject: a", "Content-Transfer-Encoding: base64", "", base64(data));
    const reader = treeReader();
    for (let at = 0; at < bytes.length; at += 4_096) {
      const piece = Buffer.alloc(Math.min(4_096, bytes.length - at));
      bytes.copy(piece, 0, at);
      await reader.write(piece);
      piece.buffer.transfer(0);
    }
    expect((await reader.tree()).root).toMatchObject({
      size: data.length,
      sha256: sha256(data),
    });
  });

  // A read of a socket is walked in several steps, and a part may begin in its first one.
  test.each([
    ["gone", (piece: Buffer<ArrayBuffer>) => void piece.buffer.transfer(0)],
    ["others", (piece: Buffer<ArrayBuffer>) => void piece.fill("x")],
  ])("knows how a part starts whose first octets are %s by the next write", async (_how, lose) => {
    const data = Buffer.concat([Buffer.from("MZ"), randomBytes(300_000)]);
    for (const size of [65_536, 131_072]) {
      const bytes = Buffer.concat([Buffer.from("Content-Transfer-Encoding: 8bit\r\n\r\n"), data]);
      const reader = treeReader();
      for (let at = 0; at < bytes.length; at += size) {
        const piece = Buffer.alloc(Math.min(size, bytes.length - at));
        bytes.copy(piece, 0, at);
        await reader.write(piece);
        lose(piece);
      }
      const { root } = await reader.tree();
      expect(root).toMatchObject({ size: data.length, sha256: sha256(data) });
      expect(root.kinds).toEqual((await read(bytes)).root.kinds);
      expect(root.kinds).toContain("exe-ms");
    }
  });

  test("give a tree whose parts are all its root's", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(piece), async (pieces) => {
        const { root, parts } = await read(Buffer.from(pieces.join(""), "latin1"));
        const below = (part: Part): Part[] => [part, ...part.children.flatMap(below)];
        expect(below(root)).toEqual(parts);
        expect(new Set(parts.map((p) => p.path)).size).toBe(parts.length);
      }),
    );
  });
});

test("ordinary messages read as mailparser reads them", async () => {
  const file = fc.record({
    name: fc.stringMatching(/^[a-zA-Z0-9é中_-]{1,30}\.[a-z]{3}$/),
    data: fc.uint8Array({ minLength: 1, maxLength: 3_000 }),
    form: fc.constantFrom("plain", "word", "extended"),
    nested: fc.boolean(),
  });
  await fc.assert(
    fc.asyncProperty(fc.array(file, { minLength: 1, maxLength: 4 }), async (files) => {
      const bytes = ordinary(files);
      const tree = await read(bytes);
      const parsed = await simpleParser(bytes, { skipTextToHtml: true, skipHtmlToText: true });
      const ours = tree.parts.filter((p) => p.disposition === "attachment");
      expect(ours.map((p) => p.sha256)).toEqual(parsed.attachments.map((a) => sha256(a.content)));
      expect(ours.map((p) => p.size)).toEqual(parsed.attachments.map((a) => a.size));
      parsed.attachments.forEach((a, i) => expect(ours[i]!.names).toContain(a.filename));
      expect(tree.parts.flatMap((p) => p.defects)).toEqual([]);
    }),
    { numRuns: 60 },
  );
});

interface Attached {
  name: string;
  data: Uint8Array;
  form: string;
  nested: boolean;
}

/** A message as common mailers build it, one attachment per file. */
function ordinary(files: readonly Attached[]): Buffer {
  const filename = ({ name, form }: Attached): string => {
    if (form === "extended" || /[^ -~]/.test(name) === (form === "plain"))
      return `filename*=utf-8''${encodeURIComponent(name)}`;
    return `filename="${form === "word" ? `=?UTF-8?B?${Buffer.from(name).toString("base64")}?=` : name}"`;
  };
  const parts = files.map((one, i) => {
    const leaf = `Content-Type: application/octet-stream\r\nContent-Transfer-Encoding: base64\r\nContent-Disposition: attachment;\r\n ${filename(one)}\r\n\r\n${base64(Buffer.from(one.data))}`;
    if (!one.nested) return leaf;
    return `Content-Type: multipart/mixed; boundary="in${i}"\r\n\r\n--in${i}\r\n${leaf}\r\n--in${i}--\r\n`;
  });
  const text =
    "Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\nGr=C3=BC=C3=9Fe";
  const inside = [text, ...parts].map((part) => `--=_outer\r\n${part}\r\n`).join("");
  return Buffer.from(
    `From: a@example.org\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary="=_outer"\r\n\r\n${inside}--=_outer--\r\n`,
  );
}

describe("speed", () => {
  test("a 30 MB message is read in time, and others get their turn meanwhile", async () => {
    const piece = base64(randomBytes(11_000));
    const part = `--b\r\nContent-Type: application/octet-stream; name=x\r\nContent-Transfer-Encoding: base64\r\n\r\n${piece}\r\n`;
    const bytes = Buffer.from(
      `Content-Type: multipart/mixed; boundary=b\r\n\r\n${part.repeat(2_000)}--b--\r\n`,
    );
    let turns = 0;
    const timer = setInterval(() => turns++, 1);
    const before = process.cpuUsage();
    const tree = await read(bytes);
    const { user } = process.cpuUsage(before);
    clearInterval(timer);
    expect(tree.parts).toHaveLength(2_001);
    expect(user / 1000).toBeLessThan(2_000);
    expect(turns).toBeGreaterThan(5);
  });

  test.each([
    ["boundaries", "--b\n\nx\n"],
    ["dashes", "--\n"],
    ["half boundaries", "--bx\n"],
    ["boundaries behind bare CRs", "\r--b\r\n\r\n"],
    ["dashes behind bare CRs", "\r--"],
    ["begin lines", "begin 644 a\n"],
    ["empty lines", "\n"],
    ["colonless lines", "--b\n" + "a\n".repeat(500)],
  ])("4 MB of %s cost linear time", async (_what, unit) => {
    const bytes = Buffer.from(
      `Content-Type: multipart/mixed; boundary=b\n\n--b\n\n${unit.repeat(Math.ceil(4e6 / unit.length))}`,
    );
    const before = process.cpuUsage();
    await read(bytes);
    expect(process.cpuUsage(before).user / 1000).toBeLessThan(3_000);
  });
});
