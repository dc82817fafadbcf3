// What Bayes says of a message, by what was learned: looks the message's tokens up and makes their counts a chance. Called between the two
// steps of the engine; never keeps a message waiting longer than the store's deadline.
import { chanceOf, type Chance } from "../spamrules/bayes/chance.ts";
import type { TokenRow, TokenStore, TokenTotals } from "../state/token-store.ts";

export interface BayesMemory {
  /** Whether enough was learned for Bayes to be asked. True when the store cannot say but did before. Never rejects. */
  ready(): Promise<boolean>;
  /** null: too little was learned, or of this message nothing is known. Rejects when the store is down or late. */
  chance(ids: readonly number[], now: number): Promise<Chance | null>;
}

export interface BayesMemoryOptions {
  readonly store: Pick<TokenStore, "totals" | "look" | "touch">;
  readonly minSpam: number;
  readonly minHam: number;
  /** Told of notes that failed. */
  readonly warn: (text: string) => void;
}

/** How long the totals are believed, in milliseconds. */
const TOTALS_MS = 10_000;
/** A token of use is noted again after so many seconds: expiry counts in days, and a note costs a write. */
const NOTE_AGAIN = 6 * 3600;

export function bayesMemory(options: BayesMemoryOptions): BayesMemory {
  const { store, minSpam, minHam, warn } = options;
  let known: TokenTotals | null = null;
  let asked = -Infinity;
  const totals = async (): Promise<TokenTotals> => {
    const time = performance.now();
    if (known === null || time - asked > TOTALS_MS) {
      asked = time;
      known = await store.totals();
    }
    return known;
  };
  const enough = ({ spam, ham }: TokenTotals): boolean => spam >= minSpam && ham >= minHam;
  return {
    ready: async () => enough(await totals().catch(() => known ?? { spam: 0, ham: 0 })),
    async chance(ids, now) {
      const learned = await totals();
      if (!enough(learned) || ids.length === 0) return null;
      const rows = await store.look(ids);
      const chance = chanceOf(rows, learned);
      if (chance === null) return null;
      const stale = staleOf(rows, chance, Math.floor(now / 1000));
      if (stale.length > 0)
        store
          .touch(stale, Math.floor(now / 1000))
          .catch((error: Error) => warn(`bayes: ${error.message}`));
      return chance;
    },
  };
}

function staleOf(rows: readonly TokenRow[], { strongest }: Chance, at: number): number[] {
  const used = new Set(strongest.map(({ id }) => id));
  return rows.filter(({ id, seen }) => used.has(id) && seen < at - NOTE_AGAIN).map(({ id }) => id);
}
