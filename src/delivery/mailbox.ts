// One message for one folder of one mailbox: which folder, the lines in front (Return-Path, Delivered-To, X-Original-To), the
// file. Used by local.ts.
import type { Copy } from "../mail/destination.ts";
import type { Address } from "../mail/address.ts";
import { ok, reject } from "../mail/reply.ts";
import type { Reply } from "../mail/reply.ts";
import { hasCode } from "../mailstore/descriptors.ts";
import { folderDirectory, INBOX } from "../mailstore/folder-name.ts";
import type { Separator } from "../mailstore/folder-name.ts";
import type { Mailstore, PreparedFile } from "../mailstore/maildir.ts";
import type { Quota } from "../mailstore/quota.ts";
import type { StoredForm } from "../mailstore/stored-form.ts";
import { isOurFault, storeFailure } from "./failure.ts";
import type { Target } from "./resolve.ts";

/** What user+folder@ may do, and how folder names are written. */
export interface FolderPolicy {
  /** Whether the folder part may make a folder: never, one of `listed`, any. */
  readonly create: "never" | "listed" | "always";
  readonly listed?: readonly string[];
  /** The hierarchy separator of the verdict's folder names. */
  readonly separator: Separator;
}

export type MailboxTarget = Extract<Target, { kind: "mailbox" }>;

export interface FileJob {
  readonly store: Mailstore;
  readonly copy: Copy;
  readonly form: StoredForm;
  readonly target: MailboxTarget;
  /** Directory name of an existing folder. */
  readonly folder: string;
  /** The recipient as it was given. */
  readonly original: Address;
  readonly quota: Quota | null;
  readonly deadline: AbortSignal;
  readonly report: (text: string, error: unknown) => void;
}

/** A message on its way into one folder. */
export interface FileDelivery {
  /** Ok: the file is synced in tmp/. Never rejects. */
  prepare(): Promise<Reply>;
  /** Only after an ok. Never rejects. */
  commit(): Promise<Reply>;
  /** Only after an ok. Never rejects. */
  abort(): Promise<void>;
}

/** The delivery of one copy into one folder. */
export function fileDelivery(job: FileJob): FileDelivery {
  const { copy, form, target, original } = job;
  let file: PreparedFile | null = null;
  const failure = (error: unknown): Reply => {
    if (isOurFault(error)) job.report(`${copy.id}: ${target.mailbox} cannot be written`, error);
    return storeFailure(error);
  };
  const prepare = async (): Promise<Reply> => {
    if (form.deliveredTo.has(target.address)) {
      return reject(554, "5.4.6", "Mail loop: message was delivered here before");
    }
    const draft = { head: headLines(copy, form, target, original), form };
    try {
      file = await prepareFile(job, draft);
    } catch (error) {
      return failure(error);
    }
    return ok("Ready");
  };
  const commit = async (): Promise<Reply> => {
    try {
      await file?.commit();
    } catch (error) {
      return failure(error);
    }
    return ok(`${copy.mailId} Saved`);
  };
  return { prepare, commit, abort: async () => file?.abort() };
}

/** A folder that was removed between look-up and use is tried once more, as the inbox. */
async function prepareFile(
  job: FileJob,
  draft: { head: Buffer; form: StoredForm },
): Promise<PreparedFile> {
  const { store, target, folder, quota, deadline } = job;
  try {
    return await store.prepare(target.mailbox, folder, draft, quota, deadline);
  } catch (error) {
    if (!hasCode(error, "ENOENT")) throw error;
    return await store.prepare(target.mailbox, INBOX, draft, quota, deadline);
  }
}

/**
 * The directory of the folder that a message goes to. The verdict's folder is made and subscribed; the address' folder
 * counts if it exists (in any case) or may be made; everything else is the inbox. Rejects like the mailstore.
 */
export async function folderFor(
  store: Mailstore,
  target: MailboxTarget,
  wish: string | null,
  policy: FolderPolicy,
): Promise<string> {
  const byVerdict = wish === null ? null : folderDirectory(wish, policy.separator);
  if (byVerdict !== null) return openOrMake(store, target.mailbox, byVerdict, true);
  if (target.folder === null) return INBOX;
  // In an address both separators mean the same: user+lists/news, user+lists.news.
  const directory = folderDirectory(target.folder.replaceAll("/", "."), ".");
  if (directory === null) return INBOX;
  const listed = policy.listed?.map((name) => folderDirectory(name, policy.separator)) ?? [];
  const may =
    policy.create === "always" || (policy.create === "listed" && listed.includes(directory));
  return openOrMake(store, target.mailbox, directory, may);
}

async function openOrMake(
  store: Mailstore,
  mailbox: string,
  directory: string,
  make: boolean,
): Promise<string> {
  if (directory === INBOX) return INBOX;
  const there = await store.matchFolder(mailbox, directory);
  if (there !== null) return there;
  if (!make) return INBOX;
  await store.createFolder(mailbox, directory);
  return directory;
}

/** The lines in front of the message. Addresses come without control characters; should one have any, it is replaced. */
function headLines(copy: Copy, form: StoredForm, target: MailboxTarget, original: Address): Buffer {
  const sender = target.sender === undefined ? copy.sender : target.sender;
  // A message that begins with white space would continue our last line.
  const guard = form.startsFolded
    ? "X-Postern-Guard: the header begins with a line that is no field\n"
    : "";
  return Buffer.from(
    `Return-Path: <${clean(sender?.raw ?? "")}>\nDelivered-To: ${clean(target.address)}\n` +
      `X-Original-To: ${clean(original.raw)}\n${guard}`,
  );
}

function clean(text: string): string {
  return text.replace(/[\x00-\x1f\x7f]/g, "?");
}
