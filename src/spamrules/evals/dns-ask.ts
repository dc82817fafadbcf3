// What SpamAssassin's AskDNS plugin asks: names that a rule puts together from tags of the message.
import { idnToAscii } from "../uri/idn.ts";
import { isFqdn } from "../uri/domain.ts";
import type { RuleBook } from "../rulebook.ts";
import { isActive, numericTest, type AnswerTest, type Questions } from "./dns-question.ts";

const TAG = /_([A-Z][A-Z0-9]*(?:_[A-Z0-9]+)*(?:\(.*?\))?)_/g;
/** Names that one rule may make of tags with many values. */
const MOST_NAMES = 100;
const CODES: Readonly<Record<string, number>> = {
  NOERROR: 0,
  FORMERR: 1,
  SERVFAIL: 2,
  NXDOMAIN: 3,
  NOTIMP: 4,
  REFUSED: 5,
  YXDOMAIN: 6,
  YXRRSET: 7,
  NXRRSET: 8,
  NOTAUTH: 9,
  NOTZONE: 10,
};

/** `values`: what a tag stands for; empty when it is not set, and then the rule does not ask. */
export function askByTags(
  book: RuleBook,
  scoreSet: number,
  values: (tag: string) => readonly string[],
  questions: Questions,
): void {
  for (const rule of book.rules.values()) {
    const { definition } = rule;
    if (definition.type !== "askdns" || !isActive(rule, scoreSet)) continue;
    const types = definition.record.split(",");
    const { filter } = definition;
    const test =
      typeof filter === "string"
        ? textTest(filter)
        : filter && ({ kind: "pattern", pattern: filter } as const);
    for (const name of namesFrom(definition.query, values)) {
      if (!isFqdn(name, true)) continue;
      const ask = { rule: rule.name, types, loopback: false, test, about: name };
      questions.ask(name, types.length > 1 ? "ANY" : (types[0] ?? "A"), [ask]);
    }
  }
}

function namesFrom(template: string, values: (tag: string) => readonly string[]): string[] {
  let names = [template];
  for (const tag of new Set(Array.from(template.matchAll(TAG), (match) => match[1] ?? ""))) {
    const texts = values(tag).filter((text) => text !== "");
    names = names
      .flatMap((name) => texts.map((text) => name.replaceAll(`_${tag}_`, text)))
      .slice(0, MOST_NAMES);
  }
  return [...new Set(names.map(idnToAscii))];
}

/** "quoted text", [CODES], or numbers. */
function textTest(filter: string): AnswerTest {
  const quoted = /^(["'])(.*)\1$/s.exec(filter)?.[2];
  if (quoted !== undefined) return { kind: "equal", text: quoted };
  const codes = /^\[(.*)\]$/s.exec(filter)?.[1];
  if (codes !== undefined)
    return {
      kind: "codes",
      codes: codes.split(",").map((code) => CODES[code.trim().toUpperCase()] ?? Number(code)),
    };
  return numericTest(filter) ?? { kind: "equal", text: filter };
}
