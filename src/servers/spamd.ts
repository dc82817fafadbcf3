// The spamd listener: for spamc, Exim's spam condition and whatever else asks a spamd; one request a connection, as there. What a
// message is, the engine says. No policy.
import type { Socket } from "node:net";
import type { Place } from "../sys/fair-gate.ts";
import type { SpoolRoom, SpoolWriter } from "../sys/spool.ts";
import type { Spool } from "../sys/spooled.ts";
import { listener, type Conversation, type Listener, type ListenerOptions } from "./listener.ts";
import { inflated } from "./spamd-inflate.ts";
import { spamdReader, type SpamdEvent, type SpamdRequest } from "./spamd-reader.ts";
import {
  answerWords,
  PONG,
  protocolError,
  rspamdWords,
  tellWords,
  timedOut,
  unavailable,
  wanted,
  type RspamdSays,
  type SpamdSays,
  type TellDid,
} from "./spamd-words.ts";

export interface SpamdScoreRequest {
  readonly also: "report" | "mail" | null;
  readonly user: string | null;
  readonly remote: string;
}

export interface SpamdServerOptions extends ListenerOptions {
  readonly spool: Pick<SpoolRoom, "create">;
  /** A place for one message of so many octets (0 = unknown), to be left when its answer is on its way; null = none came free. */
  readonly admit: (octets: number) => Promise<Place | null>;
  /** What the rules say of the octets; `late` = they were not done in time. */
  readonly score: (
    octets: Spool,
    request: SpamdScoreRequest,
  ) => Promise<SpamdSays | { readonly failed: string; readonly late: boolean }>;
  /** What all checks say, for RSPAMC; facts by lower-case header name. */
  readonly judge: (
    octets: Spool,
    facts: SpamdRequest["facts"],
  ) => Promise<RspamdSays | { readonly failed: string }>;
  /** Learns; null: TELL is refused. */
  readonly tell: ((octets: Spool, request: SpamdRequest) => Promise<TellDid>) | null;
  /** Octets of one message, inflated. */
  readonly maxBytes: number;
  /** How long a client may say nothing, and how long one message may take to come. */
  readonly idleMs: number;
  readonly messageMs: number;
}

/** Values that fit; spamd's --timeout-tcp and --timeout-child. */
export const SPAMD_DEFAULTS: Pick<SpamdServerOptions, "idleMs" | "messageMs" | "maxConnections"> = {
  idleMs: 30_000,
  messageMs: 300_000,
  maxConnections: 500,
};

/** A listener that does not listen yet. */
export function spamdServer(options: SpamdServerOptions): Listener {
  return listener(options, (socket) => new Connection(socket, options));
}

/** How long a client may take to close its side. */
const LINGER_MS = 2_000;

const CROWDED = "too many messages at once";

/** A message on its way in. */
interface Incoming {
  readonly request: SpamdRequest;
  readonly writer: SpoolWriter;
  readonly place: Place;
  size: number;
}

class Connection implements Conversation {
  readonly #socket: Socket;
  readonly #options: SpamdServerOptions;
  readonly #reader = spamdReader();
  #incoming: Incoming | null = null;
  #answering = false;
  #ended = false;
  /** Runs from the first moment: octets that trickle in do not hold a connection for ever. */
  readonly #late: NodeJS.Timeout;

  constructor(socket: Socket, options: SpamdServerOptions) {
    this.#socket = socket;
    this.#options = options;
    socket.setTimeout(options.idleMs, () => this.#tooLate(options.idleMs));
    this.#late = setTimeout(() => this.#tooLate(options.messageMs), options.messageMs);
    this.#late.unref();
    socket.once("close", () => clearTimeout(this.#late));
    // A client may leave at any time: the loop below ends, and that is all there is to do.
    socket.on("error", () => {});
    void this.#talk();
  }

  stop(): void {
    if (!this.#answering && this.#incoming === null) this.#end();
  }

  destroy(): void {
    this.#socket.destroy();
  }

  /** The client has said nothing for so long, or not all that it has to say. */
  #tooLate(ms: number): void {
    if (this.#ended) return;
    if (this.#answering) {
      this.#late.refresh();
      return;
    }
    if (this.#incoming === null)
      this.#say(timedOut(`(${ms / 1000} second socket timeout reading input from client)`));
    this.#discard();
    this.#end();
  }

  /** Reads on only when what came is dealt with. Never rejects. */
  async #talk(): Promise<void> {
    try {
      const pieces = this.#socket.iterator({ destroyOnReturn: false });
      for await (const octets of pieces as AsyncIterable<Buffer>) {
        this.#reader.feed(octets);
        if (!(await this.#take())) return;
      }
      this.#reader.finish();
      await this.#take();
    } catch (error) {
      if (!this.#socket.destroyed) this.#options.onError(error);
    } finally {
      this.#discard();
      this.#end();
    }
  }

  /** False when all is said. */
  async #take(): Promise<boolean> {
    for (let event; !this.#ended && (event = this.#reader.next()) !== null;) {
      this.#answering = true;
      const more = await this.#on(event);
      this.#answering = false;
      if (!more) return false;
    }
    return !this.#ended;
  }

  async #on(event: SpamdEvent): Promise<boolean> {
    switch (event.kind) {
      case "request":
        return this.#open(event.request);
      case "octets":
        return this.#octets(event.octets);
      case "end":
        return this.#answer(event.got);
      case "broken":
        return this.#say(protocolError(event.why));
    }
  }

  async #open(request: SpamdRequest): Promise<boolean> {
    const { method, tell, compressed, length } = request;
    if (method === "PING") return this.#say(PONG);
    if (method === "SKIP") return false;
    if (method === "TELL") {
      if (this.#options.tell === null)
        return this.#say(
          unavailable("TELL commands are not enabled, set the --allow-tell switch."),
        );
      for (const [set, removed, what] of [
        [tell.setLocal, tell.removeLocal, "local"],
        [tell.setRemote, tell.removeRemote, "remote"],
      ] as const)
        if (set && removed)
          return this.#say(
            protocolError(`Unable to set ${what} and remove ${what} in the same operation.`),
          );
    }
    if (compressed && length === null)
      return this.#say(unavailable("Compress requires Content-length header"));
    const { maxBytes } = this.#options;
    if (length !== null && length > maxBytes)
      return this.#say(unavailable(`more than ${maxBytes} octets`));
    const place = await this.#options.admit(length ?? 0);
    if (place === null) return this.#say(unavailable(CROWDED));
    const writer = this.#options.spool.create();
    this.#incoming = { request, writer, place, size: 0 };
    return true;
  }

  async #octets(octets: Buffer): Promise<boolean> {
    const incoming = this.#incoming;
    if (incoming === null) return false;
    incoming.size += octets.length;
    if (incoming.size > this.#options.maxBytes)
      return this.#say(unavailable(`more than ${this.#options.maxBytes} octets`));
    if (!incoming.place.grow(incoming.size)) return this.#say(unavailable(CROWDED));
    try {
      await incoming.writer.write(octets);
      return true;
    } catch (error) {
      this.#options.onError(error);
      return this.#say(unavailable("the message could not be kept"));
    }
  }

  async #answer(got: number): Promise<boolean> {
    const incoming = this.#incoming;
    if (incoming === null) return false;
    let spool: Spool | null = null;
    let words: string | Buffer = unavailable("no answer");
    try {
      spool = await incoming.writer.finish();
      words = await this.#wordsFor(incoming, got, spool);
    } catch (error) {
      this.#options.onError(error);
    } finally {
      spool?.dispose();
    }
    return this.#say(words);
  }

  async #wordsFor(incoming: Incoming, got: number, octets: Spool): Promise<string | Buffer> {
    const { request, place } = incoming;
    const { length } = request;
    if (!request.compressed) {
      if (length !== null && got !== length)
        return protocolError(
          `(Content-Length mismatch: Expected ${length} bytes, got ${got} bytes)`,
        );
      return this.#judged(request, octets);
    }
    const { spool, maxBytes } = this.#options;
    const room = (size: number): string | null =>
      size > maxBytes
        ? `more than ${maxBytes} octets`
        : place.grow(octets.size + size)
          ? null
          : CROWDED;
    const plain = await inflated(octets, room, spool.create());
    if ("failed" in plain) return unavailable(`zlib: ${plain.failed}\n`);
    try {
      return await this.#judged(request, plain);
    } finally {
      plain.dispose();
    }
  }

  async #judged(request: SpamdRequest, octets: Spool): Promise<string | Buffer> {
    const { method, rspamd, facts, user } = request;
    const { judge, score, tell } = this.#options;
    if (rspamd) {
      const said = await judge(octets, facts);
      return "failed" in said ? `RSPAMD/1.3 69 ${said.failed}\r\n\r\n` : rspamdWords(said);
    }
    if (method === "TELL")
      return tell === null ? unavailable("no learning") : tellWords(await tell(octets, request));
    const remote = (this.#socket.remoteAddress ?? "127.0.0.1").replace(/^::ffff:/, "");
    const said = await score(octets, { also: wanted(method), user, remote });
    if (!("failed" in said)) return answerWords(request, said);
    return said.late
      ? timedOut(`(${said.failed} while trying to ${method})`)
      : unavailable(said.failed);
  }

  /** Forgets the message, if there is one. Its place is taken until the client has taken the answer, which may be as large. */
  #discard(): void {
    if (this.#incoming === null) return;
    const { writer, place } = this.#incoming;
    this.#incoming = null;
    writer.discard();
    const socket = this.#socket;
    if (socket.destroyed || socket.writableLength === 0) return place.leave();
    socket.once("finish", () => place.leave());
    socket.once("close", () => place.leave());
  }

  /** The last words of a conversation. */
  #say(words: string | Buffer): false {
    this.#socket.write(typeof words === "string" ? Buffer.from(words, "latin1") : words);
    return false;
  }

  /**
   * Our side is closed. What still comes is read and forgotten, so that our last words are not lost: as long as the client takes them,
   * and for a moment more.
   */
  #end(): void {
    if (this.#ended) return;
    this.#ended = true;
    const socket = this.#socket;
    clearTimeout(this.#late);
    const cut = setTimeout(() => this.destroy(), this.#options.messageMs);
    socket.once("close", () => clearTimeout(cut));
    socket.once("finish", () => setTimeout(() => this.destroy(), LINGER_MS).unref());
    socket.setTimeout(this.#options.idleMs, () => this.destroy());
    socket.end();
    socket.resume();
  }
}
