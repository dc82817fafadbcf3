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

/**
 * Remembers in both; durable when `local` has it. Asks both, and goes by `local` alone while `shared` is away, which `warn` is
 * told.
 */
export function withFallback(
  shared: HandedOn,
  local: HandedOn,
  warn: (error: unknown) => void,
): HandedOn {
  const none = (error: unknown): null => {
    warn(error);
    return null;
  };
  return {
    empty: false,
    async has(keys, now) {
      const [here, there] = await Promise.all([
        local.has(keys, now),
        shared.has(keys, now).catch(none),
      ]);
      return here.map((known, i) => known || there?.[i] === true);
    },
    async remember(keys, now) {
      await Promise.all([local.remember(keys, now), shared.remember(keys, now).catch(none)]);
    },
  };
}
