// Greylisting on an SQLite connection: reads the records of a question, lets `weigh` decide, writes what changed. Synchronous;
// run inside a transaction of the state thread, or on a database in memory by the simulation.
import type { DatabaseSync, StatementSync } from "node:sqlite";
import {
  ANY_ORIGIN,
  spared,
  weigh,
  type ClientState,
  type GreylistAnswer,
  type GreylistFilter,
  type GreylistQuestion,
  type GreylistRecord,
  type GreylistTimes,
  type TripletState,
} from "./greylist-store.ts";
import { pairOf } from "./pair.ts";
import { counted, sqliteClients, type SqliteClients } from "./sqlite-clients.ts";

/** The operations by the names under which the state thread is asked for them. */
export interface SqliteGreylist {
  ask(
    questions: readonly GreylistQuestion[],
    times: GreylistTimes,
    now: number,
    write: boolean,
  ): GreylistAnswer[];
  records(filter: GreylistFilter, limit: number, now: number): GreylistRecord[];
  client(client: string, now: number): ClientState | null;
  allowPair(sender: string, recipient: string, lifetime: number, now: number): void;
  allowClient(client: string, lifetime: number, now: number): void;
  clear(filter: GreylistFilter): number;
  clearClient(client: string): boolean;
}

type Row = Record<string, unknown>;

export function sqliteGreylist(db: DatabaseSync): SqliteGreylist {
  const clients = sqliteClients(db);
  // An update in place leaves the index on `until` alone where that stays the same.
  const put = db.prepare(`INSERT INTO greylist
    (pair, origin, sender, recipient, first, last, attempts, passed, until) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
    ON CONFLICT DO UPDATE SET first = excluded.first, last = excluded.last, attempts = excluded.attempts,
      passed = excluded.passed, until = excluded.until`);
  return {
    ask: asker(db, put, clients),
    records(filter, limit, now) {
      const { where, values } = conditions(filter, ["until > ?"], [now]);
      const rows = db.prepare(`SELECT * FROM greylist WHERE ${where} LIMIT ?`);
      return rows.all(...values, limit).map(recordOf);
    },
    client: (client, now) => clients.get(client, now),
    allowPair(sender, recipient, lifetime, now) {
      const pair = pairOf(sender, recipient);
      put.run(pair, ANY_ORIGIN, sender, recipient, now, now, 0, now, now + lifetime);
    },
    allowClient: (client, lifetime, now) => clients.allow(client, lifetime, now),
    clear(filter) {
      const { where, values } = conditions(filter, [], []);
      const gone = Number(db.prepare(`DELETE FROM greylist WHERE ${where}`).run(...values).changes);
      return values.length > 0 ? gone : gone + clients.removeAll();
    },
    clearClient: (client) => clients.remove(client),
  };
}

function asker(
  db: DatabaseSync,
  put: StatementSync,
  clients: SqliteClients,
): SqliteGreylist["ask"] {
  const gets = counted((marks) =>
    db.prepare(
      `SELECT first, last, attempts, passed, origin FROM greylist WHERE pair = ? AND until > ? AND origin IN (${marks})`,
    ),
  );
  const getPerson = db.prepare("SELECT 1 FROM people WHERE person = ? AND until > ?");

  const one = (
    question: GreylistQuestion,
    times: GreylistTimes,
    now: number,
    write: boolean,
  ): GreylistAnswer => {
    const { sender, recipient, origins, person } = question;
    const pair = pairOf(sender, recipient);
    const rows = gets(origins.length + 1).all(pair, now, ANY_ORIGIN, ...origins);
    const own = rows.filter(({ origin }) => origin !== ANY_ORIGIN).length;
    const weighed = weigh(rows.flatMap(stateOf), own === origins.length, times, now);
    const { write: row, answer } = weighed;
    if (person !== null && getPerson.get(person, now) !== undefined)
      return spared("person", answer);
    if (clients.stands(question, times, now, write)) return spared("client", answer);
    if (!write || row === null) return answer;
    const { first, last, attempts, passed, until } = row;
    for (const origin of origins) {
      put.run(pair, origin, sender, recipient, first, last, attempts, passed, until);
    }
    if (answer.result === "accepted") clients.count(question, times, now);
    return answer;
  };
  return (questions, times, now, write) => questions.map((q) => one(q, times, now, write));
}

function conditions(
  filter: GreylistFilter,
  where: string[],
  values: (string | number)[],
): { where: string; values: (string | number)[] } {
  for (const [column, value] of Object.entries(filter) as [keyof GreylistFilter, string][]) {
    where.push(`${column} = ?`);
    values.push(value);
  }
  if (filter.sender !== undefined && filter.recipient !== undefined) {
    where.push("pair = ?");
    values.push(pairOf(filter.sender, filter.recipient));
  }
  return { where: where.length === 0 ? "1" : where.join(" AND "), values };
}

function stateOf(row: Row | undefined): TripletState[] {
  if (row === undefined) return [];
  return [
    {
      first: Number(row["first"]),
      last: Number(row["last"]),
      attempts: Number(row["attempts"]),
      passed: Number(row["passed"]),
    },
  ];
}

function recordOf(row: Row): GreylistRecord {
  const [state] = stateOf(row);
  return {
    ...(state as TripletState),
    origin: String(row["origin"]),
    sender: String(row["sender"]),
    recipient: String(row["recipient"]),
    until: Number(row["until"]),
  };
}
