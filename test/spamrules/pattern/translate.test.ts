import { describe, expect, it } from "vitest";
import { Untranslatable } from "../../../src/spamrules/pattern/syntax.ts";
import { dangerIn } from "../../../src/spamrules/pattern/danger.ts";
import {
  compileFirstGroup,
  compilePerl,
  translate,
} from "../../../src/spamrules/pattern/translate.ts";

/** Pattern, flags, and texts that Perl finds it in or does not: "+text" and "-text". */
const CASES: readonly (readonly [string, string, ...string[]])[] = [
  ["abc", "", "+xabcx", "-aBc"],
  ["abc", "i", "+xAbCx", "-ab"],
  ["\\s", "", "+\v", "+\t", "-\xa0", "-x"],
  ["^\\S$", "", "+\xa0", "-\v"],
  ["^a.b$", "", "+a\rb", "-a\nb", "+a\x85b"],
  ["^a.b$", "s", "+a\nb"],
  ["a$", "", "+a", "+a\n", "-a\n\n", "-a\nb"],
  ["a$", "m", "+a\nb", "+a\n\n"],
  ["^b", "m", "+a\nb", "-a\rb", "+b"],
  ["b^", "m", "-b\n"],
  ["\\n^", "m", "-b\n", "+b\nc"],
  ["a\\z", "", "+a", "-a\n"],
  ["a\\Z", "", "+a\n", "-a\n\n"],
  ["\\Ab", "m", "-a\nb", "+b"],
  ["\xe9", "i", "+\xc9", "+\xe9", "-\xe8"],
  ["[\xb5\xdf\xff]", "i", "+\xb5", "+\xdf", "+\xff", "-ss", "-\x9f"],
  ["\xd7", "i", "-\xf7"],
  ["a(?i)b|c", "", "+aB", "+C", "-AB"],
  ["a(?i:b)c", "", "+aBc", "-aBC"],
  ["(?-i:b)c", "i", "+bC", "-BC"],
  ["(?^:b)c", "i", "+bC", "-BC"],
  ["(a)\\1", "i", "+aA", "-ab"],
  ["(a)(?!(?i)\\1)b", "", "+ab"],
  ["(a)(?!(?i)\\1).", "", "-aA", "+ab"],
  ["(?:x)(a)(?:b)(c)\\2\\1", "", "+xabcca", "-xabcac"],
  ["(?<W>a+)-\\k<W>$", "", "+aa-aa", "-aa-b"],
  ["(?<W>a)-\\g{W}\\g1\\g{-1}", "", "+a-aaa"],
  ["(?P<W>b)(?P=W)", "", "+bb"],
  ["a++b", "", "+aab"],
  ["a++a", "", "-aaaa"],
  ["x*+x", "", "-xxx"],
  ["(?>a|ab)c", "", "-abc", "+ac"],
  ["(?>(a+))b\\1", "", "+aabaa", "-ab"],
  ["a{,2}b$", "", "+aab", "+b"],
  ["^a{ 1, 2 }b", "", "+aab", "-b", "-aaab"],
  ["[[:alpha:]][[:^digit:]]", "", "+ab", "-a1", "-\xe9b"],
  ["[]a]", "", "+]", "+a", "-b"],
  ["[^]a]", "", "+b", "-]a"],
  ["[\\w-]", "", "+-"],
  ["[a\\-z]", "", "+-", "-b"],
  ["[\\b]", "", "+\b", "-b"],
  ["[\\x{100}\\x{e9}]", "", "+\xe9", "-\xc4"],
  ["\\x{100}", "", "-\xc4\x80", "-\x00"],
  ["\\x41\\x{42}\\103\\o{104}\\x4", "", "+ABCD\x04"],
  ["\\e\\a\\cA\\0", "", "+\x1b\x07\x01\x00"],
  ["(a)\\10", "", "+a\b"],
  ["\\h", "", "+\xa0", "+\t", "-\n"],
  ["\\v", "", "+\x85", "-\t"],
  ["a\\Rb", "", "+a\r\nb", "+a\nb", "-a\n\nb"],
  ["^\\R\\n", "", "-\r\n", "+\r\n\n"],
  ["a\\N", "", "-a\n", "+a\r"],
  ["a b # c\n [ ] \\ d", "x", "+ab  d", "-a b d"],
  ["a (?#x) +", "x", "+aa"],
  ["[a b]{2}", "xx", "+ab", "-a "],
  ["(?|(a)|(b))\\1", "", "+aa", "+bb", "-ab"],
  ["(?(?=a)ab|c)d", "", "+abd", "+cd", "-ad"],
  ["(a)(b)?c", "n", "+ac", "+abc"],
  ["foo\\Kbar", "", "+foobar", "-bar"],
  ["(?<!a)b(?<=b)", "", "+cb", "-ab"],
  ["x/[\\/]", "", "+x//"],
  ["\\_\\-\\<", "", "+_-<"],
  ["\\bfoo\\B", "", "+foobar", "-foo", "-\xe9foo", "+\xe9foox"],
  ["a.*?b.{0,3}$", "", "+axxb", "-xb"],
  ["\\d", "", "+1", "-\xb2"],
];

const REFUSED: readonly (readonly [string, string])[] = [
  ["(?{ die })", "never run"],
  ["(??{ die })", "never run"],
  ["a(?R)", "recursion"],
  ["(a)(?1)", "recursion"],
  ["(?(1)a|b)", "conditions on groups"],
  ["(*FAIL)", "verbs"],
  ["\\p{L}", "properties"],
  ["\\X", "unrecognized"],
  ["\\Qa\\E", "unrecognized"],
  ["\\b{wb}", "properties"],
  ["a**", "nested quantifiers"],
  ["a{2}{3}", "nested quantifiers"],
  ["*a", "follows nothing"],
  ["(a", "unmatched ("],
  ["a.{1,10]b", "begins no quantifier"],
  ["\\d{x", "begins no quantifier"],
  ["[:alpha:]", "another pair of brackets"],
  ["[[=a=]]", "is no class"],
  ["(?=a)*b", "takes no octets"],
  ["^+a", "takes no octets"],
  ["(?:^|\\b){1,2}a", "takes no octets"],
  ["a{65535}", "bigger than 65534"],
  ["(?<=a+)b", "lookbehind longer than 255"],
  ["(?<!a{1,300})b", "lookbehind longer than 255"],
  ["\\x4g", "fewer than two digits"],
  ["(?g)a", "unknown flag g"],
  ["a)", "unmatched )"],
  ["[a", "without its ]"],
  ["[z-a]", "invalid [] range"],
  ["a\\", "backslash"],
  ["\\1", "not there"],
  ["\\k<x>", "unknown group"],
  ["a{3,1}", "n > m"],
  ["(?y)a", "unknown flag"],
  ["(".repeat(500), "deeper"],
];

describe("translate", () => {
  it.each(CASES)("reads /%s/%s as Perl does", (source, flags, ...texts) => {
    const pattern = translate({ source, flags });
    for (const text of texts) {
      const wanted = text.startsWith("+");
      expect([text, pattern.test().test(text.slice(1))]).toEqual([text, wanted]);
      pattern.all().pattern.lastIndex = 0;
      expect([text, pattern.all().pattern.test(text.slice(1))]).toEqual([text, wanted]);
    }
  });

  it.each(REFUSED)("refuses %j and says why", (source, why) => {
    expect(() => translate({ source, flags: "" })).toThrow(Untranslatable);
    expect(compilePerl({ source, flags: "" })).toMatchObject({
      failed: expect.stringContaining(why),
    });
  });

  it("gives what groups with names have taken", () => {
    const { pattern, names } = translate({ source: "(x)(?<A>a+)(?:b)(?<B>c)?", flags: "" }).all();
    const found = pattern.exec("xaab")!;
    expect([...names].map(([name, [at]]) => [name, found[at!]])).toEqual([
      ["A", "aa"],
      ["B", undefined],
    ]);
  });

  it.each([
    ["(?>b+)(?:x)?(a+)(c)?", "bbxaac ba", ["aa", "a"]],
    ["x(a)?", "xaxb", ["a", undefined]],
    ["(?|(a)1|(b)2)", "a1b2", ["a", "b"]],
    ["()", "ab", ["", "", ""]],
    ["a", "aa", [undefined, undefined]],
  ])("gives what the first group of %j takes in %j", (source, text, taken) => {
    const first = compileFirstGroup({ source, flags: "" });
    expect(typeof first === "function" && [...first(text)]).toEqual(taken);
  });

  it("puts texts in for %{TAGS}, letter for letter", () => {
    const pattern = translate({ source: "^%{TO}!$", flags: "i" });
    expect([...pattern.tags]).toEqual(["TO"]);
    const filled = pattern.filled(new Map([["TO", ["a.b", "x|y"]]])).pattern;
    const hits = ["A.b!", "axb!", "x|Y!", "x!", "!"].filter((text) => {
      filled.lastIndex = 0;
      return filled.test(text);
    });
    expect(hits).toEqual(["A.b!", "x|Y!"]);
  });

  it("asks whether a pattern hits without reading what only makes it longer", () => {
    const text = "a".repeat(200_000);
    const start = process.cpuUsage();
    for (const source of [".*foo.*", ".{0,50}foo", "(?:.*)+foo", "[a-z]+x", "a{3,}b"]) {
      expect(translate({ source, flags: "" }).test().test(text)).toBe(false);
    }
    expect(process.cpuUsage(start).user).toBeLessThan(3_000_000);
  });

  it("notes patterns that can take exponentially long", () => {
    const noted = (source: string): boolean =>
      dangerIn(translate({ source, flags: "" }).tree.root) !== null;
    expect(["(a+)+b", "(?:a*b?)*c", "(?:\\w|\\d)+x", "((x+)*)*"].filter(noted)).toHaveLength(4);
    expect(["(a+b)+", "(?:a|b)+", "(?:a+,)*", "(?>a+)+"].filter(noted)).toEqual([]);
  });
});
