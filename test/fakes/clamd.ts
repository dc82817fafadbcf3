// A clamd that a test can make fail in every way that was seen of real ones: in this process, on a unix socket or a loopback port.
// It knows one virus, EICAR, and reads INSTREAM as strictly as clamd does.
import { createServer, type Server, type Socket } from "node:net";
import { chmod } from "node:fs/promises";

export const EICAR = [
  "X5O!P%@AP[4\\PZX54(P^)7CC)7}$",
  "EICAR-STANDARD-ANTIVIRUS-TEST-FILE!$H+H*",
].join("");

/** How it answers a scan. "ok" is as clamd does; `limit` is its StreamMaxLength. */
export type FakeMood =
  | "ok"
  /** Accepts, reads, says nothing, not even PONG. */
  | "frozen"
  /** Says nothing to scans, but answers PING. */
  | "slow"
  /** Closes when half a message is there. */
  | "closes-early"
  /** Closes when all is there. */
  | "closes-late"
  /** "stream: O", then nothing more. */
  | "half-reply"
  /** Says "stream: OK" at the first chunk. */
  | "hasty"
  /** Never stops to talk. */
  | "flood"
  | { readonly says: string };

export interface FakeClamd {
  readonly endpoint: string;
  mood: FakeMood;
  limit: number;
  version: string;
  /** What each finished scan sent. */
  readonly scanned: Buffer[];
  /** PINGs so far. */
  readonly pings: number;
  /** Most scans at once. */
  readonly most: number;
  /** Connections that are open at both ends; disturbs them. */
  stillOpen(): number;
  stop(): Promise<void>;
  /** Listens again, at the same place. */
  start(): Promise<void>;
}

/** Starts one; `where` 0 takes a free loopback port. */
export async function fakeClamd(where: string | 0): Promise<FakeClamd> {
  const fake = new Fake(where);
  await fake.start();
  return fake;
}

class Fake implements FakeClamd {
  mood: FakeMood = "ok";
  limit = 1e9;
  version = "ClamAV 1.4.3/27500/Thu Jan  2 10:34:00 2025";
  readonly scanned: Buffer[] = [];
  pings = 0;
  most = 0;
  now = 0;
  readonly #path: string | null;
  #port = 0;
  #server: Server | null = null;
  readonly #sockets = new Set<Socket>();

  constructor(where: string | 0) {
    this.#path = where === 0 ? null : where;
  }

  get endpoint(): string {
    return this.#path === null ? `tcp:127.0.0.1:${this.#port}` : `unix:${this.#path}`;
  }

  stillOpen(): number {
    // A client that has closed resets the connection; one that only forgot it does not.
    for (const socket of this.#sockets) socket.write("?");
    return this.#sockets.size;
  }

  async start(): Promise<void> {
    // As clamd, which goes on when the client has half-closed.
    const server = createServer({ allowHalfOpen: true }, (socket) => {
      this.#sockets.add(socket);
      socket.on("close", () => this.#sockets.delete(socket));
      socket.on("error", () => socket.destroy());
      serve(this, socket);
    });
    this.#server = server;
    await new Promise<void>((resolve, reject) => {
      server.once("error", reject);
      if (this.#path !== null) server.listen(this.#path, resolve);
      else server.listen(this.#port, "127.0.0.1", resolve);
    });
    if (this.#path !== null) await chmod(this.#path, 0o666);
    const address = server.address();
    if (address !== null && typeof address !== "string") this.#port = address.port;
  }

  async stop(): Promise<void> {
    const server = this.#server;
    this.#server = null;
    for (const socket of this.#sockets) socket.destroy();
    if (server !== null) await new Promise<void>((resolve) => server.close(() => resolve()));
  }
}

function serve(fake: Fake, socket: Socket): void {
  let held: Buffer = Buffer.alloc(0);
  let command: string | null = null;
  const chunks: Buffer[] = [];
  let size = 0;
  const say = (text: string): void => void socket.end(Buffer.from(`${text}\0`, "latin1"));
  socket.on("data", (piece: Buffer) => {
    if (fake.mood === "frozen") return;
    held = Buffer.concat([held, piece]);
    if (command === null) {
      const end = held.indexOf(0);
      if (end < 0) return;
      command = held.toString("latin1", 0, end);
      held = held.subarray(end + 1);
      if (command === "zPING") {
        fake.pings += 1;
        return say("PONG");
      }
      if (command === "zVERSION") return say(fake.version);
      if (command !== "zINSTREAM") return say("UNKNOWN COMMAND");
      fake.most = Math.max(fake.most, ++fake.now);
      socket.once("close", () => fake.now--);
    }
    while (held.length >= 4) {
      const length = held.readUInt32BE();
      if (held.length < 4 + length) return;
      chunks.push(held.subarray(4, 4 + length));
      size += length;
      held = held.subarray(4 + length);
      if (length === 0) return finish(fake, socket, Buffer.concat(chunks), say);
      if (fake.mood === "closes-early") return void socket.destroy();
      if (fake.mood === "hasty") return say("stream: OK");
      if (size > fake.limit) return say("INSTREAM size limit exceeded. ERROR");
    }
  });
}

function finish(fake: Fake, socket: Socket, octets: Buffer, say: (text: string) => void): void {
  const { mood } = fake;
  fake.scanned.push(octets);
  if (mood === "slow") return;
  if (mood === "closes-late") return void socket.end();
  if (mood === "half-reply") return void socket.write("stream: O");
  if (mood === "flood") return flood(socket);
  if (typeof mood === "object") return say(mood.says);
  say(octets.includes(EICAR) ? "stream: Eicar-Test-Signature FOUND" : "stream: OK");
}

function flood(socket: Socket): void {
  if (socket.destroyed) return;
  socket.write(Buffer.alloc(1024, "x"), () => setImmediate(flood, socket));
}
