// The folders that deliveries are using: their open directories, kept for the next message, least recently used closed first.
// A descriptor is never closed while somebody uses it, and a folder that was moved, replaced or opened to others is noticed
// within a second. Used by maildir.ts.
import { closeFile, statPath } from "./descriptors.ts";
import type { Directory, Owner } from "./directory.ts";

/** An open Maildir folder. */
export interface Folder {
  /** The Maildir itself, where maildirsize lies. */
  readonly root: Directory;
  readonly tmp: Directory;
  readonly new: Directory;
  readonly owner: Owner;
}

export interface OpenFolders {
  /**
   * Runs `use` with the open folder; `open` is called when it is not open yet. Null from `open` is passed on: there is no
   * such folder. Throws what `open` and `use` throw.
   */
  hold(
    key: string,
    path: string,
    open: () => Promise<Folder | null>,
  ): Promise<{ folder: Folder; release(): void } | null>;
  /** Forgets a folder, so that the next use opens it anew. */
  forget(key: string): void;
  /** Closes everything that is not in use; what is, closes when released. */
  close(): void;
}

interface Entry {
  readonly folder: Folder;
  users: number;
  stale: boolean;
  checkedAt: number;
}

/** How long an open folder is used without a look at its path. */
const FRESH_MS = 1000;

/** `limit` folders stay open (3 descriptors each); `failed` hears of a descriptor that did not close. */
export function openFolders(limit: number, failed: (error: unknown) => void): OpenFolders {
  const entries = new Map<string, Entry>();
  const opening = new Map<string, Promise<Entry | null>>();

  const forget = (key: string): void => {
    const entry = entries.get(key);
    if (entry === undefined) return;
    entries.delete(key);
    entry.stale = true;
    if (entry.users === 0) closeAll(entry, failed);
  };
  const openNew = async (
    key: string,
    open: () => Promise<Folder | null>,
  ): Promise<Entry | null> => {
    const folder = await open();
    if (folder === null) return null;
    const entry = { folder, users: 0, stale: false, checkedAt: performance.now() };
    entries.set(key, entry);
    for (const [other, { users }] of entries) {
      if (entries.size <= limit) break;
      if (users === 0 && other !== key) forget(other);
    }
    return entry;
  };
  const hold: OpenFolders["hold"] = async (key, path, open) => {
    const entry = entries.get(key);
    if (entry !== undefined) {
      // Taken before anything is awaited: an entry with a user is not closed.
      const use = taken(entry, failed);
      // Last in the map is most recently used.
      entries.delete(key);
      entries.set(key, entry);
      if (await isCurrent(entry, path)) return use;
      if (entries.get(key) === entry) forget(key);
      use.release();
    }
    for (;;) {
      let pending = opening.get(key);
      if (pending === undefined) {
        pending = openNew(key, open).finally(() => opening.delete(key));
        opening.set(key, pending);
      }
      const opened = await pending;
      if (opened === null) return null;
      if (!opened.stale) return taken(opened, failed);
    }
  };
  const close = (): void => {
    for (const key of [...entries.keys()]) forget(key);
  };
  return { hold, forget, close };
}

function taken(
  entry: Entry,
  failed: (error: unknown) => void,
): { folder: Folder; release(): void } {
  entry.users++;
  let isHeld = true;
  const release = (): void => {
    if (!isHeld) return;
    isHeld = false;
    entry.users--;
    if (entry.stale && entry.users === 0) closeAll(entry, failed);
  };
  return { folder: entry.folder, release };
}

function closeAll({ folder }: Entry, failed: (error: unknown) => void): void {
  for (const { fd } of [folder.root, folder.tmp, folder.new]) closeFile(fd).catch(failed);
}

/** Following links does no harm here: only the directory that was opened safely counts as current. */
async function isCurrent(entry: Entry, path: string): Promise<boolean> {
  if (entry.stale) return false;
  const now = performance.now();
  if (now - entry.checkedAt < FRESH_MS) return true;
  entry.checkedAt = now;
  const { new: new_, owner } = entry.folder;
  const stats = await statPath(`${path}/new`);
  return (
    stats !== null &&
    stats.ino === new_.inode &&
    stats.dev === new_.device &&
    stats.uid === owner.uid &&
    (stats.mode & 0o022) === 0
  );
}
