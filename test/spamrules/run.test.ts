import { describe, expect, it } from "vitest";
import type { Eval } from "../../src/spamrules/evals/eval.ts";
import { compileProgram } from "../../src/spamrules/program.ts";
import { run, type LateAnswers, type RunOptions } from "../../src/spamrules/run.ts";
import type { MimePart, Subject } from "../../src/spamrules/subject.ts";
import type { Scored } from "../../src/spamrules/verdict.ts";
import { bookOf } from "./language/book.ts";

const PROOFS = { spf: null, dkim: null, dmarc: null, arc: null };

interface Texts {
  readonly fields?: Readonly<Record<string, readonly string[]>>;
  readonly body?: readonly string[];
  readonly rawbody?: readonly string[];
  readonly uris?: readonly string[];
  readonly pristine?: string;
  readonly root?: MimePart;
  readonly uriDetails?: Subject["uriDetails"];
}

function subjectOf({ fields = {}, body = [], rawbody = [], uris = [], ...other }: Texts): Subject {
  const getAll = (field: string): readonly string[] => fields[field] ?? [];
  const { pristine = "", root = part({}), uriDetails = new Map() } = other;
  const get = (field: string): string | undefined => {
    const texts = getAll(field);
    const joiner = texts[0]?.endsWith("\n") === true ? "" : "\n";
    return texts.length === 0 ? undefined : texts.join(joiner);
  };
  const known = { get, getAll, body, rawbody, uris, pristine, root, uriDetails };
  return known as unknown as Subject;
}

function part(headers: Readonly<Record<string, string>>, ...children: MimePart[]): MimePart {
  const header = (name: string): readonly string[] => (name in headers ? [headers[name]!] : []);
  const known = { children, header, rawHeader: header, headerNames: Object.keys(headers) };
  return known as unknown as MimePart;
}

interface Asked extends Partial<RunOptions> {
  readonly evals?: Readonly<Record<string, Eval>>;
  readonly late?: LateAnswers;
  readonly bayes?: boolean;
}

function score(
  rules: string,
  texts: Texts,
  { evals = {}, late, bayes = false, ...options }: Asked = {},
): Scored {
  const known = new Map(Object.entries(evals));
  const program = compileProgram(bookOf(rules), { local: true, bayes, evals: known });
  return run(program, subjectOf(texts), { proofs: PROOFS, ...options }).finish(late, true);
}

const hits = (rules: string, texts: Texts, asked?: Asked): Record<string, number> =>
  Object.fromEntries(score(rules, texts, asked).hits.map(({ rule, count }) => [rule, count]));

describe("rules that only metas ask for", () => {
  /** Names of the rules that ran, and of those that hit without subrules. */
  function ran(rules: string, texts: Texts): { readonly ran: string[]; readonly hit: string[] } {
    const program = compileProgram(bookOf(rules), { local: true, bayes: false });
    const names: string[] = [];
    const running = run(program, subjectOf(texts), {
      proofs: PROOFS,
      progress: (rule) => names.push(rule),
    });
    return { ran: names, hit: running.finish().hits.map(({ rule }) => rule) };
  }

  it("do not run where the others decide", () => {
    const rules =
      "body __A /one/\nbody __B /two/\nmeta C __A && __B\nmeta D __A || E\nbody E /one/";
    expect(ran(rules, { body: ["x", "three"] })).toEqual({ ran: [], hit: [] });
    expect(
      ran("body __A /one/\nbody __B /two/\nmeta C __A && __B", { body: ["x", "one"] }),
    ).toEqual({
      ran: [],
      hit: [],
    });
    expect(ran(rules, { body: ["x", "one two"] })).toEqual({
      ran: ["E", "__A", "__B"],
      hit: ["C", "D", "E"],
    });
  });

  it("are asked through other metas, count every text, and are told when all is wanted", () => {
    const rules =
      "body __A /one/\ntflags __A multiple maxhits=5\nmeta __B __A > 2\nmeta __C !__B\nmeta D __C\nbody __E /one/";
    expect(ran(rules, { body: ["x", "one one", "one"] })).toEqual({
      ran: ["__A", "__A"],
      hit: [],
    });
    expect(hits(rules, { body: ["x", "one one", "one"] })).toEqual({ __A: 3, __B: 1, __E: 1 });
    expect(hits(rules, { body: ["x", "one one"] })).toEqual({ __A: 2, __C: 1, D: 1, __E: 1 });
  });

  it("run at once when too many texts would have to be remembered", () => {
    const body = Array.from({ length: 30_000 }, (_, at) => (at === 29_999 ? "last" : "one"));
    const rules =
      "body __A /one|last/\nbody __B /last/\nmeta C __A && Z\nmeta D __B\nbody Z /zero/";
    expect(ran(rules, { body })).toEqual({ ran: ["__A", "__B"], hit: ["D"] });
  });

  it("are asked by eval functions", () => {
    const asks: Eval = (context) => context.hits("__A") === 2;
    const rules =
      "loadplugin Mail::SpamAssassin::Plugin::HeaderEval\nbody __A /one/\ntflags __A multiple\nheader B eval:check_for_missing_to_header()\npriority B 5\nmeta C __A > 1";
    const evals = { check_for_missing_to_header: asks };
    expect(hits(rules, { body: ["one", "one"] }, { evals })).toEqual({ __A: 2, B: 1, C: 1 });
  });
});

describe("run", () => {
  it("meets each line of the body by itself, the subject first", () => {
    const body = ["hello\n", "one two", "two\n"];
    expect(hits("body A /hello.*one/s\nbody B /two$/\nbody C /^hello/", { body })).toEqual({
      B: 1,
      C: 1,
    });
    expect(hits("body A /hello/\ntflags A nosubject", { body })).toEqual({});
  });

  it("counts all matches under tflags multiple, up to maxhits", () => {
    const body = ["", "aaa", "aa"];
    expect(hits("body A /a/\ntflags A multiple", { body })).toEqual({ A: 5 });
    expect(hits("body A /a/\ntflags A multiple maxhits=4", { body })).toEqual({ A: 4 });
    expect(hits("body A /a/", { body })).toEqual({ A: 1 });
    expect(hits("body A /b?/\ntflags A multiple maxhits=9", { body: ["ab"] })).toEqual({ A: 3 });
    expect(score("body A /a/\nscore A 0.5\ntflags A multiple", { body }).total).toBe(2.5);
  });

  it("takes a field that is not there for no text, or for [if-unset:]", () => {
    const rules =
      "header A X-Y =~ /^$/\nheader B X-Y !~ /a/\nheader C X-Y =~ /z/ [if-unset: z]\nheader D exists:X-Y";
    expect(hits(rules, {})).toEqual({ A: 1, B: 1, C: 1 });
    expect(hits(rules, { fields: { "X-Y": ["a\n"] } })).toEqual({ D: 1 });
    expect(hits("header A X-Y =~ /a\\nb/", { fields: { "X-Y": ["a\n", "b\n"] } })).toEqual({
      A: 1,
    });
    expect(hits("header A From:addr =~ /a\\nb$/", { fields: { "From:addr": ["a", "b"] } })).toEqual(
      { A: 1 },
    );
  });

  it("reads uri, rawbody and full", () => {
    const rules = "uri U /x$/\nrawbody R /\\r?\\n./\nfull F /^a.*z$/s";
    expect(hits(rules, { uris: ["http://x"], rawbody: ["a\nb"], pristine: "a\n\nz" })).toEqual({
      U: 1,
      R: 1,
      F: 1,
    });
  });

  it("finds the same whether a prefilter stands before the rules or not", () => {
    const words = Array.from({ length: 200 }, (_, n) => `word${n}x`);
    const rules = words.map((word, n) => `body R${n} /\\b${word}\\b/i`).join("\n");
    expect(hits(rules, { body: ["", "see WORD7x, word77x and word777x"] })).toEqual({
      R7: 1,
      R77: 1,
    });
  });

  it("puts in what another rule has captured, and does not run without it", () => {
    const rules = "header __TO To:addr =~ /(?<TO_USER>[^@]+)@/\nuri U /u=%{TO_USER}$/i";
    const uris = ["http://x/?u=A.b", "http://x/?u=axb"];
    expect(hits(rules, { uris, fields: { "To:addr": ["a.b@example.org"] } })).toEqual({
      __TO: 1,
      U: 1,
    });
    expect(
      hits(rules, { uris: uris.slice(1), fields: { "To:addr": ["a.b@example.org"] } }),
    ).toEqual({ __TO: 1 });
    expect(hits(rules, { uris: ["http://x/?u="] })).toEqual({});
  });

  it("makes no pattern for texts without what a tag holds, unless they may match without it", () => {
    const rules =
      "header __TO To:addr =~ /(?<TO_USER>[^@]+)@/\n" +
      "uri U /u=%{TO_USER}/i\nuri V /u=(?:%{TO_USER}|%{TO_USER}s|none)/\nuri W /u=(?!%{TO_USER})/\nuri X /u=%{TO_USER}?$/";
    const fields = { "To:addr": ["a.b@example.org"] };
    const at = (uri: string): Record<string, number> => hits(rules, { uris: [uri], fields });
    expect(at("http://x/?u=A.B")).toEqual({ __TO: 1, U: 1, W: 1 });
    expect(at("http://x/?u=a.bs")).toEqual({ __TO: 1, U: 1, V: 1 });
    expect(at("http://x/?u=none")).toEqual({ __TO: 1, V: 1, W: 1 });
    expect(at("http://x/?u=")).toEqual({ __TO: 1, W: 1, X: 1 });
  });

  it("looks at the clock again and again, however short the texts are", () => {
    const rules = Array.from({ length: 400 }, (_, n) => `body R${n} /word/`).join("\n");
    const begun: string[] = [];
    const deadline = performance.now() + 20;
    const progress = (rule: string): void => {
      begun.push(rule);
      const until = performance.now() + 1;
      while (performance.now() < until);
    };
    const scored = score(rules, { body: ["", "word"] }, { deadline, progress });
    expect(scored.partial).not.toBeNull();
    expect(begun.length).toBeLessThan(20 + 41);
  });

  it("puts in what a field says", () => {
    const rules = "body A m{www\\.%{HEADER(From:addr:domain)}/}\nbody B /%{HEADER(X-No)}/";
    const body = ["www.example.org/ www.examplexorg/"];
    const fields = { "From:addr:domain": ["example.org"] };
    expect(hits(rules, { body, fields })).toEqual({ A: 1 });
    expect(hits(rules, { body, fields: { "From:addr:domain": ["example.net"] } })).toEqual({});
  });

  it("reads the fields of parts, the first part that matches counting", () => {
    const root = part(
      {},
      part({ "content-type": "image/png; image/gif" }),
      part({ "content-type": "image/x" }),
    );
    const rules =
      "mimeheader A Content-Type =~ /image/\nmimeheader B Content-Type =~ /image/\ntflags B multiple\nmimeheader C Content-Type =~ /text/";
    const plugin = "loadplugin Mail::SpamAssassin::Plugin::MIMEHeader\n";
    expect(hits(plugin + rules, { root })).toEqual({ A: 1, B: 2 });
  });

  it("takes a field that a part does not have for no text, and looks at the parts in its range only", () => {
    const root = part({ "content-type": "text/x" }, part({ "content-id": "<a>" }));
    const plugin = "loadplugin Mail::SpamAssassin::Plugin::MIMEHeader\n";
    const rules =
      "mimeheader A Content-Id =~ /^$/\nmimeheader B Content-Id =~ /^z$/\nmimeheader C Content-Id =~ /^z$/ [if-unset: z]\n" +
      "mimeheader D Content-Id =~ /a/\ntflags D range=1\nmimeheader E Content-Id =~ /a/\ntflags E range=2";
    expect(hits(plugin + rules, { root })).toEqual({ A: 1, C: 1, E: 1 });
  });

  it("wants all tests of uri_detail to fit one address", () => {
    const plugin = "loadplugin Mail::SpamAssassin::Plugin::URIDetail\n";
    const detail = {
      cleaned: ["http://a/"],
      types: new Set(["a"]),
      anchorTexts: ["https://b"],
      hosts: new Map(),
    };
    const uriDetails: Subject["uriDetails"] = new Map([["http://a/", detail]]);
    const rule = (test: string): string => `${plugin}uri_detail D text =~ /^https:/ ${test}`;
    expect(hits(rule("cleaned !~ /^https:/"), { uriDetails })).toEqual({ D: 1 });
    expect(hits(rule("type =~ /img/"), { uriDetails })).toEqual({});
  });

  it("answers metas with counts, and as late as they have to be", () => {
    const rules =
      "body __A /a/\ntflags __A multiple\nmeta M __A > 2\nmeta N !M && !NOBODY\nmeta O M + 1";
    expect(hits(rules, { body: ["aaa"] })).toEqual({ __A: 3, M: 1, O: 2 });
    expect(hits(rules, { body: ["a"] })).toEqual({ __A: 1, N: 1, O: 1 });
  });

  it("answers a meta over one without points only where that one has no value", () => {
    const rules = `
      body A /a/
      body __B /b/
      meta MUTE __B && A
      score MUTE 0
      meta OTHERS !MUTE && A
      meta THEIRS OTHERS || A
      meta DEEP !MUTE2
      meta MUTE2 !OTHERS
      score MUTE2 0
      meta FREE A`;
    const [OTHERS, THEIRS, A, FREE, DEEP] = [1, 1, 1, 1, 1];
    expect(hits(rules, { body: ["a"] })).toEqual({ A, OTHERS, THEIRS, FREE, DEEP });
    expect(hits(rules, { body: ["a b"] })).toEqual({ A, FREE, __B: 1 });
  });

  it("lets no eval function that throws stop the rest", () => {
    const faults: string[] = [];
    const evals = {
      check_for_missing_to_header: (): boolean => {
        throw new Error("no");
      },
      check_all_trusted: (): number => 2,
    };
    const plugins =
      "loadplugin Mail::SpamAssassin::Plugin::HeaderEval\nloadplugin Mail::SpamAssassin::Plugin::RelayEval\n";
    const rules = `${plugins}header A eval:check_for_missing_to_header()\nheader B eval:check_all_trusted()`;
    const asked = { evals, onFault: (rule: { name: string }) => faults.push(rule.name) };
    expect(hits(rules, {}, asked)).toEqual({ B: 2 });
    expect(faults).toEqual(["A"]);
  });

  it("reports what it cannot compile, and runs the rest", () => {
    const book = bookOf("body A /\\p{L}/\nbody B /b/");
    const program = compileProgram(book, { local: true, bayes: false });
    expect([...program.problems, ...book.problems].map(({ message }) => message).join()).toContain(
      "A",
    );
    expect(
      run(program, subjectOf({ body: ["b"] }), { proofs: PROOFS })
        .finish()
        .hits.map(({ rule }) => rule),
    ).toEqual(["B"]);
  });

  it("begins no rule after the deadline, keeps what hit, and says where it stopped", () => {
    const scored = score(
      "body A /a/\nbody B /a/\npriority A -5",
      { body: ["a"] },
      { deadline: -1 },
    );
    expect(scored.partial).toEqual({ rule: "A" });
    expect(scored.hits.map(({ rule }) => rule)).toEqual(["TIME_LIMIT_EXCEEDED"]);
  });

  it("says where and what matched when it is asked", () => {
    const [hit] = score("body A /b.*/", { body: ["x", "abc"] }, { explain: true }).hits;
    expect(hit?.matched).toEqual({ where: "body 2", text: "bc" });
    expect(score("body A /b.*/", { body: ["x", "abc"] }).hits[0]?.matched).toBeNull();
  });

  it("says which rules made a meta hit, and which function was asked", () => {
    const rules = `
      body __A /a+/
      body __B /b/
      header C eval:check_for_shifted_date('3', '6')
      meta M __A && !__B
      meta N !__B && !D
      header NOT Subject !~ /x/
      header IS exists:Subject`;
    const texts = { body: ["caa"], fields: { Subject: ["s\n"] } };
    const evals = { check_for_shifted_date: () => true };
    const { hits: found } = score(rules, texts, { explain: true, evals });
    expect(Object.fromEntries(found.map(({ rule, matched }) => [rule, matched]))).toMatchObject({
      C: { where: "function", text: "check_for_shifted_date(3, 6)" },
      M: { where: "rules", text: "__A (body 1: aa)" },
      N: { where: "rules", text: "none of __B, D" },
      NOT: { where: "Subject", text: "has nothing of it" },
      IS: { where: "Subject" },
    });
    expect(score(rules, texts, { evals }).hits.every(({ matched }) => matched === null)).toBe(true);
  });

  it("ends with a rule that shortcircuits", () => {
    const rules =
      "loadplugin Mail::SpamAssassin::Plugin::Shortcircuit\nbody A /a/\nscore A 1\npriority A -300\nshortcircuit A spam\nbody B /a/";
    const scored = score(rules, { body: ["a"] });
    expect(scored.hits.map(({ rule, score: points }) => [rule, points])).toEqual([
      ["A", 1],
      ["SHORTCIRCUIT", 100],
    ]);
    expect(scored.total).toBe(101);
    expect(Object.fromEntries(scored.tags)).toEqual({
      SC: "A (spam)",
      SCRULE: "A",
      SCTYPE: "spam",
    });
  });

  it("ends when there are points enough", () => {
    const rules = (setting: string): string =>
      `loadplugin Mail::SpamAssassin::Plugin::Shortcircuit\n${setting}\nbody A /a/\nscore A 5\npriority A -3\n` +
      "body B /a/\npriority B -2\nbody C /a/\npriority C -1\nbody D /a/";
    const ended = score(rules("shortcircuit_max_spam_score 4"), { body: ["a"] });
    expect(ended.hits.map(({ rule }) => rule)).toEqual(["A", "B", "SHORTCIRCUIT"]);
    expect(ended.total).toBe(6.001);
    expect(ended.tags.get("SCTYPE")).toBe("spam");
    const whole = score(rules("shortcircuit_min_ham_score -4"), { body: ["a"] });
    expect(whole.hits.map(({ rule }) => rule)).toEqual(["A", "B", "C", "D"]);
    expect(whole.tags.get("SC")).toBe("no");
  });

  it("takes hits that come from outside before the metas that wait for them", () => {
    const rules =
      "loadplugin Mail::SpamAssassin::Plugin::DNSEval\nheader R eval:check_rbl('x', 'bl.example.')\ntflags R net\nmeta M R && __A\nbody __A /a/";
    const book = bookOf(rules, { local: false });
    const program = compileProgram(book, { local: false, bayes: false, evals: new Map() });
    const running = run(program, subjectOf({ body: ["a"] }), { proofs: PROOFS });
    const names = running
      .finish({
        hits: new Map([
          ["R", "192.0.2.1"],
          ["NOBODY", "192.0.2.1"],
        ]),
      })
      .hits.map(({ rule }) => rule);
    expect(names).toEqual(["M", "R"]);
  });
});

describe("run on texts made to hurt", () => {
  it("takes 200 KiB of one letter, 50,000 links and long fields in bounded time", () => {
    const rules =
      "body A /a+b/\nbody B /(?:a?){20}c/\nrawbody C /<a[^>]{0,200}href=x/\nuri D /^http.*zzz/\nfull E /a.*b.*c.*d/";
    const texts = {
      body: [
        "",
        ..."x"
          .repeat(100)
          .split("")
          .map(() => "a".repeat(2048)),
      ],
      rawbody: Array.from({ length: 60 }, () => "<a ".repeat(1000)),
      uris: Array.from({ length: 50_000 }, (_, n) => `http://h${n}.example/`),
      pristine: "a".repeat(20_000),
    };
    const start = process.cpuUsage();
    expect(hits(rules, texts)).toEqual({});
    expect(process.cpuUsage(start).user).toBeLessThan(10_000_000);
  });
});
