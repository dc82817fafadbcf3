// What the signer writes, read back by mailauth's verifier, which shares no code with it.
import { generateKeyPairSync, type KeyObject } from "node:crypto";
import { createRequire } from "node:module";
import fc from "fast-check";
import { describe, expect, it, test } from "vitest";
import { keyRecord } from "../../src/cli/dkim.ts";
import { dkimSignatures, type SigningKey } from "../../src/mail/dkim-sign.ts";
import { isFoldedField } from "../../src/mail/field-line.ts";
import type { Body } from "../../src/mail/message.ts";
import { answering } from "../fakes/dns-answers.ts";

const { dkimVerify } = createRequire(import.meta.url)("mailauth/lib/dkim/verify.js") as {
  readonly dkimVerify: (
    input: Buffer,
    options: object,
  ) => Promise<{ results: { status: { result: string; comment?: string } }[] }>;
};

const rsa = generateKeyPairSync("rsa", { modulusLength: 2048 }).privateKey;
const ed = generateKeyPairSync("ed25519").privateKey;
const named = (selector: string, key: KeyObject): SigningKey => ({
  domain: "example.com",
  selector,
  key,
});
const KEYS = [named("rsa", rsa), named("ed", ed)];
const resolver = answering({
  "TXT rsa._domainkey.example.com": [keyRecord(rsa)],
  "TXT ed._domainkey.example.com": [keyRecord(ed)],
});
const NOW = new Date("2026-01-02T03:04:05Z");

function bodyOf(octets: Buffer, piece = 7): Body {
  const open = async function* (): AsyncGenerator<Buffer> {
    for (let at = 0; at < octets.length; at += piece) yield octets.subarray(at, at + piece);
  };
  return { size: octets.length, bytes: null, open };
}

async function signed(octets: Buffer, keys = KEYS): Promise<Buffer> {
  const lines = await dkimSignatures(bodyOf(octets), keys, NOW);
  return Buffer.concat([Buffer.from(lines.map((line) => `${line}\r\n`).join("")), octets]);
}

async function verdicts(octets: Buffer): Promise<string[]> {
  const { results } = await dkimVerify(octets, { resolver, strict: true });
  return results.map(({ status }) => status.result);
}

const MAIL = "From: A <a@example.com>\r\nTo: b@x.example\r\nSubject: hello\r\n\r\nHi.\r\n";

describe("signatures", () => {
  test.each([
    ["an ordinary message", MAIL],
    [
      "folded fields, odd blanks",
      "FROM :a@example.com\r\nSubject:  a\t b \r\n\t c \r\n\r\nx  y \r\n",
    ],
    ["raw UTF-8", "From: Jürgen <j@example.com>\r\nSubject: Grüße\r\n\r\nschön\r\n"],
    ["no body", "From: a@example.com\r\n\r\n"],
    ["no empty line", "From: a@example.com\r\nSubject: x\r\n"],
    ["no line end", "From: a@example.com\r\n\r\nlast line"],
    ["repeated fields", "From: a@example.com\r\nTo: b@x\r\nTo: c@x\r\nComments: y\r\n\r\nz\r\n"],
    ["empty lines at the end", "From: a@example.com\r\n\r\nz\r\n\r\n\r\n"],
  ])("of %s verify", async (_, text) => {
    expect(await verdicts(await signed(Buffer.from(text)))).toEqual(["pass", "pass"]);
  });

  it("verify whatever the body holds", async () => {
    const words = fc.array(
      fc.constantFrom("a", " ", "\t", "\r\n", "  x", "\r", ".", "\r\n\r\n", "ü"),
    );
    await fc.assert(
      fc.asyncProperty(words, async (parts) => {
        const octets = Buffer.from(`From: a@example.com\r\n\r\n${parts.join("")}`);
        expect(await verdicts(await signed(octets, [named("ed", ed)]))).toEqual(["pass"]);
      }),
      { numRuns: 100 },
    );
  });

  test.each([
    ["another body", (text: string) => text.replace("Hi.", "Ho.")],
    ["another subject", (text: string) => text.replace("hello", "hallo")],
    ["a second From", (text: string) => text.replace(/^From:/m, "From: evil@example.com\r\nFrom:")],
    ["a second Subject", (text: string) => text.replace(/^From:/m, "Subject: evil\r\nFrom:")],
    ["text after the end", (text: string) => `${text}more\r\n`],
  ])("break by %s", async (_, change) => {
    const octets = (await signed(Buffer.from(MAIL))).toString();
    expect(await verdicts(Buffer.from(change(octets)))).not.toContain("pass");
  });

  test.each([
    ["a Date that an MTA adds", (text: string) => text.replace(/^From:/m, "Date: now\r\nFrom:")],
    ["a Received line", (text: string) => `Received: from x\r\n${text}`],
    ["blanks at line ends", (text: string) => text.replace("Hi.", "Hi. \t")],
  ])("survive %s", async (_, change) => {
    const octets = (await signed(Buffer.from(MAIL))).toString();
    expect(await verdicts(Buffer.from(change(octets)))).toEqual(["pass", "pass"]);
  });
});

it("writes one folded field per key, From sealed, no l=", async () => {
  const [first = "", second = ""] = await dkimSignatures(bodyOf(Buffer.from(MAIL)), KEYS, NOW);
  for (const line of [first, second]) {
    expect(isFoldedField(line)).toBe(true);
    expect(line.split("\r\n").every((part) => part.length <= 78)).toBe(true);
  }
  expect(first.replace(/\r\n\s+/g, " ")).toMatch(
    /^DKIM-Signature: v=1; a=rsa-sha256; c=relaxed\/relaxed; d=example\.com; s=rsa; t=1767323045; h=From:From:Subject:Subject:To:To; bh=\S+; b=\S/,
  );
  expect(second).toContain("a=ed25519-sha256");
  expect(first).not.toMatch(/\bl=/);
});

it("signs nothing without From or without a key, and stops when it is told to", async () => {
  const noFrom = bodyOf(Buffer.from("Subject: x\r\n\r\n"));
  expect(await dkimSignatures(noFrom, KEYS, NOW)).toEqual([]);
  expect(await dkimSignatures(bodyOf(Buffer.from(MAIL)), [], NOW)).toEqual([]);
  const large = bodyOf(Buffer.concat([Buffer.from(MAIL), Buffer.alloc(300_000, 97)]), 300_100);
  await expect(dkimSignatures(large, KEYS, NOW, AbortSignal.abort())).rejects.toThrow();
});
