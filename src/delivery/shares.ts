// What has to be done for each recipient of a message: its targets looked up, every folder and every remote address of the
// message once, however many recipients lead there. Used by local.ts.
import type { Copy, Destination } from "../mail/destination.ts";
import type { Recipient } from "../mail/message.ts";
import { reject, tempfail } from "../mail/reply.ts";
import type { Reply } from "../mail/reply.ts";
import type { Mailstore } from "../mailstore/maildir.ts";
import type { Quota } from "../mailstore/quota.ts";
import { storedForm } from "../mailstore/stored-form.ts";
import type { StoredForm } from "../mailstore/stored-form.ts";
import { isOurFault, storeFailure } from "./failure.ts";
import { fileDelivery, folderFor } from "./mailbox.ts";
import type { FileDelivery, FolderPolicy, MailboxTarget } from "./mailbox.ts";
import { viaMark } from "./remote.ts";
import type { RemoteTarget } from "./remote.ts";
import { resolve } from "./resolve.ts";
import type { Routes, Target } from "./resolve.ts";

export interface LocalOptions {
  readonly store: Mailstore;
  /** The tables as of now; asked once per recipient command and once per message. */
  readonly routes: () => Promise<Routes>;
  /** Quota of mailboxes that have none of their own; null = none. */
  readonly quota: Quota | null;
  readonly folders: FolderPolicy;
  /** Takes remote targets; null: they are 451 4.3.5. */
  readonly outgoing: Destination | null;
  /** Hears of what the operator should know: storage failures, alias targets that lead nowhere or were left out. */
  readonly report: (text: string, error?: Error) => void;
}

/** What one recipient waits for. */
export interface Share {
  /** The reply that is certain already; then there is nothing to do. */
  readonly reply: Reply | null;
  readonly files: readonly FileDelivery[];
  readonly remotes: readonly RemoteTarget[];
}

/** Targets of a whole message; more recipients than that have to come again. */
const MAX_TARGETS = 1000;

/** State of one message while its recipients are looked at. */
interface Plan {
  readonly options: LocalOptions;
  readonly copy: Copy;
  readonly form: StoredForm;
  readonly deadline: AbortSignal;
  /** By mailbox and folder. */
  readonly files: Map<string, FileDelivery>;
  readonly remotes: Map<string, RemoteTarget>;
}

/** The share of every recipient, same order. Rejects when the spool or the tables cannot be read. */
export async function sharesOf(
  options: LocalOptions,
  copy: Copy,
  recipients: readonly Recipient[],
  deadline: AbortSignal,
): Promise<readonly Share[]> {
  const form = await storedForm(copy.body, deadline);
  const routes = await options.routes();
  const plan: Plan = { options, copy, form, deadline, files: new Map(), remotes: new Map() };
  const shares: Share[] = [];
  for (const recipient of recipients) shares.push(await shareOf(plan, recipient, routes));
  return shares;
}

/** Tells the operator; an exception that is none becomes one. */
export function report(options: LocalOptions, text: string, error: unknown): void {
  options.report(text, error instanceof Error ? error : new Error(String(error)));
}

async function shareOf(plan: Plan, recipient: Recipient, routes: Routes): Promise<Share> {
  const { options, copy } = plan;
  const resolution = resolve(recipient.address, routes);
  if (resolution.kind === "refused") return refusal(resolution.reply);
  const { targets, dangling } = resolution;
  const to = `${copy.id}: <${recipient.address.raw}>`;
  if (dangling.length > 0) options.report(`${to}: aliases lead nowhere: ${dangling.join(", ")}`);
  const kept = targets.filter(({ kind }) => kind === "mailbox" || !copy.tainted);
  if (kept.length === 0) {
    return refusal(reject(550, "5.7.1", "Message is not forwarded: judged spam or virus"));
  }
  if (kept.length < targets.length) {
    options.report(`${to}: ${targets.length - kept.length} remote targets left out: spam or virus`);
  }
  if (
    plan.files.size + plan.remotes.size + kept.length > MAX_TARGETS &&
    plan.files.size + plan.remotes.size > 0
  ) {
    return refusal(tempfail(452, "4.5.3", "Too many targets in one message"));
  }
  return collect(plan, recipient, kept);
}

function refusal(reply: Reply): Share {
  return { reply, files: [], remotes: [] };
}

async function collect(
  plan: Plan,
  recipient: Recipient,
  targets: readonly Target[],
): Promise<Share> {
  const files = new Set<FileDelivery>();
  const remotes = new Set<RemoteTarget>();
  for (const target of targets) {
    if (target.kind === "remote") {
      const remote = remoteOf(plan, recipient, target);
      if (remote === null)
        return refusal(reject(554, "5.4.6", "Mail loop: message was here before"));
      remotes.add(remote);
      continue;
    }
    try {
      files.add(await fileOf(plan, recipient, target));
    } catch (error) {
      const { options, copy } = plan;
      if (isOurFault(error))
        report(options, `${copy.id}: ${target.mailbox} cannot be opened`, error);
      return refusal(storeFailure(error));
    }
  }
  return { reply: null, files: [...files], remotes: [...remotes] };
}

/** Null when this message was sent on from this recipient before. */
function remoteOf(
  { remotes, form }: Plan,
  { address, params }: Recipient,
  target: Extract<Target, { kind: "remote" }>,
): RemoteTarget | null {
  const local = `${address.local}@${address.domain}`.toLowerCase();
  const isItself = target.address.raw === address.raw;
  const via = isItself ? "" : viaMark(local);
  if (form.via.has(via) || (!isItself && form.deliveredTo.has(local))) return null;
  const key = `${target.sender?.raw ?? ""} ${target.address.local}@${target.address.domain}`;
  const known = remotes.get(key);
  if (known !== undefined) return known;
  const { sender } = target;
  const remote = {
    key,
    address: target.address,
    params,
    via,
    ...(sender === undefined ? {} : { sender }),
  };
  remotes.set(key, remote);
  return remote;
}

async function fileOf(
  plan: Plan,
  recipient: Recipient,
  target: MailboxTarget,
): Promise<FileDelivery> {
  const { options, copy, form, deadline, files } = plan;
  const { store } = options;
  const folder = await folderFor(store, target, copy.folder, options.folders);
  const key = `${target.mailbox}/${folder}`;
  const known = files.get(key);
  if (known !== undefined) return known;
  const quota = target.user?.quota ?? options.quota;
  const file = fileDelivery({
    store,
    copy,
    form,
    target,
    folder,
    original: recipient.address,
    quota,
    deadline,
    report: (text, error) => report(options, text, error),
  });
  files.set(key, file);
  return file;
}
