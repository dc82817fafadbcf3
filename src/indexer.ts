// Keeps the shared index true to the quarantine of this node: tells it at once what changes here, and compares both every few
// minutes. Used by held-nodes.ts in workers and by the quarantine command.
import { indexText } from "./engine/index-text.ts";
import type { PreparedCopy, Quarantine } from "./mailstore/quarantine.ts";
import { storedNames } from "./mailstore/quarantine-expire.ts";
import { MAX_INDEXED, type Indexed, type NodeIndex } from "./state/shared-nodes.ts";

export interface IndexerOptions {
  readonly index: NodeIndex;
  readonly node: string;
  readonly quarantine: Quarantine;
  readonly directory: string;
  readonly maxAgeMs: number;
  readonly warn: (error: unknown) => void;
}

export interface Indexer {
  /** The same store; what changes through it goes to the index. */
  readonly quarantine: Quarantine;
  /** Tells what has changed since. Rejects when the index is away: then the next round tells. */
  flush(): Promise<void>;
  /** Compares all, if the last time was COMPARE_MS ago or failed. */
  round(): Promise<void>;
}

const COMPARE_MS = 300_000;
const BATCH = 100;
/** More changes than this wait for the comparison. */
const MAX_CHANGED = 10_000;

export function indexer(options: IndexerOptions): Indexer {
  const { quarantine: store } = options;
  const changed = new Set<string>();
  let compared = -Infinity;
  const change = (id: string): void => {
    if (changed.size < MAX_CHANGED) changed.add(id);
  };
  return {
    quarantine: {
      ...store,
      prepare: async (input, deadline) => telling(await store.prepare(input, deadline), change),
      async markReleased(id, release, at) {
        const marked = await store.markReleased(id, release, at);
        change(id);
        return marked;
      },
      async remove(id) {
        const removed = await store.remove(id);
        change(id);
        return removed;
      },
    },
    async flush() {
      while (changed.size > 0) {
        const ids = [...changed].slice(0, BATCH);
        for (const id of ids) changed.delete(id);
        try {
          await tell(ids, options);
        } catch (error) {
          compared = -Infinity;
          throw error;
        }
      }
    },
    async round() {
      const now = performance.now();
      if (now - compared < COMPARE_MS) return;
      await compare(options);
      compared = now;
    },
  };
}

function telling(copy: PreparedCopy, change: (id: string) => void): PreparedCopy {
  if (!copy.ok) return copy;
  return {
    ...copy,
    async commit() {
      const reply = await copy.commit();
      if (reply.kind === "ok") change(copy.id);
      return reply;
    },
    async revoke() {
      await copy.revoke();
      change(copy.id);
    },
  };
}

/** Brings the index to what the store has of these ids. */
async function tell(ids: readonly string[], options: IndexerOptions): Promise<void> {
  const { index, node, quarantine, maxAgeMs, warn } = options;
  const there: Indexed[] = [];
  const gone: string[] = [];
  for (const id of ids) {
    const found = await quarantine.read(id).catch((error: unknown) => {
      warn(error);
      return null;
    });
    const text = found === null ? null : indexText(found.entry);
    if (found === null || text === null) gone.push(id);
    else there.push({ id, text, until: Date.parse(found.entry.time) + maxAgeMs });
  }
  await index.put(node, there, Date.now());
  await index.remove(node, gone);
}

/** Puts what is missing in the index and removes what is gone from the store. Reads names, and only the missing entries. */
async function compare(options: IndexerOptions): Promise<void> {
  const { index, node, directory } = options;
  const known = new Set<string>();
  for await (const page of index.ids(node)) for (const id of page) known.add(id);
  // Beyond its bound the index forgets the oldest: putting them again would push them out again.
  const full = known.size >= MAX_INDEXED;
  const missing: string[] = [];
  for await (const { name } of storedNames(directory)) {
    if (known.delete(name.id) || full) continue;
    missing.push(name.id);
    if (missing.length >= BATCH) await tell(missing.splice(0), options);
  }
  await tell(missing, options);
  const gone = [...known];
  for (let n = 0; n < gone.length; n += BATCH) await index.remove(node, gone.slice(n, n + BATCH));
}
