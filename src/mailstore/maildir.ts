// Maildir++ mailboxes below mail_root: written in two phases, so that nothing is visible before everything is ready.
// prepare: written and synced in tmp/. commit: renamed into new/, and the directory synced, without which a power cut loses
// the last message. Paths are walked as directory.ts says. Used by delivery/ and cli/.
import { promises as fs } from "node:fs";
import { closeFile, hasCode } from "./descriptors.ts";
import { below, openPath, UnsafeDirectory } from "./directory.ts";
import { foldedFolder, INBOX } from "./folder-name.ts";
import { makeFolder, openFolder } from "./make-folder.ts";
import { openFolders } from "./open-folders.ts";
import type { Folder, OpenFolders } from "./open-folders.ts";
import { quotaGate } from "./quota-gate.ts";
import type { QuotaGate } from "./quota-gate.ts";
import type { Quota, Usage } from "./quota.ts";
import { sweepTmp } from "./sweep.ts";
import { knownSize, publish, removeTmp, writeTmp } from "./tmp-file.ts";
import type { Draft, Written } from "./tmp-file.ts";
import { uniqueNames } from "./unique-name.ts";

export interface MailstoreOptions {
  /** Absolute path; made 0700 by ready() when missing. */
  readonly mailRoot: string;
  /** For file names. */
  readonly hostname: string;
  /** Folders kept open between deliveries, 3 descriptors each. */
  readonly maxOpen?: number;
  /** Hears of every directory that was refused (the caller gets UnsafeDirectory too) and of clean-up that failed. */
  readonly alert: (error: Error) => void;
}

/** A file synced in tmp/. Exactly one of commit and abort is called, once. */
export interface PreparedFile {
  /** Octets of the file. */
  readonly size: number;
  /** Resolves when the message is in new/ and durable. When it rejects, nothing is left behind. */
  commit(): Promise<void>;
  /** Removes the file. Never rejects. */
  abort(): Promise<void>;
}

/** A mailbox is named by its Maildir's path below mail_root ("example.org/alice/Maildir"), a folder by its directory (".Junk"). */
export interface Mailstore {
  /** Makes mail_root when it is missing. Rejects with UnsafeDirectory or an errno exception. */
  ready(): Promise<void>;
  /** Makes the mailbox (0700, parents synced) when it is missing. */
  createMailbox(mailbox: string): Promise<void>;
  /** Makes the folder, and its mailbox, when missing, and subscribes to it. */
  createFolder(mailbox: string, folder: string): Promise<void>;
  /** The existing folder that has this name, or failing that this name in other case or composition; null when none. */
  matchFolder(mailbox: string, folder: string): Promise<string | null>;
  /** What the mailbox holds, mail on its way in included; `size` as for usageOf. Nothing when there is no mailbox. */
  usage(mailbox: string, quota: Quota, size?: number): Promise<Usage>;
  /**
   * Writes a message into tmp/ of a folder. A missing mailbox is made, a missing folder is ENOENT. Rejects with OverQuota,
   * UnsafeDirectory, an errno exception or the signal's reason, and then nothing is left behind.
   */
  prepare(
    mailbox: string,
    folder: string,
    draft: Draft,
    quota: Quota | null,
    signal: AbortSignal,
  ): Promise<PreparedFile>;
  /** Removes files in tmp/ that nobody touched for 36 hours from every mailbox; resolves with their number. */
  sweep(): Promise<number>;
  /** Closes the directories that are kept open; deliveries under way end well. */
  close(): void;
}

/** State of one store, shared by the functions below. */
interface Store extends MailstoreOptions {
  readonly folders: OpenFolders;
  readonly gate: QuotaGate;
  /** makeFolder() for this store; deliveries that want the same folder share one making. */
  readonly make: (mailbox: string, folder: string) => Promise<void>;
  readonly nameOf: () => string;
  /** Hears of clean-up that failed. */
  readonly failed: (error: unknown) => void;
}

/** The mailboxes below one mail_root. */
export function mailstore(options: MailstoreOptions): Mailstore {
  const failed = (error: unknown): void => {
    options.alert(error instanceof Error ? error : new Error(String(error)));
  };
  const nameOf = uniqueNames(options.hostname);
  const store: Store = {
    ...options,
    folders: openFolders(options.maxOpen ?? 256, failed),
    gate: quotaGate(nameOf),
    make: onceAtATime((mailbox, folder) => makeFolder(options.mailRoot, mailbox, folder, nameOf)),
    nameOf,
    failed,
  };
  const { make } = store;
  return {
    ready: () => watched(store, () => makeTop(store)),
    createMailbox: (mailbox) => watched(store, () => make(mailbox, INBOX)),
    createFolder: (mailbox, folder) => watched(store, () => make(mailbox, folder)),
    matchFolder: (mailbox, folder) => watched(store, () => matchFolder(store, mailbox, folder)),
    usage: (mailbox, quota, size = 0) => watched(store, () => usage(store, mailbox, quota, size)),
    prepare: (mailbox, folder, draft, quota, signal) =>
      watched(store, () => prepare(store, { mailbox, folder, quota }, draft, signal)),
    sweep: () => sweepTmp(store.mailRoot),
    close: () => store.folders.close(),
  };
}

type Make = (mailbox: string, folder: string) => Promise<void>;

/** The same folder is made once, and the folders of a mailbox one after the other: they share a subscriptions file. */
function onceAtATime(make: Make): Make {
  const underWay = new Map<string, Promise<void>>();
  const last = new Map<string, Promise<void>>();
  return (mailbox, folder) => {
    const key = keyOf(mailbox, folder);
    const before = last.get(mailbox) ?? Promise.resolve();
    const start = (): Promise<void> => make(mailbox, folder);
    const making =
      underWay.get(key) ??
      before.then(start, start).finally(() => {
        underWay.delete(key);
        if (last.get(mailbox) === making) last.delete(mailbox);
      });
    underWay.set(key, making);
    last.set(mailbox, making);
    return making;
  };
}

/** Runs an operation and alerts when it met an unsafe directory. */
async function watched<T>(store: Store, run: () => Promise<T>): Promise<T> {
  try {
    return await run();
  } catch (error) {
    if (error instanceof UnsafeDirectory) store.alert(error);
    throw error;
  }
}

async function makeTop(store: Store): Promise<void> {
  await fs.mkdir(store.mailRoot, { recursive: true, mode: 0o700 });
  const opened = await openPath(store.mailRoot, []);
  if (opened === null) return;
  try {
    // Without /proc no path below an open directory can be named.
    await fs.access(below(opened.directory, "."));
  } finally {
    await closeFile(opened.directory.fd);
  }
}

type Held = NonNullable<Awaited<ReturnType<OpenFolders["hold"]>>>;

function keyOf(mailbox: string, folder: string): string {
  return `${mailbox}/${folder}`;
}

/** The open folder; null when it does not exist. */
function hold(store: Store, mailbox: string, folder: string): Promise<Held | null> {
  const { mailRoot } = store;
  const path = folder === INBOX ? `${mailRoot}/${mailbox}` : `${mailRoot}/${mailbox}/${folder}`;
  return store.folders.hold(keyOf(mailbox, folder), path, () =>
    openFolder(mailRoot, mailbox, folder),
  );
}

async function matchFolder(store: Store, mailbox: string, folder: string): Promise<string | null> {
  const exact = await hold(store, mailbox, folder);
  if (exact !== null) {
    exact.release();
    return folder;
  }
  const inbox = await hold(store, mailbox, INBOX);
  if (inbox === null) return null;
  let names: string[];
  try {
    names = await fs.readdir(below(inbox.folder.root, "."));
  } finally {
    inbox.release();
  }
  const wanted = foldedFolder(folder);
  const found = names
    .filter((name) => name.startsWith(".") && foldedFolder(name) === wanted)
    .sort();
  for (const name of found) {
    const held = await hold(store, mailbox, name);
    held?.release();
    if (held !== null) return name;
  }
  return null;
}

async function usage(store: Store, mailbox: string, quota: Quota, size: number): Promise<Usage> {
  const held = await hold(store, mailbox, INBOX);
  if (held === null) return { octets: 0, messages: 0 };
  try {
    return await store.gate.usage(mailbox, held.folder, quota, size);
  } finally {
    held.release();
  }
}

interface Place {
  readonly mailbox: string;
  readonly folder: string;
  readonly quota: Quota | null;
}

async function prepare(
  store: Store,
  place: Place,
  draft: Draft,
  signal: AbortSignal,
): Promise<PreparedFile> {
  const { mailbox, quota } = place;
  const held = await holdOrMake(store, place);
  const { folder } = held;
  const name = store.nameOf();
  let reserved: number | null = null;
  const admit = async (size: number): Promise<void> => {
    if (quota === null || reserved !== null) return;
    await store.gate.enter(mailbox, folder, quota, size);
    reserved = size;
  };
  let written: Written;
  try {
    const known = knownSize(draft);
    if (known !== null) await admit(known);
    written = await writeTmp(folder, name, draft, signal, admit, store.failed);
  } catch (error) {
    if (reserved !== null) await store.gate.leave(mailbox, folder, reserved, false);
    forgetIfGone(store, place, error);
    held.release();
    throw error;
  }
  const { size } = written;
  return {
    size,
    commit: async () => {
      try {
        await commit(store, place, folder, name, written);
      } finally {
        held.release();
      }
    },
    abort: async () => {
      await removeTmp(folder, name, store.failed);
      if (quota !== null) await store.gate.leave(mailbox, folder, size, false);
      held.release();
    },
  };
}

async function commit(
  store: Store,
  place: Place,
  folder: Folder,
  name: string,
  { size, lines }: Written,
): Promise<void> {
  const { mailbox, quota } = place;
  try {
    await publish(folder, name, `${name},S=${size},W=${size + lines}`, store.failed);
  } catch (error) {
    if (quota !== null) await store.gate.leave(mailbox, folder, size, false);
    forgetIfGone(store, place, error);
    throw error;
  }
  // The message is safe: a size file that cannot be written is the operator's concern, not the sender's.
  const { gate, failed } = store;
  if (quota === null) await gate.note(folder, size).catch(failed);
  else await gate.leave(mailbox, folder, size, true).catch(failed);
}

/** The folder was removed or replaced under an open directory: the next attempt opens it anew. */
function forgetIfGone(store: Store, { mailbox, folder }: Place, error: unknown): void {
  if (hasCode(error, "ENOENT")) store.folders.forget(keyOf(mailbox, folder));
}

async function holdOrMake(store: Store, { mailbox, folder }: Place): Promise<Held> {
  const there = await hold(store, mailbox, folder);
  if (there !== null) return there;
  // Only the mailbox is made: whether a folder may be is not decided here.
  await store.make(mailbox, INBOX);
  const made = await hold(store, mailbox, folder);
  if (made !== null) return made;
  const error: NodeJS.ErrnoException = new Error(`no folder ${folder}`);
  error.code = "ENOENT";
  throw error;
}
