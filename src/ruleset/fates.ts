// The tail of a fate: "reject keep", "tag folder=\"Junk\"", "discard keep notice=postmaster". Called by policy.ts for whole
// fate lines and for the values of `for` lines; what it makes is data for verdict/decide.ts.
import type { Disposition, Fate, Notice } from "../verdict/policy.ts";
import { STOPS } from "../verdict/policy.ts";
import { parseLine } from "./grammar.ts";
import type { Line, Verbs, VerbSpec } from "./grammar.ts";
import { hint } from "./suggest.ts";

export const DISPOSITIONS: readonly Disposition[] = [
  "accept",
  "tag",
  "discard",
  "bounce",
  "reject",
  "tempfail",
];
const NOTICES: readonly Notice[] = ["postmaster", "recipient"];

export const FATE_OPTIONS: readonly string[] = ["folder", "notice"];
/** auth: SPF or DKIM passed and the message is not bulk, asked per message. outgoing: [outgoing] is configured. */
export const CONDITIONS: readonly string[] = ["auth", "outgoing"];

const TAIL: VerbSpec = {
  words: [0, 1],
  options: FATE_OPTIONS,
  usage: 'DISPOSITION [keep] [folder="NAME"] [notice=postmaster,recipient]',
};
const TAILS: Verbs = Object.fromEntries(DISPOSITIONS.map((name) => [name, TAIL]));

/** Reads `value` of an option like spam="tag folder=Junk"; `line` gives file, number and conditions. */
export function fateOf(value: string, line: Line): Fate | string {
  const parsed = parseLine(line.file, line.line, value, TAILS);
  if (parsed === null) return `a disposition is missing: ${TAIL.usage}`;
  if (typeof parsed === "string") return parsed;
  return fateFrom([parsed.verb, ...parsed.words], parsed.options, line);
}

/** Puts a fate together from its words (disposition, "keep") and options; a message when they do not fit. */
export function fateFrom(
  words: readonly string[],
  options: ReadonlyMap<string, string>,
  line: Pick<Line, "at" | "conditions">,
): Fate | string {
  const [word = "", keep] = words;
  const disposition = DISPOSITIONS.find((name) => name === word);
  if (disposition === undefined) return `"${word}" is no disposition${hint(word, DISPOSITIONS)}`;
  if (keep !== undefined && keep !== "keep")
    return `"${keep}" cannot follow "${word}"${hint(keep, ["keep"])}`;
  const folder = options.get("folder") ?? null;
  if (folder !== null && STOPS[disposition])
    return `folder= fits accept and tag only, not ${disposition}`;
  if (folder !== null && !/^[^\x00-\x1f\x7f]{1,100}$/.test(folder))
    return "folder= must be 1 to 100 characters";
  const notices = (options.get("notice") ?? "").split(",").filter((name) => name !== "");
  const wrong = notices.find((name) => !NOTICES.some((known) => known === name));
  if (wrong !== undefined) return `"${wrong}" cannot be notified${hint(wrong, NOTICES)}`;
  return {
    disposition,
    quarantine: keep !== undefined,
    folder,
    notices: NOTICES.filter((name) => notices.includes(name)),
    onlyIf: line.conditions.includes("auth") ? "auth" : null,
    rule: line.at,
  };
}
