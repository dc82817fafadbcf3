// The metrics of checks and of what checks ask: the policy service, DNS, scanners, scorers, rules. Part of metrics.ts.
import type { Makers } from "./metric-makers.ts";

export type CheckMetrics = ReturnType<typeof policyMetrics> &
  ReturnType<typeof dnsMetrics> &
  ReturnType<typeof virusMetrics> &
  ReturnType<typeof spamMetrics> &
  ReturnType<typeof rulesMetrics>;

export function checkMetrics(make: Makers): CheckMetrics {
  return {
    ...policyMetrics(make),
    ...dnsMetrics(make),
    ...virusMetrics(make),
    ...spamMetrics(make),
    ...rulesMetrics(make),
  };
}

function policyMetrics({ counter, histogram }: Makers) {
  return {
    policy: counter("policy_total", "Answers of the policy service, by protocol state and action", [
      "state",
      "action",
    ]),
    greylist: counter(
      "greylist_total",
      "Greylist decisions: new and early wait; accepted, passed, client and person pass; unsuspected are not asked about",
      ["result"],
    ),
    policySeconds: histogram("policy_seconds", "From a policy request to its answer"),
  };
}

function dnsMetrics({ counter, gauge }: Makers) {
  return {
    dnsQuestions: counter(
      "dns_questions_total",
      "DNS questions that the cache could not answer, by outcome",
      ["status"],
    ),
    dnsxl: counter(
      "dnsxl_total",
      "Questions to DNS lists, by result (listed, unlisted, uncounted: a reply that no line counts, failed, skipped)",
      ["zone", "result"],
    ),
    dnsxlHealthy: gauge(
      "dnsxl_zone_healthy",
      "1 while a DNS list answers as RFC 5782 wants, 0 while it is not asked",
      "min",
      ["zone"],
    ),
  };
}

function rulesMetrics({ counter, gauge }: Makers) {
  return {
    rulesLoad: gauge(
      "rules_load_success",
      "1 while the running rules are those on disk, 0 while the last good ones are kept",
      "max",
    ),
    rulesReloads: counter("rules_reloads_total", "Loads of the rule files", ["result"]),
  };
}

function virusMetrics({ counter, gauge }: Makers) {
  return {
    virusScans: counter(
      "virus_scans_total",
      "Scans of messages and decoded parts, by result (clean, infected, error)",
      ["result"],
    ),
    clamdAnswers: counter(
      "clamd_answers_total",
      "Streams answered by our own clamd listeners, by result (clean, infected, error)",
      ["result"],
    ),
    clamdHealthy: gauge(
      "clamd_healthy",
      "1 while a clamd answers, 0 while it is left alone until it answers PING",
      "min",
      ["endpoint"],
    ),
    virusDatabaseAge: gauge(
      "virus_database_age_seconds",
      "Age of the daily virus database that a clamd names; absent when it names none",
      "max",
      ["endpoint"],
    ),
  };
}

function spamMetrics({ counter, gauge }: Makers) {
  return {
    spamEngine: counter(
      "spam_engine_total",
      "Messages scored by postern's own engine, by result (scored; partial: not all rules ran in time; failed)",
      ["result"],
    ),
    spamCompared: counter(
      "spam_compared_total",
      "Messages that two scorers were given ([spam] engine = both), by result (same; rules: other rules hit; points: the same rules, other points; unknown: one had no answer)",
      ["result"],
    ),
    spamDns: counter(
      "spam_dns_questions_total",
      "Questions that spam rules asked DNS, by result (answered; silent: no answer within [dns] budget, so that the rule did not hit)",
      ["result"],
    ),
    spamRules: gauge(
      "spam_rules",
      "Rules of SpamAssassin's form that postern's own engine has compiled",
      "max",
    ),
    spamdAnswers: counter(
      "spamd_answers_total",
      "Requests answered by our own spamd listeners, by command and result (spam, ham, failed)",
      ["method", "result"],
    ),
    spamScorings: counter(
      "spam_scorings_total",
      "Messages given to spamd, by result (scored; unreachable; silent: no answer in time; broken: closed or garbage; refused: an error of spamd's; busy: no place; given-up)",
      ["result"],
    ),
    spamdHealthy: gauge(
      "spamd_healthy",
      "1 while a spamd is asked, 0 while it is left alone until it answers PING",
      "min",
      ["endpoint"],
    ),
  };
}
