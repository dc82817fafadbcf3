// The automatic white-list of greylisting on an SQLite connection: who had enough triplets accepted. Part of sqlite-greylist.ts.
import type { DatabaseSync } from "node:sqlite";
import {
  ALLOWED_COUNT,
  REFRESH_MS,
  type ClientState,
  type GreylistQuestion,
  type GreylistTimes,
} from "./greylist-store.ts";

export interface SqliteClients {
  /** True when a client of the question is on the list; its entry is refreshed if `write` and it is old. */
  stands(question: GreylistQuestion, times: GreylistTimes, now: number, write: boolean): boolean;
  /** Adds an accepted triplet to every client of the question, once per times.countEvery. */
  count(question: GreylistQuestion, times: GreylistTimes, now: number): void;
  get(client: string, now: number): ClientState | null;
  allow(client: string, lifetime: number, now: number): void;
  remove(client: string): boolean;
  removeAll(): number;
}

export function sqliteClients(db: DatabaseSync): SqliteClients {
  const select = db.prepare("SELECT * FROM greylist_clients WHERE client = ? AND until > ?");
  const put = db.prepare(
    "INSERT OR REPLACE INTO greylist_clients (client, accepted, counted, until) VALUES (?, ?, ?, ?)",
  );
  const remove = db.prepare("DELETE FROM greylist_clients WHERE client = ?");
  const removeAll = db.prepare("DELETE FROM greylist_clients");
  const get = (client: string, now: number): ClientState | null => {
    const row = select.get(client, now);
    if (row === undefined) return null;
    const { accepted, counted, until } = row;
    return { client, accepted: Number(accepted), counted: Number(counted), until: Number(until) };
  };
  return {
    get,
    stands({ clients }, times, now, write) {
      if (times.autoWhitelist <= 0) return false;
      for (const name of clients) {
        const known = get(name, now);
        if (known === null || known.accepted < times.autoWhitelist) continue;
        if (write && known.until < now + times.lifetime - REFRESH_MS)
          put.run(name, known.accepted, known.counted, now + times.lifetime);
        return true;
      }
      return false;
    },
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
