// What lines define, and what a later line makes of it.
import { expect, it } from "vitest";
import { bookOf, definitionOf, problemsOf } from "./book.ts";

const DEFINITIONS: readonly (readonly [string, unknown])[] = [
  [
    "header X Subject =~ /a b/i",
    {
      type: "header",
      field: { name: "Subject", modifiers: [] },
      negated: false,
      ifUnset: null,
      pattern: { source: "a b", flags: "i" },
    },
  ],
  [
    "header X From:addr:first !~ m{a}x  [if-unset: none at all]",
    {
      type: "header",
      field: { name: "From", modifiers: ["addr", "first"] },
      negated: true,
      ifUnset: "none at all",
      pattern: { source: "a", flags: "x" },
    },
  ],
  [
    "header X A =~ /[if-unset:] x/  [if-unset:  b]]",
    {
      type: "header",
      field: { name: "A", modifiers: [] },
      negated: false,
      ifUnset: "b]",
      pattern: { source: "[if-unset:] x", flags: "" },
    },
  ],
  ["header X exists:X-Mailer:", { type: "exists", field: { name: "X-Mailer", modifiers: [] } }],
  ["body X /a\\/b/", { type: "body", pattern: { source: "a\\/b", flags: "" } }],
  ["body X qr!a b!msd", { type: "body", pattern: { source: "a b", flags: "ms" } }],
  ["body X m(a(b)c)", { type: "body", pattern: { source: "a(b)c", flags: "" } }],
  ["body X /a\\#b/ # comment", { type: "body", pattern: { source: "a#b", flags: "" } }],
  ["body X /\xa0\xfc/\xa0", undefined],
  ["rawbody X /<x>/", { type: "rawbody", pattern: { source: "<x>", flags: "" } }],
  ["full X //", { type: "full", pattern: { source: "", flags: "" } }],
  ["uri X /%{TAG}/", { type: "uri", pattern: { source: "%{TAG}", flags: "" } }],
  [
    "mimeheader X Content-Type:raw =~ /x/",
    {
      type: "mimeheader",
      field: { name: "Content-Type", modifiers: ["raw"] },
      negated: false,
      ifUnset: null,
      pattern: { source: "x", flags: "" },
    },
  ],
  [
    "uri_detail X text =~ /click/i domain !~ m,example\\.com,",
    {
      type: "uri_detail",
      tests: [
        { key: "text", negated: false, pattern: { source: "click", flags: "i" } },
        { key: "domain", negated: true, pattern: { source: "example\\.com", flags: "" } },
      ],
    },
  ],
  [
    `header X eval:check_for_shifted_date('-6', "undef" , 3)`,
    { type: "eval", on: "header", function: "check_for_shifted_date", args: ["-6", "undef", "3"] },
  ],
  [
    "header X rbleval:check_rbl('x', 'y.')",
    { type: "eval", on: "rbl", function: "check_rbl", args: ["x", "y."] },
  ],
  [
    "rawbody X eval:check_ma_non_text()",
    { type: "eval", on: "rawbody", function: "check_ma_non_text", args: [] },
  ],
  ["body X eval:check_for_shifted_date('1')", { type: "empty" }],
  ["body X eval:nobody_knows()", { type: "empty" }],
  ["header X eval:check_freemail_from(a_b)", { type: "empty" }],
  ["meta X A && !(B || C)", { type: "meta", expression: "A && !(B || C)" }],
  [
    "askdns X _AUTHORDOMAIN_.x.example a,mx /^127\\./",
    {
      type: "askdns",
      query: "_AUTHORDOMAIN_.x.example",
      record: "A,MX",
      filter: { source: "^127\\.", flags: "" },
    },
  ],
  ["askdns X x.example", { type: "askdns", query: "x.example", record: "A", filter: null }],
  [
    "askdns X x.example A 127.0.0.1-127.0.0.9",
    { type: "askdns", query: "x.example", record: "A", filter: "127.0.0.1-127.0.0.9" },
  ],
  ["reuse X", { type: "empty" }],
  ["body X /x/\nreuse X", { type: "body", pattern: { source: "x", flags: "" } }],
  ["HEADER X exists:A", { type: "exists", field: { name: "A", modifiers: [] } }],
  ["body X /x/\nbody X /broken", { type: "body", pattern: { source: "x", flags: "" } }],
];

it.each(DEFINITIONS)("%s", (lines, definition) => {
  expect(definitionOf(lines)).toEqual(definition);
});

const REFUSED = [
  "body X plain",
  "body X /open",
  "body X /a/b/",
  "body X /a/e",
  "body X /a/g",
  "body X m\\a\\",
  "body X /a(?{die})/",
  "body X /a(??{die})/",
  "body X m<a>b>",
  "body X",
  "body",
  "body 1X /x/",
  "body X-Y /x/",
  `body ${"X".repeat(101)} /x/`,
  "header X Subject",
  "header X From:what =~ /x/",
  "header X exists:A B",
  "header X eval:broken(",
  "mimeheader X A:addr =~ /x/",
  "uri_detail X colour =~ /x/",
  "uri_detail X text",
  "askdns X a.example WKS",
  "meta X A B",
  "meta X A / B",
  "meta X A -1",
  "meta X A ** 2",
  "meta X A; B",
  "meta X (A",
  "score X",
  "score X 1 2",
  "score X .5",
  "score X (1)",
  "tflags X",
  "describe X",
  "priority X high",
  "shortcircuit X maybe",
  "no_such_thing 1",
  "use_dcc 1",
  "lang de",
  "endif",
  "else",
  "if",
  "if version > 1.2.3",
  "include nothing.cf",
  "required_score many",
  "trusted_networks 300.1.1.1",
  "add_header some X y",
  "loadplugin Somebody::Else",
];

it.each(REFUSED)("tells of, and otherwise passes over: %s", (line) => {
  const { rules, problems } = bookOf(`body GOOD /x/\n${line}\nbody GOOD2 /x/`);
  const own = problems.filter((problem) => problem.line === 2);
  expect(own).toHaveLength(1);
  expect(own[0]?.file).toBe("/rules/test.cf");
  expect(rules.has("X")).toBe(false);
});

it("refuses patterns that match anything where the files ask for it", () => {
  const asked = "ignore_always_matching_regexps 1\n";
  for (const pattern of ["//", "/a||b/", "/|a/", "/a|/"]) {
    const lines = `body X ${pattern}\nheader Y To =~ ${pattern}`;
    expect([...bookOf(lines).rules.keys()]).toEqual(["X", "Y"]);
    expect(bookOf(asked + lines).rules.size).toBe(0);
  }
  expect(bookOf(`${asked}body X /(a|)\\||b\\|/\nrawbody Y /\\|/`).rules.size).toBe(2);
});

it("gives points: as said, relative, for all sets, or by the form of the name", () => {
  const { rules } = bookOf(`
    score A 1 2 3 4
    score A (1) (-0.5) 0 (0)
    body A /x/
    score B 1.25
    header B exists:B
    body C /x/
    body T_C /x/
    body NICE /x/
    tflags NICE nice
    body T_NICE /x/
    tflags T_NICE net nice
    body __PART /x/
    body ZERO /x/
    score ZERO 0`);
  const scores = (name: string) => rules.get(name)?.scores;
  expect(scores("A")).toEqual([2, 1.5, 3, 4]);
  expect(scores("B")).toEqual([1.25, 1.25, 1.25, 1.25]);
  expect(scores("C")).toEqual([1, 1, 1, 1]);
  expect(scores("T_C")).toEqual([0.01, 0.01, 0.01, 0.01]);
  expect(scores("NICE")?.[0]).toBe(-1);
  expect(scores("T_NICE")?.[3]).toBe(-0.01);
  expect(scores("__PART")?.[0]).toBe(1);
  expect(scores("ZERO")?.[0]).toBe(0);
});

it("keeps points, flags and description when a rule is defined again, and says where the last stands", () => {
  const { rules } = bookOf(`body A /one/
score A 3
tflags A multiple maxhits=4 noautolearn
describe A first
describe A second
header A exists:B`);
  const rule = rules.get("A");
  expect(rule).toMatchObject({ line: 6, file: "/rules/test.cf", describe: "second", maxHits: 4 });
  expect(rule?.definition.type).toBe("exists");
  expect([...(rule?.flags ?? [])]).toEqual(["noautolearn"]);
  expect(rule?.scores[0]).toBe(3);
});

it("counts hits as tflags say", () => {
  const { rules } = bookOf(`
    body ONE /x/
    body MANY /x/
    tflags MANY multiple
    body TWO /x/
    tflags TWO multiple maxhits=2
    body ALONE /x/
    tflags ALONE maxhits=5
    body ZERO /x/
    tflags ZERO multiple maxhits=0
    body COMMA /x/
    tflags COMMA multiple, maxhits=4
    body CLOSE /x/
    tflags CLOSE multiple,maxhits=5,nice
    mimeheader MIME A =~ /x/
    tflags MIME multiple`);
  const most = ["ONE", "MANY", "TWO", "ALONE", "ZERO", "COMMA", "CLOSE", "MIME"].map(
    (name) => rules.get(name)?.maxHits,
  );
  expect(most).toEqual([1, Infinity, 2, 1, Infinity, 4, 5, 1000]);
  expect(rules.get("CLOSE")?.flags).toEqual(new Set(["nice"]));
});

it("moves rules to where those that need them can find them answered", () => {
  const { rules } = bookOf(`
    body LATE /x/
    priority LATE 500
    body NET /x/
    tflags NET net
    body NET2 /x/
    tflags NET2 net
    meta EARLY LATE && MIDDLE && NET2
    priority EARLY -300
    meta MIDDLE DEEP
    body DEEP /x/
    meta OVER NET
    meta OVEROVER OVER
    body CAPTURE /(?<NAME>x)/
    header RAZOR eval:check_rbl('a')
    full ASK eval:check_razor2()
    priority ASK 10`);
  const at = (name: string) => rules.get(name)?.priority;
  expect(["LATE", "MIDDLE", "DEEP", "NET", "NET2", "CAPTURE", "ASK"].map(at)).toEqual([
    -300, -300, -300, -100, -100, -10_000, -100,
  ]);
  expect(rules.get("OVEROVER")?.flags.has("net")).toBe(true);
  expect(at("OVEROVER")).toBe(-100);
});

it("shortcircuits by word, and makes the rule early and not to be learned from", () => {
  const { rules } = bookOf(`
    body A /x/
    shortcircuit A spam
    body B /x/
    priority B -7
    tflags B userconf
    shortcircuit B ham
    body C /x/
    shortcircuit C on
    shortcircuit C off`);
  expect(rules.get("A")).toMatchObject({ shortcircuit: "spam", priority: -200 });
  expect(rules.get("B")).toMatchObject({ shortcircuit: "ham", priority: -7 });
  expect([...(rules.get("B")?.flags ?? [])].sort()).toEqual(["nice", "noautolearn", "userconf"]);
  expect(rules.get("B")?.scores[0]).toBe(-1);
  expect(rules.get("C")).toMatchObject({ shortcircuit: null, priority: 0 });
});

it("takes only the lines of one language", () => {
  const lines = `describe A Plain\nbody A /x/\nlang de describe A Deutsch\nlang en describe A English\nlang en_US score A 4`;
  expect(bookOf(lines).rules.get("A")).toMatchObject({ describe: "English", scores: [4, 4, 4, 4] });
  expect(bookOf(lines, { language: "de_DE" }).rules.get("A")?.describe).toBe("Deutsch");
});

it("replaces tags, six passes deep, with what stands before, between and behind", () => {
  const { rules } = bookOf(`
    replace_rules A B C D E NONE
    replace_tag V [vV]
    replace_tag W <V><V>
    replace_tag LOOP x<LOOP>
    replace_inter GAP \\W?
    replace_pre P (?:
    replace_post Q +)
    body A /<V>i<W>/i
    body B /<inter GAP><V><W>x<V>/
    header C Subject =~ /<pre P><post Q><V><NONE>/
    rawbody D /<LOOP>/
    body E /no tags (?<!x)/
    body F /<V>/`);
  const source = (name: string) => {
    const definition = rules.get(name)?.definition;
    return definition !== undefined && "pattern" in definition ? definition.pattern.source : "";
  };
  expect(source("A")).toBe("[vV]i[vV][vV]");
  expect(source("B")).toBe("[vV]\\W?[vV][vV]x[vV]");
  expect(source("C")).toBe("(?:[vV]+)(?:<NONE>+)");
  expect(source("D")).toBe("xxxxxx<LOOP>");
  expect(source("E")).toBe("no tags (?<!x)");
  expect(source("F")).toBe("<V>");
});

it("tells of a directive that nobody reads once for each file", () => {
  expect(problemsOf("publish A\nbody X /x/\npublish B\npublish C")).toEqual([
    '1: "publish" is not known (3 lines)',
  ]);
});

it("stops keeping problems at a thousand", () => {
  expect(bookOf("body X plain\n".repeat(5000)).problems).toHaveLength(1000);
});

it.each([
  ["body X /a/\nbody X /a(/", { type: "body", pattern: { source: "a", flags: "" } }],
  ["body X /a/\nheader X Subject =~ /a(/", { type: "body", pattern: { source: "a", flags: "" } }],
  ["uri X /a/\nuri X /a{/", { type: "uri", pattern: { source: "a", flags: "" } }],
  ["meta X A && B\nbody X /a**/", { type: "meta", expression: "A && B" }],
  ["body X /a/\nbody X /b/", { type: "body", pattern: { source: "b", flags: "" } }],
])(
  "keeps what a rule was when it is redefined with a pattern that Perl refuses: %j",
  (lines, left) => {
    expect(definitionOf(lines, "X")).toEqual(left);
  },
);

it("forgets what else stood in a test of a field when the next is refused, as SpamAssassin does", () => {
  const field = { name: "A", modifiers: [] };
  const plain = { type: "header", field, negated: false, pattern: { source: "x", flags: "" } };
  for (const refused of ["A =~ /(/", "A:foo =~ /x/", "nonsense"])
    expect(definitionOf(`header X A !~ /x/ [if-unset: y]\nheader X ${refused}`, "X")).toEqual({
      ...plain,
      ifUnset: null,
    });
  expect(definitionOf("header X A !~ /x/\nheader X B =~ /(/ [if-unset: z]", "X")).toEqual({
    ...plain,
    ifUnset: "z",
  });
});
