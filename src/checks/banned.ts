// Names and types that do not pass (banned.rules), with amavis' semantics: every leaf of the tree is judged by all keys of
// its whole path (declared type M, types by content T, names N, attributes A); the first line that matches any of them
// decides, and an allow line lets that path pass, whatever stands below it. Beyond amavis, an allow-inside line lets pass
// what lies in a container and leaves the container to the other lines. No I/O; linear in the number of parts.
import { setImmediate } from "node:timers/promises";
import type { Part, Tree } from "../mail/message.ts";
import type { BannedRule, PartKeys } from "../ruleset/banned-lines.ts";
import type { RuleSet } from "../ruleset/compile.ts";
import type { Check, SymbolSpec } from "../verdict/check.ts";
import type { Finding } from "../verdict/finding.ts";
import { pointsOf } from "./points.ts";

const BANNED: SymbolSpec = {
  symbol: "BANNED",
  category: "banned",
  score: 0,
  meaning: "A part has a name or a type that banned.rules denies.",
};

/** A message with more banned parts than this is banned enough. */
const MAX_FINDINGS = 16;
const MAX_REASON = 400;
/** Parts between two turns of the event loop. */
const PARTS_PER_TURN = 256;
const UNDECIPHERABLE = "UNDECIPHERABLE";

/** The check over the list of one snapshot: one finding per banned leaf with a reason of its own. */
export const banned = (rules: RuleSet): Check<"message"> => ({
  name: "banned",
  stage: "message",
  tier: "content",
  symbols: [BANNED],
  async run(message, { signal }) {
    if (rules.banned.rules.length === 0) return [];
    return judge(await message.tree(), rules, signal);
  },
});

async function judge(tree: Tree, rules: RuleSet, signal: AbortSignal): Promise<readonly Finding[]> {
  const list = rules.banned;
  const first = new Map<Part, number>();
  const found = new Map<string, Finding>();
  let turn = 0;
  for (const part of tree.parts) {
    if (++turn % PARTS_PER_TURN === 0) {
      await setImmediate();
      signal.throwIfAborted();
    }
    const keys = keysOf(part);
    const above = part.parent === null ? Infinity : (first.get(part.parent) ?? Infinity);
    const position = Math.min(above, list.first(keys));
    if (part.children.length > 0) {
      const inside = list.firstInside(keys);
      first.set(part, Math.min(position, inside));
      // What shields the members must not shield the container: a file "x.bat" may well begin like a zip file.
      if (inside >= position) continue;
    }
    const rule = list.rules[position];
    if (rule?.verb !== "deny") continue;
    const finding = findingOf(rules, rule, keys);
    found.set(finding.detail, found.get(finding.detail) ?? finding);
    if (found.size >= MAX_FINDINGS) break;
  }
  return [...found.values()];
}

function keysOf(part: Part): PartKeys {
  const { type, kinds, names, attributes } = part;
  return {
    type,
    kinds,
    names,
    attributes: part.encrypted ? [UNDECIPHERABLE, ...attributes] : attributes,
  };
}

function findingOf(rules: RuleSet, rule: BannedRule, keys: PartKeys): Finding {
  const reason = reasonOf(keys);
  return {
    check: "banned",
    symbol: BANNED.symbol,
    category: BANNED.category,
    score: pointsOf(rules, BANNED),
    detail: rule.text === null ? reason : `${reason} (${rule.text})`,
    rule: rule.at,
    ...(rule.say !== null && { say: rule.say }),
  };
}

/** amavis' short form: the keys of the leaf with commas between, "application/octet-stream,.exe,.exe-ms,invoice.pdf.exe". */
function reasonOf(keys: PartKeys): string {
  const all = [
    keys.type,
    ...keys.kinds.map((kind) => `.${kind}`),
    ...keys.names,
    ...keys.attributes,
  ];
  const text = [...new Set(all)].filter((key) => key !== "").join(",");
  return text.length <= MAX_REASON ? text : `${text.slice(0, MAX_REASON)}…`;
}
