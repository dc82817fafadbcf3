// What the walker could not read, or what two readers may read differently (the defects of the tree of parts). Ambiguity counts as
// malformed, what was not looked into as unchecked, a mere fault as a note. No I/O of its own.
import type { Defect, DefectClass, Part, Tree } from "../mail/message.ts";
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

const ARCHIVE_LIMIT: SymbolSpec = {
  symbol: "UNCHECKED_ARCHIVE_LIMIT",
  category: "unchecked",
  score: 0,
  meaning:
    "A limit on containers (depth, members, octets, time) was hit: some members were not looked at.",
};
const ARCHIVE: SymbolSpec = {
  symbol: "UNCHECKED_ARCHIVE",
  category: "unchecked",
  score: 0,
  meaning: "A container is damaged, split or of an unknown method: it was not looked into.",
};
const ENCRYPTED: SymbolSpec = {
  symbol: "ENCRYPTED",
  category: "unchecked",
  score: 0,
  meaning:
    "A part opens only with a password. To refuse it: `deny UNDECIPHERABLE` in banned.rules.",
};
const ACTIVE: SymbolSpec = {
  symbol: "ACTIVE_CONTENT",
  category: "note",
  score: 0,
  meaning:
    "A document can do more than be read: macros, scripts, launch actions, external templates, embedded files.",
};

/** The one symbol that speaks of a class of defects. */
const SPECS: Readonly<Record<DefectClass, SymbolSpec>> = {
  ambiguous: MALFORMED,
  fault: FAULTS,
  limit: ARCHIVE_LIMIT,
  unreadable: ARCHIVE,
  encrypted: ENCRYPTED,
};

/** Kinds of defects that are named; a message with more is described well enough. */
const MAX_KINDS = 8;
const MAX_DETAIL = 200;

/**
 * The check: one MALFORMED per kind of ambiguity, one FAULTS for all faults, one finding for each other class of defects, one
 * for each limit that was hit.
 */
export const malformed = (rules: RuleSet): Check<"message"> => ({
  name: "malformed",
  stage: "message",
  tier: "content",
  symbols: [MALFORMED, FAULTS, LIMIT, ARCHIVE_LIMIT, ARCHIVE, ENCRYPTED, ACTIVE],
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
  const { kinds, active } = survey(tree);
  const found: Finding[] = [];
  for (const of of Object.keys(SPECS) as DefectClass[]) {
    const described = kinds.get(of);
    if (described === undefined) continue;
    const details = [...(of === "fault" ? described.keys() : described.values())].slice(
      0,
      MAX_KINDS,
    );
    if (of === "ambiguous") for (const detail of details) found.push(finding(SPECS[of], detail));
    else found.push(finding(SPECS[of], details.join(", ")));
  }
  if (active.size > 0)
    found.push(finding(ACTIVE, [...active.values()].slice(0, MAX_KINDS).join(", ")));
  if (tree.overLimit !== null) found.push(finding(LIMIT, tree.overLimit));
  if (tree.unread !== null && !kinds.has("limit")) found.push(finding(ARCHIVE_LIMIT, tree.unread));
  return found;
}

/** Per class the first defect of each kind, described; per attribute the first part that has it. */
function survey(tree: Tree): {
  kinds: Map<DefectClass, Map<string, string>>;
  active: Map<string, string>;
} {
  const kinds = new Map<DefectClass, Map<string, string>>();
  const active = new Map<string, string>();
  for (const part of tree.parts) {
    for (const attribute of part.attributes)
      if (!active.has(attribute)) active.set(attribute, `${attribute} in part ${part.path}`);
    for (const defect of part.defects) {
      const described = kinds.get(defect.class) ?? new Map<string, string>();
      kinds.set(defect.class, described);
      if (!described.has(defect.kind)) described.set(defect.kind, describe(part, defect));
    }
  }
  return { kinds, active };
}

function describe(part: Part, { kind, detail }: Defect): string {
  return `${kind} in part ${part.path}${detail === "" ? "" : `: ${detail}`}`;
}
