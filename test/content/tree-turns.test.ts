// How long reading a hostile message holds the event loop. The bounds are generous, for slow and busy machines; before the
// walker could pause and the header was read in one cheap pass, several of these took a multiple of them.
import { describe, expect, it } from "vitest";
import { readTree } from "../../src/content/tree.ts";
import type { Body } from "../../src/mail/message.ts";

const MIB = 1024 * 1024;
const MULTIPART = "Content-Type: multipart/mixed; boundary=b\r\n\r\n";
const fill = (unit: string, length: number): string => unit.repeat(Math.ceil(length / unit.length));

const HOSTILE: readonly (readonly [string, string])[] = [
  ["a header of folds", `Subject: a${fill("\r\n ", MIB - 100)}x\r\n\r\n`],
  ["a header of white lines", `A: b\r\n${fill(" \r\n", MIB - 100)}\r\n`],
  ["a folded Content-Type", `Content-Type: a/b; name="${fill("\r\n ", 900_000)}"\r\n\r\n`],
  ["parentheses", `Content-Type: ${fill("(", 900_000)}\r\n\r\n`],
  ["quotes and backslashes", `Content-Type: a/b; ${fill('name="(\\"a\\(;', 16_000)}\r\n`.repeat(8)],
  [
    "a long word before =",
    `Content-Type: a/b; ${fill("a", 8_000)} b=c; x= ${fill("1", 8_000)}\r\n`,
  ],
  ["encoded words", `Content-Type: a/b; name="${fill("=?utf-8?q?=41?= ", 16_000)}"\r\n`.repeat(8)],
  ["repetitions", fill(`Content-Type: ${"a ".repeat(90)}\r\n`, 900_000)],
  [
    "tiny parts behind text",
    `${MULTIPART}--b\r\n\r\n${fill("text\r\n", MIB)}${"--b\r\n\r\n".repeat(9_000)}`,
  ],
  [
    "tiny parts in an encoded message",
    `Content-Type: message/rfc822\r\nContent-Transfer-Encoding: base64\r\n\r\n${Buffer.from(
      MULTIPART + "--b\r\n\r\n".repeat(9_000),
    ).toString("base64")}`,
  ],
  ["lines of uuencoded base64", `\r\nbegin-base64 644 a\n${fill("YWJj\n", 2 * MIB)}`],
];

function bodyOf(text: string): Body {
  const bytes = Buffer.from(text);
  return {
    size: bytes.length,
    bytes: [bytes],
    async *open() {
      yield bytes;
    },
  };
}

/** Milliseconds of this thread's CPU for the longest step between two turns of the event loop. */
async function longestStep(work: () => Promise<unknown>): Promise<number> {
  const cpu = (): number => {
    const { user, system } = process.threadCpuUsage();
    return (user + system) / 1000;
  };
  let longest = 0;
  let going = true;
  let last = cpu();
  const look = (): void => {
    const now = cpu();
    longest = Math.max(longest, now - last);
    last = now;
  };
  const turn = (): void => {
    look();
    if (going) setImmediate(turn);
  };
  setImmediate(turn);
  await work();
  look();
  going = false;
  return longest;
}

describe("reading a hostile message", () => {
  it.each(HOSTILE)("of %s takes short steps", async (_name, text) => {
    const body = bodyOf(text);
    // The best of three: the first may be read by cold code, and garbage collection takes time too.
    const steps: number[] = [];
    for (let i = 0; i < 3; i++) steps.push(await longestStep(() => readTree(body)));
    expect(Math.min(...steps)).toBeLessThan(40);
  });
});
