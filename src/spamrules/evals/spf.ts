// SpamAssassin's SPF plugin. Results come from what a server of ours wrote into the header, or else from postern's own SPF check.
import { lower } from "../message/octets.ts";
import { addressList } from "./address-list.ts";
import type { EvalContext, Evals } from "./eval.ts";
import { bare } from "./senders.ts";
import { isOn } from "./settings.ts";

const RESULTS = Symbol("spf results");
const SENDER = Symbol("spf sender");
const RECEIVED_SPF =
  /^received-spf:[\t-\r ]*(pass|neutral|(?:soft)?fail|(?:temp|perm)error|none)\b(?:.*\bidentity=([^\t-\r ]+?);?\b)?/i;
const AUTH_RESULTS = /^(?:arc-)?authentication-results:.*;[\t-\r ]*spf[\t-\r ]*=[\t-\r ]*([^;]*)/i;
const AUTH_RESULT =
  /^(pass|neutral|(?:hard|soft)?fail|(?:temp|perm)error|none)(?:[^;]*?\bsmtp\.([^\t-\r ]+)[\t-\r ]*=[^;]+)?/i;

interface Results {
  mailFrom: string | null;
  helo: string | null;
}

function results(context: EvalContext): Results {
  return context.memo(RESULTS, () => {
    const found: Results = { mailFrom: null, helo: null };
    if (!isOn(context.book.settings, "ignore_received_spf_header", false))
      fromHeader(context, found);
    const { proofs, subject, local } = context;
    if (local || proofs.spf === null || subject.relays.external.length === 0) return found;
    found.helo ??= proofs.spf.helo;
    if (sender(context)) found.mailFrom ??= proofs.spf.mailFrom;
    if (found.mailFrom === "error") found.mailFrom = "temperror";
    if (found.helo === "error") found.helo = "temperror";
    return found;
  });
}

/** The oldest result for each identity that servers of ours wrote, or the newest if so set. */
function fromHeader({ book, subject }: EvalContext, found: Results): void {
  const lines = subject.getAll("ALL-INTERNAL").join("\n").split("\n");
  if (!isOn(book.settings, "use_newest_received_spf_header", false)) lines.reverse();
  for (const line of lines) {
    const [result, identity] = resultIn(line);
    if (result === null) continue;
    if (identity === "helo") found.helo ??= result;
    else if (identity === "mfrom" || identity === "mailfrom") found.mailFrom ??= result;
    if (found.helo !== null && found.mailFrom !== null) return;
  }
}

/** Without an identity it is taken for the sender's. */
function resultIn(line: string): readonly [result: string | null, identity: string] {
  const spf = /^received-spf:/i.test(line)
    ? RECEIVED_SPF.exec(line)
    : AUTH_RESULT.exec(AUTH_RESULTS.exec(line)?.[1] ?? "");
  if (!spf) return [null, ""];
  const result = lower(spf[1] ?? "");
  return [result === "hardfail" ? "fail" : result, lower(spf[2] ?? "mfrom")];
}

/** The envelope sender as SPF may take it, lower case, perhaps empty; null when a server of ours may have changed it. */
function sender(context: EvalContext): string | null {
  return context.memo(SENDER, () => {
    const { book, subject } = context;
    const given = subject.relays.external[0]?.envfrom ?? null;
    if (given !== null) return lower(given);
    if (subject.relays.trusted.length > 0 && !book.settings.alwaysTrustEnvelopeSender) return null;
    const address = subject.getAll("EnvelopeFrom:addr")[0];
    return address === undefined ? null : lower(bare(address));
  });
}

function isListed(context: EvalContext, ...lists: string[]): boolean {
  const address = sender(context);
  if (address === null || address === "" || results(context).mailFrom !== "pass") return false;
  const { addressLists } = context.book.settings;
  return lists.some((name) => addressList(addressLists.get(name) ?? [])(address));
}

const RESULT_WORDS = ["pass", "neutral", "none", "fail", "softfail", "permerror", "temperror"];
const byResult: Record<string, (context: EvalContext) => boolean> = {};
for (const word of RESULT_WORDS) {
  byResult[`check_for_spf_${word}`] = (context) => results(context).mailFrom === word;
  byResult[`check_for_spf_helo_${word}`] = (context) => results(context).helo === word;
}

const listed = (context: EvalContext): boolean =>
  isListed(context, "welcomelist_from_spf", "welcomelist_auth");
const listedByDefault = (context: EvalContext): boolean =>
  isListed(context, "def_welcomelist_from_spf", "def_welcomelist_auth");

export const SPF: Evals = {
  ...byResult,
  check_spf_skipped_noenvfrom: (context) => sender(context) === null,
  check_for_spf_welcomelist_from: listed,
  check_for_spf_whitelist_from: listed,
  check_for_def_spf_welcomelist_from: listedByDefault,
  check_for_def_spf_whitelist_from: listedByDefault,
};
