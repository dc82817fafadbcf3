// What the walker could not read, or what two readers may read differently (the defects of the tree of parts). Ambiguity counts as
// malformed, a limit that stopped the walk as unchecked, a mere fault as a note. No I/O of its own.
import type { Defect, Part, Tree } from "../mail/message.ts";
import type { RuleSet } from "../ruleset/compile.ts";
import type { Check, SymbolSpec } from "../verdict/check.ts";
import type { Finding } from "../verdict/finding.ts";
import { pointsOf } from "./points.ts";

const MALFORMED: SymbolSpec = {
  symbol: "MALFORMED",
  category: "malformed",
  score: 0,
  meaning: "Two readers may disagree about what a part holds.",
};
const FAULTS: SymbolSpec = {
  symbol: "FAULTS",
  category: "note",
  score: 0,
  meaning: "The message breaks a standard in a way that misleads nobody.",
};
const LIMIT: SymbolSpec = {
  symbol: "UNCHECKED_LIMIT",
  category: "unchecked",
  score: 0,
  meaning:
    "A limit on parts, depth or header octets stopped the walk: something was not looked at.",
};

/** Kinds of defects that are named; a message with more is described well enough. */
const MAX_KINDS = 8;
const MAX_DETAIL = 200;

/** The check: one MALFORMED per kind of ambiguity, one FAULTS for all faults, UNCHECKED_LIMIT when a limit was hit. */
export const malformed = (rules: RuleSet): Check<"message"> => ({
  name: "malformed",
  stage: "message",
  tier: "content",
  symbols: [MALFORMED, FAULTS, LIMIT],
  async run(message) {
    return report(await message.tree(), (spec, detail) => ({
      check: "malformed",
      symbol: spec.symbol,
      category: spec.category,
      score: pointsOf(rules, spec),
      detail: detail.length <= MAX_DETAIL ? detail : `${detail.slice(0, MAX_DETAIL)}…`,
    }));
  },
});

function report(
  tree: Tree,
  finding: (spec: SymbolSpec, detail: string) => Finding,
): readonly Finding[] {
  const ambiguous = new Map<string, string>();
  const faults = new Set<string>();
  for (const part of tree.parts) {
    for (const defect of part.defects) {
      if (!defect.ambiguous) faults.add(defect.kind);
      else if (!ambiguous.has(defect.kind)) ambiguous.set(defect.kind, described(part, defect));
    }
  }
  const found = [...ambiguous.values()]
    .slice(0, MAX_KINDS)
    .map((detail) => finding(MALFORMED, detail));
  if (faults.size > 0) found.push(finding(FAULTS, [...faults].slice(0, MAX_KINDS).join(", ")));
  if (tree.overLimit !== null) found.push(finding(LIMIT, tree.overLimit));
  return found;
}

function described(part: Part, { kind, detail }: Defect): string {
  return `${kind} in part ${part.path}${detail === "" ? "" : `: ${detail}`}`;
}
