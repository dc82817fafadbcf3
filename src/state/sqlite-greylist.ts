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
  REFRESH_MS,
  type TripletState,
  type Written,
} from "./greylist-store.ts";
import { pairOf } from "./pair.ts";
import { sqliteClients, type SqliteClients } from "./sqlite-clients.ts";

/** The operations by the names under which the state thread is asked for them. */
export interface SqliteGreylist {
  ask(
    questions: readonly GreylistQuestion[],
    times: GreylistTimes,
    now: number,
    write: boolean,
  ): GreylistAnswer[];
  /** Carries out decisions that were told already. */
  write(
    asked: readonly (readonly [question: GreylistQuestion, now: number])[],
    times: GreylistTimes,
  ): void;
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
  const look = sqliteLook(db);
  // An update in place leaves the index on `until` alone where that stays the same.
  const put = db.prepare(`INSERT INTO greylist
    (pair, origin, sender, recipient, first, last, attempts, passed, until) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
    ON CONFLICT DO UPDATE SET first = excluded.first, last = excluded.last, attempts = excluded.attempts,
      passed = excluded.passed, until = excluded.until`);
  const decide = asker(put, clients, look);
  return {
    ask: (questions, times, now, write) =>
      questions.map((question) => decide(question, times, now, write)),
    write(asked, times) {
      for (const [question, now] of asked) decide(question, times, now, true);
    },
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

/** What was told and is not in the file yet, by origin, of this pair; undefined = nothing. */
export type Pending = (pair: string) => ReadonlyMap<string, Written> | undefined;

/** A decision that was not carried out. */
export interface Looked {
  /** Of the question, from pairOf(). */
  readonly pair: string;
  readonly answer: GreylistAnswer;
  /** What every origin of the question has from now on; null = stays as it is. */
  readonly state: Written | null;
  /** The client's entry on the white-list, when it passes for it and the entry wants to be refreshed. */
  readonly refresh: ClientState | null;
}

export type Look = (
  question: GreylistQuestion,
  times: GreylistTimes,
  now: number,
  pending?: Pending,
) => Looked;

/** Decides and changes nothing. */
export function sqliteLook(db: DatabaseSync): Look {
  const states = stateReader(db);
  const getPerson = db.prepare("SELECT 1 FROM people WHERE person = ? AND until > ?");
  const clients = sqliteClients(db);
  return (question, times, now, pending) => {
    const { sender, recipient, origins, person } = question;
    const pair = pairOf(sender, recipient);
    const known = states(pair, origins, now);
    const told = pending?.(pair);
    if (told !== undefined)
      for (const origin of origins) {
        const state = told.get(origin);
        if (state !== undefined && state.until > now) known.set(origin, state);
      }
    const whole = origins.every((origin) => known.has(origin));
    const { answer, write } = weigh([...known.values()], whole, times, now);
    if (person !== null && getPerson.get(person, now) !== undefined)
      return { pair, answer: spared("person", answer), state: null, refresh: null };
    const standing = clients.standing(question, times, now);
    if (standing === null) return { pair, answer, state: write, refresh: null };
    const stale = standing.until < now + times.lifetime - REFRESH_MS;
    return {
      pair,
      answer: spared("client", answer),
      state: null,
      refresh: stale ? standing : null,
    };
  };
}

/** Records of one pair that are read at once. Nearly all pairs have fewer; a forged sender may come from thousands of networks. */
const AT_ONCE = 16;
const COLUMNS = "origin, first, last, attempts, passed, until";

/** Reads the live states under these origins and ANY_ORIGIN. One range of the key: a list of keys costs three times as much. */
function stateReader(
  db: DatabaseSync,
): (pair: string, origins: readonly string[], now: number) => Map<string, TripletState> {
  const getSome = db.prepare(`SELECT ${COLUMNS} FROM greylist WHERE pair = ? LIMIT ${AT_ONCE + 1}`);
  const getOne = db.prepare(`SELECT ${COLUMNS} FROM greylist WHERE pair = ? AND origin = ?`);
  getSome.setReturnArrays(true);
  getOne.setReturnArrays(true);
  const rowsOf = (pair: string, origins: readonly string[]): Columns[] => {
    const some = getSome.all(pair) as unknown as Columns[];
    if (some.length <= AT_ONCE) return some;
    return [...origins, ANY_ORIGIN].flatMap((origin) => {
      const row = getOne.get(pair, origin) as unknown as Columns | undefined;
      return row === undefined ? [] : [row];
    });
  };
  return (pair, origins, now) => {
    const known = new Map<string, TripletState>();
    for (const [origin, first, last, attempts, passed, until] of rowsOf(pair, origins))
      if (until > now && (origin === ANY_ORIGIN || origins.includes(origin)))
        known.set(origin, { first, last, attempts, passed });
    return known;
  };
}

type Columns = readonly [
  origin: string,
  first: number,
  last: number,
  attempts: number,
  passed: number,
  until: number,
];

function asker(
  put: StatementSync,
  clients: SqliteClients,
  look: Look,
): (
  question: GreylistQuestion,
  times: GreylistTimes,
  now: number,
  write: boolean,
) => GreylistAnswer {
  return (question, times, now, write) => {
    const { pair, answer, state, refresh } = look(question, times, now);
    if (!write) return answer;
    if (refresh !== null) clients.refresh(refresh, now + times.lifetime);
    if (state === null) return answer;
    const { sender, recipient, origins } = question;
    const { first, last, attempts, passed, until } = state;
    for (const origin of origins)
      put.run(pair, origin, sender, recipient, first, last, attempts, passed, until);
    if (answer.result === "accepted") clients.count(question, times, now);
    return answer;
  };
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

function stateOf(row: Row): TripletState {
  return {
    first: Number(row["first"]),
    last: Number(row["last"]),
    attempts: Number(row["attempts"]),
    passed: Number(row["passed"]),
  };
}

function recordOf(row: Row): GreylistRecord {
  return {
    ...stateOf(row),
    origin: String(row["origin"]),
    sender: String(row["sender"]),
    recipient: String(row["recipient"]),
    until: Number(row["until"]),
  };
}
