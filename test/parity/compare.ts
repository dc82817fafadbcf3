// How far two scorers agree about the same messages: by (message, rule) pairs, by points and by decision. Pure; used by main.ts and by the
// suites that hold us to SpamAssassin.

export interface Opinion {
  readonly total: number;
  readonly required: number;
  /** Points by rule; rules without points of their own too, with 0. */
  readonly rules: ReadonlyMap<string, number>;
}

export interface RuleParity {
  readonly rule: string;
  readonly points: number;
  readonly both: number;
  readonly onlyOurs: number;
  readonly onlyTheirs: number;
  /** Points that come out differently, over all messages. */
  readonly weight: number;
  /** A message on which they differ. */
  readonly example: string;
}

export interface Parity {
  readonly messages: number;
  /** Messages that one side gave no opinion on. */
  readonly unanswered: readonly string[];
  readonly pairs: {
    /** Hits that either side has. */
    readonly either: number;
    readonly both: number;
    readonly onlyOurs: number;
    readonly onlyTheirs: number;
    /** both / either; 1 when there are none. */
    readonly rate: number;
  };
  /** Of rules on which they differ, the weightiest first. */
  readonly rules: readonly RuleParity[];
  readonly scores: {
    readonly tolerance: number;
    /** Messages whose totals lie within the tolerance of each other. */
    readonly within: number;
    readonly rate: number;
    readonly meanDifference: number;
    /** The largest differences. */
    readonly worst: readonly {
      readonly message: string;
      readonly ours: number;
      readonly theirs: number;
      readonly onlyOurs: readonly string[];
      readonly onlyTheirs: readonly string[];
    }[];
  };
  readonly decisions: {
    readonly spamToBoth: number;
    readonly spamToOursOnly: readonly string[];
    readonly spamToTheirsOnly: readonly string[];
    readonly rate: number;
  };
}

type Opinions = ReadonlyMap<string, Opinion | null>;

const WORST = 20;
/** Sums of decimal fractions are a little off. */
const EPSILON = 1e-6;

/** `tolerance` is what totals may differ by: 0.01, or 0.1 when one side rounds to a tenth. */
export function compare(ours: Opinions, theirs: Opinions, tolerance: number): Parity {
  const unanswered: string[] = [];
  const rules = new Map<string, Counted>();
  const differences: Parity["scores"]["worst"][number][] = [];
  const decisions = { both: 0, ours: [] as string[], theirs: [] as string[] };
  let messages = 0;
  let within = 0;
  let apart = 0;
  for (const message of new Set([...ours.keys(), ...theirs.keys()])) {
    const our = ours.get(message) ?? null;
    const their = theirs.get(message) ?? null;
    if (our === null || their === null) {
      unanswered.push(message);
      continue;
    }
    messages++;
    const { onlyOurs, onlyTheirs } = countRules(rules, message, our, their);
    const difference = Math.abs(our.total - their.total);
    apart += difference;
    if (difference <= tolerance + EPSILON) within++;
    if (difference > EPSILON || onlyOurs.length + onlyTheirs.length > 0)
      differences.push({ message, ours: our.total, theirs: their.total, onlyOurs, onlyTheirs });
    const [weCall, theyCall] = [isSpam(our), isSpam(their)];
    if (weCall && theyCall) decisions.both++;
    else if (weCall) decisions.ours.push(message);
    else if (theyCall) decisions.theirs.push(message);
  }
  const far = ({ ours: a, theirs: b }: (typeof differences)[number]): number => Math.abs(a - b);
  const share = (count: number): number => (messages === 0 ? 1 : count / messages);
  return {
    messages,
    unanswered,
    ...pairsOf(rules),
    scores: {
      tolerance,
      within,
      rate: share(within),
      meanDifference: messages === 0 ? 0 : apart / messages,
      worst: differences.sort((a, b) => far(b) - far(a)).slice(0, WORST),
    },
    decisions: {
      spamToBoth: decisions.both,
      spamToOursOnly: decisions.ours,
      spamToTheirsOnly: decisions.theirs,
      rate: share(messages - decisions.ours.length - decisions.theirs.length),
    },
  };
}

const isSpam = ({ total, required }: Opinion): boolean => total >= required - EPSILON;

interface Counted {
  points: number;
  both: number;
  onlyOurs: number;
  onlyTheirs: number;
  example: string;
}

function countRules(
  rules: Map<string, Counted>,
  message: string,
  our: Opinion,
  their: Opinion,
): { onlyOurs: string[]; onlyTheirs: string[] } {
  const [onlyOurs, onlyTheirs]: [string[], string[]] = [[], []];
  for (const rule of new Set([...our.rules.keys(), ...their.rules.keys()])) {
    const points = their.rules.get(rule) ?? our.rules.get(rule) ?? 0;
    let counted = rules.get(rule);
    if (counted === undefined) {
      counted = { points, both: 0, onlyOurs: 0, onlyTheirs: 0, example: "" };
      rules.set(rule, counted);
    }
    const [we, they] = [our.rules.has(rule), their.rules.has(rule)];
    if (we && they) {
      counted.both++;
      continue;
    }
    if (counted.example === "") counted.example = message;
    if (we) {
      counted.onlyOurs++;
      onlyOurs.push(rule);
    } else {
      counted.onlyTheirs++;
      onlyTheirs.push(rule);
    }
  }
  return { onlyOurs: onlyOurs.sort(), onlyTheirs: onlyTheirs.sort() };
}

function pairsOf(rules: ReadonlyMap<string, Counted>): Pick<Parity, "pairs" | "rules"> {
  const sum = { both: 0, onlyOurs: 0, onlyTheirs: 0 };
  const differing: RuleParity[] = [];
  for (const [rule, { points, both, onlyOurs, onlyTheirs, example }] of rules) {
    sum.both += both;
    sum.onlyOurs += onlyOurs;
    sum.onlyTheirs += onlyTheirs;
    const missed = onlyOurs + onlyTheirs;
    if (missed === 0) continue;
    const weight = Math.abs(points) * missed;
    differing.push({ rule, points, both, onlyOurs, onlyTheirs, weight, example });
  }
  const either = sum.both + sum.onlyOurs + sum.onlyTheirs;
  const missed = ({ onlyOurs, onlyTheirs }: RuleParity): number => onlyOurs + onlyTheirs;
  differing.sort(
    (a, b) => b.weight - a.weight || missed(b) - missed(a) || (a.rule < b.rule ? -1 : 1),
  );
  return {
    pairs: { either, ...sum, rate: either === 0 ? 1 : sum.both / either },
    rules: differing,
  };
}
