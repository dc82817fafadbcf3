import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { boundedErrors, errorText, MAX_ERRORS } from "../../src/ruleset/errors.ts";
import {
  MAX_FILE_BYTES,
  MAX_LINE_CHARS,
  parseLine,
  parseRules,
} from "../../src/ruleset/grammar.ts";
import type { Verbs } from "../../src/ruleset/grammar.ts";
import { hint, nearest } from "../../src/ruleset/suggest.ts";

const VERBS: Verbs = {
  allow: { words: [1, 3], texts: 1, skips: ["spam", "listed"], usage: "allow P" },
  deny: { words: [1, 3], texts: 2, usage: "deny P" },
  fate: {
    words: [1, 2],
    options: ["folder", "notice", "unchecked."],
    conditions: ["auth", "outgoing"],
    usage: "fate C",
  },
};

const parse = (line: string) => parseLine("rules/x.rules", 7, line, VERBS);

describe("one line", () => {
  test.each<[string, object | null]>([
    ["", null],
    ["  \t ", null],
    ["# deny everything", null],
    ["  allow a # b", { verb: "allow", words: ["a"], at: "rules/x.rules:7" }],
    ["allow a#b", { words: ["a#b"] }],
    [
      'deny a b "log, # no comment" "sender \\"quoted\\" \\\\ \\n"',
      { words: ["a", "b"], texts: ["log, # no comment", 'sender "quoted" \\ \\n'] },
    ],
    ['deny a ""', { texts: [""] }],
    ['deny /a b#"\\/ c/i d', { words: ['/a b#"\\/ c/i', "d"] }],
    ["allow a skip spam,listed", { words: ["a"], skips: ["spam", "listed"] }],
    ["allow a skip spam, listed", { words: ["a"], skips: ["spam", "listed"] }],
    [
      "fate x if auth,outgoing folder=Junk",
      { words: ["x"], conditions: ["auth", "outgoing"], options: new Map([["folder", "Junk"]]) },
    ],
    [
      'fate x folder="My Junk" unchecked.virus=accept',
      {
        options: new Map([
          ["folder", "My Junk"],
          ["unchecked.virus", "accept"],
        ]),
      },
    ],
    ["fate prvs=12=u@example.org", { words: ["prvs=12=u@example.org"] }],
    ["deny a=b", { words: ["a=b"] }],
  ])("%s", (line, expected) => {
    const read = parse(line);
    if (expected === null || read === null) expect(read).toBe(expected);
    else expect(read).toMatchObject(expected);
  });

  test.each([
    ["dney a", 'unknown word "dney"; did you mean "deny"?'],
    [
      "example.com deny",
      'unknown word "example.com"; a line here starts with allow or deny or fate',
    ],
    ["constructor a", 'unknown word "constructor"; a line here starts with allow or deny or fate'],
    ["deny", '"deny" needs more words: deny P'],
    ["deny a b c d", '"d" is one word too many: deny P'],
    ['deny a "1" "2" "3"', '"deny" takes 2 quoted texts: deny P'],
    ['fate a "1"', '"fate" takes no quoted texts: fate C'],
    ['deny a "open', "the quoted text has no closing quote"],
    ['deny "a"b', 'white space is missing before "b"'],
    ['deny a"b"', 'a quote inside a word: a"b"'],
    ["deny /open", "the regular expression has no closing /"],
    ["fate a foldre=x", 'unknown option "foldre"; did you mean "folder"?'],
    ["fate a folder=x folder=y", "folder= stands twice"],
    ["fate a if", 'nothing follows "if"'],
    ["allow a skip", 'nothing follows "skip"'],
    ["fate a if outgoin", '"outgoin" cannot follow "if"; did you mean "outgoing"?'],
    ["fate a skip spam", '"fate" takes no "skip" here'],
    ["allow a skip virus", '"virus" cannot follow "skip"; possible here: spam, listed'],
    ["deny \u0000", "control character in the line"],
    [`deny ${"a".repeat(MAX_LINE_CHARS)}`, "the line is longer than 16384 characters"],
  ])("%s → %s", (line, message) => {
    expect(parse(line)).toBe(message);
  });
});

describe("a file", () => {
  test("counts lines over CRLF, LF, a BOM and a missing last line end", () => {
    const { lines, errors } = parseRules("f", "\ufeffallow a\r\n\nbad\nallow b", VERBS);
    expect(lines.map(({ at, words }) => [at, words[0]])).toEqual([
      ["f:1", "a"],
      ["f:4", "b"],
    ]);
    expect(errors.map(errorText)).toEqual([
      'f:3: unknown word "bad"; a line here starts with allow or deny or fate',
    ]);
  });

  test("is refused when it is too large, and given up after many errors", () => {
    expect(parseRules("f", "#".repeat(MAX_FILE_BYTES + 1), VERBS).errors).toHaveLength(1);
    const { errors } = parseRules("f", "bad\n".repeat(100_000), VERBS);
    expect(errors.length).toBeLessThan(100);
    expect(boundedErrors(errors)).toHaveLength(MAX_ERRORS + 1);
  });

  test("an error is one line without control characters", () => {
    expect(errorText({ file: "f", line: 0, message: "a\nb\u001b[1m\u2028" })).toBe("f: a?b?[1m?");
  });

  test("whatever stands in it, nothing is thrown and every line is accounted for", () => {
    const piece = fc.oneof(
      fc.constantFrom(
        "allow",
        "deny",
        "fate",
        "if",
        "skip",
        "spam",
        "auth",
        '"',
        "\\",
        "/",
        "#",
        "=",
        " ",
        "\n",
        "folder=",
      ),
      fc.string({ unit: "binary", maxLength: 6 }),
    );
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 60 }), (pieces) => {
        const { lines, errors } = parseRules("f", pieces.join(""), VERBS);
        const last = pieces.join("").split("\n").length;
        for (const { line } of [...lines, ...errors]) expect(line).toBeLessThanOrEqual(last);
      }),
      { numRuns: 2000 },
    );
  });
});

test("suggestions are near, and silent where nothing is", () => {
  expect(nearest("graylist", ["greylist", "spam"])).toBe("greylist");
  expect(nearest("ab", ["xy"])).toBeNull();
  expect(nearest("x".repeat(10_000), ["x"])).toBeNull();
  expect(hint("q", [])).toBe("");
});
