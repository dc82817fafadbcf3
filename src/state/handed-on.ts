// Who already has a message that its client will send again: (sender, recipient, Message-ID, body hash), remembered six days.
// Asked once per message, written only when a 4xx follows a hand-over. Two implementations share the contract suite.
import { createHash } from "node:crypto";

export const REMEMBER_MS: number = 6 * 24 * 3600 * 1000;

export interface HandedOn {
  /** True when nothing at all is remembered: the common case, answered without work. */
  readonly empty: boolean;
  /** Which of the keys are remembered, same order. */
  has(keys: readonly string[], now?: number): Promise<readonly boolean[]>;
  /** Remembers the keys; durable when it resolves. Rejects when the store cannot be written. */
  remember(keys: readonly string[], now: number): Promise<void>;
}

/** One key per recipient. `bodyHash` covers the octets behind the header: an MTA's retry changes nothing there. */
export function handedOnKey(
  sender: string,
  recipient: string,
  messageId: string,
  bodyHash: string,
): string {
  return createHash("sha256")
    .update(
      [sender, recipient, messageId, bodyHash].map((part) => `${part.length}:${part}`).join(""),
    )
    .digest("base64url");
}
