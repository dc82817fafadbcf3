// INSTREAM over a unix socket (clamd(8)): chunks with their length in front, an empty chunk as the end, one reply. One connection
// a scan, always destroyed. Called by clamd.ts, which bounds how many there are.
import { connect, type Socket } from "node:net";
import { MAX_REPLY, parseScanReply, scanError, type ScanReply } from "./clamd-reply.ts";

export interface ScanLimits {
  /** Milliseconds until the connection must be there. */
  readonly connectMs: number;
  /** Milliseconds for all of it. */
  readonly deadlineMs: number;
  /** Ends the scan at once, with an error. */
  readonly signal: AbortSignal;
}

const COMMAND = Buffer.from("zINSTREAM\0");
const END = Buffer.alloc(4);

/**
 * Sends the octets and hears the verdict. Never rejects. A piece is not looked at any more once the next one is asked for. A
 * verdict "clean" counts only when all octets were sent before it.
 */
export function scanOverUnix(
  path: string,
  pieces: AsyncIterable<Buffer>,
  { connectMs, deadlineMs, signal }: ScanLimits,
): Promise<ScanReply> {
  return new Promise((resolve) => {
    const socket = connect({ path });
    const heard: Buffer[] = [];
    let octets = 0;
    let connected = false;
    let sent = false;
    const done = (reply: ScanReply): void => {
      clearTimeout(connecting);
      clearTimeout(deadline);
      signal.removeEventListener("abort", stop);
      socket.removeAllListeners().on("error", () => undefined);
      socket.destroy();
      resolve(reply);
    };
    const stop = (): void => done(scanError("given up"));
    const connecting = setTimeout(() => done(unreachable("no connection in time")), connectMs);
    const deadline = setTimeout(() => done(scanError("no reply in time")), deadlineMs);
    const close = (why: string): void => {
      if (octets > 0) done(verdict(Buffer.concat(heard), sent));
      else done(connected ? scanError(why) : unreachable(why));
    };
    signal.addEventListener("abort", stop, { once: true });
    socket.on("error", (error: NodeJS.ErrnoException) => close(error.code ?? error.message));
    socket.on("close", () => close("closed without a reply"));
    socket.on("data", (piece: Buffer) => {
      heard.push(piece);
      octets += piece.length;
      if (octets > MAX_REPLY) done(scanError("its reply has no end"));
      else if (piece.includes(0)) done(verdict(Buffer.concat(heard), sent));
    });
    socket.on("connect", () => {
      connected = true;
      clearTimeout(connecting);
      send(socket, pieces).then(
        () => (sent = true),
        (error: unknown) =>
          done(scanError(`the message could not be read: ${(error as Error).message}`)),
      );
    });
    if (signal.aborted) stop();
  });
}

const unreachable = (why: string): ScanReply => ({ kind: "error", why, unreachable: true });

/** What clamd says before it has all octets can only be that something is wrong with them, or with itself. */
function verdict(octets: Buffer, sent: boolean): ScanReply {
  const reply = parseScanReply(octets);
  return reply.kind === "clean" && !sent ? scanError("answered before it had all octets") : reply;
}

/** Resolves when all is written, or the socket is gone; rejects when the pieces cannot be read. */
async function send(socket: Socket, pieces: AsyncIterable<Buffer>): Promise<void> {
  socket.write(COMMAND);
  for await (const piece of pieces) {
    // An empty chunk would end the stream: whatever follows would pass unseen.
    if (piece.length === 0) continue;
    const length = Buffer.allocUnsafe(4);
    length.writeUInt32BE(piece.length);
    socket.cork();
    socket.write(length);
    const written = write(socket, piece);
    socket.uncork();
    await written;
    if (socket.destroyed) return;
  }
  await write(socket, END);
}

/** Resolves when the system has the octets, or never will. */
function write(socket: Socket, octets: Buffer): Promise<void> {
  return new Promise((resolve) => {
    socket.write(octets, () => resolve());
  });
}
