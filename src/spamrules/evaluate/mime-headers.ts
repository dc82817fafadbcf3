// `mimeheader` rules: a pattern against one header field of each part, the message itself being the first. Used by run.ts.
import type { Definition, FieldName, Rule } from "../rulebook.ts";
import type { MimePart, Subject } from "../subject.ts";
import type { Matcher } from "./matcher.ts";

type MimeHeader = Extract<Definition, { type: "mimeheader" }>;

/** Part number from 1 on (0: all of them together), and the text that the pattern meets there. */
export type PartText = readonly [part: number, text: string];

/** Parts behind so many are not looked at. */
const MOST_PARTS = 1000;

/** Whether it is a rule that asks each part for no more than a yes, so that it can be read with others of its field. */
export function isPlain({ rule, simple }: Matcher): boolean {
  const { negated, ifUnset } = rule.definition as MimeHeader;
  const { flags } = rule;
  return simple && !negated && ifUnset === null && !flags.has("concat") && !isRanged(flags);
}

/** What the parts have in the field; "" where they have none. */
export function fieldTexts(field: FieldName, subject: Subject): readonly string[] {
  const texts: string[] = [];
  for (const part of inOrder(subject.root)) {
    if (texts.length === MOST_PARTS) break;
    texts.push(valueIn(part, field, null));
  }
  return texts;
}

/** The texts of one rule in order; the rule's hits are those in the first text that its pattern matches. */
export function* partTexts(matcher: Matcher, subject: Subject): Generator<PartText> {
  const { rule } = matcher;
  const definition = rule.definition as MimeHeader;
  const [first, last] = range(rule);
  const concat = rule.flags.has("concat");
  let all = "";
  let number = 0;
  for (const part of inOrder(subject.root)) {
    number++;
    if (number > last) break;
    if (number < first) continue;
    const text = valueIn(part, definition.field, definition.ifUnset);
    if (!concat) yield [number, text];
    else all += text.endsWith("\n") ? text : `${text}\n`;
  }
  if (concat) yield [0, all];
}

/** `tflags range=2-5`, `range=2-`, `range=-5`, `range=2`. */
function range({ flags }: Rule): readonly [number, number] {
  for (const flag of flags) {
    const found = /^range=(\d+)?(-)?(\d+)?$/.exec(flag);
    if (found === null) continue;
    const [, first, to, last] = found;
    if (to === undefined)
      return first === undefined ? [0, MOST_PARTS] : [Number(first), Number(first)];
    return [Number(first ?? 0), Number(last ?? MOST_PARTS)];
  }
  return [0, MOST_PARTS];
}

function isRanged(flags: ReadonlySet<string>): boolean {
  for (const flag of flags) if (flag.startsWith("range=")) return true;
  return false;
}

function* inOrder(root: MimePart): Generator<MimePart> {
  const waiting = [root];
  for (let part = waiting.pop(); part !== undefined; part = waiting.pop()) {
    yield part;
    for (let at = part.children.length - 1; at >= 0; at--) waiting.push(part.children[at]!);
  }
}

/** The last field of that name; a raw one that is missing is "" whatever [if-unset:] says. */
function valueIn(part: MimePart, field: FieldName, ifUnset: string | null): string {
  const raw = field.modifiers.includes("raw");
  if (field.name === "ALL") return allOf(part, raw);
  if (raw) return part.rawHeader(field.name.toLowerCase()).at(-1) ?? "";
  const value = part.header(field.name.toLowerCase()).at(-1);
  return value === undefined ? (ifUnset ?? "") : `${value}\n`;
}

function allOf(part: MimePart, raw: boolean): string {
  const seen = new Map<string, number>();
  let text = "";
  for (const name of part.headerNames) {
    const key = name.toLowerCase();
    const at = seen.get(key) ?? 0;
    seen.set(key, at + 1);
    const value = raw
      ? part.rawHeader(key)[at]?.replace(/\r?\n[\t-\r ]+/g, " ")
      : `${part.header(key)[at] ?? ""}\n`;
    text += `${name}: ${value ?? ""}`;
  }
  return text;
}
