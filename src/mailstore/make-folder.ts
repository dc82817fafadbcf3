// Opens and makes Maildir folders below mail_root: tmp/, new/ and cur/ 0700, parents synced, `maildirfolder` and the
// subscription for everything but the inbox. Used by maildir.ts.
import { closeFile, hasCode, syncFile } from "./descriptors.ts";
import { createPlain, makeBelow, openBelow, openPath } from "./directory.ts";
import type { Directory, Owner } from "./directory.ts";
import { INBOX } from "./folder-name.ts";
import type { Folder } from "./open-folders.ts";
import { subscribe } from "./subscriptions.ts";

type Step = (parent: Directory, name: string, owner: Owner) => Promise<Directory | null>;

/** Opens a folder; null when it, its mailbox or one of its three directories is missing. The caller closes it. */
export function openFolder(
  mailRoot: string,
  mailbox: string,
  folder: string,
): Promise<Folder | null> {
  return walk(mailRoot, mailbox, folder, openBelow);
}

/** Makes what is missing of a folder and its mailbox; the inbox is made with every folder. */
export async function makeFolder(
  mailRoot: string,
  mailbox: string,
  folder: string,
  nameOf: () => string,
): Promise<void> {
  const inbox = await walk(mailRoot, mailbox, INBOX, makeBelow);
  if (inbox === null) return;
  try {
    if (folder === INBOX) return;
    const made = await walk(mailRoot, mailbox, folder, makeBelow);
    if (made !== null) await closeFolder(made);
    await markFolder(inbox, folder);
    await subscribe(inbox.root, inbox.owner, folder, nameOf);
  } finally {
    await closeFolder(inbox);
  }
}

/** Closes all descriptors of a folder that nobody uses. */
export async function closeFolder(folder: Folder): Promise<void> {
  for (const { fd } of [folder.root, folder.tmp, folder.new]) await closeFile(fd);
}

async function walk(
  mailRoot: string,
  mailbox: string,
  folder: string,
  step: Step,
): Promise<Folder | null> {
  const opened = await openPath(mailRoot, mailbox.split("/"), step);
  if (opened === null) return null;
  const { directory: root, owner } = opened;
  const close = new Set([root]);
  try {
    const base = folder === INBOX ? root : await step(root, folder, owner);
    if (base === null) return null;
    close.add(base);
    const cur = await step(base, "cur", owner);
    if (cur === null) return null;
    close.add(cur);
    const tmp = await step(base, "tmp", owner);
    if (tmp === null) return null;
    close.add(tmp);
    const new_ = await step(base, "new", owner);
    if (new_ === null) return null;
    // The folder is whole: these three stay open.
    close.delete(root);
    close.delete(tmp);
    return { root, tmp, new: new_, owner };
  } finally {
    for (const { fd } of close) await closeFile(fd);
  }
}

/** Puts the empty file that sends a reader of quotas one level up. */
async function markFolder({ root, owner }: Folder, folder: string): Promise<void> {
  const base = await openBelow(root, folder, owner);
  if (base === null) return;
  try {
    await closeFile(await createPlain(base, "maildirfolder", owner));
    await syncFile(base.fd);
  } catch (error) {
    if (!hasCode(error, "EEXIST")) throw error;
  } finally {
    await closeFile(base.fd);
  }
}
