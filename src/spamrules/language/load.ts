// Rule files to rule book in one go, for whoever needs no threads: commands, tests, benches.
import type { RuleBook } from "../rulebook.ts";
import { parseRules } from "./parse.ts";
import type { ParseOptions } from "./parse.ts";
import { readRules } from "./read.ts";
import type { RulePlaces } from "./read.ts";

/** Reads and parses. Never rejects; an empty book when there is nothing. */
export async function loadRules(options: RulePlaces & ParseOptions): Promise<RuleBook> {
  return parseRules(await readRules(options), options);
}
