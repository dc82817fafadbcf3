// Quotas of the mailboxes of one process, seen together: mail on its way into a mailbox counts already, so that a burst of
// deliveries cannot pass a limit that each of them alone would keep. Other processes may: the format tolerates races.
import type { Folder } from "./open-folders.ts";
import { appendUsage, fits, OverQuota, usageOf } from "./quota.ts";
import type { Quota, Usage } from "./quota.ts";

export interface QuotaGate {
  /** What the mailbox holds and is about to hold. */
  usage(mailbox: string, folder: Folder, quota: Quota, size: number): Promise<Usage>;
  /** Reserves room for one message of `size` octets. Rejects with OverQuota. */
  enter(mailbox: string, folder: Folder, quota: Quota, size: number): Promise<void>;
  /** Gives reserved room back; with `stored` the message is in the mailbox and counts from now on in its file. */
  leave(mailbox: string, folder: Folder, size: number, stored: boolean): Promise<void>;
  /** Counts a message in a mailbox that has no quota here, but perhaps one of the IMAP server. */
  note(folder: Folder, size: number): Promise<void>;
}

interface Pending {
  octets: number;
  messages: number;
  /** The last step queued for this mailbox: reading and reserving must not mix with another's appending. */
  tail: Promise<unknown>;
}

/** How long a mailbox without the file is believed to have none. */
const ABSENT_MS = 1000;

/** The gate of one store. `nameOf` makes names for files in tmp/. */
export function quotaGate(nameOf: () => string): QuotaGate {
  const mailboxes = new Map<string, Pending>();
  const absent = new WeakMap<Folder, number>();

  const alone = <T>(mailbox: string, run: (pending: Pending) => Promise<T>): Promise<T> => {
    const pending = mailboxes.get(mailbox) ?? { octets: 0, messages: 0, tail: Promise.resolve() };
    mailboxes.set(mailbox, pending);
    const result = pending.tail.then(() => run(pending));
    const settled = result.then(
      () => undefined,
      () => undefined,
    );
    pending.tail = settled.then(() => {
      if (pending.messages === 0 && pending.tail === tail) mailboxes.delete(mailbox);
    });
    const { tail } = pending;
    return result;
  };

  const usage: QuotaGate["usage"] = (mailbox, { root, owner }, quota, size) =>
    alone(mailbox, async (pending) => {
      const kept = await usageOf(root, owner, quota, size, nameOf);
      return {
        octets: kept.octets + pending.octets,
        messages: kept.messages + pending.messages,
      };
    });
  const enter: QuotaGate["enter"] = (mailbox, { root, owner }, quota, size) =>
    alone(mailbox, async (pending) => {
      const kept = await usageOf(root, owner, quota, size + pending.octets, nameOf);
      const all = {
        octets: kept.octets + pending.octets,
        messages: kept.messages + pending.messages,
      };
      if (!fits(quota, all, size)) {
        throw new OverQuota(!fits(quota, { octets: 0, messages: 0 }, size));
      }
      pending.octets += size;
      pending.messages++;
    });
  const leave: QuotaGate["leave"] = (mailbox, { root }, size, stored) =>
    alone(mailbox, async (pending) => {
      pending.octets -= size;
      pending.messages--;
      if (stored) await appendUsage(root, size, 1);
    });
  const note: QuotaGate["note"] = async (folder, size) => {
    const now = performance.now();
    if (now - (absent.get(folder) ?? -Infinity) < ABSENT_MS) return;
    if (!(await appendUsage(folder.root, size, 1))) absent.set(folder, now);
  };
  return { usage, enter, leave, note };
}
