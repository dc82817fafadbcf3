// The lines that say something of a rule beside what it tests: score, describe, tflags, priority, shortcircuit, subjprefix, replace_….
import { INVALID, MISSING } from "./draft.ts";
import type { Draft, LineReader, LineReaders, Scores } from "./draft.ts";
import { RULE_NAME } from "./meta.ts";
import { cut, words } from "./text.ts";

const NUMBER = /^-?\d+(?:\.\d+)?$/;
const RELATIVE = /^\((-?\d+(?:\.\d+)?)\)$/;
/** Where a shortcircuiting rule goes that has no priority of its own. */
const SHORTCIRCUIT_PRIORITY = -200;

export const SCORE_LINES: LineReaders = {
  score: (draft, value) => {
    const [name = "", ...given] = words(value);
    if (given.length !== 1 && given.length !== 4) return "score wants a rule and 1 or 4 numbers";
    const relative = given.some((text) => RELATIVE.test(text));
    const numbers = given.map((text) => RELATIVE.exec(text)?.[1] ?? text);
    if (!numbers.every((text) => NUMBER.test(text))) return INVALID;
    const [first = 0, second = first, third = first, fourth = first] = numbers.map(Number);
    const scores: Scores = [first, second, third, fourth];
    if (!relative) {
      draft.scores.set(name, scores);
      return undefined;
    }
    const before = draft.scores.get(name);
    if (before === undefined) return "a score in parentheses needs an earlier one to add to";
    draft.scores.set(name, add(before, scores));
    return undefined;
  },
  describe: pair((draft) => draft.descriptions),
  tflags: pair((draft) => draft.flags),
  subjprefix: pair((draft) => draft.subjectPrefixes),
  priority: (draft, value) => {
    const [name, number] = cut(value);
    if (number === "") return MISSING;
    if (!RULE_NAME.test(name) || !/^-?\d+$/.test(number)) return INVALID;
    draft.priorities.set(name, Number(number));
    return undefined;
  },
  shortcircuit: (draft, value) => {
    const read = /^(\w+)[\t-\r ]+(\w+)$/.exec(value);
    if (read === null) return value === "" ? MISSING : INVALID;
    const [, name = "", how = ""] = read;
    if (how === "off") draft.shortcircuits.delete(name);
    else if (how === "on") draft.shortcircuits.set(name, how);
    else if (how === "spam" || how === "ham") shortcircuit(draft, name, how);
    else return INVALID;
    return undefined;
  },
  replace_tag: pair((draft) => draft.replacing.tags),
  replace_pre: pair((draft) => draft.replacing.pre),
  replace_inter: pair((draft) => draft.replacing.inter),
  replace_post: pair((draft) => draft.replacing.post),
  replace_rules: (draft, value) => {
    if (value === "") return MISSING;
    for (const name of words(value)) draft.replacing.rules.add(name);
    return undefined;
  },
  replace_start: (draft, value) => {
    if (value === "") return MISSING;
    draft.replacing.start = value;
    return undefined;
  },
  replace_end: (draft, value) => {
    if (value === "") return MISSING;
    draft.replacing.end = value;
    return undefined;
  },
};

/** NAME TEXT, the last line of a name counts. */
function pair(map: (draft: Draft) => Map<string, string>): LineReader {
  return (draft, value) => {
    const [name, text] = cut(value);
    if (text === "") return MISSING;
    map(draft).set(name, text);
    return undefined;
  };
}

function add(left: Scores, right: Scores): Scores {
  return [left[0] + right[0], left[1] + right[1], left[2] + right[2], left[3] + right[3]];
}

/** `spam` and `ham` are short for: on, never learned from, nice if ham, early unless a priority was given before. */
function shortcircuit(draft: Draft, name: string, how: "spam" | "ham"): void {
  draft.shortcircuits.set(name, how);
  if ((draft.priorities.get(name) ?? 0) === 0) draft.priorities.set(name, SHORTCIRCUIT_PRIORITY);
  const flags = [draft.flags.get(name) ?? "", how === "ham" ? "nice" : "", "noautolearn"];
  draft.flags.set(name, flags.filter((flag) => flag !== "").join(" "));
}
