// The messages of the `large` bench and their sending: a text part and a random base64 attachment each. All share one block of
// random lines and begin at different lines of it, so that making a gigabyte costs neither memory nor time while it is sent.
import { createHash, randomBytes } from "node:crypto";
import { connect, type Socket } from "node:net";
import { once } from "node:events";
import { MARK } from "./digest-body.ts";

export interface LargeMessage {
  readonly id: number;
  /** What goes over the wire between DATA's 354 and the final dot, dot-stuffed. */
  readonly pieces: readonly Buffer[];
  /** Of the message without dot-stuffing. */
  readonly sha256: string;
}

const LINE = 78;
const OCTETS_PER_LINE = 57;
/** Messages begin this many lines of the block apart. */
const APART = 1009;

/** `count` messages numbered from `first`, of about `octets` each on the wire. */
export function largeMessages(
  first: number,
  count: number,
  octets: number,
): readonly LargeMessage[] {
  const lines = Math.ceil(octets / LINE);
  const text = randomBytes(lines * OCTETS_PER_LINE).toString("base64");
  const block = Buffer.from(text.replace(/.{76}/g, "$&\r\n"), "latin1");
  return Array.from({ length: count }, (_, i) => {
    const turn = ((i * APART) % lines) * LINE;
    const [head, tail] = around(first + i);
    const body = [block.subarray(turn), block.subarray(0, turn)];
    const hash = createHash("sha256").update(head);
    for (const part of body) hash.update(part);
    const stuffed = head.replaceAll("\r\n.", "\r\n..");
    return {
      id: first + i,
      pieces: [Buffer.from(stuffed), ...body, Buffer.from(tail)],
      sha256: hash.update(tail).digest("hex"),
    };
  });
}

function around(id: number): readonly [string, string] {
  const boundary = `=_bench_${id}`;
  const head = [
    `${MARK}${id}`,
    "From: Sender <sender@example.net>",
    "To: recipient@example.com",
    `Subject: large message ${id}`,
    "Date: Mon, 02 Nov 2026 10:00:00 +0000",
    `Message-ID: <large-${id}@client.example.net>`,
    "MIME-Version: 1.0",
    `Content-Type: multipart/mixed; boundary="${boundary}"`,
    "",
    `--${boundary}`,
    "Content-Type: text/plain; charset=utf-8",
    "",
    "The attachment is random.",
    ".",
    "..a line of the text may begin with dots",
    "",
    `--${boundary}`,
    "Content-Type: application/octet-stream",
    "Content-Transfer-Encoding: base64",
    `Content-Disposition: attachment; filename="random-${id}.bin"`,
    "",
    "",
  ].join("\r\n");
  return [head, `\r\n--${boundary}--\r\n`];
}

const STEP = 65_536;

/**
 * Sends all messages at once, a connection each. Nobody sends before all have DATA's 354, and nobody ends before all have sent:
 * so all are in flight together. Throws when one is not taken with 2xx.
 */
export async function sendTogether(port: number, messages: readonly LargeMessage[]): Promise<void> {
  const socketOf = (message: LargeMessage) => ({ message, talk: dialogue(port) });
  const all = messages.map(socketOf);
  const each = (step: (one: ReturnType<typeof socketOf>) => Promise<void>) =>
    Promise.all(all.map(step));
  try {
    await each(async ({ talk }) => {
      await talk.expect("220");
      for (const [line, code] of OPENING) {
        await talk.write(Buffer.from(`${line}\r\n`));
        await talk.expect(code);
      }
    });
    await each(async ({ message, talk }) => {
      for (const piece of message.pieces) {
        for (let at = 0; at < piece.length; at += STEP)
          await talk.write(piece.subarray(at, at + STEP));
      }
    });
    await each(async ({ talk }) => {
      await talk.write(Buffer.from(".\r\n"));
      await talk.expect("250");
    });
  } finally {
    for (const { talk } of all) talk.close();
  }
}

const OPENING = [
  ["EHLO client.example.net", "250"],
  ["MAIL FROM:<sender@example.net>", "250"],
  ["RCPT TO:<recipient@example.com>", "250"],
  ["DATA", "354"],
] as const;

interface Dialogue {
  /** Resolves when the kernel took it. */
  write(octets: Buffer): Promise<void> | undefined;
  /** Waits for the next reply and throws when its code is another. */
  expect(code: string): Promise<void>;
  close(): void;
}

function dialogue(port: number): Dialogue {
  const socket: Socket = connect(port, "127.0.0.1");
  const replies = socketReplies(socket);
  return {
    write: (octets) =>
      socket.write(octets) ? undefined : once(socket, "drain").then(() => undefined),
    async expect(code) {
      const { value } = await replies.next();
      if (value?.startsWith(code) !== true)
        throw new Error(`expected ${code}, the hop said: ${value ?? "nothing"}`);
    },
    close: () => void socket.destroy(),
  };
}

/** The last line of each reply. */
async function* socketReplies(socket: Socket): AsyncGenerator<string, undefined> {
  let waiting = "";
  for await (const piece of socket) {
    waiting += (piece as Buffer).toString("latin1");
    const lines = waiting.split("\r\n");
    waiting = lines.pop() ?? "";
    for (const line of lines) if (/^\d{3}(?: |$)/.test(line)) yield line;
  }
  return undefined;
}
