// Guessing the language of a message, with small models of languages that nobody speaks.
import { describe, expect, it } from "vitest";
import { renderHtml } from "../../../src/spamrules/html/render.ts";
import { parseRules } from "../../../src/spamrules/language/parse.ts";
import { prepare, toolsOf } from "../../../src/spamrules/prepare.ts";
import { compileProgram } from "../../../src/spamrules/program.ts";
import type { RuleBook } from "../../../src/spamrules/rulebook.ts";
import { run } from "../../../src/spamrules/run.ts";
import { commonGroups } from "../../../src/spamrules/textcat/groups.ts";
import type { Guess } from "../../../src/spamrules/textcat/guess.ts";

/** A model from a text, as such models are made. */
function model(name: string, text: string): string {
  return `${commonGroups(text, { atLeast: 0, most: 400 }).join("\n")}\n0 ${name}\n`;
}
const OO = "oo moo koo loo boo zoo toomoo kooloo bookoo zootoo ";
const II = "ii mii kii lii bii zii tiimii kiilii biikii ziitii ";
const EE = "\xc3\xa9 m\xc3\xa9 k\xc3\xa9l\xc3\xa9 b\xc3\xa9z\xc3\xa9t\xc3\xa9 m\xc3\xa9k\xc3\xa9 ";
const MODELS =
  model("oo", OO) +
  model("ii", II) +
  model("ee.koi8", EE) +
  model("oo.utf8", `${OO}\xc3\xb6\xc3\xb6 `) +
  model("la", OO);

const RULES = `loadplugin Mail::SpamAssassin::Plugin::TextCat
body UNWANTED eval:check_language()
body EIGHT_BITS eval:check_body_8bits()
header OO X-Languages =~ /\\boo\\b/
header ANY exists:X-Languages
header LONG X-Languages-Length =~ /^10000$/
`;

const book = (cf = "", languages: string | null = MODELS): RuleBook =>
  parseRules(
    {
      texts: [{ file: "/a.cf", octets: RULES + cf }],
      includes: new Map(),
      problems: [],
      ...(languages !== null && { languages: { file: "/languages", octets: languages } }),
    },
    { local: true },
  );

interface Told {
  readonly hits: string;
  readonly guess: Guess | null;
}

function told(text: string, cf = "", fields = "Subject: x", rules = book(cf)): Told {
  const octets = Buffer.from(`${fields}\n\n${text}\n`, "latin1");
  const subject = prepare(octets, { now: 0 }, toolsOf(rules.settings, renderHtml));
  const program = compileProgram(rules, { local: true, bayes: false });
  const { hits } = run(program, subject, {
    proofs: { spf: null, dkim: null, dmarc: null, arc: null },
  }).finish();
  return { hits: hits.map(({ rule }) => rule).join(" "), guess: subject.languages };
}
const names = (text: string, cf?: string, fields?: string): string =>
  (told(text, cf, fields).guess?.names ?? ["null"]).join(" ");

describe("the guess", () => {
  it.each([
    ["one", OO.repeat(8), "oo"],
    ["another", II.repeat(8), "ii"],
    ["one whose name tells a charset", EE.repeat(12), "ee.koi8"],
    ["capitals", II.toUpperCase().repeat(8), "ii"],
    ["too short", OO.repeat(4), ""],
  ])("%s", (_, text, wanted) => {
    expect(names(text)).toBe(wanted);
  });

  it("leaves out what is inactive, unless it is wanted", () => {
    expect(names(OO.repeat(8), "inactive_languages oo ee ii\n")).toBe("la");
    expect(names(OO.repeat(8), "ok_languages la\n").split(" ").sort()).toEqual(["la", "oo"]);
  });

  it("says nothing where too many would do", () => {
    const both = "ok_languages la\ntextcat_max_languages";
    expect(names(OO.repeat(8), `${both} 2\n`)).toMatch(/^(?:oo la|la oo)$/);
    expect(names(OO.repeat(8), `${both} 1\n`)).toBe("");
    expect(names(OO.repeat(8), "textcat_acceptable_score 100\ntextcat_max_languages 2")).toBe("");
    expect(names(OO.repeat(8), "textcat_acceptable_score 100").split(" ")[0]).toBe("oo");
  });

  it("looks neither at links and addresses nor at prefixes of the subject", () => {
    const noise = "http://iimii.kiilii/bii miikii@ziitii.lii www.kiibii.mii ";
    const clean = told(OO.repeat(8)).guess;
    expect(told(`${OO}${noise}`.repeat(8)).guess?.names).toEqual(["oo"]);
    expect(told(OO.repeat(8), "", "Subject: Re: Fwd: x").guess).toEqual(clean);
  });

  it("tells how far off each was", () => {
    const { guess } = told(OO.repeat(8));
    const all = (guess?.results ?? "").split(" ");
    expect(all[0]).toMatch(/^oo:\d+\(1\.00\)$/);
    expect(all.map((each) => each.replace(/:.*/, ""))).toEqual(["oo", "ii", "ee.koi8"]);
    expect(told(OO).guess?.results).toBe(null);
  });
});

describe("rules", () => {
  it("find the guess in X-Languages, or what the message says itself", () => {
    expect(told(OO.repeat(8)).hits).toBe("ANY OO");
    expect(told(II.repeat(8)).hits).toBe("ANY");
    expect(told(OO).hits).toBe("ANY");
    expect(told(II.repeat(8), "", "X-Languages: oo").hits).toBe("ANY OO");
    expect(told(OO.repeat(800)).hits).toBe("ANY LONG OO");
  });

  it("hit on languages that are not wanted", () => {
    expect(told(OO.repeat(8), "ok_languages ii").hits).toBe("ANY OO UNWANTED");
    expect(told(OO.repeat(8), "ok_languages ii oo").hits).toBe("ANY OO");
    expect(told(OO.repeat(8), "ok_languages ii all").hits).toBe("ANY OO");
    expect(told(EE.repeat(12), "ok_languages ee").hits).toBe("ANY");
    expect(told(OO, "ok_languages ii").hits).toBe("ANY");
  });

  it("take Scots for English in a short text", () => {
    const rules = book("ok_languages en\ninactive_languages x", model("sco", OO) + model("ii", II));
    expect(told(OO.repeat(10), "", "", rules).hits).toBe("ANY");
    expect(told(OO.repeat(30), "", "", rules).hits).toBe("ANY UNWANTED");
  });

  it("hit on rows of octets beyond ASCII, where the wanted languages have none", () => {
    const row = "\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9";
    expect(told(row, "ok_languages en").hits).toBe("ANY EIGHT_BITS");
    expect(told(row.slice(2), "ok_languages en").hits).toBe("ANY");
    expect(told(row, "ok_languages en ru").hits).toBe("ANY");
    expect(told(row).hits).toBe("ANY");
  });

  it("say nothing without models, which is a remark", () => {
    const rules = book("ok_languages ii", null);
    expect(told(OO.repeat(8), "", "", rules)).toEqual({ hits: "", guess: null });
    expect(rules.problems.map(({ message }) => message)).toEqual([
      expect.stringContaining('no file "languages"'),
    ]);
    expect(told(OO.repeat(8), "ok_languages ii", "", book("", "no name\n")).guess?.names).toEqual(
      [],
    );
  });

  it("are others when the models are", () => {
    expect(book("", MODELS).version).not.toBe(book("", model("oo", II)).version);
  });
});

it("takes no longer for more than it reads", () => {
  const cost = (text: string): number => {
    const start = process.cpuUsage();
    for (let turn = 0; turn < 5; turn++) names(text);
    const { user, system } = process.cpuUsage(start);
    return user + system + 20_000;
  };
  for (const piece of [OO, "x", "a@", `http://${"y".repeat(900)} `, "www.", "re:"]) {
    const [little, much] = [20_000, 1_000_000].map((length) =>
      piece.repeat(Math.ceil(length / piece.length)),
    );
    cost(little ?? "");
    expect(cost(much ?? "") / cost(little ?? "")).toBeLessThan(60);
  }
});
