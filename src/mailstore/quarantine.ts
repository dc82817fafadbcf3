// The quarantine: one gzip file per kept message and a JSON file beside it, as amavis lays them out. Two-phase like every
// place that mail goes to: prepare writes and syncs under hidden names, commit renames. The engine keeps, cli/quarantine.ts
// reads and releases, the supervisor expires.
import { link, lstat, rename, rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import type { Body } from "../mail/message.ts";
import { ok, tempfail, type Reply } from "../mail/reply.ts";
import { isMailId, mailId } from "../sys/ids.ts";
import {
  KEPT_AS,
  keptAs,
  parseEntry,
  parseName,
  stemOf,
  type QuarantineEntry,
  type Release,
} from "./quarantine-entry.ts";
import { expire, storedNames, sweep, type Expired } from "./quarantine-expire.ts";
import {
  codeOf,
  ensureDirectory,
  hashesOf,
  isMissing,
  readGz,
  readText,
  syncDirectory,
  writeGz,
  writeNew,
} from "./quarantine-files.ts";
import { passes, type Filter } from "./quarantine-filter.ts";
import { again, entryOf, keyOf, prefixOf, type QuarantineInput } from "./quarantine-record.ts";

export interface QuarantineOptions {
  readonly directory: string;
  /** Told in one sentence what went wrong with the store; file names are ours, nothing of a message is in it. */
  readonly warn: (text: string) => void;
}

export type PreparedCopy =
  | {
      readonly ok: true;
      /** The id under which the message can be found: of the first entry when it came before. */
      readonly id: string;
      /** "m/spam-msGhV3Jkvkf8.gz" for the log line. */
      readonly file: string;
      /** Makes the copy durable and visible. A tempfail reply: nothing of it remains. Never rejects. */
      commit(): Promise<Reply>;
      /** Before commit: undoes the preparation. Never rejects. */
      abort(): Promise<void>;
      /** After commit, when the answer becomes 4xx after all: a first entry is removed, a retry's update stays. Never rejects. */
      revoke(): Promise<void>;
    }
  | { readonly ok: false; readonly failed: Reply };

export interface Quarantine {
  /** Stores the copy, synced, under a hidden name. Never rejects. */
  prepare(input: QuarantineInput, deadline: AbortSignal): Promise<PreparedCopy>;
  /** All entries that pass the filter, in no order; foreign and broken files are passed over. */
  list(filter?: Filter): AsyncIterable<QuarantineEntry>;
  /** null when there is no such entry; the body yields the octets exactly as they came, or throws if damaged. */
  read(id: string): Promise<{ readonly entry: QuarantineEntry; readonly body: Body } | null>;
  /** Notes a release in the entry; false when there is no such entry. */
  markReleased(id: string, release: Omit<Release, "time">, at: Date): Promise<boolean>;
  /** Deletes the entry; false when there is none. */
  remove(id: string): Promise<boolean>;
  /** Deletes what is too old, then the oldest until `maxBytes` fit; at most `limit` entries a run. */
  expire(bounds: {
    maxAgeMs: number;
    maxBytes: number;
    now: Date;
    limit?: number;
  }): Promise<Expired>;
  /** Deletes leftovers of a crash that are older than `olderThanMs`; for start. Returns how many. */
  sweep(bounds: { olderThanMs: number; now: Date }): Promise<number>;
}

/** The store below `directory`, which is made at first use. Several processes may use it at once. */
export function quarantine(options: QuarantineOptions): Quarantine {
  const store = new Store(options);
  return {
    prepare: (input, deadline) => store.prepare(input, deadline),
    list: (filter) => store.list(filter ?? {}),
    read: (id) => store.read(id),
    markReleased: (id, released, at) => store.markReleased(id, released, at),
    remove: (id) => store.remove(id),
    expire: (bounds) => expire(options.directory, bounds, (entry) => store.removeStem(entry)),
    sweep: (bounds) => sweep(options.directory, bounds),
  };
}

class Store {
  readonly #root: string;
  readonly #warn: (text: string) => void;
  readonly #checked = new Set<string>();

  constructor({ directory, warn }: QuarantineOptions) {
    this.#root = directory;
    this.#warn = warn;
  }

  async prepare(input: QuarantineInput, deadline: AbortSignal): Promise<PreparedCopy> {
    try {
      deadline.throwIfAborted();
      const hashes = await hashesOf(input.body, input.headerSize, deadline);
      const key = keyOf(input, hashes.content);
      const earlier = await this.#earlier(key);
      if (earlier !== null) return await this.#prepareRetry(earlier, input);
      return await this.#prepareFirst(input, key, hashes.whole, deadline);
    } catch (error) {
      this.#checked.clear();
      return { ok: false, failed: this.#failure("keep", error) };
    }
  }

  async #prepareFirst(
    input: QuarantineInput,
    key: string,
    sha256: string,
    deadline: AbortSignal,
  ): Promise<PreparedCopy> {
    const as = keptAs(input.category);
    const stem = stemOf(as, input.mailId);
    const directory = await this.#directory(input.mailId);
    const prefix = prefixOf(input, as);
    const entry = entryOf(input, { keptAs: as, key, sha256, prefix: prefix.length });
    const gz = join(directory, `${stem}.gz`);
    const json = join(directory, `${stem}.json`);
    const hidden = [join(directory, `.${stem}.gz`), join(directory, `.${stem}.json`)] as const;
    await writeGz(hidden[0], prefix, input.body, deadline);
    try {
      await writeNew(hidden[1], JSON.stringify(entry));
    } catch (error) {
      await rm(hidden[0], { force: true });
      throw error;
    }
    const discard = async (paths: readonly string[]): Promise<void> => {
      for (const path of paths) await this.#quietly("remove", rm(path, { force: true }));
    };
    const commit = async (): Promise<Reply> => {
      const made: string[] = [];
      try {
        // link, unlike rename, never replaces what has that name. The JSON comes last: it makes the entry.
        await link(hidden[0], gz);
        made.push(gz);
        await link(hidden[1], json);
        made.push(json);
        await syncDirectory(directory);
      } catch (error) {
        await discard([...made, ...hidden]);
        return this.#failure("keep", error);
      }
      await discard([hidden[1], hidden[0]]);
      await this.#quietly("index", this.#remember(key, stem));
      return ok("Ok, kept");
    };
    const revoke = async (): Promise<void> =>
      this.#quietly(
        "remove",
        this.#removeEntry(entry).then(() => undefined),
      );
    return {
      ok: true,
      id: entry.id,
      file: entry.file,
      commit,
      abort: () => discard(hidden),
      revoke,
    };
  }

  async #prepareRetry(earlier: QuarantineEntry, input: QuarantineInput): Promise<PreparedCopy> {
    const entry = again(earlier, input);
    const path = join(this.#root, dirname(entry.file), `${stemOf(entry.keptAs, entry.id)}.json`);
    const staged = await this.#stage(path, entry, input.mailId);
    const drop = (): Promise<void> => this.#quietly("remove", rm(staged, { force: true }));
    const commit = async (): Promise<Reply> => {
      try {
        await rename(staged, path);
        await syncDirectory(dirname(path));
        // The entry can have been deleted meanwhile: then there is no copy, and no promise.
        await lstat(join(this.#root, entry.file));
        return ok("Ok, kept");
      } catch (error) {
        await drop();
        return this.#failure("update", error);
      }
    };
    return {
      ok: true,
      id: entry.id,
      file: entry.file,
      commit,
      abort: drop,
      revoke: async () => {},
    };
  }

  async *list(filter: Filter): AsyncGenerator<QuarantineEntry> {
    for await (const { path, name } of storedNames(this.#root)) {
      if (filter.category !== undefined && name.keptAs !== filter.category) continue;
      const text = await readText(path);
      const entry = text === null ? null : parseEntry(text, `${name.stem}.json`);
      if (entry !== null && passes(entry, filter)) yield entry;
    }
  }

  async read(id: string): Promise<{ entry: QuarantineEntry; body: Body } | null> {
    const entry = await this.#find(id);
    if (entry === null) return null;
    const path = join(this.#root, entry.file);
    try {
      if (!(await lstat(path)).isFile()) return null;
    } catch (error) {
      if (isMissing(error)) return null;
      throw error;
    }
    return { entry, body: { size: entry.size, bytes: null, open: () => readGz(path, entry) } };
  }

  async markReleased(id: string, release: Omit<Release, "time">, at: Date): Promise<boolean> {
    const entry = await this.#find(id);
    if (entry === null) return false;
    const path = join(this.#root, dirname(entry.file), `${stemOf(entry.keptAs, id)}.json`);
    const released = [...entry.released, { ...release, time: at.toISOString() }].slice(-100);
    const staged = await this.#stage(path, { ...entry, released }, mailId());
    await rename(staged, path);
    await syncDirectory(dirname(path));
    return true;
  }

  async remove(id: string): Promise<boolean> {
    const entry = await this.#find(id);
    return entry !== null && this.#removeEntry(entry);
  }

  /** For expiry, which walks names: `path` is the JSON file of an entry. */
  async removeStem(path: string): Promise<void> {
    const text = await readText(path);
    const entry = text === null ? null : parseEntry(text, path.slice(path.lastIndexOf("/") + 1));
    if (entry === null) {
      await rm(path.replace(/json$/, "gz"), { force: true });
      await rm(path, { force: true });
    } else await this.#removeEntry(entry);
  }

  async #removeEntry(entry: QuarantineEntry): Promise<boolean> {
    const path = join(this.#root, entry.file);
    // The octets first: should we stop in between, the JSON still leads expiry here.
    await rm(path, { force: true });
    await rm(path.replace(/gz$/, "json"), { force: true });
    await rm(this.#keyPath(entry.key), { force: true });
    return true;
  }

  async #find(id: string): Promise<QuarantineEntry | null> {
    if (!isMailId(id)) return null;
    for (const as of KEPT_AS) {
      const name = `${stemOf(as, id)}.json`;
      const text = await readText(join(this.#root, id.slice(0, 1), name));
      const entry = text === null ? null : parseEntry(text, name);
      if (entry !== null) return entry;
    }
    return null;
  }

  async #earlier(key: string): Promise<QuarantineEntry | null> {
    const stem = await readText(this.#keyPath(key), 64);
    const name = stem === null ? null : parseName(`${stem}.json`);
    const found = name === null || name.hidden ? null : await this.read(name.id);
    return found !== null && found.entry.key === key ? found.entry : null;
  }

  /** Lets a retry find the entry. Not synced: a lost key costs a second copy, no more. */
  async #remember(key: string, stem: string): Promise<void> {
    const path = this.#keyPath(key);
    await ensureDirectory(join(this.#root, ".keys"), this.#root);
    await ensureDirectory(dirname(path), join(this.#root, ".keys"));
    await rm(path, { force: true });
    await writeNew(path, stem);
  }

  #keyPath(key: string): string {
    const hex = /^[0-9a-f]{64}$/.test(key) ? key : "0".repeat(64);
    return join(this.#root, ".keys", hex.slice(0, 2), hex);
  }

  async #stage(path: string, entry: QuarantineEntry, by: string): Promise<string> {
    const stem = stemOf(entry.keptAs, entry.id);
    const staged = join(dirname(path), `.${stem}.${by}.json`);
    await rm(staged, { force: true });
    await writeNew(staged, JSON.stringify(entry));
    return staged;
  }

  async #directory(id: string): Promise<string> {
    const path = join(this.#root, id.slice(0, 1));
    if (this.#checked.has(path)) return path;
    await ensureDirectory(this.#root, dirname(this.#root));
    await ensureDirectory(path, this.#root);
    this.#checked.add(path);
    return path;
  }

  async #quietly(what: string, work: Promise<void>): Promise<void> {
    try {
      await work;
    } catch (error) {
      this.#failure(what, error);
    }
  }

  #failure(what: string, error: unknown): Reply {
    const code = codeOf(error);
    const reason = error instanceof Error ? error.message : String(error);
    this.#warn(`quarantine: cannot ${what} a message: ${reason}`);
    return code === "ENOSPC" || code === "EDQUOT"
      ? tempfail(452, "4.3.1", "Insufficient system storage")
      : tempfail(451, "4.3.0", "Temporary failure, try again later");
  }
}
