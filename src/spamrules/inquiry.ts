// What the rules want to know of a message that no thread of the engine can find out: what DNS says and what Bayes learned. Asked in
// rounds, since answers of DNS make new questions. Held by score.ts between the two halves of a run.
import { tokensOf } from "./bayes/tokens.ts";
import type { DnsLookup, EngineReply, Enquiry } from "./engine-job.ts";
import type { DnsBlocks } from "./evals/dns-blocks.ts";
import { answersToHits, questionKey, questionsFor, type DnsQuestion } from "./evals/dns.ts";
import type { Proofs } from "./evals/eval.ts";
import { senders } from "./evals/senders.ts";
import type { Program } from "./program.ts";
import type { Settings } from "./rulebook.ts";
import type { LateAnswers, Running } from "./run.ts";
import type { Subject } from "./subject.ts";
import { boundariesFor } from "./uri/domain.ts";

export interface InquiryFacts {
  readonly program: Program;
  readonly subject: Subject;
  readonly running: Running;
  readonly proofs: Proofs;
  readonly blocks: DnsBlocks;
  readonly wants: { readonly bayes: boolean; readonly dns: boolean };
  /** By performance.now(). */
  readonly deadline: number;
}

/** Rounds of questions to DNS: hosts, then their name servers, then the addresses of these. */
const ROUNDS = 3;
/** Milliseconds that the rules need at the end. */
const REST_MS = 200;
/** What stands for a question of any type: those that records are looked at for. */
const ANY: readonly string[] = ["A", "AAAA", "MX", "NS", "TXT"];

export class Inquiry {
  readonly #facts: InquiryFacts;
  readonly #hits = new Map<string, string>();
  readonly #until: number;
  #questions: readonly DnsQuestion[];
  #tokens: readonly number[] | null;
  #round = 0;
  #bayes: number | null = null;

  constructor(facts: InquiryFacts) {
    const { program, subject, wants, running } = facts;
    const { settings } = program.book;
    this.#facts = facts;
    // QUIRK: only the first number of rbl_timeout is minded, and not that of single zones: [dns] budget is shorter anyway.
    this.#until = Math.min(facts.deadline - REST_MS, performance.now() + timeoutOf(settings));
    this.#tokens =
      wants.bayes && !running.ended
        ? tokensOf(subject, settings, "scan").map(({ id }) => id)
        : null;
    this.#questions = wants.dns && !running.ended ? this.#first() : [];
  }

  /** What is to be asked now; null when nothing is (any more). */
  next(): Enquiry | null {
    const tokens = this.#tokens;
    const ms = Math.max(0, Math.floor(this.#until - performance.now()));
    const lookups = ms === 0 || this.#round === ROUNDS ? [] : this.#questions.map(lookupOf);
    this.#tokens = null;
    this.#round += 1;
    return tokens === null && lookups.length === 0 ? null : { tokens, lookups, ms };
  }

  take({ bayes, replies }: EngineReply): void {
    const { program, blocks } = this.#facts;
    const { book } = program;
    if (bayes !== null) this.#bayes = bayes;
    const trim = (host: string): string => boundariesFor(book.settings).trim(host);
    const { hits, questions } = answersToHits(book, this.#questions, replies, trim);
    for (const [rule, about] of hits) if (!this.#hits.has(rule)) this.#hits.set(rule, about);
    blocks.hit(hits.keys(), performance.now());
    this.#questions = blocks.allowed(questions, performance.now());
  }

  get found(): LateAnswers {
    return { hits: this.#hits, bayes: this.#bayes };
  }

  #first(): readonly DnsQuestion[] {
    const { program, subject, running, proofs, blocks } = this.#facts;
    const asked = questionsFor(program.book, subject, {
      scoreSet: program.set,
      senders: senders({ subject, memo: (_key, make) => make() }),
      tags: running.tags,
      proofs,
    });
    return blocks.allowed(asked, performance.now());
  }
}

function lookupOf(question: DnsQuestion): DnsLookup {
  const { name, type } = question;
  const types = type === "ANY" ? ANY : [type];
  return { key: questionKey(question), name, types };
}

const UNITS: Readonly<Record<string, number>> = { m: 60, h: 3600, d: 86_400, w: 604_800 };

/** Milliseconds. */
function timeoutOf({ others }: Settings): number {
  const lines = (others.get("rbl_timeout") ?? []).filter((line) => !/[a-z]{2}|\.[a-z]/i.test(line));
  const [, number = "15", unit = "s"] =
    /^\+?(\d+(?:\.\d*)?)([smhdw]?)/i.exec(lines.at(-1) ?? "") ?? [];
  return Number(number) * (UNITS[unit.toLowerCase()] ?? 1) * 1000;
}
