// The one shape of every place that mail goes to: the next hop, a Maildir, the quarantine. Two phases, so that over SMTP
// one failure leaves nothing behind: prepared means that only a fast last step is missing (the dot, the rename).
import type { Client, Body, Recipient, XForward } from "./message.ts";
import type { Address } from "./address.ts";
import type { Reply } from "./reply.ts";

/** One message as it shall arrive: edited octets and its envelope facts. */
export interface Copy {
  /** Log id of the message, for the destination's log lines and replies. */
  readonly id: string;
  readonly mailId: string;
  readonly sender: Address | null;
  /** ESMTP parameters of MAIL as they came, byte for byte; a destination passes on those that it can. */
  readonly senderParams: readonly string[];
  readonly client: Client;
  readonly xforward: XForward;
  /** The whole message, CRLF line ends, edits applied. */
  readonly body: Body;
  /** Folder that the verdict asks for ("Junk"), or null. */
  readonly folder: string | null;
  /** True when judged spam or virus: never forwarded to a remote target. */
  readonly tainted: boolean;
}

export interface Prepared {
  /** One reply per recipient, same order: ok = ready to commit; else this recipient is already refused. */
  readonly replies: readonly Reply[];
  /**
   * Takes the last step for the recipients whose reply was ok. Resolves with one final reply per recipient (same order,
   * refused ones repeated) and never rejects. After it only the truth counts: always await it.
   */
  commit(): Promise<readonly Reply[]>;
  /** Undoes the preparation; nothing of it remains. Never rejects. Not to be called after commit(). */
  abort(): Promise<void>;
}

export interface Destination {
  /**
   * Gets everything ready for these recipients. Never rejects: failures are replies. `deadline` aborts whatever is under
   * way (→ tempfail replies); it has no effect on commit().
   */
  prepare(copy: Copy, recipients: readonly Recipient[], deadline: AbortSignal): Promise<Prepared>;
}

/** A preparation in which every recipient got the same reply already and nothing is left to do. */
export function refused(recipients: readonly Recipient[], reply: Reply): Prepared {
  const replies = recipients.map(() => reply);
  return { replies, commit: async () => replies, abort: async () => {} };
}
