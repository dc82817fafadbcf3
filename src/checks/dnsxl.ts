// DNS lists (RFC 5782): the client, HELO and sender domain at RCPT; on a message also the hops before the client and the hosts of
// its URIs. Weights add up to a rank as in postscreen; from the threshold on the message is listed. All questions go out at once,
// under one budget. Mail of our own users is never asked about.
import type { Dns, DnsAnswer } from "../clients/dns.ts";
import { without } from "../clients/dns-answer.ts";
import { networks, type Networks } from "../mail/ip.ts";
import type { RuleSet } from "../ruleset/compile.ts";
import type { DnsxlList, DnsxlSite } from "../ruleset/dnsxl-lines.ts";
import type { Check, SymbolSpec } from "../verdict/check.ts";
import type { Finding } from "../verdict/finding.ts";
import { envelopeAsked, hopsAsked, textAsked, type Asked } from "./dnsxl-subjects.ts";
import { failureOf, type ZoneWatch } from "./dnsxl-zones.ts";
import { pointsOf } from "./points.ts";

/** How a question to a zone ended: "uncounted" = with replies that no line counts. */
export type DnsxlResult = "listed" | "unlisted" | "uncounted" | "failed" | "skipped";

export interface DnsxlMeans {
  readonly dns: Dns;
  readonly zones: Pick<ZoneWatch, "ready" | "trouble" | "note">;
  /** Milliseconds for all questions about one message together. */
  readonly budgetMs: number;
  /** Our own users. */
  readonly internal: Networks;
  /** Hosts that only pass mail on to us. */
  readonly relays: Networks;
  onResult(zone: string, result: DnsxlResult): void;
}

const LISTED: SymbolSpec = {
  symbol: "DNSXL_LISTED",
  category: "listed",
  score: 0,
  meaning: "The weights of the DNS lists that know this mail reach the threshold of dnsxl.rules.",
};
const UNCHECKED: SymbolSpec = {
  symbol: "UNCHECKED_DNSXL",
  category: "unchecked",
  score: 0,
  meaning: "A DNS list could not be asked: no answer in time, or it is not in order.",
};

const LIMIT: SymbolSpec = {
  symbol: "DNSXL_LIMIT",
  category: "note",
  score: 0,
  meaning: "The text leads to more hosts than DNS lists are asked about.",
};

/** Means that ask nobody, for tables of what there is. */
export const NO_LISTS: DnsxlMeans = {
  dns: { resolve: async () => without("nodata"), close() {} },
  zones: { ready: async () => {}, trouble: () => null, note() {} },
  budgetMs: 0,
  internal: networks([]),
  relays: networks([]),
  onResult() {},
};

/** Questions about one message; more hosts than that say nothing new. */
const MAX_QUESTIONS = 200;
const MAX_TEXT = 200;
const IS_LISTED = " is listed by ";

/** At RCPT: client, HELO, sender domain. */
export const dnsxlAtRcpt = (rules: RuleSet, means: DnsxlMeans): Check<"rcpt"> => ({
  name: "dnsxl",
  stage: "rcpt",
  tier: "client",
  symbols: dnsxlSymbols(rules),
  async run({ client, login, sender, origin }, { signal }) {
    if (login !== null || origin === "outbound" || means.internal.has(client.address)) return [];
    return report(envelopeAsked(client, sender), rules, means, signal);
  },
});

/** At the end of DATA: the same, the hops before the client, and hosts in the text. */
export const dnsxl = (rules: RuleSet, means: DnsxlMeans): Check<"message"> => ({
  name: "dnsxl",
  stage: "message",
  tier: "client",
  symbols: dnsxlSymbols(rules),
  async run(message, { signal }) {
    const { envelope, header } = message;
    const { client, sender, origin } = envelope;
    if (origin === "outbound" || means.internal.has(client.address)) return [];
    const asked = [...envelopeAsked(client, sender)];
    if (rules.dnsxl.asks("received")) asked.push(...hopsAsked(header, client, means));
    const text = asksText(rules) ? await textAsked(await message.tree()) : null;
    if (text !== null) asked.push(...text.asked);
    return report(asked, rules, means, signal, text?.more);
  },
});

/** True when a list wants to know about links: then texts must be kept. */
export function asksText({ dnsxl: list }: RuleSet): boolean {
  return list.asks("uri") || list.asks("uri-ip");
}

/** The texts for X-RBL-Warning, in the order of the findings. */
export function rblWarnings(findings: readonly Finding[]): readonly string[] {
  return findings
    .filter(({ check, category }) => check === "dnsxl" && category === "note")
    .filter(({ detail }) => detail.includes(IS_LISTED))
    .map(({ detail }) => detail);
}

/** What these rules can report: the two of the check, and one for each zone and subject. */
export function dnsxlSymbols({ dnsxl: list }: RuleSet): readonly SymbolSpec[] {
  const specs = new Map<string, SymbolSpec>(
    [LISTED, UNCHECKED, LIMIT].map((spec) => [spec.symbol, spec]),
  );
  for (const site of list.sites) {
    for (const subject of site.subjects) {
      const symbol = site.symbolOf(subject);
      if (specs.has(symbol)) continue;
      const meaning = `${site.zone} knows the ${subject} of the message.`;
      specs.set(symbol, { symbol, category: "note", score: site.score, meaning });
    }
  }
  return [...specs.values()];
}

interface Hit {
  readonly site: DnsxlSite;
  readonly asked: Asked;
  readonly replies: readonly string[];
  /** How many others of the same subject the site knows too. */
  others: number;
}

/** Asks everything, and says what came of it. */
async function report(
  asked: readonly Asked[],
  rules: RuleSet,
  means: DnsxlMeans,
  signal: AbortSignal,
  more = false,
): Promise<readonly Finding[]> {
  const list = rules.dnsxl;
  if (list.sites.length === 0 || asked.length === 0) return [];
  const budget = new AbortController();
  const end = (): void => budget.abort();
  const timer = setTimeout(end, means.budgetMs);
  signal.addEventListener("abort", end, { once: true });
  try {
    const round = new Round(list, means, budget.signal, signal);
    await round.ask(asked);
    const hits = [...round.hits.values()];
    const texts = await Promise.all(hits.map((hit) => round.textOf(hit)));
    const found = hits.map((hit, i) => hitFinding(rules, hit, texts[i] ?? ""));
    const rank = hits.reduce((sum, { site }) => sum + site.weight, 0);
    if (rank >= list.threshold) found.push(listedFinding(rules, hits, rank));
    if (more || round.cut) found.push(limitFinding(rules));
    if (round.unasked.size > 0) found.push(uncheckedFinding(rules, round.unasked));
    return found;
  } finally {
    clearTimeout(timer);
    signal.removeEventListener("abort", end);
  }
}

/** All questions about one message. */
class Round {
  readonly hits = new Map<string, Hit>();
  /** Zones that could not be asked, and why. */
  readonly unasked = new Map<string, string>();
  /** True when there was more to ask than MAX_QUESTIONS. */
  cut = false;
  private readonly list: DnsxlList;
  private readonly means: DnsxlMeans;
  private readonly budget: AbortSignal;
  /** Fires when nobody waits for the answer: then the silence is not the zone's. */
  private readonly gone: AbortSignal;
  private readonly over: Promise<void>;
  private readonly questions = new Map<string, Promise<DnsAnswer<"A">>>();

  constructor(list: DnsxlList, means: DnsxlMeans, budget: AbortSignal, gone: AbortSignal) {
    this.list = list;
    this.means = means;
    this.budget = budget;
    this.gone = gone;
    this.over = new Promise((resolve) =>
      budget.addEventListener("abort", () => resolve(), { once: true }),
    );
  }

  async ask(all: readonly Asked[]): Promise<void> {
    const waiting: Promise<void>[] = [];
    for (const asked of all) {
      if (this.list.excepted(asked.shown)) continue;
      const zones = new Map<string, DnsxlSite[]>();
      for (const site of this.list.sites) {
        if (!site.subjects.has(asked.subject)) continue;
        const sites = zones.get(site.zone);
        if (sites === undefined) zones.set(site.zone, [site]);
        else sites.push(site);
      }
      for (const [zone, sites] of zones) waiting.push(this.askZone(asked, zone, sites));
    }
    await Promise.all(waiting);
  }

  private async askZone(asked: Asked, zone: string, sites: readonly DnsxlSite[]): Promise<void> {
    const { zones } = this.means;
    const onResult = (result: DnsxlResult): void => this.means.onResult(zone, result);
    await Promise.race([zones.ready(zone), this.over]);
    const trouble = zones.trouble(zone);
    if (trouble !== null) {
      this.unasked.set(zone, trouble);
      onResult("skipped");
      return;
    }
    const name = `${asked.query}.${zone}`;
    let question = this.questions.get(name);
    if (question === undefined) {
      if (this.questions.size >= MAX_QUESTIONS) {
        this.cut = true;
        return;
      }
      question = this.means.dns.resolve(name, "A", { signal: this.budget });
      this.questions.set(name, question);
    }
    const answer = await question;
    const failure = failureOf(answer);
    if (!this.gone.aborted) zones.note(zone, failure);
    if (failure !== null) {
      this.unasked.set(zone, failure);
      onResult("failed");
      return;
    }
    let counted = false;
    for (const site of sites) {
      const replies = answer.records.filter(site.counts);
      if (replies.length === 0) continue;
      counted = true;
      this.hit({ site, asked, replies, others: 0 });
    }
    onResult(counted ? "listed" : answer.records.length > 0 ? "uncounted" : "unlisted");
  }

  /** A site counts once for each subject, however many hosts it knows. */
  private hit(hit: Hit): void {
    const key = `${this.list.sites.indexOf(hit.site)} ${hit.asked.subject}`;
    const known = this.hits.get(key);
    if (known === undefined) this.hits.set(key, hit);
    else known.others++;
  }

  /** What the list says about it in TXT (RFC 5782 2.1), on one line; "" when it says nothing in time. */
  async textOf({ site, asked }: Hit): Promise<string> {
    const { records } = await this.means.dns.resolve(`${asked.query}.${site.zone}`, "TXT", {
      signal: this.budget,
    });
    const text = (records[0] ?? []).join("").slice(0, MAX_TEXT * 2);
    return text
      .replace(/[\s\p{C}]+/gu, " ")
      .trim()
      .slice(0, MAX_TEXT);
  }
}

function hitFinding(rules: RuleSet, hit: Hit, said: string): Finding {
  const { site, asked, replies, others } = hit;
  const verb = site.weight < 0 ? " is vouched for by " : IS_LISTED;
  const more = others > 0 ? ` and ${others} more` : "";
  const text = site.text ?? said;
  const symbol = site.symbolOf(asked.subject);
  return {
    check: "dnsxl",
    symbol,
    category: "note",
    score: rules.scoreOf(symbol) ?? site.score,
    detail: `${asked.shown}${more}${verb}${site.zone} (${replies.slice(0, 4).join(", ")})${text === "" ? "" : `: ${text}`}`,
    rule: site.at,
  };
}

function listedFinding(rules: RuleSet, hits: readonly Hit[], rank: number): Finding {
  const heaviest = hits.reduce((a, b) => (b.site.weight > a.site.weight ? b : a));
  const parts = hits.map(
    ({ site, asked }) => `${asked.subject} ${asked.shown} in ${site.zone}*${site.weight}`,
  );
  return {
    check: "dnsxl",
    symbol: LISTED.symbol,
    category: LISTED.category,
    score: pointsOf(rules, LISTED),
    detail: `rank ${rank}: ${parts.slice(0, 8).join(", ")}`,
    rule: heaviest.site.at,
    ...(heaviest.site.say !== null && { say: heaviest.site.say }),
  };
}

function limitFinding(rules: RuleSet): Finding {
  return {
    check: "dnsxl",
    symbol: LIMIT.symbol,
    category: LIMIT.category,
    score: pointsOf(rules, LIMIT),
    detail: "more hosts than are asked about",
  };
}

function uncheckedFinding(rules: RuleSet, unasked: ReadonlyMap<string, string>): Finding {
  const zones = [...unasked].map(([zone, why]) => `${zone} ${why}`);
  return {
    check: "dnsxl",
    symbol: UNCHECKED.symbol,
    category: UNCHECKED.category,
    score: pointsOf(rules, UNCHECKED),
    detail: zones.slice(0, 8).join("; "),
  };
}
