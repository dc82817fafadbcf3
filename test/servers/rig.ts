// A listener with a recording handler whose answers depend on the addresses.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { AddressInfo } from "node:net";
import { ok, reject, tempfail, type Reply } from "../../src/mail/reply.ts";
import type { Recipient, Transaction } from "../../src/mail/message.ts";
import type { LineFaults } from "../../src/mail/lines.ts";
import {
  smtpServer,
  SMTP_DEFAULTS,
  type SmtpHandler,
  type SmtpListener,
  type SmtpOptions,
} from "../../src/servers/smtp.ts";
import { spoolRoom, type SpoolRoom } from "../../src/sys/spool.ts";
import { Talker } from "./dialogue.ts";

export interface Received {
  readonly transaction: Transaction;
  readonly text: string;
  readonly faults: LineFaults;
}

export interface Rig {
  readonly listener: SmtpListener;
  readonly room: SpoolRoom;
  readonly received: Received[];
  /** Local parts of senders of transactions that are over. */
  readonly ended: string[];
  readonly begun: string[];
  readonly errors: unknown[];
  readonly where: { port: number; host: string } | { path: string };
  readonly talk: () => Promise<Talker>;
  readonly close: () => Promise<void>;
}

export async function rig(
  options: Partial<SmtpOptions> = {},
  handler: Partial<SmtpHandler> = {},
  unix = false,
): Promise<Rig> {
  const dir = mkdtempSync(join(tmpdir(), "rig-"));
  const room = spoolRoom({ dir: join(dir, "spool") });
  await room.sweep();
  const received: Received[] = [];
  const ended: string[] = [];
  const begun: string[] = [];
  const errors: unknown[] = [];
  const listener = smtpServer({
    ...SMTP_DEFAULTS,
    name: "smtp:test",
    hostname: "h.example",
    spool: room,
    allow: () => true,
    onError: (error) => errors.push(error),
    ...options,
    handler: {
      mail: (transaction) => {
        const reply = answerFor(transaction.sender?.local ?? "", "2.1.0");
        if (reply.kind === "ok") begun.push(transaction.sender?.local ?? "<>");
        return reply;
      },
      rcpt: async (_transaction: Transaction, recipient: Recipient) =>
        answerFor(recipient.address.local, "2.1.5"),
      message: async (transaction, spool, _gone, faults) => {
        const pieces: Buffer[] = [];
        for await (const piece of spool.open()) pieces.push(piece);
        received.push({
          transaction: { ...transaction, recipients: [...transaction.recipients] },
          text: Buffer.concat(pieces).toString("latin1"),
          faults: { bareCr: faults.bareCr, bareLf: faults.bareLf, nul: faults.nul },
        });
        if (transaction.protocol !== "LMTP") return [ok("Queued", "2.0.0")];
        return transaction.recipients.map(({ address }) => ok(`For ${address.local}`, "2.1.5"));
      },
      end: (transaction) => ended.push(transaction.sender?.local ?? "<>"),
      ...handler,
    },
  });
  const at = await listener.listen(
    unix ? { path: join(dir, "socket") } : { port: 0, host: "127.0.0.1" },
  );
  const where = unix
    ? { path: at as string }
    : { port: (at as AddressInfo).port, host: "127.0.0.1" };
  return {
    listener,
    room,
    received,
    ended,
    begun,
    errors,
    where,
    talk: () => Talker.to(where),
    close: async () => {
      await listener.close(0);
      rmSync(dir, { recursive: true });
    },
  };
}

function answerFor(local: string, status: `2.${number}.${number}`): Reply {
  switch (local) {
    case "unknown":
      return reject(550, "5.1.1", "No such user");
    case "later":
      return tempfail(450, "4.7.1", "Greylisted, see you");
    case "full":
      return tempfail(452, "4.3.2", "Too busy");
    case "away":
      return tempfail(421, "4.3.2", "Come back");
    case "boom":
      throw new Error("boom");
    default:
      return ok("Ok", status);
  }
}
