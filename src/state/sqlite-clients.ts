// The automatic white-list of greylisting on an SQLite connection: who had enough triplets accepted. Part of sqlite-greylist.ts.
import type { DatabaseSync } from "node:sqlite";
import {
  ALLOWED_COUNT,
  type ClientState,
  type GreylistQuestion,
  type GreylistTimes,
} from "./greylist-store.ts";

export interface SqliteClients {
  /** The entry of the first client of the question that is on the list; null when none is. */
  standing(question: GreylistQuestion, times: GreylistTimes, now: number): ClientState | null;
  /** Makes an entry last until then. */
  refresh(state: ClientState, until: number): void;
  /** Adds an accepted triplet to every client of the question, once per times.countEvery. */
  count(question: GreylistQuestion, times: GreylistTimes, now: number): void;
  get(client: string, now: number): ClientState | null;
  allow(client: string, lifetime: number, now: number): void;
  remove(client: string): boolean;
  removeAll(): number;
}

export function sqliteClients(db: DatabaseSync): SqliteClients {
  const select = db.prepare(
    "SELECT accepted, counted, until FROM greylist_clients WHERE client = ? AND until > ?",
  );
  select.setReturnArrays(true);
  const put = db.prepare(
    "INSERT OR REPLACE INTO greylist_clients (client, accepted, counted, until) VALUES (?, ?, ?, ?)",
  );
  const remove = db.prepare("DELETE FROM greylist_clients WHERE client = ?");
  const removeAll = db.prepare("DELETE FROM greylist_clients");
  const get = (client: string, now: number): ClientState | null => {
    const row = select.get(client, now) as unknown as Columns | undefined;
    if (row === undefined) return null;
    const [accepted, counted, until] = row;
    return { client, accepted, counted, until };
  };
  return {
    get,
    standing({ clients }, times, now) {
      if (times.autoWhitelist <= 0) return null;
      for (const name of clients) {
        const known = get(name, now);
        if (known !== null && known.accepted >= times.autoWhitelist) return known;
      }
      return null;
    },
    refresh: ({ client, accepted, counted: last }, until) =>
      void put.run(client, accepted, last, until),
    count({ clients }, times, now) {
      for (const name of clients) {
        const known = get(name, now);
        if (known !== null && Math.abs(now - known.counted) < times.countEvery) continue;
        put.run(name, (known?.accepted ?? 0) + 1, now, now + times.lifetime);
      }
    },
    allow: (client, lifetime, now) => void put.run(client, ALLOWED_COUNT, now, now + lifetime),
    remove: (client) => remove.run(client).changes > 0,
    removeAll: () => Number(removeAll.run().changes),
  };
}

type Columns = readonly [accepted: number, counted: number, until: number];
