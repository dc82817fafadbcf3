// The tables of the embedded store. Everything that expires has an index on `until`, so that expiry never scans.

/** Milliseconds that one connection waits for another one's write. */
export const BUSY_MS = 5000;

export const SCHEMA = `
  PRAGMA journal_mode = WAL;
  CREATE TABLE IF NOT EXISTS handed_on (key TEXT PRIMARY KEY, until INTEGER NOT NULL) WITHOUT ROWID;
  CREATE INDEX IF NOT EXISTS handed_on_until ON handed_on (until);
  CREATE TABLE IF NOT EXISTS greylist (
    pair TEXT NOT NULL, origin TEXT NOT NULL, sender TEXT NOT NULL, recipient TEXT NOT NULL,
    first INTEGER NOT NULL, last INTEGER NOT NULL, attempts INTEGER NOT NULL, passed INTEGER NOT NULL,
    until INTEGER NOT NULL, PRIMARY KEY (pair, origin)) WITHOUT ROWID;
  CREATE INDEX IF NOT EXISTS greylist_until ON greylist (until);
  CREATE TABLE IF NOT EXISTS greylist_clients (
    client TEXT PRIMARY KEY, accepted INTEGER NOT NULL, counted INTEGER NOT NULL, until INTEGER NOT NULL) WITHOUT ROWID;
  CREATE INDEX IF NOT EXISTS greylist_clients_until ON greylist_clients (until);
  CREATE TABLE IF NOT EXISTS people (person TEXT PRIMARY KEY, until INTEGER NOT NULL) WITHOUT ROWID;
  CREATE INDEX IF NOT EXISTS people_until ON people (until);
  CREATE TABLE IF NOT EXISTS rates (key TEXT PRIMARY KEY, count INTEGER NOT NULL, until INTEGER NOT NULL) WITHOUT ROWID;
  CREATE INDEX IF NOT EXISTS rates_until ON rates (until);
  CREATE TABLE IF NOT EXISTS rates_seen (
    key TEXT NOT NULL, instance TEXT NOT NULL, count INTEGER NOT NULL, allowed INTEGER NOT NULL,
    until INTEGER NOT NULL, PRIMARY KEY (key, instance)) WITHOUT ROWID;
  CREATE INDEX IF NOT EXISTS rates_seen_until ON rates_seen (until);
  CREATE TABLE IF NOT EXISTS stats (
    span TEXT NOT NULL, kind TEXT NOT NULL, start INTEGER NOT NULL, name TEXT NOT NULL, count INTEGER NOT NULL,
    until INTEGER NOT NULL, PRIMARY KEY (span, kind, start, name)) WITHOUT ROWID;
  CREATE INDEX IF NOT EXISTS stats_until ON stats (until);
  CREATE TABLE IF NOT EXISTS stats_added (id TEXT PRIMARY KEY, until INTEGER NOT NULL) WITHOUT ROWID;
  CREATE INDEX IF NOT EXISTS stats_added_until ON stats_added (until);
  CREATE TABLE IF NOT EXISTS bayes_tokens (
    id INTEGER PRIMARY KEY, spam INTEGER NOT NULL, ham INTEGER NOT NULL, seen INTEGER NOT NULL);
  CREATE TABLE IF NOT EXISTS bayes_totals (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS bayes_lessons (
    key TEXT PRIMARY KEY, label TEXT NOT NULL, mailbox TEXT NOT NULL, tokens BLOB, until INTEGER NOT NULL);
  CREATE INDEX IF NOT EXISTS bayes_lessons_until ON bayes_lessons (until);
  CREATE INDEX IF NOT EXISTS bayes_lessons_mailbox ON bayes_lessons (mailbox) WHERE mailbox <> '';
  CREATE TABLE IF NOT EXISTS filed (
    place TEXT NOT NULL, name TEXT NOT NULL, key TEXT NOT NULL, size INTEGER NOT NULL,
    until INTEGER NOT NULL, PRIMARY KEY (place, name)) WITHOUT ROWID;
  CREATE INDEX IF NOT EXISTS filed_until ON filed (until);
`;

/** Tables with the columns that name a row; for expiry. */
export const EXPIRING: readonly (readonly [table: string, key: string])[] = [
  ["handed_on", "key"],
  ["greylist", "pair, origin"],
  ["greylist_clients", "client"],
  ["people", "person"],
  ["rates", "key"],
  ["rates_seen", "key, instance"],
  ["stats", "span, kind, start, name"],
  ["stats_added", "id"],
  ["bayes_lessons", "key"],
  ["filed", "place, name"],
];
