// What metas come to.
import { expect, it } from "vitest";
import { compileMeta, hitsOf, metaFault } from "../../../src/spamrules/language/meta.ts";
import { runnableMetas, sortMetas } from "../../../src/spamrules/language/meta-order.ts";
import { bookOf, problemsOf } from "./book.ts";

/** A=0, B=1, C=2, D=3; E is not there. */
const COUNTS = [0, 1, 2, 3];

const VALUES: readonly (readonly [string, number])[] = [
  ["A", 0],
  ["D", 3],
  ["E", 0],
  ["!A", 1],
  ["!D", 0],
  ["! ! D", 1],
  // Operands come back, as in Perl.
  ["B && D", 3],
  ["D && B", 1],
  ["A || C", 2],
  ["A && D || C && B", 1],
  ["A || E", 0],
  ["B + C + D > 5", 1],
  ["B + C + D >= 7", 0],
  ["D - C - B", 0],
  ["D - C * B", 1],
  ["(D - C) * D", 3],
  ["D / C", 1.5],
  ["B / 0 || D", 0],
  ["D / A", 0],
  ["!A == B", 1],
  ["!D + D", 3],
  ["C == 2 && D != 2", 1],
  ["B < C", 1],
  ["B < C < D", 1],
  ["B < D < C", 0],
  ["A ? B : C", 2],
  ["B ? C : A ? D : E", 2],
  ["B ^ D", 2],
  ["()", 0],
  ["- D", -3],
  ["D +- C", 1],
  ["0.5 + B", 1.5],
  ["local_tests_only", 1],
  ["A || (B && (C > 1))", 1],
];

it.each(VALUES)("%s is %s", (expression, value) => {
  const meta = compileMeta(expression, (name) => "ABCD".indexOf(name), true);
  expect(meta.evaluate(COUNTS)).toBe(value);
});

const answered = (rules: Parameters<typeof runnableMetas>[0], set: 0 | 1): string[] =>
  runnableMetas(rules, set).map(({ name, mute }) => (mute ? `${name} (mute)` : name));

it("tells what it names, and its value when none of that has hit", () => {
  const meta = compileMeta("B && !A || B || E > 1", (name) => "ABCD".indexOf(name), true);
  expect(meta.names).toEqual(["B", "A", "E"]);
  expect(meta.atRest).toBe(0);
  expect(compileMeta("!A", () => 0, true).atRest).toBe(1);
  expect(compileMeta("local_tests_only", () => 0, false).atRest).toBe(0);
});

it("counts a value below 0 as one hit", () => {
  expect([hitsOf(0), hitsOf(2.5), hitsOf(-3)]).toEqual([0, 2.5, 1]);
});

it.each([
  "A",
  "(A)",
  "A && (B + C) > 1",
  "0.5 * A",
  "(A + 1) / (B + 1)",
  "rules_matching(X_*) > 1",
])("believes %s", (text) => {
  expect(metaFault(text)).toBeNull();
});

it.each([
  "",
  "A B",
  "A &&",
  "&& A",
  "(A",
  "A)",
  "A | B",
  "A & B",
  "A = B",
  "A -1",
  "A / B",
  ".5",
  "A % 2",
  "A->B",
  "A::B",
  "A ? B",
  "A ++ B",
  "f(A)",
])("refuses %s", (text) => {
  expect(metaFault(text)).not.toBeNull();
});

it("writes rules_matching out, without the rule itself", () => {
  const { rules } = bookOf(`
    body X_1 /x/
    header X_2 exists:X
    meta X_SUM rules_matching(X_*) > 1
    meta ONE rules_matching( X_? )
    meta NONE rules_matching(Z*) || A`);
  const text = (name: string) => {
    const definition = rules.get(name)?.definition;
    return definition?.type === "meta" ? definition.expression : null;
  };
  expect(text("X_SUM")).toBe(" (X_1 + X_2)  > 1");
  expect(text("ONE")).toBe(" (X_1 + X_2) ");
  expect(text("NONE")).toBe(" (0)  || A");
});

it("answers a meta after those that it names, and tells of circles", () => {
  const { rules } = bookOf("meta A B && C\nmeta B C\nmeta C D\nbody D /x/");
  expect(answered(rules, 0)).toEqual(["C", "B", "A"]);
  const circle = "meta A B\nmeta B A\nmeta C A\nmeta D D\nmeta E F";
  expect(answered(bookOf(circle).rules, 0)).toEqual(["E"]);
  expect(problemsOf(circle).map((line) => line.slice(0, 4))).toEqual([
    "1: A",
    "2: B",
    "3: C",
    "4: D",
  ]);
});

it("gives up a meta without points that waits for a rule which never runs, and whatever names it", () => {
  const { rules } = bookOf(`
    meta GONE NOWHERE
    score GONE 0
    meta IDLE PLAIN
    score IDLE 0
    meta HOLLOW ()
    score HOLLOW 0
    meta NEVER !GONE
    meta NEITHER NEVER || X
    meta NOT !IDLE
    meta NOR !HOLLOW
    meta FINE !PLAIN && !NOWHERE
    body PLAIN /x/
    score PLAIN 0`);
  expect(answered(rules, 0)).toEqual(["FINE"]);
});

it("answers a meta without points that waits for nothing else", () => {
  const { rules } = bookOf(`
    body X /x/
    meta MUTE X
    score MUTE 0 1 0 1
    meta NONE (0)
    score NONE 0
    meta ASKS MUTE || !NONE`);
  expect(answered(rules, 0)).toEqual(["MUTE (mute)", "NONE (mute)", "ASKS"]);
  expect(answered(rules, 1)).toEqual(["MUTE", "NONE (mute)", "ASKS"]);
});

it("sorts ten thousand metas in a chain", () => {
  const metas = new Map(
    Array.from({ length: 10_000 }, (_, i) => [`M${i}`, i === 0 ? [] : [`M${i - 1}`]] as const),
  );
  expect(sortMetas(metas).order[9999]).toBe("M9999");
});
