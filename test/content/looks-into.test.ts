import { describe, expect, it } from "vitest";
import type { Format } from "../../src/content/containers/format.ts";
import { FORMATS } from "../../src/content/containers/index.ts";
import { extensionOf, looksInto } from "../../src/content/looks-into.ts";

const format = (name: string, kinds: string[], extensions?: string[]): Format => ({
  name,
  kinds,
  ...(extensions !== undefined && { extensions }),
  members: () => [],
});
const looks = looksInto([
  format("zip", ["zip"], ["zip", "docx"]),
  format("selfzip", ["exe"]),
  format("selfrar", ["exe", "rar"]),
  format("iso", ["iso"]),
]);
const part = (kinds: string[], names: string[] = [], type = "a/b") => ({ kinds, names, type });
const asked = (kinds: string[], names: string[] = []): unknown =>
  looks
    .formats(part(kinds, names))
    .map(({ formats, sure }) => `${formats.map(({ name }) => name).join("|")}${sure ? "" : "?"}`);

describe("formats", () => {
  it("go by content first, all that it may be", () => {
    expect(asked(["png"])).toEqual([]);
    expect(asked(["zip"])).toEqual(["zip"]);
    expect(asked(["exe", "exe-ms"])).toEqual(["selfzip|selfrar"]);
    expect(asked(["iso", "zip"])).toEqual(["iso", "zip"]);
  });

  it("go by extension too, surely only where the content says nothing", () => {
    expect(asked(["dat"], ["a.ZIP"])).toEqual(["zip"]);
    expect(asked(["txt"], ["a", "b.docx", "c.zip"])).toEqual(["zip"]);
    expect(asked(["png"], ["a.zip"])).toEqual(["zip?"]);
    expect(asked(["rar"], ["a.zip"])).toEqual(["selfrar", "zip?"]);
    expect(asked(["dat"], ["zip", "a.zip.png", "a.constructor"])).toEqual([]);
    // Nothing is in what is empty, and in a multipart.
    expect(asked([], ["a.zip"])).toEqual([]);
  });
});

describe("mail", () => {
  const start = (text: string): boolean => looks.mail(part(["txt"]), Buffer.from(text));

  it("is known by type and name", () => {
    expect(looks.mail(part(["txt"], [], "message/rfc822"))).toBe(true);
    expect(looks.mail(part(["pdf"], ["a.EML"]))).toBe(true);
    expect(looks.mail(part(["txt"], ["a.txt"]))).toBe(false);
    // A message that was split already has no kinds.
    expect(looks.mail(part([], ["a.eml"], "message/rfc822"))).toBe(false);
  });

  it("is known by its first lines where they are given", () => {
    expect(start("Received: by a\r\n\tfor b\r\nSubject: x\r\n\r\n")).toBe(true);
    expect(start("From a@b Mon Jan  5 10:00:00 2026\nReturn-Path: <a@b>\nTo: c\n\n")).toBe(true);
    expect(start("Date: today\nand no field")).toBe(false);
    expect(start("Hello: world\nNo: mail\n")).toBe(false);
    expect(start("")).toBe(false);
    expect(looks.mail(part(["exe"]), Buffer.from("From: a\r\nTo: b\r\n"))).toBe(false);
  });

  it("is looked for in linear time", () => {
    const hostile = `Subject: ${"a".repeat(1990)}\r\n${" b\r\n".repeat(20_000)}`;
    const before = process.cpuUsage();
    for (let i = 0; i < 1000; i++) start(hostile);
    expect(process.cpuUsage(before).user / 1000).toBeLessThan(2000);
  });
});

it("extensions are what follows the last dot", () => {
  expect(["a.b.EXE", "a", "a.", `a.${"x".repeat(30)}`, "dir.d/a"].map(extensionOf)).toEqual([
    "exe",
    "",
    "",
    "",
    "d/a",
  ]);
});

it("the formats that are shipped have names of their own, and extensions and kinds as they are compared", () => {
  expect(new Set(FORMATS.map(({ name }) => name)).size).toBe(FORMATS.length);
  for (const { kinds, extensions = [], suffixes = {} } of FORMATS) {
    expect(kinds.length + extensions.length).toBeGreaterThan(0);
    for (const extension of [...extensions, ...Object.keys(suffixes)])
      expect(extension).toMatch(/^[a-z0-9]{1,18}$/);
  }
});
