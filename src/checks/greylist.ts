// Greylisting: a stranger under suspicion is asked to come back, and who comes back after the delay passes from then on. At RCPT
// for the policy service; at the end of DATA, on before-queue listeners, with the text's score and proofs as well. Both stages
// share one record, so nobody waits twice. Costs one wait for the store, and DNS for the client's name and SPF.
import type { Address } from "../mail/address.ts";
import type { Networks } from "../mail/ip.ts";
import type { Client, Message } from "../mail/message.ts";
import type { GreylistAnswer, GreylistStore, GreylistTimes } from "../state/greylist-store.ts";
import type { Check, SoFar, SymbolSpec } from "../verdict/check.ts";
import { findingsOf } from "../verdict/decide.ts";
import type { Finding } from "../verdict/finding.ts";
import { mustWait, suspicions, type When } from "../verdict/suspicion.ts";
import { provenBy } from "./auth-results.ts";
import { bodyKey } from "./greylist-body.ts";
import { delayedFinding, GREYLIST_DELAYED } from "./greylist-delay.ts";
import { isExempt, isRole, isWaived, judgedRecipients } from "./greylist-exempt.ts";
import {
  nameOf,
  questionFor,
  toldName,
  type ClientName,
  type GreylistDns,
  type SpfFacts,
} from "./greylist-subject.ts";
import { comeBack, greylistLine } from "./greylist-text.ts";

export type GreylistTold = GreylistAnswer["result"] | "unsuspected";

export interface GreylistMeans {
  readonly store: Pick<GreylistStore, "ask" | "peek">;
  readonly times: GreylistTimes;
  readonly when: When;
  /** A message whose score lies from `scoreFrom` up to `scoreTo` is suspicious; from `scoreTo` on it is no business of ours. */
  readonly scoreFrom: number;
  readonly scoreTo: number;
  /** Domains whose host names prove nothing, beyond those that are shipped. */
  readonly shared: ReadonlySet<string>;
  /** null: names and proofs come from the MTA and from other checks only. */
  readonly dns: GreylistDns | null;
  readonly internal: Networks;
  readonly relays: Networks;
  readonly hostname: string;
  readonly product: string;
  /** True for a listener (by its name) at whose end of DATA clients may be told to come back. */
  atData(listener: string): boolean;
  now(): number;
  /** One line in postgrey's grammar. */
  log(line: string): void;
  /** One outcome for the metric. */
  told(result: GreylistTold): void;
}

export const GREYLISTED: SymbolSpec = {
  symbol: "GREYLISTED",
  category: "greylisted",
  score: 0,
  meaning: "The client, sender and recipient are new together and suspicious: it has to come back.",
};
const SYMBOLS = [GREYLISTED, GREYLIST_DELAYED];

/** At RCPT, and for the null sender at DATA: callout checks of other hosts come from it, and stop at RCPT. */
export const greylistAtRcpt = (means: GreylistMeans): Check<"rcpt"> => ({
  name: "greylist",
  stage: "rcpt",
  tier: "last",
  symbols: SYMBOLS,
  async run(question, so) {
    const { client, sender, recipient, state } = question;
    if (recipient === null || isExempt(question, means) || isRole(recipient)) return [];
    if (isWaived(recipient, so.findings)) return [];
    if (sender === null ? state === "RCPT" : state !== "RCPT") return [];
    const { address } = client;
    if (address === null) return [];
    const [name, spf] =
      means.dns === null
        ? ([toldName(client), null] as const)
        : await Promise.all([
            nameOf(client, means.dns, so),
            means.dns.spf(client, sender, so.signal),
          ]);
    const { when } = means;
    const facts = () => factsOf(client, address, name, failed(spf), so.findings, false, means);
    if (when !== "always" && !mustWait(when, suspicions(facts()))) return unsuspected(means);
    const asked = questionFor(
      {
        address,
        name,
        sender,
        spf: spf?.result === "pass" && !spf.wide ? [spf.domain] : [],
        dkim: [],
        body: null,
        forged: spf?.result === "fail",
        shared: means.shared,
      },
      recipient,
    );
    const [answer] = await means.store.ask([asked], means.times, means.now());
    return answer === undefined ? [] : tell(answer, client, sender, recipient, means);
  },
});

/** At the end of DATA, on listeners where clients may be told to come back. */
export const greylist = (means: GreylistMeans): Check<"message"> => ({
  name: "greylist",
  stage: "message",
  tier: "last",
  symbols: SYMBOLS,
  async run(message, so) {
    const { client, origin, recipients, listener } = message.envelope;
    const { address } = client;
    if (address === null || !means.atData(listener)) return [];
    if (isExempt({ client, origin, login: null }, means)) return [];
    const judged = judgedRecipients(recipients, so.findings);
    if (judged.length === 0) return [];
    const waiting = await suspected(message, address, judged, so, means);
    if (waiting.recipients.length === 0) return [];
    return askAtData(message, address, waiting.recipients, waiting.name, so, means);
  },
});

/** Which recipients' policies find the message suspicious; the score is a recipient's own. */
async function suspected(
  { envelope: { client } }: Message,
  address: string,
  recipients: readonly Address[],
  so: SoFar,
  means: GreylistMeans,
): Promise<{ recipients: readonly Address[]; name: ClientName }> {
  const name = await nameOf(client, means.dns, so);
  const stopped = so.findings.some(({ category }) => category === "virus" || category === "banned");
  const spfFailed = so.findings.some(
    ({ check, symbol }) => check === "auth" && /^SPF_(?:SOFT)?FAIL$/.test(symbol),
  );
  const wanted = recipients.filter((recipient) => {
    const findings = findingsOf(recipient.raw, so.findings);
    const score = findings.reduce((sum, finding) => sum + finding.score, 0);
    if (stopped || score >= means.scoreTo) return false;
    const inBand = score >= means.scoreFrom;
    const facts = factsOf(client, address, name, spfFailed, findings, inBand, means);
    return mustWait(means.when, suspicions(facts));
  });
  return { recipients: wanted, name };
}

async function askAtData(
  message: Message,
  address: string,
  recipients: readonly Address[],
  name: ClientName,
  so: SoFar,
  means: GreylistMeans,
): Promise<readonly Finding[]> {
  const { client, sender } = message.envelope;
  const { spf, dkim } = provenBy(so.findings);
  const forged = so.findings.some(({ check, symbol }) => check === "auth" && symbol === "SPF_FAIL");
  const body = await bodyKey(message);
  const facts = { address, name, sender, spf, dkim, body, forged, shared: means.shared };
  const asked = recipients.map((recipient) => questionFor(facts, recipient));
  const answers = await means.store.ask(asked, means.times, means.now());
  return answers.flatMap((answer, i) => {
    const recipient = recipients[i];
    if (recipient === undefined) return [];
    const told = tell(answer, client, sender, recipient, means);
    return wasDelayed(recipient, so.findings) ? told.filter(isNew) : told;
  });
}

const isNew = ({ symbol }: Finding): boolean => symbol !== GREYLIST_DELAYED.symbol;

/** The look before the scorer has found it already. */
function wasDelayed({ raw }: Address, findings: readonly Finding[]): boolean {
  return findings.some((finding) => !isNew(finding) && finding.recipient?.raw === raw);
}

function tell(
  answer: GreylistAnswer,
  client: Client,
  sender: Address | null,
  recipient: Address,
  means: GreylistMeans,
): readonly Finding[] {
  means.told(answer.result);
  means.log(greylistLine(answer, client, sender, recipient));
  if (answer.result !== "new" && answer.result !== "early")
    return delayedFinding(answer, recipient, means.now(), means);
  return [
    {
      check: "greylist",
      symbol: GREYLISTED.symbol,
      category: "greylisted",
      score: GREYLISTED.score,
      detail:
        answer.result === "new"
          ? "new"
          : `early-retry (${Math.ceil(answer.missing / 1000)}s missing)`,
      say: comeBack(answer),
      recipient,
    },
  ];
}

function factsOf(
  client: Client,
  address: string,
  { name, confirmed, failed: unsure }: ClientName,
  spfFailed: boolean,
  findings: readonly Finding[],
  inBand: boolean,
  { hostname }: GreylistMeans,
): Parameters<typeof suspicions>[0] {
  // The rank of all lists together: one weak list's hit below the threshold, or a hit that an allow list outweighs, is none.
  const listed = findings.some(({ check, category }) => check === "dnsxl" && category === "listed");
  const { helo } = client;
  return { address, helo, name, confirmed, unsure, listed, spfFailed, inBand, hostname };
}

const failed = (spf: SpfFacts | null): boolean =>
  spf?.result === "fail" || spf?.result === "softfail";

function unsuspected(means: GreylistMeans): readonly Finding[] {
  means.told("unsuspected");
  return [];
}

/** For the tables of what there is: never asked. */
export const NO_GREYLIST: GreylistMeans = {
  store: { ask: async () => [], peek: async () => [] },
  times: { delay: 0, window: 0, lifetime: 0, autoWhitelist: 0, countEvery: 0 },
  when: new Set(),
  scoreFrom: 0,
  scoreTo: 0,
  shared: new Set(),
  dns: null,
  internal: { has: () => false },
  relays: { has: () => false },
  hostname: "",
  product: "",
  atData: () => false,
  now: () => 0,
  log() {},
  told() {},
};
