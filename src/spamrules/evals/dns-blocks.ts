// dns_block_rule lines: a list that says by a rule's hit that it will not answer us is left alone for dns_block_time seconds. Held by
// each thread of the engine over its messages.
import type { Settings } from "../rulebook.ts";
import type { DnsQuestion } from "./dns-question.ts";
import { numberOf } from "./settings.ts";

export interface DnsBlocks {
  /** The questions without those to lists that are left alone. */
  allowed(questions: readonly DnsQuestion[], now: number): readonly DnsQuestion[];
  /** Told which rules hit. */
  hit(rules: Iterable<string>, now: number): void;
}

/** `now` in milliseconds, always by the same clock. */
export function dnsBlocks(settings: Settings): DnsBlocks {
  const domains = new Map<string, readonly string[]>();
  for (const line of settings.others.get("dns_block_rule") ?? []) {
    const [rule = "", ...named] = line.trim().split(/[\t-\r ]+/);
    const known = domains.get(rule) ?? [];
    domains.set(rule, [...known, ...named.map((name) => name.toLowerCase())]);
  }
  const ms = numberOf(settings, "dns_block_time", 300) * 1000;
  const until = new Map<string, number>();
  return {
    allowed(questions, now) {
      for (const [domain, end] of until) if (end < now) until.delete(domain);
      if (until.size === 0) return questions;
      const blocked = [...until.keys()];
      return questions.filter(
        ({ name }) => !blocked.some((domain) => name === domain || name.endsWith(`.${domain}`)),
      );
    },
    hit(rules, now) {
      for (const rule of rules)
        for (const domain of domains.get(rule) ?? []) until.set(domain, now + ms);
    },
  };
}
