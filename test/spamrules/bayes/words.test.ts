import { describe, expect, it } from "vitest";
import { tokenId } from "../../../src/spamrules/bayes/token.ts";
import { wordsOf, type Region } from "../../../src/spamrules/bayes/words.ts";

const rules = { maxLength: 15, isStopword: (word: string) => word.toLowerCase() === "with" };
const words = (line: string, region: Region = "body", prefix = ""): string[] => {
  const out: string[] = [];
  wordsOf(line, prefix, region, rules, out);
  return out;
};

describe("words of a line", () => {
  it.each<[string, string[]]>([
    ["cheap pills", ["cheap", "pills"]],
    ["to be or not", ["not"]],
    ["With with WITH", []],
    // A capital at the start of a sentence means nothing; of the sentence right behind it does.
    ["Dear friend. Your Money", ["dear", "friend", "Your", "your", "money", "Money"]],
    ["FREE!", ["FREE", "free!", "free", "FREE!"]],
    ["$31,000,000", ["31000000", "$31,000,000"]],
    ["don't", ["dont", "don't"]],
    ["\"quoted\", 'words'...", ["quoted", "words"]],
    ["wait...what--ever", ["wait", "what", "ever"]],
    ["a_b c:d (e) /f/", ["a_b"]],
  ])("%j in the body are %j", (line, expected) => {
    expect(words(line).sort()).toEqual([...expected].sort());
  });

  it("of the header come as they are", () => {
    expect(words(" Cheap FREE! don't", "header", "H*F:")).toEqual([
      "H*F:Cheap",
      "H*F:FREE!",
      "H*F:don't",
    ]);
  });

  it("are addresses and hosts with all that they end in", () => {
    expect(words("bob@mail.example.org")).toEqual([
      "U*bob",
      "D*mail.example.org",
      "D*example.org",
      "D*org",
      "sk:bobmai",
      "sk:bob@mai",
    ]);
    expect(words("www.example.org", "uri")).toEqual([
      "UD:www.example.org",
      "UD:example.org",
      "UD:org",
      "wwwexampleorg",
      "www.example.org",
    ]);
  });

  it("are cut down when they are long, URIs and split fields excepted", () => {
    expect(words("x".repeat(16))).toEqual(["sk:xxxxxxx"]);
    expect(words("x".repeat(15))).toEqual(["x".repeat(15)]);
    expect(words("x".repeat(16), "uri")).toEqual(["x".repeat(16)]);
    expect(words(`N*${"x".repeat(20)}`, "header")).toEqual([`N*${"x".repeat(20)}`]);
    // Seven characters of two octets each.
    expect(words("\xc3\xa9".repeat(9), "header")).toEqual([`sk:${"\xc3\xa9".repeat(7)}`]);
  });

  it("are characters where a script has no blanks", () => {
    const text = "\xe4\xbd\xa0\xe5\xa5\xbd";
    expect(words(text.repeat(3))).toEqual(
      Array.from({ length: 3 }, () => ["u8:\xe4\xbd\xa0", "u8:\xe5\xa5\xbd"]).flat(),
    );
  });

  it("end at octets that are no character; lone ones from A1 on stay", () => {
    expect(words("abc\x93def\xa0ghi", "header")).toEqual(["abc", "def", "ghi"]);
    expect(words("gr\xfc\xdfe", "header")).toEqual(["gr\xfc\xdfe"]);
  });

  it("take linear time", () => {
    const spent = (text: string): number => {
      const before = process.cpuUsage();
      for (let n = 0; n < 3; n++) words(text);
      const { user, system } = process.cpuUsage(before);
      return (user + system) / 1000;
    };
    for (const piece of ["-", "a.", "a@", "Ab. ", "....", "x--", "'\"", "\xe4", "a. A"]) {
      spent(piece.repeat(20_000));
      const one = spent(piece.repeat(50_000));
      expect(spent(piece.repeat(200_000)), piece).toBeLessThan(40 * Math.max(one, 2));
    }
  });
});

describe("the id of a token", () => {
  it("is the end of the SHA-1 of its octets", () => {
    // sha1("abc") = a9993e364706816aba3e25717850c26c9cd0d89d
    expect(tokenId("abc").toString(16)).toBe("6c9cd0d89d");
    // printf '\xfc' | sha1sum
    expect(tokenId("\xfc")).not.toBe(tokenId("\xc3\xbc"));
  });
});
