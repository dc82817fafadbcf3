// Folder names as directories: modified UTF-7 both ways, and everything that must not become a path.
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  decodeMutf7,
  folderDirectory,
  folderName,
  foldedFolder,
} from "../../src/mailstore/folder-name.ts";

describe("folder names", () => {
  test.each([
    ["Junk", ".Junk"],
    ["INBOX", ""],
    ["inbox", ""],
    ["Lists/caf\u00e9", ".Lists.caf&AOk-"],
    ["Lists/cafe\u0301", ".Lists.caf&AOk-"],
    ["R&D", ".R&-D"],
    ["\u53f0\u5317", ".&U,BTFw-"],
    ["\u{1f600}", ".&2D3eAA-"],
  ])("%s is %s", (name, directory) => {
    expect(folderDirectory(name)).toBe(directory);
    expect(folderName(directory)).toBe(
      name.toUpperCase() === "INBOX" ? "INBOX" : name.normalize("NFC"),
    );
  });

  const REFUSED = [
    "",
    "/",
    "..",
    "../x",
    "a/../b",
    "a//b",
    "/a",
    "a/",
    ".a",
    "a.b",
    "a\0b",
    "a\nb",
    "a\u0085b",
    "\ud800",
    "x".repeat(300),
    "\u00e9".repeat(100),
  ];
  test.each(REFUSED)("%j is refused", (name) => {
    expect(folderDirectory(name)).toBeNull();
  });

  test("with the other separator", () => {
    expect(folderDirectory("a.b", ".")).toBe(".a.b");
    expect(folderDirectory("a/b", ".")).toBeNull();
    expect(folderDirectory("a..b", ".")).toBeNull();
    expect(folderName(".a.b", ".")).toBe("a.b");
  });

  test.each(["cur", "..", ".", ".a..b", ".&AOk", ".&AGE-", ".caf\u00e9"])(
    "%s is no folder",
    (directory) => {
      expect(folderName(directory)).toBeNull();
    },
  );

  test("case and composition fold", () => {
    expect(foldedFolder(".caf&AOk-")).toBe(foldedFolder(".CAF&AMk-"));
    expect(foldedFolder(".cafe&AwE-")).toBe(foldedFolder(".caf&AOk-"));
  });

  test("any text: refused, or one component that reads back", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary", maxLength: 40 }), (name) => {
        const directory = folderDirectory(name);
        if (directory === null || directory === "") return;
        expect(directory).toMatch(/^\.[\x20-\x2e\x30-\x7e]+$/);
        expect(directory).not.toContain("..");
        expect(folderName(directory)).toBe(name.normalize("NFC"));
        expect(decodeMutf7(directory)).not.toBeNull();
      }),
    );
  });
});
