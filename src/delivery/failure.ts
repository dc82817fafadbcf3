// What went wrong while storing a message, as the reply for its recipient. Only the size of the mailbox is the sender's
// business for good; whatever is our machine's trouble is a tempfail, so that no mail bounces because a disk is full.
import { reject, tempfail } from "../mail/reply.ts";
import type { Reply } from "../mail/reply.ts";
import { hasCode } from "../mailstore/descriptors.ts";
import { UnsafeDirectory } from "../mailstore/directory.ts";
import { OverQuota } from "../mailstore/quota.ts";

/** The reply for an exception of the mailstore (RFC 3463: X.2.2 mailbox full, X.3.1 system full). */
export function storeFailure(error: unknown): Reply {
  if (error instanceof OverQuota) return overQuota(error.never);
  if (hasCode(error, "ENOSPC")) return tempfail(452, "4.3.1", "Mail system storage is full");
  if (hasCode(error, "EDQUOT")) return tempfail(452, "4.2.2", "Mailbox storage is full");
  if (error instanceof UnsafeDirectory) return tempfail(451, "4.3.5", "Mailbox is not usable");
  if (error instanceof Error && error.name === "AbortError") return OUT_OF_TIME;
  if (error instanceof Error && error.name === "TimeoutError") return OUT_OF_TIME;
  return tempfail(451, "4.3.0", "Mailbox cannot be written");
}

/** True when the operator shall hear of it: neither a full mailbox nor a deadline. */
export function isOurFault(error: unknown): boolean {
  return !(error instanceof OverQuota) && storeFailure(error) !== OUT_OF_TIME;
}

/** `never`: the message is larger than the whole quota. */
export function overQuota(never: boolean): Reply {
  const text = never ? "Message is larger than the mailbox quota" : "Mailbox is full";
  return reject(552, "5.2.2", text);
}

const OUT_OF_TIME = tempfail(451, "4.3.2", "Delivery took too long");
