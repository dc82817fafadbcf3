// What the virus scanner (clamd) says about the whole message and about what it would not find in it by itself: the payloads of the
// tree. The message goes out at once, beside the reading of its containers. Names that scores.rules counts as points are spam, not
// viruses. Off without [clamd] endpoints.
import type { Clamd } from "../clients/clamd.ts";
import type { Body, Message, Payload } from "../mail/message.ts";
import type { RuleSet } from "../ruleset/compile.ts";
import type { Check, SoFar, SymbolSpec } from "../verdict/check.ts";
import type { Finding } from "../verdict/finding.ts";
import { pointsOf } from "./points.ts";

export interface VirusMeans {
  readonly scanner: Pick<Clamd, "scan">;
  /** Milliseconds for all scans of one message. */
  readonly deadlineMs: number;
  /** Octets of the largest stream that the scanner takes. */
  readonly maxSize: number;
  /** A larger message: it was not checked (policy decides), or it goes on with a note. */
  readonly oversize: "unchecked" | "skip";
}

const VIRUS: SymbolSpec = {
  symbol: "VIRUS",
  category: "virus",
  score: 0,
  meaning: "The virus scanner found something; the detail is its name for it.",
};
/** The note without which no header claims a scan. */
export const VIRUS_SCANNED = "VIRUS_SCANNED";
const SCANNED: SymbolSpec = {
  symbol: VIRUS_SCANNED,
  category: "note",
  score: 0,
  meaning: "The virus scanner looked at all of the message and answered.",
};
const OVERSIZE: SymbolSpec = {
  symbol: "VIRUS_OVERSIZE",
  category: "note",
  score: 0,
  meaning: 'The message is larger than [clamd] max_size and was not scanned (oversize = "skip").',
};

const UNCHECKED: SymbolSpec = {
  symbol: "UNCHECKED_VIRUS",
  category: "unchecked",
  score: 0,
  meaning: "No clamd gave a verdict, or the message is larger than [clamd] max_size.",
};

const MAX_NAMES = 50;

/** For tables of what there is: never asked. */
export const NO_SCANNER: VirusMeans = {
  scanner: { scan: async () => ({ kind: "error", why: "there is no scanner" }) },
  deadlineMs: 0,
  maxSize: 0,
  oversize: "unchecked",
};

/**
 * The check: one VIRUS for each name that was found; VIRUS_SCANNED when everything was looked at. Rejects with the scanner's words
 * when it was not and nothing was found: the engine makes UNCHECKED_VIRUS of it.
 */
export const virus = (rules: RuleSet, means: VirusMeans): Check<"message"> => ({
  name: "virus",
  stage: "message",
  tier: "content",
  symbols: [VIRUS, SCANNED, OVERSIZE, UNCHECKED],
  async run(message, so) {
    const { names, failure } = await scanAll(message, so, means);
    const found = [...names].slice(0, MAX_NAMES).map((name) => findingOf(rules, name));
    if (failure === null) return [...found, noteOf(rules, SCANNED, "")];
    if (found.some(({ category }) => category === "virus")) return found;
    if (failure !== TOO_LARGE) throw new Error(failure);
    const detail = `${message.body.size} octets, max_size is ${means.maxSize}`;
    if (means.oversize === "unchecked") throw new Error(detail);
    return [...found, noteOf(rules, OVERSIZE, detail)];
  },
});

const TOO_LARGE = "too large";

interface Scans {
  /** What was found, each name once. */
  readonly names: ReadonlySet<string>;
  /** Why not everything was looked at; null when it was. */
  readonly failure: string | null;
}

async function scanAll(message: Message, { signal }: SoFar, means: VirusMeans): Promise<Scans> {
  const until = performance.now() + means.deadlineMs;
  const names = new Set<string>();
  let failure: string | null = null;
  const scan = async (body: Body): Promise<void> => {
    if (body.size > means.maxSize) {
      failure ??= TOO_LARGE;
      return;
    }
    const reply = await means.scanner.scan(body, until, signal);
    if (reply.kind === "infected") names.add(reply.name);
    if (reply.kind === "error" && (failure === null || failure === TOO_LARGE)) failure = reply.why;
  };
  const inside = async (): Promise<void> => {
    const { payloads } = await message.tree();
    for (const payload of payloads) await scan(bodyOf(payload));
  };
  const [, read] = await Promise.allSettled([scan(message.body), inside()]);
  // A tree that cannot be read is a failure of ours, unless a virus was found without it.
  if (read.status === "rejected") failure = `the parts could not be read: ${String(read.reason)}`;
  return { names, failure };
}

function bodyOf({ octets }: Payload): Body {
  return {
    size: octets.length,
    bytes: [octets],
    async *open() {
      yield octets;
    },
  };
}

/** amavis' form for a name that only gives points: "AV:Heuristics.Phishing.Email". */
function findingOf(rules: RuleSet, name: string): Finding {
  const points = rules.virusScoreOf(name);
  if (points === null)
    return {
      check: "virus",
      symbol: VIRUS.symbol,
      category: VIRUS.category,
      score: pointsOf(rules, VIRUS),
      detail: name,
    };
  const symbol = `AV:${name}`;
  return {
    check: "virus",
    symbol,
    foreign: "clamd",
    category: "spam",
    score: points,
    detail: name,
  };
}

function noteOf(rules: RuleSet, spec: SymbolSpec, detail: string): Finding {
  const { symbol, category } = spec;
  return { check: "virus", symbol, category, score: pointsOf(rules, spec), detail };
}
