// What SpamAssassin's rules ask DNS, asked of our resolver with its cache: one budget and a bounded number of questions for each message.
// What has not come by then is no hit. Used by the engine's scorer and the spamd listener.
import type { Dns, DnsAnswer, DnsStatus, DnsType, MxRecord } from "../clients/dns.ts";
import { isDnsType } from "../clients/dns-packet.ts";
import type { DnsLookup } from "../spamrules/engine-job.ts";
import type { DnsReply, Replies } from "../spamrules/evals/dns.ts";

export interface RuleDns {
  readonly dns: Dns;
  /** Milliseconds for all questions of one message together. */
  readonly budgetMs: number;
  /** Told how many questions of a round were answered, and how many nobody answered in time. */
  readonly onAnswers?: (answered: number, silent: number) => void;
}

/** Questions about one message: twice what the stock rules make of one with 20 hosts in it. */
export const MOST_LOOKUPS = 500;

type Record = DnsReply["records"][number];

/** Asks for one message: make it anew for each. What was not answered has no reply; never rejects. */
export function ruleLookups({
  dns,
  budgetMs,
  onAnswers,
}: RuleDns): (lookups: readonly DnsLookup[], ms: number) => Promise<Replies> {
  /** From the first round on: the message may have waited for a thread. */
  let end: number | null = null;
  let left = MOST_LOOKUPS;
  return async (lookups, ms) => {
    end ??= performance.now() + budgetMs;
    const found = new Map<string, DnsReply>();
    const most = Math.min(ms, end - performance.now());
    if (most <= 0) return found;
    const asked = lookups.slice(0, left);
    left -= asked.length;
    const late = new AbortController();
    const timer = setTimeout(() => late.abort(), most);
    const each = asked.map(async ({ key, name, types }) => {
      const reply = await replyOf(dns, name, types, late.signal);
      if (reply !== null) found.set(key, reply);
    });
    await Promise.all(each).finally(() => clearTimeout(timer));
    onAnswers?.(found.size, asked.length - found.size);
    return found;
  };
}

/** RCODE by how our resolver says it; a name that cannot be asked for does not exist. */
const CODES: Readonly<Partial<{ [status in DnsStatus]: number }>> = {
  ok: 0,
  nodata: 0,
  servfail: 2,
  nxdomain: 3,
  bad: 3,
  refused: 5,
};

const NOT_IMPLEMENTED = 4;

async function replyOf(
  dns: Dns,
  name: string,
  types: readonly string[],
  signal: AbortSignal,
): Promise<DnsReply | null> {
  const known = types.filter(isDnsType);
  if (known.length === 0) return { code: NOT_IMPLEMENTED, records: [] };
  const answers = await Promise.all(known.map((type) => dns.resolve(name, type, { signal })));
  const codes = answers
    .map(({ status }) => CODES[status])
    .filter((code): code is number => code !== undefined);
  if (codes.length === 0) return null;
  const records = answers.flatMap((answer, i) => recordsOf(known[i] ?? "A", answer));
  return { code: codes.includes(0) ? 0 : (codes[0] ?? 3), records };
}

/** As in a zone file; the strings of a TXT joined, in octets. */
function recordsOf(type: DnsType, { records }: DnsAnswer): Record[] {
  return records.map((record) => ({ type, text: textOf(type, record) }));
}

function textOf(type: DnsType, record: string | readonly string[] | MxRecord): string {
  if (typeof record === "string") return type === "A" || type === "AAAA" ? record : `${record}.`;
  if ("exchange" in record) return `${record.priority} ${record.exchange}.`;
  return Buffer.from(record.join(""), "utf8").toString("latin1");
}
