// Kept messages for tests of what becomes of them: a real store in a temporary directory, entries as the engine makes them.
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { oneBuffer } from "../../src/engine/report.ts";
import { parseAddress } from "../../src/mail/address.ts";
import { UNKNOWN_CLIENT } from "../../src/mail/message.ts";
import { quarantine, type Quarantine } from "../../src/mailstore/quarantine.ts";
import type { KeptRecipient } from "../../src/mailstore/quarantine-entry.ts";
import type { QuarantineInput } from "../../src/mailstore/quarantine-record.ts";
import type { RateStore } from "../../src/state/rate-store.ts";

export interface KeptRoom {
  readonly dir: string;
  readonly store: Quarantine;
  keep(over: Partial<QuarantineInput> & { readonly mailId: string; text?: string }): Promise<void>;
  remove(): Promise<void>;
}

export async function keptRoom(): Promise<KeptRoom> {
  const dir = await mkdtemp(join(tmpdir(), "postern-kept-"));
  const store = quarantine({ directory: join(dir, "kept"), warn: () => {} });
  return {
    dir,
    store,
    keep: async ({ text = "Subject: held\r\n\r\nbody\r\n", ...over }) => {
      const copy = await store.prepare(
        {
          logId: "1-1",
          category: "spam",
          body: oneBuffer(Buffer.from(text)),
          headerSize: text.indexOf("\r\n\r\n") + 4,
          sender: parseAddress("sender@remote.test"),
          senderParams: [],
          recipients: [heldFor("user@example.com")],
          messageId: `<${over.mailId}@remote.test>`,
          subject: "held",
          client: UNKNOWN_CLIENT,
          findings: [],
          lines: [],
          receivedAt: new Date(),
          ...over,
        },
        new AbortController().signal,
      );
      if (!copy.ok || (await copy.commit()).kind !== "ok") throw new Error("not kept");
    },
    remove: () => rm(dir, { recursive: true, force: true }),
  };
}

export function heldFor(address: string, over: Partial<KeptRecipient> = {}): KeptRecipient {
  const params: readonly string[] = [];
  return {
    address,
    params,
    blocked: true,
    disposition: "reject",
    category: "spam",
    score: 12,
    ...over,
  };
}

/** What all processes remember together, without a window's end. */
export function takes(): Pick<RateStore, "take"> {
  const counts = new Map<string, number>();
  return {
    take: async (key, _instance, amount, limit) => {
      const used = counts.get(key) ?? 0;
      const allowed = used + amount <= limit;
      if (allowed) counts.set(key, used + amount);
      return { count: counts.get(key) ?? 0, allowed };
    },
  };
}
