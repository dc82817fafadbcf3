// The virus check over a scanner that says what the test wants: whole message and payloads, names, sizes, failures.
import { describe, expect, test } from "vitest";
import { virus, type VirusMeans } from "../../src/checks/virus.ts";
import type { ScanReply } from "../../src/clients/clamd-reply.ts";
import type { Body, Message } from "../../src/mail/message.ts";
import { compileRules } from "../../src/ruleset/compile.ts";
import { message, tree } from "../fakes/message.ts";

const SO = { findings: [], signal: new AbortController().signal };

function rulesOf(scores = "") {
  const compiled = compileRules(new Map([["scores.rules", scores]]), {
    modes: [],
    hasOutgoing: false,
  });
  if ("errors" in compiled) throw new Error(JSON.stringify(compiled.errors));
  return compiled.ok;
}

const textOf = async (body: Body): Promise<string> => {
  let text = "";
  for await (const piece of body.open()) text += piece.toString();
  return text;
};

/** A scanner that answers by what it is sent: "!NAME" anywhere is a virus, "?WHY" an error. */
function scanner(asked: string[] = []): VirusMeans["scanner"] {
  return {
    async scan(body): Promise<ScanReply> {
      const text = await textOf(body);
      asked.push(text);
      const name = /!(\S+)/.exec(text)?.[1];
      const why = /\?(\w+)/.exec(text)?.[1];
      if (name !== undefined) return { kind: "infected", name };
      return why === undefined ? { kind: "clean" } : { kind: "error", why };
    },
  };
}

const of = (header: string, payloads: readonly string[] = []): Message => ({
  ...message({ header, tree: tree({}) }),
  tree: async () => ({
    ...tree({}),
    payloads: payloads.map((text, i) => ({ path: `1/${i}`, octets: Buffer.from(text) })),
  }),
});

const run = async (subject: Message, own: Partial<VirusMeans> = {}, scores = "") =>
  (
    await virus(rulesOf(scores), {
      scanner: scanner(),
      deadlineMs: 1000,
      maxSize: 1000,
      oversize: "unchecked",
      ...own,
    }).run(subject, SO)
  ).map(({ symbol, category, score, detail }) => `${symbol} ${category} ${score} ${detail}`);

const SCANNED = "VIRUS_SCANNED note 0 ";

describe("what is sent", () => {
  test("the whole message as it came, then each payload", async () => {
    const asked: string[] = [];
    await run(of("Subject: x\r\n\r\n", ["one", "two"]), { scanner: scanner(asked) });
    expect(asked.sort()).toEqual(["Subject: x\r\n\r\n", "one", "two"]);
  });

  test("the message goes out before the tree is there", async () => {
    const asked: string[] = [];
    let grown: (of: ReturnType<typeof tree>) => void = () => {};
    const slow: Message = {
      ...of("Subject: x\r\n\r\n"),
      tree: () => new Promise((resolve) => (grown = resolve)),
    };
    const found = run(slow, { scanner: scanner(asked) });
    await expect.poll(() => asked.length).toBe(1);
    grown(tree({}));
    expect(await found).toEqual([SCANNED]);
  });
});

describe("what comes out", () => {
  test("clean: a note that it was scanned, and nothing else", async () => {
    expect(await run(of("Subject: x\r\n\r\n", ["y"]))).toEqual([SCANNED]);
  });

  test("each name once, from wherever", async () => {
    expect(await run(of("X: !Eicar\r\n\r\n", ["!Eicar", "!Other", "-"]))).toEqual([
      "VIRUS virus 0 Eicar",
      "VIRUS virus 0 Other",
      SCANNED,
    ]);
  });

  test.each([
    ["the message", of("X: ?down\r\n\r\n", ["y"])],
    ["a payload", of("X: y\r\n\r\n", ["y", "?down", "y"])],
  ])("%s that nobody scanned: a failure with the scanner's words", async (_, subject) => {
    await expect(run(subject)).rejects.toThrow(/^down$/);
  });

  test("a virus beside a failure is a virus, and no claim that all was scanned", async () => {
    expect(await run(of("X: ?down\r\n\r\n", ["!Eicar"]))).toEqual(["VIRUS virus 0 Eicar"]);
    expect(await run(of("X: !Eicar\r\n\r\n", ["?down"]))).toEqual(["VIRUS virus 0 Eicar"]);
  });

  test("a tree that cannot be read is a failure, but for a virus", async () => {
    const broken = (header: string): Message => ({
      ...of(header),
      tree: () => Promise.reject(new Error("spool")),
    });
    await expect(run(broken("X: y\r\n\r\n"))).rejects.toThrow(/parts could not be read.*spool/);
    expect(await run(broken("X: !Eicar\r\n\r\n"))).toEqual(["VIRUS virus 0 Eicar"]);
  });
});

describe("more than max_size", () => {
  const large = of(`X: ${"y".repeat(2000)}\r\n\r\n`, ["y"]);

  test("unchecked, with the sizes", async () => {
    await expect(run(large)).rejects.toThrow(/^2007 octets, max_size is 1000$/);
  });

  test("skip: a note, no claim of a scan, and the payloads were asked about all the same", async () => {
    const asked: string[] = [];
    const own = { oversize: "skip", scanner: scanner(asked) } as const;
    expect(await run(large, own)).toEqual(["VIRUS_OVERSIZE note 0 2007 octets, max_size is 1000"]);
    expect(asked).toEqual(["y"]);
    const infected = of(`X: ${"y".repeat(2000)}\r\n\r\n`, ["!Eicar"]);
    expect(await run(infected, { oversize: "skip" })).toEqual(["VIRUS virus 0 Eicar"]);
    const down = of(`X: ${"y".repeat(2000)}\r\n\r\n`, ["?down"]);
    await expect(run(down, { oversize: "skip" })).rejects.toThrow(/^down$/);
  });

  test("exactly that much is sent", async () => {
    expect(await run(of(`X: ${"y".repeat(993)}\r\n\r\n`))).toEqual([SCANNED]);
  });
});

describe("names that only give points", () => {
  const scores = "virus-score Heuristics.Phishing.* 6\nvirus-score /^PUA\\..*Packer/ 2.5\n";

  test.each([
    [
      "Heuristics.Phishing.Email",
      ["AV:Heuristics.Phishing.Email spam 6 Heuristics.Phishing.Email"],
    ],
    ["PUA.Win.Packer-1", ["AV:PUA.Win.Packer-1 spam 2.5 PUA.Win.Packer-1"]],
    ["PUA.Win.Tool", ["VIRUS virus 0 PUA.Win.Tool"]],
    ["Eicar", ["VIRUS virus 0 Eicar"]],
  ])("%s", async (name, found) => {
    expect(await run(of(`X: !${name}\r\n\r\n`), {}, scores)).toEqual([...found, SCANNED]);
  });

  test("the first line that matches; what is no pattern or number is an error of its line", () => {
    const two = "virus-score a* 1\nvirus-score ab 2\n";
    expect(rulesOf(two).virusScoreOf("AB")).toBe(1);
    expect(rulesOf(two).virusScoreOf("b")).toBeNull();
    expect(() => rulesOf("virus-score /(/ 1\n")).toThrow(/scores\.rules","line":1/);
    expect(() => rulesOf("virus-score x much\n")).toThrow(/\\"much\\" is no number of points/);
  });
});
