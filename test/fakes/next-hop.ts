// A next hop for tests: an SMTP or LMTP server in this process, on port 0 or a unix socket, that answers as a script says
// and records every transaction with its exact octets. It can refuse, hang, close or talk nonsense at any point.
import { EventEmitter, once } from "node:events";
import { spawn } from "node:child_process";
import { createServer, connect, type AddressInfo, type Server, type Socket } from "node:net";

/**
 * What the server does in one place: a reply (CRLF is added; may hold several lines joined by "\r\n"), nothing at all
 * (null: it hangs), or octets and a close.
 */
export type Answer = string | null | { readonly raw: string; readonly close: boolean };

/** Says nothing and closes. */
export const CLOSE: Answer = { raw: "", close: true };

/** Answers to one kind of command: fixed, or from the command line (for `dot`: the recipient) and the transaction. */
export type Script = Answer | ((line: string, transaction: Received) => Answer | Promise<Answer>);

export interface NextHopOptions {
  readonly protocol?: "smtp" | "lmtp";
  /** A unix socket instead of a TCP port. */
  readonly path?: string;
  /** Lines of the answer to EHLO or LHLO; default: everything that Postfix offers a filter. */
  readonly extensions?: readonly string[];
  readonly greeting?: Script;
  readonly helo?: Script;
  readonly xforward?: Script;
  readonly mail?: Script;
  readonly rcpt?: Script;
  readonly data?: Script;
  /** The final reply; over LMTP asked once per accepted recipient, with its RCPT line. */
  readonly dot?: Script;
  readonly rset?: Script;
  /** Octets after which it stops reading the message, as a peer does that has hung. */
  readonly stopReadingAfter?: number;
}

/** One transaction as it came; `body` is what stood between 354 and the dot, un-stuffed. */
export interface Received {
  readonly connection: number;
  /** Every command line since the transaction before, RSET included. */
  readonly commands: string[];
  readonly xforward: Map<string, string>;
  mail: string | null;
  /** The accepted RCPT lines. */
  readonly rcpts: string[];
  body: Buffer;
  /** Octets as they came, stuffing included. */
  readonly raw: Buffer[];
  /** 354 was said, and neither the dot nor the end of the connection has come. */
  inData: boolean;
  /** The dot came. */
  complete: boolean;
  /** Every final reply was 2xx. */
  accepted: boolean;
}

export interface NextHopServer {
  /** "smtp:127.0.0.1:4711", "lmtp:unix:/tmp/…". */
  readonly address: string;
  /** All transactions, unfinished ones included, in order of their first command. */
  readonly transactions: Received[];
  /** The complete ones that were accepted. */
  readonly delivered: readonly Received[];
  /** Connections ever made. */
  readonly connections: number;
  /** Connections open now. */
  readonly open: number;
  /** The octets of each read, per connection: shows what came in one packet. */
  readonly packets: { readonly connection: number; readonly text: string }[];
  /** Changes the script from now on. */
  script(change: Partial<NextHopOptions>): void;
  /** Resolves once the condition holds; it is looked at whenever something happens here. */
  until(condition: () => boolean): Promise<void>;
  /** Writes octets on every open connection, out of turn. */
  say(raw: string): void;
  /** Closes every connection; the server stays. */
  drop(): Promise<void>;
  close(): Promise<void>;
}

export const ALL_EXTENSIONS: readonly string[] = [
  "PIPELINING",
  "SIZE 104857600",
  "ENHANCEDSTATUSCODES",
  "8BITMIME",
  "DSN",
  "SMTPUTF8",
  "XFORWARD NAME ADDR PORT PROTO HELO IDENT SOURCE",
];

/** Starts a next hop. Close it at the end of the test. */
export async function nextHop(options: NextHopOptions = {}): Promise<NextHopServer> {
  const state = new State({ ...options });
  const server = createServer((socket) => new Dialogue(state, socket));
  await listen(server, options.path ?? null);
  const protocol = options.protocol ?? "smtp";
  const address =
    options.path === undefined
      ? `${protocol}:127.0.0.1:${(server.address() as AddressInfo).port}`
      : `${protocol}:unix:${options.path}`;
  const drop = async (): Promise<void> => {
    for (const socket of state.sockets) socket.destroy();
    await state.until(() => state.sockets.size === 0);
  };
  return {
    address,
    transactions: state.transactions,
    get delivered() {
      return state.transactions.filter((one) => one.accepted);
    },
    get connections() {
      return state.connections;
    },
    get open() {
      return state.sockets.size;
    },
    packets: state.packets,
    script: (change) => void Object.assign(state.options, change),
    until: (condition) => state.until(condition),
    say: (raw) => state.sockets.forEach((socket) => socket.write(raw)),
    drop,
    close: async () => {
      const closed = once(server, "close");
      server.close();
      await drop();
      await closed;
    },
  };
}

/** Postfix's smtp-sink on a free port, for suites with real peers; it accepts and forgets everything. */
export async function smtpSink(protocol: "smtp" | "lmtp" = "smtp"): Promise<{
  readonly address: string;
  close(): Promise<void>;
}> {
  const probe = createServer();
  await listen(probe, null);
  const { port } = probe.address() as AddressInfo;
  await new Promise((resolve) => probe.close(resolve));
  const user = process.getuid?.() === 0 ? ["-u", "nobody"] : [];
  const lmtp = protocol === "lmtp" ? ["-L"] : [];
  const child = spawn("smtp-sink", [...user, ...lmtp, `127.0.0.1:${port}`, "200"], {
    stdio: "ignore",
  });
  const exited = once(child, "exit");
  for (;;) {
    if (child.exitCode !== null) throw new Error(`smtp-sink ended with ${child.exitCode}`);
    const socket = connect(port, "127.0.0.1");
    const outcome = await Promise.race([
      once(socket, "connect").then(() => true),
      once(socket, "error").then(() => false),
    ]).catch(() => false);
    socket.destroy();
    if (outcome) break;
  }
  return {
    address: `${protocol}:127.0.0.1:${port}`,
    close: async () => {
      child.kill();
      await exited;
    },
  };
}

async function listen(server: Server, path: string | null): Promise<void> {
  if (path === null) server.listen(0, "127.0.0.1");
  else server.listen(path);
  await once(server, "listening");
}

class State {
  readonly options: { -readonly [K in keyof NextHopOptions]: NextHopOptions[K] };
  readonly transactions: Received[] = [];
  readonly packets: { connection: number; text: string }[] = [];
  readonly sockets = new Set<Socket>();
  readonly #events = new EventEmitter().setMaxListeners(0);
  connections = 0;

  constructor(options: NextHopOptions) {
    this.options = options;
  }

  changed(): void {
    this.#events.emit("change");
  }

  async until(condition: () => boolean): Promise<void> {
    while (!condition()) await once(this.#events, "change");
  }
}

class Dialogue {
  readonly #state: State;
  readonly #socket: Socket;
  readonly #number: number;
  #current: Received | null = null;
  #input: Buffer = Buffer.alloc(0);
  #inData = false;
  #busy = false;
  #hung = false;
  #bodySize = 0;
  #tail: Buffer = Buffer.alloc(0);

  constructor(state: State, socket: Socket) {
    this.#state = state;
    this.#socket = socket.setNoDelay(true);
    this.#number = ++state.connections;
    state.sockets.add(socket);
    socket.on("error", () => undefined);
    socket.on("close", () => {
      state.sockets.delete(socket);
      if (this.#current !== null) this.#current.inData = false;
      state.changed();
    });
    socket.on("data", (chunk: Buffer) => {
      state.packets.push({ connection: this.#number, text: chunk.toString("latin1") });
      this.#input = Buffer.concat([this.#input, chunk]);
      void this.#work();
    });
    void this.#play("greeting", "", "220 next-hop.example ESMTP").then(() => state.changed());
  }

  async #work(): Promise<void> {
    if (this.#busy) return;
    this.#busy = true;
    while (!this.#hung && (this.#inData ? await this.#body() : await this.#command()));
    this.#busy = false;
    this.#state.changed();
  }

  async #command(): Promise<boolean> {
    const end = this.#input.indexOf("\r\n");
    if (end === -1) return false;
    const line = this.#input.toString("utf8", 0, end);
    this.#input = this.#input.subarray(end + 2);
    const verb = line.split(" ", 1)[0]?.toUpperCase();
    if (verb === "EHLO" || verb === "LHLO" || verb === "HELO") {
      const { extensions = ALL_EXTENSIONS, protocol = "smtp" } = this.#state.options;
      const lines = ["next-hop.example", ...(verb === "HELO" ? [] : extensions)];
      const reply = lines.map((one, i) => `250${i === lines.length - 1 ? " " : "-"}${one}`);
      const right = verb === "HELO" || (verb === "LHLO") === (protocol === "lmtp");
      await this.#play("helo", line, right ? reply.join("\r\n") : "500 5.5.1 Wrong protocol");
      return true;
    }
    if (verb === "QUIT") {
      this.#socket.end("221 2.0.0 Bye\r\n");
      return true;
    }
    const current = this.#transaction();
    current.commands.push(line);
    await this.#transactionCommand(verb ?? "", line, current);
    return true;
  }

  async #transactionCommand(verb: string, line: string, current: Received): Promise<void> {
    if (verb === "RSET") {
      current.mail = null;
      current.rcpts.length = 0;
      await this.#play("rset", line, "250 2.0.0 Ok");
    } else if (verb === "XFORWARD") {
      for (const pair of line.split(" ").slice(1)) {
        const equals = pair.indexOf("=");
        current.xforward.set(pair.slice(0, equals), pair.slice(equals + 1));
      }
      await this.#play("xforward", line, "250 2.0.0 Ok");
    } else if (verb === "MAIL") {
      if (current.mail !== null) return this.#send("503 5.5.1 Nested MAIL");
      if (await this.#play("mail", line, "250 2.1.0 Ok")) current.mail = line;
    } else if (verb === "RCPT") {
      if (current.mail === null) return this.#send("503 5.5.1 Need MAIL");
      if (await this.#play("rcpt", line, "250 2.1.5 Ok")) current.rcpts.push(line);
    } else if (verb === "DATA") {
      const standard = current.rcpts.length > 0 ? "354 Go on" : "554 5.5.1 No valid recipients";
      this.#inData = await this.#play("data", line, standard);
      current.inData = this.#inData;
      this.#bodySize = 0;
      this.#tail = Buffer.from("\r\n");
    } else {
      this.#send("502 5.5.2 Unknown command");
    }
  }

  async #body(): Promise<boolean> {
    const current = this.#transaction();
    const input = this.#input;
    // The five octets that end it may be split over reads, and the first two of them may be DATA's own line end.
    const window = Buffer.concat([this.#tail, input]);
    const end = window.indexOf("\r\n.\r\n");
    current.raw.push(input);
    this.#bodySize += input.length;
    if (end === -1) {
      this.#tail = window.subarray(-4);
      this.#input = Buffer.alloc(0);
      const limit = this.#state.options.stopReadingAfter;
      if (limit !== undefined && this.#bodySize > limit) this.#socket.pause();
      return false;
    }
    this.#input = window.subarray(end + 5);
    const size = Math.max(0, this.#bodySize - (window.length - (end + 2)));
    const text = Buffer.concat(current.raw).subarray(0, size);
    current.raw.splice(0, Infinity, text);
    current.body = unstuff(text);
    current.inData = false;
    current.complete = true;
    this.#state.changed();
    this.#inData = false;
    this.#current = null;
    const asked = this.#state.options.protocol === "lmtp" ? current.rcpts : [""];
    let accepted = true;
    for (const rcpt of asked) {
      const standard = `250 2.0.0 Ok: queued as 4ABC${this.#state.transactions.length}`;
      if (!(await this.#play("dot", rcpt, standard, current))) accepted = false;
    }
    current.accepted = accepted;
    return true;
  }

  #transaction(): Received {
    if (this.#current !== null) return this.#current;
    this.#current = {
      connection: this.#number,
      commands: [],
      xforward: new Map(),
      mail: null,
      rcpts: [],
      body: Buffer.alloc(0),
      raw: [],
      inData: false,
      complete: false,
      accepted: false,
    };
    this.#state.transactions.push(this.#current);
    return this.#current;
  }

  /** Plays the script's answer; true when it was positive (2xx or 354). */
  async #play(
    where: "greeting" | "helo" | "xforward" | "mail" | "rcpt" | "data" | "dot" | "rset",
    line: string,
    standard: string,
    transaction: Received | null = this.#current,
  ): Promise<boolean> {
    const script = this.#state.options[where];
    const answer =
      script === undefined
        ? standard
        : typeof script === "function"
          ? await script(line, transaction ?? this.#transaction())
          : script;
    if (answer === null) {
      this.#hung = true;
      this.#state.changed();
      return false;
    }
    if (typeof answer === "string") {
      this.#send(answer);
      return /^(?:2|354)/.test(answer);
    }
    this.#hung = answer.close;
    if (answer.close) this.#socket.end(answer.raw);
    else this.#socket.write(answer.raw);
    return false;
  }

  #send(reply: string): void {
    if (this.#socket.writable) this.#socket.write(`${reply}\r\n`);
  }
}

function unstuff(text: Buffer): Buffer {
  return Buffer.from(text.toString("latin1").replace(/(^|\r\n)\./g, "$1"), "latin1");
}
