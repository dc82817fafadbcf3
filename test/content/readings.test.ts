// What other readers see: each way of reading shows the payload that the first reading does not, and nothing when both agree.
import { createHash } from "node:crypto";
import { describe, expect, test } from "vitest";
import { LimitHit } from "../../src/content/budget.ts";
import { octetsOf } from "../../src/content/containers/octets.ts";
import { worthAnotherReading } from "../../src/content/other-habits.ts";
import { otherReadings } from "../../src/content/readings.ts";
import { DEFAULT_TREE_LIMITS, readTree } from "../../src/content/tree.ts";
import type { Tree } from "../../src/mail/message.ts";
import { hostileMail, numbers } from "../fakes/hostile-mail.ts";

const sha256 = (data: Buffer): string => createHash("sha256").update(data).digest("hex");
const message = (...lines: string[]): Buffer => Buffer.from(lines.join("\r\n"), "latin1");

async function read(bytes: Buffer): Promise<Tree> {
  const body = {
    size: bytes.length,
    bytes: [bytes],
    open: async function* () {
      yield bytes;
    },
  };
  return readTree(body);
}

interface Other {
  of: string;
  reading: string;
  type: string;
  names: readonly string[];
  octets: Buffer;
}

async function otherParts(bytes: Buffer): Promise<Other[]> {
  const { parts } = await read(bytes);
  if (!worthAnotherReading(parts)) return [];
  const known = new Set(parts.map((part) => part.sha256));
  const found: Other[] = [];
  for (const { octets, ...one } of otherReadings(octetsOf(bytes), DEFAULT_TREE_LIMITS, known))
    found.push({ ...one, octets: Buffer.concat([...octets()]) });
  return found;
}

const exe = Buffer.concat([Buffer.from("MZ"), Buffer.alloc(100), Buffer.from("harmless")]);
const coded = exe.toString("base64");
const MIXED = 'Content-Type: multipart/mixed; boundary="b"';
const FILE = ["Content-Type: application/x-a; name=a.exe", "Content-Transfer-Encoding: base64", ""];

describe("the payload is found behind", () => {
  const wide = (text: string, encoding: "utf16le"): string =>
    Buffer.from(text, encoding).toString("latin1");
  test.each<[string, string, Buffer, Buffer?]>([
    [
      "the last Content-Transfer-Encoding",
      "the last of repeated fields",
      message(
        "Content-Transfer-Encoding: 7bit",
        "Content-Transfer-Encoding: base64",
        "",
        coded,
        "",
      ),
    ],
    [
      "the last Content-Type",
      "the last of repeated fields",
      message("Content-Type: text/plain", MIXED, "", "--b", ...FILE, coded, "--b--", ""),
    ],
    [
      "a second boundary",
      "the second boundary",
      message(
        "Content-Type: multipart/mixed; boundary=a; boundary=b",
        "",
        "--a",
        "",
        "--b",
        ...FILE,
        coded,
        "--b--",
      ),
    ],
    [
      "the RFC 2231 form of the boundary",
      "the second boundary",
      message(
        "Content-Type: multipart/mixed; boundary=a; boundary*=us-ascii''b",
        "",
        "--b",
        ...FILE,
        coded,
        "--b--",
      ),
    ],
    [
      "a boundary with junk behind it",
      "lines that start with a boundary",
      message(MIXED, "", "--b", "", "text", "--bx", ...FILE, coded, "--b--"),
    ],
    [
      "an inner multipart that its own boundary ends alone",
      "the innermost boundary alone",
      message(
        MIXED,
        "",
        "--b",
        "Content-Type: multipart/mixed; boundary=c",
        "",
        "--c",
        "",
        "MZ",
        "--b",
        "plain",
        "--c--",
        "--b--",
      ),
      Buffer.from("MZ\r\n--b\r\nplain"),
    ],
    [
      "the same boundary inside",
      "end boundaries that are final",
      message(
        MIXED,
        "",
        "--b",
        "Content-Type: multipart/digest; boundary=b",
        "",
        "--b",
        "",
        "x: y",
        "",
        "--b--",
        "--b",
        "",
        "MZ: plain",
        "--b--",
      ),
      Buffer.from("MZ: plain"),
    ],
    [
      "an encoded multipart",
      "encoded multiparts",
      message(
        MIXED,
        "Content-Transfer-Encoding: base64",
        "",
        message("--b", ...FILE, coded, "--b--", "").toString("base64"),
      ),
    ],
    [
      "a comment in the encoding",
      "odd transfer encodings as none",
      message("Content-Transfer-Encoding: base64 (x)", "", "MZ plain"),
      Buffer.from("MZ plain"),
    ],
    [
      "an unknown encoding that is base64",
      "odd transfer encodings as base64",
      message("Content-Transfer-Encoding: x-base-64", "", coded),
    ],
    [
      "an unknown encoding that is quoted-printable",
      "odd transfer encodings as quoted-printable",
      message("Content-Transfer-Encoding: qp", "", "M=5A plain"),
      Buffer.from("MZ plain"),
    ],
    [
      "a header that ends at garbage",
      "headers that end at what is no field",
      message(MIXED, "garbage", "--b", "", "MZ plain", "--b--", ""),
      Buffer.from("MZ plain"),
    ],
    [
      "a MIME field with a space before its colon",
      "no field with space before its colon",
      message("Content-Transfer-Encoding : base64", "", "MZ plain"),
      Buffer.from("MZ plain"),
    ],
    [
      "a MIME field after a blank",
      "fields with garbage around their names",
      message(" Content-Transfer-Encoding: base64", "Subject: x", "", coded),
    ],
    [
      "a boundary in a header",
      "headers that no boundary ends",
      message(MIXED, "", "--b", ...FILE.slice(0, 2), "--b", "", coded, "--b--"),
    ],
    [
      "a quoted type",
      "media types taken loosely",
      message('Content-Type: "multipart/mixed"; boundary=b', "", "--b", ...FILE, coded, "--b--"),
    ],
    [
      "an unknown type of message",
      "media types taken loosely",
      message("Content-Type: message/x-mail", "", ...FILE, coded),
    ],
    [
      "padding that ends base64",
      "base64 up to its padding",
      message("Content-Transfer-Encoding: base64", "", coded, "AAAA"),
    ],
    [
      "the alphabet of URLs",
      "base64 in the alphabet of URLs",
      message(
        "Content-Transfer-Encoding: base64",
        "",
        Buffer.from("MZ???>>>").toString("base64url"),
      ),
      Buffer.from("MZ???>>>"),
    ],
    [
      "white space in a media type",
      "media types with white space as none",
      message("Content-Type: multipart / mixed; boundary=b", "", "--b", "", "x", "--b--", "MZ"),
      Buffer.from("--b\r\n\r\nx\r\n--b--\r\nMZ"),
    ],
    [
      "a pair of equals signs",
      "pairs of equals signs as one",
      message("Content-Transfer-Encoding: quoted-printable", "", "MZ==5A=5A="),
      Buffer.from("MZ=5AZ"),
    ],
    [
      "no boundary parameter",
      "boundaries taken from the text",
      message("Content-Type: multipart/mixed", "", "pre", "--b", ...FILE, coded, "--b--"),
    ],
    [
      "a boundary that never comes",
      "boundaries taken from the text",
      message("Content-Type: multipart/mixed; boundary=c", "", "--b", ...FILE, coded, "--b--"),
    ],
    [
      "bare CRs in the header",
      "bare CRs as line ends",
      message("Subject: a\rContent-Transfer-Encoding: base64", "", coded),
    ],
    [
      "a boundary after a bare CR",
      "bare CRs as line ends",
      message(MIXED, "", "--b", "", "text\r--b\r" + FILE.join("\r") + "\r" + coded, "--b--"),
    ],
    [
      "NULs in a boundary's line",
      "no NULs",
      message("X: \0", MIXED, "", "--b", "", "x", "--\0b", ...FILE, coded, "--b--"),
    ],
    [
      "NULs in lines of base64",
      "lines up to a NUL",
      message(
        "X: \0",
        "Content-Transfer-Encoding: base64",
        "",
        `${coded.slice(0, 40)}\0AAAA`,
        coded.slice(40),
      ),
    ],
    [
      "NULs in a text",
      "texts in UTF-8",
      message("Content-Type: text/html", "", "<\0b\0>"),
      Buffer.from("<b>"),
    ],
    [
      "UTF-16",
      "texts in UTF-8",
      message("Content-Type: text/html; charset=utf-16le", "", wide("<b>é", "utf16le")),
      Buffer.from("<b>é"),
    ],
    [
      "UTF-7",
      "texts in UTF-8",
      message("Content-Type: text/html; charset=UTF-7", "", "+ADw-b+AD4 a+-b"),
      Buffer.from("<b> a+b"),
    ],
    [
      "a uuencoded file in UTF-16",
      "texts in UTF-8",
      message(
        "Content-Type: text/plain; charset=utf-16le",
        "",
        wide("\nbegin 644 a.exe\n#86)C\n`\nend\n", "utf16le"),
      ),
      Buffer.from("abc"),
    ],
  ])("%s", async (_what, reading, bytes, payload = exe) => {
    const { parts } = await read(bytes);
    expect(parts.map((part) => part.sha256)).not.toContain(sha256(payload));
    const found = await otherParts(bytes);
    const hit = found.find(({ octets }) => octets.equals(payload));
    expect(hit?.reading ?? found.map((one) => one.reading)).toBe(reading);
    expect(parts.map((part) => part.path)).toContain(hit!.of);
  });

  test("another type of the same octets", async () => {
    const found = await otherParts(
      message("Content-Type: text/plain", "Content-Type: application/hta", "", "x"),
    );
    expect(found).toMatchObject([{ of: "1", type: "application/hta", octets: Buffer.from("x") }]);
  });
});

test("a sound message is not read again", async () => {
  const bytes = message(MIXED, "", "--b", ...FILE, coded, "--b--", "");
  expect(worthAnotherReading((await read(bytes)).parts)).toBe(false);
  expect([...otherReadings(octetsOf(bytes), DEFAULT_TREE_LIMITS, new Set())]).toEqual([]);
});

test("a reader may leave the octets of a part, or some of them", async () => {
  const big = Buffer.alloc(300_000, "MZ harmless ");
  const part = (data: Buffer): string[] => ["--bx", ...FILE, data.toString("base64")];
  const bytes = message(MIXED, "", "--b", "", "x", ...part(big), ...part(exe), "--b--", "");
  const seen: string[] = [];
  for (const one of otherReadings(octetsOf(bytes), DEFAULT_TREE_LIMITS, new Set())) {
    const iterator = one.octets()[Symbol.iterator]();
    seen.push(`${one.names[0] ?? ""} ${(iterator.next().value as Buffer).length > 0}`);
    if (one.names.length === 0) iterator.return?.();
  }
  expect(seen).toEqual([" true", "a.exe true", "a.exe true"]);
});

test("hostile messages do no harm", async () => {
  // Ten minutes of it: `npm run fuzz`.
  const next = numbers(Date.now());
  let slowest = 0;
  for (let i = 0; i < 1_500; i++) {
    const bytes = hostileMail(next);
    const before = process.threadCpuUsage();
    try {
      await otherParts(bytes);
    } catch (error) {
      if (!(error instanceof LimitHit))
        throw new Error(JSON.stringify(bytes.toString("latin1").slice(0, 9_000)), { cause: error });
    }
    const { user, system } = process.threadCpuUsage(before);
    slowest = Math.max(slowest, (user + system) / 1000);
  }
  expect(slowest).toBeLessThan(5_000);
});

test("too many parts in other readings end in a limit", () => {
  const read = (files: number): unknown[] => {
    const header = "Content-Type : text/plain\r\ngarbage\r\nX: \0\r\n\r\n";
    const bytes = Buffer.from(header + "begin 644 x\r\n#86)C\r\nend\r\n".repeat(files));
    return [...otherReadings(octetsOf(bytes), DEFAULT_TREE_LIMITS, new Set())];
  };
  expect(read(100).length).toBeGreaterThan(0);
  expect(() => read(9_000)).toThrow(LimitHit);
});
