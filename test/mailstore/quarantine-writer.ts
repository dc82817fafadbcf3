// A process that keeps messages until it is killed and says which ones it promised; run by quarantine-kill.test.ts.
import { writeSync } from "node:fs";
import { UNKNOWN_CLIENT } from "../../src/mail/message.ts";
import { mailId } from "../../src/sys/ids.ts";
import { quarantine } from "../../src/mailstore/quarantine.ts";

const store = quarantine({ directory: process.argv[2] ?? "", warn: (text) => writeSync(2, text) });

async function keepOne(): Promise<void> {
  const id = mailId();
  const bytes = [Buffer.from(`Subject: ${id}\r\n\r\n`), Buffer.alloc(20_000, `${id}\r\n`)];
  const open = async function* (): AsyncGenerator<Buffer> {
    yield* bytes;
  };
  const size = bytes.reduce((sum, piece) => sum + piece.length, 0);
  const copy = await store.prepare(
    {
      mailId: id,
      logId: "1-1",
      category: "spam",
      body: { size, bytes, open },
      headerSize: bytes[0]?.length ?? 0,
      sender: null,
      senderParams: [],
      recipients: [],
      messageId: `<${id}@x>`,
      subject: id,
      client: UNKNOWN_CLIENT,
      findings: [],
      lines: [],
      receivedAt: new Date(),
    },
    new AbortController().signal,
  );
  if (copy.ok && (await copy.commit()).kind === "ok") writeSync(1, `${id}\n`);
}

await Promise.all(
  Array.from({ length: 8 }, async () => {
    for (;;) await keepOne();
  }),
);
