// The embedded store: one SQLite file (WAL) in state_dir, shared by all processes. Whatever may write goes to one thread per
// process, so that no disk can hold up the event loop; the memory of retries is read in place (a WAL reader never waits).
import { DatabaseSync, type StatementSync } from "node:sqlite";
import { setTimeout } from "node:timers/promises";
import { GreylistInPlace } from "./greylist-in-place.ts";
import { weigh, type GreylistStore } from "./greylist-store.ts";
import type { HandedOn } from "./handed-on.ts";
import { sqliteLook } from "./sqlite-greylist.ts";
import type { Operations } from "./sqlite-operations.ts";
import { BUSY_MS, SCHEMA } from "./sqlite-schema.ts";
import { sqliteTokenReader } from "./sqlite-tokens.ts";
import { StateThread } from "./state-thread.ts";
import { STORE_DEADLINE_MS, type HostStore } from "./store.ts";
import type { TokenStore } from "./token-store.ts";

/**
 * Makes the file and its tables. Done once, by the supervisor, before there are workers: two processes that switch to WAL
 * at the same time lock each other out. Throws when the file cannot be opened or is no database.
 */
export function prepareStore(file: string): void {
  const db = new DatabaseSync(file, { timeout: BUSY_MS });
  db.exec(SCHEMA);
  db.close();
}

/** Opens a prepared store. Throws when the file cannot be opened or is no database. */
export function sqliteStore(file: string, deadlineMs: number = STORE_DEADLINE_MS): HostStore {
  const reader = new DatabaseSync(file, { timeout: BUSY_MS });
  const thread = new StateThread(file);
  const call = <K extends keyof Operations>(
    name: K,
    ...args: Parameters<Operations[K]>
  ): Promise<ReturnType<Operations[K]>> =>
    thread.call(name, args, deadlineMs) as Promise<ReturnType<Operations[K]>>;
  const nothing = emptiness(reader, ["greylist", "greylist_clients", "people"]);
  const here = inPlace(file, call);
  const after = <K extends keyof Operations>(name: K, ...args: Parameters<Operations[K]>) => {
    here.flush();
    return call(name, ...args);
  };
  const greylist: GreylistStore = {
    ask: (questions, times, now) => here.ask(questions, times, now),
    // Every message looks back; where nobody was ever greylisted that must cost nothing.
    peek: async (questions, times, now) =>
      here.idle && nothing()
        ? questions.map(() => weigh([], false, times, now).answer)
        : (here.peek(questions, times, now) ?? after("ask", questions, times, now, false)),
    records: (filter, limit, now) => after("records", filter, limit, now),
    client: (client, now) => after("client", client, now),
    allowPair: (sender, recipient, lifetime, now) =>
      after("allowPair", sender, recipient, lifetime, now),
    allowClient: (client, lifetime, now) => after("allowClient", client, lifetime, now),
    clear: (filter) => after("clear", filter),
    clearClient: (client) => after("clearClient", client),
  };
  return {
    handedOn: handedOn(reader, thread),
    greylist,
    rates: { take: (...args) => call("take", ...args) },
    people: {
      remember: (people, now) => call("rememberPeople", people, now),
      has: (person, now) => call("knows", person, now),
    },
    stats: {
      add: (id, counts, now) => call("addStats", id, counts, now),
      read: (...args) => call("readStats", ...args),
    },
    tokens: tokens(reader, call),
    filed: {
      list: (...args) => call("listFiled", ...args),
      note: (...args) => call("noteFiled", ...args),
      drop: (...args) => call("dropFiled", ...args),
    },
    async close() {
      here.close();
      await thread.close();
      reader.close();
    },
  };
}

type Call = <K extends keyof Operations>(
  name: K,
  ...args: Parameters<Operations[K]>
) => Promise<ReturnType<Operations[K]>>;

/** More tokens than this are looked up in the thread. */
const LOOK_HERE = 2000;

function tokens(reader: DatabaseSync, call: Call): TokenStore {
  const here = sqliteTokenReader(reader);
  return {
    totals: async () => here.totals(),
    look: async (ids) => (ids.length > LOOK_HERE ? call("lookTokens", ids) : here.look(ids)),
    touch: (ids, at) => call("touchTokens", ids, at),
    learn: (lesson, now) => call("learnTokens", lesson, now),
    learned: (keys, now) => call("learnedAs", keys, now),
    forget: (...args) => call("forgetLesson", ...args),
    forgetMailbox: (...args) => call("forgetLessons", ...args),
    expire: (most, now) => call("expireTokens", most, now),
    summary: (now) => call("tokenSummary", now),
  };
}

function inPlace(file: string, call: Call): GreylistInPlace {
  // Never waits: when the file is busy (it is being recovered), the thread is asked.
  const reader = new DatabaseSync(file, { timeout: 0, readOnly: true });
  const [begin, commit] = [reader.prepare("BEGIN"), reader.prepare("COMMIT")];
  const look = sqliteLook(reader);
  // One read transaction for all questions of a turn: its locks cost as much as a read.
  let reading = false;
  const end = (): void => {
    if (!reading) return;
    reading = false;
    if (reader.isOpen && reader.isTransaction) commit.run();
  };
  return new GreylistInPlace({
    look(...asked) {
      if (!reading) {
        begin.run();
        reading = true;
        setImmediate(end);
      }
      return look(...asked);
    },
    refresh: end,
    ask: (questions, times, now) => call("ask", questions, times, now, true),
    write: (asked, times) => call("write", asked, times),
    close() {
      end();
      reader.close();
    },
  });
}

/** How long a process may go without looking whether another one wrote: a look costs a few system calls, per message. */
const LOOK_MS = 20;

/** Whether all these tables are empty: two microseconds while no other connection writes. */
function emptiness(reader: DatabaseSync, tables: readonly string[]): () => boolean {
  // data_version changes when another connection wrote.
  const version = reader.prepare("PRAGMA data_version");
  const any = tables.map((table) => reader.prepare(`SELECT 1 FROM ${table} LIMIT 1`));
  let seen: unknown = null;
  let empty = true;
  let looked = -Infinity;
  return () => {
    const time = performance.now();
    if (time - looked < LOOK_MS) return empty;
    looked = time;
    const now = version.get()?.["data_version"];
    if (now !== seen) {
      seen = now;
      empty = any.every((one) => one.get() === undefined);
    }
    return empty;
  };
}

function handedOn(reader: DatabaseSync, thread: StateThread): HandedOn {
  const nothing = emptiness(reader, ["handed_on"]);
  const one: StatementSync = reader.prepare("SELECT until FROM handed_on WHERE key = ?");
  return {
    get empty() {
      return nothing();
    },
    async has(keys, now = Date.now()) {
      return keys.map((key) => {
        const until = one.get(key)?.["until"];
        return typeof until === "number" && until > now;
      });
    },
    async remember(keys, now) {
      await thread.call("rememberHandedOn", [keys, now], 0);
      // The client hears its 4xx only when every process has looked again: none can miss the retry.
      await setTimeout(LOOK_MS + 5);
    },
  };
}
