// INSTREAM over TCP with node-clamav. The package gives one connection a scan and no more than that: it has no deadline after the
// first octet of a reply, keeps its socket when the source fails, and takes an empty chunk for the end. So its source is made here,
// and its socket is taken hold of as it is made. Called by clamd.ts.
import { subscribe, unsubscribe } from "node:diagnostics_channel";
import type { Socket } from "node:net";
import { Readable } from "node:stream";
import { createScanner } from "node-clamav";
import { MAX_REPLY, parseScanReply, scanError, type ScanReply } from "./clamd-reply.ts";
import type { ScanLimits } from "./clamd-unix.ts";

/** By how much node-clamav's own timer, which ends only what has not begun to answer, comes after our deadline. */
const LATER_MS = 1_000;

/** As scanOverUnix; the pieces must be the reader's own, since several of them wait in streams. */
export function scanOverTcp(
  at: { readonly host: string; readonly port: number },
  pieces: AsyncIterable<Buffer>,
  { connectMs, deadlineMs, signal }: ScanLimits,
): Promise<ScanReply> {
  return new Promise((resolve) => {
    let unread: Error | null = null;
    const source = Readable.from(withoutEmpty(pieces), { objectMode: false });
    source.on("error", (error) => (unread = error));
    const { made, sockets } = withSockets(() =>
      createScanner(at.host, at.port).scanStream(source, deadlineMs + LATER_MS),
    );
    let connected = false;
    const done = (reply: ScanReply): void => {
      clearTimeout(connecting);
      clearTimeout(deadline);
      signal.removeEventListener("abort", stop);
      source.destroy();
      for (const socket of sockets) socket.destroy();
      resolve(reply);
    };
    const stop = (): void => done(scanError("given up"));
    const connecting = setTimeout(() => done(unreachable("no connection in time")), connectMs);
    const deadline = setTimeout(() => done(scanError("no reply in time")), deadlineMs);
    for (const socket of sockets) {
      socket.once("connect", () => {
        connected = true;
        clearTimeout(connecting);
      });
      socket.on("data", () => {
        if (socket.bytesRead > MAX_REPLY) done(scanError("its reply has no end"));
      });
    }
    signal.addEventListener("abort", stop, { once: true });
    made.then(
      (reply) => done(parseScanReply(Buffer.from(reply, "latin1"))),
      (error: NodeJS.ErrnoException) => {
        if (unread !== null) done(scanError(`the message could not be read: ${unread.message}`));
        else if (!connected) done(unreachable(error.code ?? error.message));
        else done(refusal(error));
      },
    );
    if (signal.aborted) stop();
  });
}

const unreachable = (why: string): ScanReply => ({ kind: "error", why, unreachable: true });

/** node-clamav's words for a reply that came before all octets were sent: clean is no answer then. */
const EARLY = "Scan aborted. Reply from server: ";

function refusal(error: NodeJS.ErrnoException): ScanReply {
  if (!error.message.startsWith(EARLY)) return scanError(error.code ?? error.message);
  const reply = parseScanReply(Buffer.from(error.message.slice(EARLY.length), "latin1"));
  return reply.kind === "clean" ? scanError("answered before it had all octets") : reply;
}

/** The sockets that `make` opens before it returns. */
function withSockets<T>(make: () => T): { made: T; sockets: readonly Socket[] } {
  const sockets: Socket[] = [];
  const note = (message: unknown): void => {
    sockets.push((message as { socket: Socket }).socket);
  };
  subscribe("net.client.socket", note);
  try {
    return { made: make(), sockets };
  } finally {
    unsubscribe("net.client.socket", note);
  }
}

async function* withoutEmpty(pieces: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  for await (const piece of pieces) if (piece.length > 0) yield piece;
}
