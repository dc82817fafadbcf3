// The alias tables of a rule source: `aliases` and `virtual`, the operator's own below local.d/ first (the first entry for a key
// counts). Compiled with the rules, so that a reload swaps both or neither.
import type { RuleError } from "../ruleset/errors.ts";
import type { RuleSource } from "../ruleset/source.ts";
import { parseAliases } from "./aliases.ts";
import type { Entries, Target } from "./table-file.ts";
import { parseVirtual } from "./virtual.ts";

export interface AliasTables {
  readonly aliases: Entries;
  readonly virtual: Entries;
  readonly virtualDomains: ReadonlySet<string>;
  readonly problems: readonly RuleError[];
}

/** Never throws: what is wrong is in `problems`. */
export function aliasTables(source: RuleSource): AliasTables {
  const problems: RuleError[] = [];
  const aliases = new Map<string, readonly Target[]>();
  const virtual = new Map<string, readonly Target[]>();
  const virtualDomains = new Set<string>();
  for (const folder of ["local.d/", ""]) {
    const a = source.get(`${folder}aliases`);
    if (a !== undefined) {
      const table = parseAliases(a, `rules/${folder}aliases`);
      problems.push(...table.problems);
      for (const [key, targets] of table.entries) if (!aliases.has(key)) aliases.set(key, targets);
    }
    const v = source.get(`${folder}virtual`);
    if (v !== undefined) {
      const table = parseVirtual(v, `rules/${folder}virtual`);
      problems.push(...table.problems);
      for (const domain of table.domains) virtualDomains.add(domain);
      for (const [key, targets] of table.entries) if (!virtual.has(key)) virtual.set(key, targets);
    }
  }
  return { aliases, virtual, virtualDomains, problems };
}
