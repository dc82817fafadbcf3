// Rules that ask DNS, in two steps: questionsFor() in the engine's thread, which has no network; answersToHits() with what the resolver
// said. Their eval functions never hit by themselves. Without a network (local tests) nothing is asked, and nothing hits.
import type { RuleBook } from "../rulebook.ts";
import type { Subject } from "../subject.ts";
import { askByTags } from "./dns-ask.ts";
import { askByHashes } from "./dns-hashes.ts";
import { isHit, questionKey, Questions, type DnsQuestion, type DnsReply } from "./dns-question.ts";
import { askAboutRelays } from "./dns-relays.ts";
import { askAboutUris, lookUp } from "./dns-uris.ts";
import type { Evals, Proofs } from "./eval.ts";
import { isOn } from "./settings.ts";
import { dkimTags, tagValues } from "./tag-values.ts";

export type { DnsQuestion, DnsReply } from "./dns-question.ts";

export interface Asking {
  /** 1 without Bayes, 3 with it: rules without points ask nothing. */
  readonly scoreSet: 0 | 1 | 2 | 3;
  /** As evals/senders.ts has them. */
  readonly senders: readonly string[];
  /** Tags that rules and checks have set, by upper-case name. */
  readonly tags: ReadonlyMap<string, readonly string[]>;
  readonly proofs: Proofs;
}

/** What the rules want to know of this message; plain data. */
export function questionsFor(
  book: RuleBook,
  subject: Subject,
  asking: Asking,
): readonly DnsQuestion[] {
  const { scoreSet, senders, proofs } = asking;
  const tags = new Map([...dkimTags(proofs.dkim ?? []), ...asking.tags]);
  const { settings } = book;
  const questions = new Questions(settings);
  if (!isOn(settings, "skip_rbl_checks", false))
    askAboutRelays(book, subject, scoreSet, senders, questions);
  const hosts = isOn(settings, "skip_uribl_checks", false)
    ? new Map<string, string>()
    : askAboutUris(book, subject, scoreSet, questions);
  const values = tagValues(subject, tags, hosts);
  askByTags(book, scoreSet, values, questions);
  askByHashes({ book, subject, senders, values }, scoreSet, questions);
  return questions.list;
}

/** Replies by questionKey(); a question without one was not answered. */
export type Replies = ReadonlyMap<string, DnsReply>;

export { questionKey };

export interface Settled {
  /** Rules that hit, and on what. */
  readonly hits: ReadonlyMap<string, string>;
  /** What the replies made worth asking; at most two rounds of it. */
  readonly questions: readonly DnsQuestion[];
}

export function answersToHits(
  book: RuleBook,
  asked: readonly DnsQuestion[],
  replies: Replies,
  trim: (host: string) => string,
): Settled {
  const hits = new Map<string, string>();
  const next = new Questions(book.settings);
  for (const question of asked) {
    const reply = replies.get(questionKey(question));
    if (!reply) continue;
    for (const ask of question.asks)
      if (!hits.has(ask.rule) && isHit(ask, reply)) hits.set(ask.rule, ask.about || question.name);
    follow(question, reply, trim, next);
  }
  return { hits, questions: next.list };
}

function follow(
  { followUp }: DnsQuestion,
  reply: DnsReply,
  trim: (host: string) => string,
  next: Questions,
): void {
  if (!followUp) return;
  for (const { type, text } of reply.records) {
    if (type === "A") for (const zone of followUp.addresses) lookUp(text, zone, next);
    if (type !== "NS") continue;
    const host = text.toLowerCase().replace(/\.$/, "");
    for (const zone of followUp.domains) lookUp(trim(host), zone, next);
    for (const zone of followUp.names) lookUp(host, zone, next);
    if (followUp.addressesOfNames.length > 0)
      next.ask(host, "A", [], {
        addresses: followUp.addressesOfNames,
        domains: [],
        names: [],
        addressesOfNames: [],
      });
  }
}

const FUNCTIONS = `check_rbl check_rbl_txt check_rbl_sub check_rbl_accreditor check_rbl_envfrom check_rbl_from_host check_rbl_from_domain
  check_rbl_headers check_rbl_ns_from check_rbl_rcvd check_dns_sender check_uridnsbl check_hashbl_emails check_hashbl_uris
  check_hashbl_bodyre check_hashbl_tag check_hashbl_attachments`;

/** check_dns_sender is among them for good: it looks at the records of answers that have none. */
export const DNS: Evals = Object.fromEntries(
  FUNCTIONS.split(/\s+/).map((name) => [name, () => false]),
);
