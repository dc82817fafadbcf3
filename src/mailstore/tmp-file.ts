// One message file on its way: written and synced in tmp/, then renamed into new/ and the directory synced; or taken away
// again without a trace. Used by maildir.ts.
import { closeFile, hasCode, removeFile, renameFile, syncFile, writeAll } from "./descriptors.ts";
import { below, createPlain } from "./directory.ts";
import type { Folder } from "./open-folders.ts";
import type { StoredForm } from "./stored-form.ts";

/** What is written: the delivery's own lines (LF line ends), then the message. */
export interface Draft {
  readonly head: Buffer;
  readonly form: StoredForm;
}

export interface Written {
  /** Octets of the file. */
  readonly size: number;
  /** LF among them: size + lines is what IMAP calls RFC822.SIZE. */
  readonly lines: number;
}

/** The size that the file will have, null when the message has to be read first. */
export function knownSize({ head, form }: Draft): number | null {
  return form.pieces?.reduce((sum, { data }) => sum + data.length, head.length) ?? null;
}

/**
 * Writes the file into tmp/ and syncs it. `admit` is called with the octets before the sync and may refuse by throwing.
 * When this rejects, the file is gone again; `failed` hears of one that could not be removed.
 */
export async function writeTmp(
  folder: Folder,
  name: string,
  draft: Draft,
  signal: AbortSignal,
  admit: (size: number) => Promise<void>,
  failed: (error: unknown) => void,
): Promise<Written> {
  signal.throwIfAborted();
  const fd = await createPlain(folder.tmp, name, folder.owner);
  let closed = false;
  try {
    const written = await writeDraft(fd, draft, signal);
    await admit(written.size);
    signal.throwIfAborted();
    await syncFile(fd);
    closed = true;
    await closeFile(fd);
    signal.throwIfAborted();
    return written;
  } catch (error) {
    if (!closed) await closeFile(fd).catch(failed);
    await removeTmp(folder, name, failed);
    throw error;
  }
}

async function writeDraft(fd: number, draft: Draft, signal: AbortSignal): Promise<Written> {
  const { head, form } = draft;
  const headLines = countLines(head);
  if (form.pieces !== null) {
    const { pieces } = form;
    await writeAll(fd, [head, ...pieces.map(({ data }) => data)]);
    return {
      size: knownSize(draft) ?? 0,
      lines: pieces.reduce((sum, { lines }) => sum + lines, headLines),
    };
  }
  let size = head.length;
  let lines = headLines;
  await writeAll(fd, [head]);
  for await (const piece of form.open()) {
    signal.throwIfAborted();
    await writeAll(fd, [piece.data]);
    size += piece.data.length;
    lines += piece.lines;
  }
  return { size, lines };
}

function countLines(text: Buffer): number {
  let lines = 0;
  for (let at = text.indexOf(10); at >= 0; at = text.indexOf(10, at + 1)) lines++;
  return lines;
}

/** Makes the file visible and durable. When this rejects, it is in neither directory any more, as far as the disk obeys. */
export async function publish(
  folder: Folder,
  tmpName: string,
  newName: string,
  failed: (error: unknown) => void,
): Promise<void> {
  const target = below(folder.new, newName);
  try {
    await renameFile(below(folder.tmp, tmpName), target);
  } catch (error) {
    await removeTmp(folder, tmpName, failed);
    throw error;
  }
  try {
    await syncFile(folder.new.fd);
  } catch (error) {
    // The sender will be told to try again, so that this copy would become a second one.
    await removeFile(target).catch(failed);
    throw error;
  }
}

/** Removes a file of tmp/; one that is already gone is no failure. */
export async function removeTmp(
  folder: Folder,
  name: string,
  failed: (error: unknown) => void,
): Promise<void> {
  try {
    await removeFile(below(folder.tmp, name));
  } catch (error) {
    if (!hasCode(error, "ENOENT")) failed(error);
  }
}
