import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { banned } from "../../src/checks/banned.ts";
import { compileRules } from "../../src/ruleset/compile.ts";
import type { RuleSet } from "../../src/ruleset/compile.ts";
import { message, tree } from "../fakes/message.ts";
import type { PartFacts } from "../fakes/message.ts";
import { cpuClock } from "../fakes/cpu-clock.ts";

function rulesOf(text: string): RuleSet {
  const compiled = compileRules(new Map([["banned.rules", text]]), {
    modes: [],
    hasOutgoing: false,
  });
  if ("errors" in compiled) throw new Error(JSON.stringify(compiled.errors));
  return compiled.ok;
}

async function findings(text: string, facts: PartFacts) {
  const so = { findings: [], signal: new AbortController().signal };
  return banned(rulesOf(text)).run(message({ tree: tree(facts) }), so);
}

const mixed = (...children: PartFacts[]): PartFacts => ({ type: "multipart/mixed", children });

describe("what a pattern looks at", () => {
  test.each<[string, PartFacts, boolean]>([
    ["*.exe", { names: ["a.EXE"] }, true],
    ["*.exe", { names: ["a.exe.txt"] }, false],
    ["*.exe", { names: ["a.exe. . "] }, true],
    ["*.exe", { names: ["a.exe\0.txt"] }, true],
    ["*.exe", { names: ["a.txt", "b.exe"] }, true],
    ["*.exe", { kinds: ["exe"] }, false],
    ["*.exe", { names: ["exe"] }, false],
    [".exe", { kinds: ["exe", "exe-ms"] }, true],
    [".exe", { names: [".exe"] }, false],
    ["*.tar.gz", { names: ["a.b.tar.gz"] }, true],
    ["*.tar.gz", { names: ["a.gz"] }, false],
    ["winmail.dat", { names: ["Winmail.dat"] }, true],
    ["winmail.dat", { names: ["dir/winmail.dat"] }, true],
    ["invoice*.d?c", { names: ["c:\\x\\Invoice 7.doc"] }, true],
    ["application/hta", { type: "application/hta" }, true],
    ["application/x-ms*", { type: "application/x-msdownload" }, true],
    ["application/hta", { names: ["application/hta"] }, false],
    ["UNDECIPHERABLE", { encrypted: true }, true],
    ["UNDECIPHERABLE", { names: ["undecipherable"] }, false],
    ["/^\\.exe-ms$/", { kinds: ["exe-ms"] }, true],
    ["/^application\\/hta$/", { type: "application/hta" }, true],
    ["/evil/", { names: ["Very EVIL.txt"] }, true],
    ["/^UNDEC/", { encrypted: true }, true],
    ["*", { names: [] }, false],
  ])("deny %s on %o: %s", async (pattern, part, hit) => {
    expect(await findings(`deny ${pattern}`, part)).toHaveLength(hit ? 1 : 0);
  });

  test.each(["UNDECIPHERED", "a/b/c", ".tar.gz", "/(/", "application/"])(
    "%s is refused",
    (pattern) => {
      expect(() => rulesOf(`deny ${pattern}`)).toThrow("rules/banned.rules");
    },
  );
});

describe("which line decides", () => {
  const zip = { names: ["inv.zip"], kinds: ["zip"], type: "application/zip" };
  const exe = { names: ["invoice.pdf.exe"], kinds: ["exe", "exe-ms"], type: "" };

  test("the finding names the leaf, the line and the text for the sender", async () => {
    const found = await findings(
      'deny *.exe "program" "No programs please"',
      mixed({ ...zip, children: [exe] }),
    );
    expect(found).toEqual([
      {
        check: "banned",
        symbol: "BANNED",
        category: "banned",
        score: 0,
        detail: ".exe,.exe-ms,invoice.pdf.exe (program)",
        rule: "rules/banned.rules:1",
        say: "No programs please",
      },
    ]);
  });

  test.each<[string, string, PartFacts, string[]]>([
    [
      "an earlier allow of the container passes its members",
      "allow .zip\ndeny *.exe",
      mixed({ ...zip, children: [exe] }),
      [],
    ],
    [
      "a later allow does not",
      "deny *.exe\nallow .zip",
      mixed({ ...zip, children: [exe] }),
      ["rules/banned.rules:1"],
    ],
    [
      "rules are the outer loop: an allowed key after a banned one in the part",
      "allow .zip\ndeny *.exe",
      { names: ["a.exe"], kinds: ["zip"] },
      [],
    ],
    [
      "a banned container bans its leaves",
      "deny .zip",
      mixed({ ...zip, children: [{ names: ["a.txt"] }] }),
      ["rules/banned.rules:1"],
    ],
    [
      "a container that lets its own members pass spares no sibling",
      "allow .zip\ndeny *.exe",
      mixed({ ...zip, children: [exe] }, exe),
      ["rules/banned.rules:2"],
    ],
    ["an empty container is a leaf", "deny .zip", mixed(zip), ["rules/banned.rules:1"]],
    [
      "a container that is not a leaf is not judged by itself",
      "deny *.zip\n",
      mixed({ ...zip, children: [] }),
      ["rules/banned.rules:1"],
    ],
  ])("%s", async (_, text, facts, lines) => {
    expect((await findings(text, facts)).map(({ rule }) => rule)).toEqual(lines);
  });

  test.each<[string, PartFacts, string[]]>([
    ["members pass", mixed({ ...zip, children: [exe] }), []],
    [
      "the container does not, opened or not",
      { ...zip, names: ["x.exe"] },
      ["rules/banned.rules:2"],
    ],
    [
      "nor when it was opened",
      { ...zip, names: ["x.exe"], children: [exe] },
      ["rules/banned.rules:2"],
    ],
    [
      "members of members pass",
      mixed({ ...zip, children: [{ names: ["a.rar"], children: [exe] }] }),
      [],
    ],
    ["a sibling does not", mixed({ ...zip, children: [exe] }, exe), ["rules/banned.rules:2"]],
  ])("allow-inside: %s", async (_, facts, lines) => {
    const found = await findings("allow-inside .zip\ndeny *.exe", facts);
    expect(found.map(({ rule }) => rule)).toEqual(lines);
  });

  test("an earlier deny reaches into the container", async () => {
    const found = await findings(
      "deny .exe-ms\nallow-inside .zip",
      mixed({ ...zip, children: [exe] }),
    );
    expect(found.map(({ detail }) => detail)).toEqual([".exe,.exe-ms,invoice.pdf.exe"]);
  });

  test("equal to asking every line in turn over all keys of the path", async () => {
    const words = ["a.exe", "b.zip", "c.txt", "d.tar.exe"];
    const kinds = ["exe", "zip", "txt"];
    const patterns = [
      "*.exe",
      "*.zip",
      "*.tar.exe",
      "c.txt",
      "*.*",
      ".exe",
      ".zip",
      ".txt",
      "b*",
      "/zip/",
    ];
    const part = fc.record({
      names: fc.subarray(words, { maxLength: 2 }),
      kinds: fc.subarray(kinds, { maxLength: 2 }),
    });
    const line = fc.tuple(
      fc.constantFrom("allow", "deny"),
      fc.subarray(patterns, { minLength: 1, maxLength: 3 }),
    );
    const of = (
      pattern: string,
      { names, kinds: types }: { names: string[]; kinds: string[] },
    ): boolean => {
      if (pattern === "/zip/")
        return [...names, ...types.map((kind) => `.${kind}`)].some((key) => key.includes("zip"));
      if (pattern.startsWith(".")) return types.includes(pattern.slice(1));
      const re = new RegExp(`^${pattern.replace(/\./g, "\\.").replace(/\*/g, ".*")}$`);
      return names.some((name) => re.test(name));
    };
    await fc.assert(
      fc.asyncProperty(
        fc.array(line, { minLength: 1, maxLength: 5 }),
        part,
        part,
        async (lines, outer, inner) => {
          const text = lines.map(([verb, list]) => `${verb} ${list.join(" ")}`).join("\n");
          const first = lines.findIndex(([, list]) =>
            list.some((pattern) => of(pattern, outer) || of(pattern, inner)),
          );
          const expected =
            first >= 0 && lines[first]?.[0] === "deny" ? [`rules/banned.rules:${first + 1}`] : [];
          const found = await findings(text, { ...outer, children: [inner] });
          expect(found.map(({ rule }) => rule)).toEqual(expected);
        },
      ),
      { numRuns: 1000 },
    );
  });
});

describe("bounds", () => {
  test("hostile names neither throw nor take long", async () => {
    const names = [
      "a".repeat(1e6) + ".exe",
      ".".repeat(1e6),
      " ".repeat(1e6),
      "\0",
      "",
      "💩\ud800.exe",
    ];
    const cpu = cpuClock();
    const [first] = await findings("deny *.exe /(a|aa)+$/ ?*?*z", { names });
    expect(cpu()).toBeLessThan(1000);
    expect(first?.detail.length).toBeLessThan(450);
  });

  test("thousands of banned parts give few findings", async () => {
    const parts = Array.from({ length: 5000 }, (_, i) => ({ names: [`${i}.exe`] }));
    expect(await findings("deny *.exe", mixed(...parts))).toHaveLength(16);
    expect(
      await findings("deny *.exe", mixed({ names: ["a.exe"] }, { names: ["a.exe"] })),
    ).toHaveLength(1);
  });

  test("without lines the tree is not even read", async () => {
    const so = { findings: [], signal: new AbortController().signal };
    expect(await banned(rulesOf("")).run(message({}), so)).toEqual([]);
  });
});
