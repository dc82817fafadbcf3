// The engine for SpamAssassin's rules as a scorer of the spam check: what it is told about the message beside the octets, and what its
// answer means there.
import type { Body } from "../mail/message.ts";
import type { Outside } from "../spamrules/engine-asks.ts";
import type { SpamEngine } from "../spamrules/engine.ts";
import type { RuleHit } from "../spamrules/verdict.ts";
import type { BayesMemory } from "./bayes-memory.ts";
import { ruleLookups, type RuleDns } from "./spam-dns.ts";
import type { Scorer } from "./spam-scorer.ts";

export interface EngineScorerOptions {
  /** Asked anew for each message: new rules make a new one. */
  readonly engine: () => SpamEngine;
  /** What each rule hit on is told with it. */
  readonly explain: boolean;
  /** What was learned; null: Bayes is not asked. */
  readonly bayes: BayesMemory | null;
  /** Whom rules ask that want DNS; null: only local tests. */
  readonly dns: RuleDns | null;
  /** Teaches what the other rules are sure about; never rejects, and nobody waits for it. Absent: autolearn is off. */
  readonly learn?: ((octets: readonly Uint8Array[], label: "spam" | "ham") => Promise<void>) | null;
  /** Told what came of each message; of a partial result, the rule at which the time was over, "" for none. */
  readonly onResult: (result: "scored" | "partial" | "failed", rule?: string) => void;
}

/** Who scored, in findings and comparisons. */
export const BY_ENGINE = "postern's engine";

export function engineScorer(options: EngineScorerOptions): Scorer {
  const { engine, explain, onResult } = options;
  return {
    async score(body, { proofs, from = "" }, signal) {
      const request = { now: Date.now(), explain, proofs, from, ...(await outsideFor(options)) };
      const octets = await pieces(body);
      const answer = await engine().score(octets, request, signal);
      if ("failed" in answer) {
        onResult("failed");
        return { kind: "error", why: answer.failed };
      }
      const { total, required, hits, partial, autolearn, dns } = answer;
      if (autolearn === "spam" || autolearn === "ham") void options.learn?.(octets, autolearn);
      if (partial === null) onResult("scored");
      else onResult("partial", partial.rule);
      return {
        kind: "scored",
        total,
        required,
        rules: hits.map((hit) => ({
          name: hit.rule,
          score: hit.score,
          ...(explain && { detail: explained(hit) }),
        })),
        exact: true,
        autolearn: `autolearn=${autolearn} autolearn_force=no`,
        by: BY_ENGINE,
        partial: partial === null ? null : `not done in time, at ${partial.rule || "the start"}`,
        silent:
          dns === undefined || dns.silent === 0
            ? null
            : `${dns.silent} of ${dns.asked} questions to DNS had no answer`,
      };
    },
  };
}

/** Whom one message may ask. */
export async function outsideFor({
  bayes,
  dns,
}: Pick<EngineScorerOptions, "bayes" | "dns">): Promise<Outside> {
  return { bayes: await bayesFor(bayes), dns: dns === null ? null : ruleLookups(dns) };
}

/** How the engine asks what was learned; null while that is too little. */
async function bayesFor(
  memory: BayesMemory | null,
): Promise<((ids: readonly number[]) => Promise<number | null>) | null> {
  if (memory === null || !(await memory.ready())) return null;
  return async (ids) => (await memory.chance(ids, Date.now()))?.probability ?? null;
}

/** Within the same turn when the body is in memory. */
async function pieces(body: Body): Promise<readonly Buffer[]> {
  if (body.bytes !== null) return body.bytes;
  const found: Buffer[] = [];
  for await (const piece of body.lend?.() ?? body.open()) found.push(Buffer.from(piece));
  return found;
}

/** "Message has no Subject (2 times; in body: …)". Control characters stay: whoever prints it escapes them. */
function explained({ describe, count, matched }: RuleHit): string {
  const facts = [
    ...(count > 1 ? [`${count} times`] : []),
    ...(matched === null ? [] : [`${matched.where}: "${matched.text}"`]),
  ];
  return `${describe}${facts.length === 0 ? "" : ` (${facts.join("; ")})`}`.trim();
}
