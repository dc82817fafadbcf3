// The lines of policy.rules as settings: which fate or level, for whom, where. policy.ts puts them together per recipient.
//   fate CATEGORY MODE DIRECTION DISPOSITION [keep] [folder=] [notice=] [if auth,outgoing]
//   keep CATEGORY to=store|ADDRESS
//   unchecked CHECK MODE DIRECTION …      level tag|tag2|kill NUMBER      subject-tag "TEXT"|off
//   for PATTERN… [mode=] [direction=] CATEGORY="fate" unchecked.CHECK="fate" tag= tag2= kill= subject-tag=
import { parseAddress } from "../mail/address.ts";
import type { Fate, FateName } from "../verdict/policy.ts";
import { CONDITIONS, FATE_OPTIONS, fateFrom, fateOf } from "./fates.ts";
import type { Line, Verbs } from "./grammar.ts";
import { hint } from "./suggest.ts";

export type Mode = "after-queue" | "before-queue";
export type Direction = "inbound" | "outbound";

export const MODES: readonly Mode[] = ["after-queue", "before-queue"];
export const DIRECTIONS: readonly Direction[] = ["inbound", "outbound"];
export const FATE_NAMES: readonly FateName[] = [
  "virus",
  "banned",
  "listed",
  "unchecked",
  "greylisted",
  "spam",
  "spammy",
  "malformed",
];
const LEVELS = ["tag", "tag2", "kill"] as const;
type Level = (typeof LEVELS)[number];

export type Setting =
  | { readonly key: FateName; readonly fate: Fate }
  | { readonly key: "check"; readonly check: string; readonly fate: Fate }
  /** null = the quarantine. */
  | { readonly key: "keep"; readonly category: FateName; readonly to: string | null }
  | { readonly key: "level"; readonly level: Level; readonly value: number | null }
  | { readonly key: "subject-tag"; readonly value: string | null };

/** One line: settings, for whom (null = everyone) and where they hold. */
export interface PolicyLine {
  readonly patterns: readonly string[] | null;
  readonly modes: readonly Mode[];
  readonly directions: readonly Direction[];
  readonly settings: readonly Setting[];
  readonly line: Line;
}

const FATE_TAIL =
  'DISPOSITION [keep] [folder="NAME"] [notice=postmaster,recipient] [if auth,outgoing]';

const KEEP_USAGE = "keep CATEGORY to=store, or to=user+folder@domain, a mailbox of ours";

export const POLICY_VERBS: Verbs = {
  fate: {
    words: [4, 5],
    options: FATE_OPTIONS,
    conditions: CONDITIONS,
    usage: `fate CATEGORY MODE DIRECTION ${FATE_TAIL}`,
  },
  unchecked: {
    words: [4, 5],
    options: FATE_OPTIONS,
    conditions: CONDITIONS,
    usage: `unchecked CHECK MODE DIRECTION ${FATE_TAIL}`,
  },
  keep: { words: [1, 1], options: ["to"], usage: KEEP_USAGE },
  level: { words: [2, 2], usage: "level tag|tag2|kill NUMBER" },
  "subject-tag": { words: [0, 1], texts: 1, usage: 'subject-tag "TEXT" or subject-tag off' },
  for: {
    words: [1, 1000],
    options: ["mode", "direction", ...FATE_NAMES, "unchecked.", ...LEVELS, "subject-tag"],
    conditions: CONDITIONS,
    usage:
      'for PATTERN… [mode=] [direction=] CATEGORY="DISPOSITION keep" … tag2=NUMBER kill=NUMBER subject-tag="TEXT"',
  },
};

/** What a line of policy.rules says, or why it says nothing sensible. */
export function readPolicyLine(line: Line): PolicyLine | string {
  switch (line.verb) {
    case "fate":
    case "unchecked":
      return readFate(line);
    case "keep":
      return readKeep(line);
    case "level": {
      const setting = levelSetting(line.words[0] ?? "", line.words[1] ?? "");
      return typeof setting === "string" ? setting : everyone(line, setting);
    }
    case "subject-tag": {
      const [word] = line.words;
      const [text] = line.texts;
      if ((word === undefined) === (text === undefined) || (word !== undefined && word !== "off"))
        return 'write subject-tag "TEXT" or subject-tag off';
      return everyone(line, {
        key: "subject-tag",
        value: text === undefined || text === "" ? null : text,
      });
    }
    default:
      return readProfile(line);
  }
}

function everyone(line: Line, setting: Setting): PolicyLine {
  return { patterns: null, modes: MODES, directions: DIRECTIONS, settings: [setting], line };
}

function readFate(line: Line): PolicyLine | string {
  const [name = "", mode = "", direction = "", ...tail] = line.words;
  const category = line.verb === "fate" ? FATE_NAMES.find((known) => known === name) : "check";
  if (category === undefined) return `"${name}" is no category${hint(name, FATE_NAMES)}`;
  const modes = oneOf(mode, MODES);
  if (typeof modes === "string") return `"${mode}" is no mode${modes}`;
  const directions = oneOf(direction, DIRECTIONS);
  if (typeof directions === "string") return `"${direction}" is no direction${directions}`;
  const fate = fateFrom(tail, line.options, line);
  if (typeof fate === "string") return fate;
  const setting: Setting =
    category === "check" ? { key: "check", check: name, fate } : { key: category, fate };
  return { patterns: null, modes, directions, settings: [setting], line };
}

function readKeep(line: Line): PolicyLine | string {
  const [name = ""] = line.words;
  const categories = oneOf(name, FATE_NAMES);
  if (typeof categories === "string") return `"${name}" is no category${categories}`;
  const to = line.options.get("to");
  if (to === undefined) return `to= is missing: ${KEEP_USAGE}`;
  const address = to === "store" ? null : parseAddress(to);
  if (to !== "store" && (address === null || address.domain === ""))
    return `to=${to} is no address with a domain: ${KEEP_USAGE}`;
  const settings = categories.map((category): Setting => ({
    key: "keep",
    category,
    to: address?.raw ?? null,
  }));
  return { patterns: null, modes: MODES, directions: DIRECTIONS, settings, line };
}

function readProfile(line: Line): PolicyLine | string {
  const modes = oneOf(line.options.get("mode") ?? "any", MODES);
  if (typeof modes === "string") return `mode=${line.options.get("mode")} is unknown${modes}`;
  const directions = oneOf(line.options.get("direction") ?? "any", DIRECTIONS);
  if (typeof directions === "string")
    return `direction=${line.options.get("direction")} is unknown${directions}`;
  const settings: Setting[] = [];
  for (const [key, value] of line.options) {
    if (key === "mode" || key === "direction") continue;
    const setting = profileSetting(key, value, line);
    if (typeof setting === "string") return `${key}=: ${setting}`;
    settings.push(setting);
  }
  if (settings.length === 0) return `the line sets nothing: ${POLICY_VERBS["for"]?.usage ?? ""}`;
  return { patterns: line.words, modes, directions, settings, line };
}

function profileSetting(key: string, value: string, line: Line): Setting | string {
  if (key === "subject-tag") return { key, value: value === "" || value === "off" ? null : value };
  if (LEVELS.some((level) => level === key)) return levelSetting(key, value);
  const fate = fateOf(value, line);
  if (typeof fate === "string") return fate;
  const name = FATE_NAMES.find((known) => known === key);
  return name === undefined
    ? { key: "check", check: key.slice("unchecked.".length), fate }
    : { key: name, fate };
}

function levelSetting(name: string, value: string): Setting | string {
  const level = LEVELS.find((known) => known === name);
  if (level === undefined) return `"${name}" is no level${hint(name, LEVELS)}`;
  if (level === "tag" && value === "always") return { key: "level", level, value: -Infinity };
  if (value === "never") return { key: "level", level, value: level === "tag" ? null : Infinity };
  if (!/^[+-]?\d{1,6}(\.\d{1,6})?$/.test(value))
    return `"${value}" is no level: a number or never${level === "tag" ? " or always" : ""}`;
  return { key: "level", level, value: Number(value) };
}

/** The list, its one member, or a hint when the word is neither "any" nor a member. */
function oneOf<T extends string>(word: string, known: readonly T[]): readonly T[] | string {
  if (word === "any") return known;
  const found = known.find((name) => name === word);
  return found === undefined ? hint(word, [...known, "any"]) : [found];
}
