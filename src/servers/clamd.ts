// The clamd listener: PING, VERSION, INSTREAM, IDSESSION for clients of clamd, above all Exim's malware condition. Files of this host
// are never opened: SCAN, FILDES and the like are refused. What a stream is, the engine says. No policy.
import type { Socket } from "node:net";
import type { ScanReply } from "../clients/clamd-reply.ts";
import type { Place } from "../sys/fair-gate.ts";
import type { SpoolRoom, SpoolWriter } from "../sys/spool.ts";
import type { Spool } from "../sys/spooled.ts";
import { clamdReader, type ClamdEvent } from "./clamd-reader.ts";
import { listener, type Conversation, type Listener, type ListenerOptions } from "./listener.ts";

export interface ClamdServerOptions extends ListenerOptions {
  readonly spool: Pick<SpoolRoom, "create">;
  /** A place for one stream of unknown size (0), to be left when it is answered; null = none came free. */
  readonly admit: (octets: number) => Promise<Place | null>;
  /** What the octets are. Expected never to reject; if it does, the client hears an error. */
  readonly scan: (octets: Spool) => Promise<ScanReply>;
  /** One line, without NUL and newline. */
  readonly version: string;
  /** Octets of one stream; as clamd's StreamMaxLength. */
  readonly maxBytes: number;
  /** How long a client may say nothing, and how long one command, with its stream, may take to come. */
  readonly idleMs: number;
  readonly streamMs: number;
}

/** Values that fit; clamd's CommandReadTimeout and ReadTimeout. */
export const CLAMD_DEFAULTS: Pick<
  ClamdServerOptions,
  "idleMs" | "streamMs" | "maxConnections" | "version"
> = { idleMs: 30_000, streamMs: 120_000, maxConnections: 500, version: "postern" };

/** A listener that does not listen yet. */
export function clamdServer(options: ClamdServerOptions): Listener {
  return listener(options, (socket) => new Connection(socket, options));
}

/** How long a client may take to close its side. */
const LINGER_MS = 2_000;

/** A stream on its way in. */
interface Incoming {
  readonly writer: SpoolWriter;
  readonly place: Place;
  readonly end: "\0" | "\n";
  size: number;
}

class Connection implements Conversation {
  readonly #socket: Socket;
  readonly #options: ClamdServerOptions;
  readonly #reader = clamdReader();
  #stream: Incoming | null = null;
  /** Number of the last command of an IDSESSION; null outside one. */
  #session: number | null = null;
  #answering = false;
  #stopping = false;
  #ended = false;
  /** Runs anew with each command: octets that trickle in do not hold a connection for ever. */
  #late: NodeJS.Timeout | null = null;

  constructor(socket: Socket, options: ClamdServerOptions) {
    this.#socket = socket;
    this.#options = options;
    socket.setTimeout(options.idleMs, () => {
      if (!this.#answering) this.destroy();
    });
    this.#expect();
    socket.once("close", () => this.#cancel());
    // A client may leave at any time: the loop below ends, and that is all there is to do.
    socket.on("error", () => {});
    void this.#talk();
  }

  stop(): void {
    this.#stopping = true;
    if (!this.#answering && this.#stream === null) this.#end();
  }

  destroy(): void {
    this.#socket.destroy();
  }

  #expect(): void {
    this.#late = setTimeout(() => this.destroy(), this.#options.streamMs).unref();
  }

  #cancel(): void {
    if (this.#late !== null) clearTimeout(this.#late);
    this.#late = null;
  }

  /** Reads on only when what came is dealt with. Never rejects. */
  async #talk(): Promise<void> {
    try {
      const pieces = this.#socket.iterator({ destroyOnReturn: false });
      for await (const octets of pieces as AsyncIterable<Buffer>) {
        this.#reader.feed(octets);
        for (let event; (event = this.#reader.next()) !== null;) {
          this.#answering = true;
          const more = await this.#take(event);
          this.#answering = false;
          if (!more) return;
        }
      }
    } catch (error) {
      if (!this.#socket.destroyed) this.#options.onError(error);
    } finally {
      this.#discard();
      this.#end();
    }
  }

  /** False when the conversation is over. */
  async #take(event: ClamdEvent): Promise<boolean> {
    if (event.kind === "octets") return this.#octets(event.octets);
    this.#cancel();
    const more = await this.#obey(event);
    if (more) this.#expect();
    return more;
  }

  async #obey(event: Exclude<ClamdEvent, { kind: "octets" }>): Promise<boolean> {
    switch (event.kind) {
      case "command":
        if (this.#session !== null) this.#session += 1;
        return this.#command(event.name, event.end);
      case "end-of-stream":
        return this.#answer();
      case "broken":
        return this.#fail(event.why, "\n");
    }
  }

  async #command(name: string, end: "\0" | "\n"): Promise<boolean> {
    switch (name) {
      case "PING":
        return this.#say("PONG", end);
      case "VERSION":
        return this.#say(this.#options.version, end);
      case "IDSESSION":
        this.#session ??= 0;
        return true;
      case "END":
        return false;
      case "INSTREAM":
        return this.#open(end);
      default:
        return this.#refuse(name, end);
    }
  }

  #refuse(name: string, end: "\0" | "\n"): boolean {
    const ofFiles = /^(?:SCAN|CONTSCAN|MULTISCAN|ALLMATCHSCAN|FILDES|STREAM)\b/.exec(name);
    if (ofFiles === null) return this.#fail("UNKNOWN COMMAND", end);
    return this.#fail(`${ofFiles[0]} is not served here, use INSTREAM. ERROR`, end);
  }

  async #open(end: "\0" | "\n"): Promise<boolean> {
    const place = await this.#options.admit(0);
    if (place === null) return this.#fail("Too many streams at once. ERROR", end);
    const writer = this.#options.spool.create();
    this.#stream = { writer, place, end, size: 0 };
    return true;
  }

  async #octets(octets: Buffer): Promise<boolean> {
    const stream = this.#stream;
    if (stream === null) return false;
    stream.size += octets.length;
    if (stream.size > this.#options.maxBytes)
      return this.#fail("INSTREAM size limit exceeded. ERROR", stream.end);
    if (!stream.place.grow(stream.size))
      return this.#fail("Too many streams at once. ERROR", stream.end);
    try {
      await stream.writer.write(octets);
      return true;
    } catch (error) {
      this.#options.onError(error);
      return this.#fail("INSTREAM: Can't write to temporary file. ERROR", stream.end);
    }
  }

  async #answer(): Promise<boolean> {
    const stream = this.#stream;
    if (stream === null) return false;
    let spool: Spool | null = null;
    let words = "INSTREAM: no verdict. ERROR";
    try {
      spool = await stream.writer.finish();
      words = wordsOf(await this.#options.scan(spool));
    } catch (error) {
      this.#options.onError(error);
    } finally {
      spool?.dispose();
      this.#discard();
    }
    return this.#say(words, stream.end);
  }

  /** Forgets the stream, if there is one. */
  #discard(): void {
    if (this.#stream === null) return;
    this.#stream.writer.discard();
    this.#stream.place.leave();
    this.#stream = null;
  }

  /** Says it; the conversation goes on only in a session. */
  #say(words: string, end: "\0" | "\n"): boolean {
    const number = this.#session === null ? "" : `${this.#session}: `;
    this.#socket.write(`${number}${words}${end}`, "latin1");
    return this.#session !== null && !this.#stopping;
  }

  /** The last words of a conversation that cannot go on. */
  #fail(words: string, end: "\0" | "\n"): boolean {
    this.#say(words, end);
    return false;
  }

  /** Our side is closed. What still comes is read and forgotten, so that our last words are not lost, but not for long. */
  #end(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#socket.end();
    this.#socket.resume();
    const cut = setTimeout(() => this.destroy(), LINGER_MS);
    this.#socket.once("close", () => clearTimeout(cut));
  }
}

function wordsOf(reply: ScanReply): string {
  if (reply.kind === "clean") return "stream: OK";
  if (reply.kind === "infected") return `stream: ${reply.name} FOUND`;
  return `stream: ${reply.why.replace(/[^\x20-\x7e]/g, "?")} ERROR`;
}
