// One dialogue on the server's side (RFC 5321, 2033, 2034, 3461, 6531, Postfix's XFORWARD_README): commands in, replies
// out, one transaction at a time. Knows no sockets: smtp-connection.ts feeds it whole lines and the octets of DATA, in order and one
// after the other. What a recipient or a message is worth is asked of the SmtpHandler.
import { parsePath } from "../mail/address.ts";
import type { Transaction } from "../mail/message.ts";
import { ok, reject, tempfail, wireReply, type Reply } from "../mail/reply.ts";
import { readXforward, XFORWARD_NAMES } from "../mail/xforward.ts";
import { incoming, type Incoming } from "./smtp-data.ts";
import { mailParameterFault, rcptParameterFault } from "./smtp-parameters.ts";
import type { SmtpOptions } from "./smtp.ts";

/** What the session does to its line. */
export interface Line {
  /** Sends text that ends in CRLF, together with what else is due. */
  say(text: string): void;
  /** Sends what is due and closes; no further command is read. */
  hangUp(): void;
}

export interface Peer {
  /** IP address, "" on a unix socket. */
  readonly address: string;
  readonly port: number;
}

/** Recipients are added while the transaction grows; everybody else sees it readonly. */
type Growing = Transaction & { readonly recipients: Transaction["recipients"][number][] };

export const STOPPING: Reply = tempfail(421, "4.3.2", "Service shutting down, try again later");
const INTERNAL = tempfail(451, "4.3.0", "Internal error, try again later");
const NO_TRANSACTION = reject(503, "5.5.1", "Send MAIL first");
const NOT_KNOWN = "500 5.5.1 Command not recognised\r\n";
const NOT_OFFERED = "502 5.5.1 Command not implemented\r\n";
const GO_AHEAD = "354 End data with <CR><LF>.<CR><LF>\r\n";
const SENDER_OK = wireReply(ok("Sender ok", "2.1.0"));
const RESET = wireReply(ok("Reset"));
/** Commands of RFC 5321 and its extensions that are not offered here. */
const OTHER_COMMANDS = new Set([
  "AUTH",
  "STARTTLS",
  "EXPN",
  "ETRN",
  "TURN",
  "ATRN",
  "SEND",
  "SOML",
  "SAML",
  "XCLIENT",
]);
/** A web page can make a browser speak to us: nothing behind such a line is a command (as in Postfix, Haraka). */
const HTTP_COMMANDS = new Set([
  "CONNECT",
  "DELETE",
  "GET",
  "HEAD",
  "OPTIONS",
  "POST",
  "PUT",
  "TRACE",
]);
const MAX_GREETING = 255;

export class Session {
  readonly #options: SmtpOptions;
  readonly #peer: Peer;
  readonly #line: Line;
  readonly #stopping: (begun: boolean) => boolean;
  #protocol: Transaction["protocol"] | null = null;
  #greeting = "";
  #xforward = new Map<string, string>();
  /** The next XFORWARD starts afresh: a transaction was begun since the last. */
  #xforwardUsed = false;
  #transaction: Growing | null = null;
  #data: Incoming | null = null;
  #begun = false;
  #errors = 0;

  /** `stopping` says whether the listener stops, to a session that has begun a transaction or not. */
  constructor(options: SmtpOptions, peer: Peer, line: Line, stopping: (begun: boolean) => boolean) {
    this.#options = options;
    this.#peer = peer;
    this.#line = line;
    this.#stopping = stopping;
  }

  /** True between 354 and the end of data: octets go to receive(), not to command(). */
  get receiving(): boolean {
    return this.#data !== null;
  }

  /** True while no MAIL is under way. */
  get idle(): boolean {
    return this.#transaction === null;
  }

  /** True when no further transaction will be begun here. */
  get stopping(): boolean {
    return this.#stopping(this.#begun);
  }

  /** Opens the dialogue. */
  greet(): void {
    const { hostname, protocol } = this.#options;
    this.#line.say(`220 ${hostname} ${protocol === "lmtp" ? "LMTP" : "ESMTP"} postern\r\n`);
  }

  /** Answers one command line without its line end. A promise when the answer must be waited for; never rejects. */
  command(line: string): Promise<void> | void {
    const blank = line.indexOf(" ");
    const verb = (blank < 0 ? line : line.slice(0, blank)).toUpperCase();
    const argument = blank < 0 ? "" : trimmed(line, blank + 1);
    if (this.stopping && verb !== "QUIT" && (this.#transaction === null || verb === "RSET")) {
      return this.#reply(STOPPING);
    }
    if (/[\x00-\x08\x0b-\x1f\x7f]/.test(line)) {
      return this.#fault(reject(500, "5.5.2", "Control character in command"));
    }
    switch (verb) {
      case "MAIL":
        return this.#mail(argument);
      case "RCPT":
        return this.#rcpt(argument);
      case "DATA":
        return this.#beginData(argument);
      case "EHLO":
      case "HELO":
      case "LHLO":
        return this.#hello(verb, argument);
      case "XFORWARD":
        return this.#readXforward(argument);
      default:
        return this.#small(verb);
    }
  }

  /** Answers a line that is no command; text that is not Unicode gets the status of the command it would have been. */
  refuse(kind: "too-long" | "bare-lf" | "not-unicode", line: string): void {
    if (kind === "too-long") return this.#fault(reject(500, "5.5.2", "Command line too long"));
    if (kind === "bare-lf") return this.#fault(reject(500, "5.5.2", "Bare <LF> in command"));
    const status = /^MAIL /i.test(line) ? "5.1.7" : /^RCPT /i.test(line) ? "5.1.3" : "5.5.2";
    this.#fault(reject(501, status, "Not valid UTF-8"));
  }

  /**
   * Takes octets of DATA. Resolves to the index behind the end of data, or -1 when all were taken and more must come;
   * a promise when the spool needs time.
   */
  receive(chunk: Buffer): number | Promise<number> {
    if (this.#data === null) return 0;
    if (Date.now() < this.#data.deadline) return this.#data.take(chunk);
    this.#reply(tempfail(421, "4.4.2", "Message took too long, try again later"));
    return -1;
  }

  /** The data is complete: asks for the verdict and sends the reply or replies. Never rejects. */
  async judge(gone: AbortSignal): Promise<void> {
    const transaction = this.#transaction;
    const data = this.#data;
    if (transaction === null || data === null) return;
    const due = transaction.protocol === "LMTP" ? transaction.recipients.length : 1;
    let replies: readonly Reply[] = [];
    let refusal = data.refusal();
    if (refusal === null) {
      try {
        const spool = await data.finish();
        replies = await this.#options.handler.message(transaction, spool, gone, data.faults);
        if (replies.length !== due)
          throw new Error(`${replies.length} replies where ${due} are due`);
      } catch (error) {
        this.#options.onError(error);
        refusal = data.refusal() ?? INTERNAL;
      }
    }
    if (refusal !== null) replies = new Array<Reply>(due).fill(refusal);
    for (const reply of replies) this.#line.say(wireReply(reply));
    const closing = replies.some((reply) => reply.code === 421);
    this.#errors = 0;
    this.#end();
    if (closing) this.#line.hangUp();
    else if (this.stopping) this.#reply(STOPPING);
  }

  /** The line is gone or no longer read: frees what the transaction holds. Again is harmless. */
  abandon(): void {
    this.#end();
  }

  #end(): void {
    this.#data?.dispose();
    this.#data = null;
    const transaction = this.#transaction;
    this.#transaction = null;
    this.#xforward = new Map();
    this.#xforwardUsed = false;
    if (transaction === null) return;
    try {
      this.#options.handler.end?.(transaction);
    } catch (error) {
      this.#options.onError(error);
    }
  }

  #reply(reply: Reply): void {
    this.#line.say(wireReply(reply));
    if (reply.code === 421) this.#line.hangUp();
  }

  /** A reply to what no MTA would send; too many of them end the session. */
  #fault(reply: Reply): void {
    if (++this.#errors >= this.#options.maxErrors) {
      return this.#reply(tempfail(421, "4.7.0", "Too many errors"));
    }
    return this.#reply(reply);
  }

  async #ask(question: () => Reply | null | Promise<Reply | null>): Promise<Reply | null> {
    try {
      return await question();
    } catch (error) {
      this.#options.onError(error);
      return INTERNAL;
    }
  }

  #small(verb: string): void {
    switch (verb) {
      case "RSET":
        this.#end();
        return this.#line.say(RESET);
      case "NOOP":
        return this.#line.say("250 2.0.0 OK\r\n");
      case "VRFY":
        return this.#line.say("252 2.0.0 Send a message to find out\r\n");
      case "HELP":
        return this.#line.say("214 2.0.0 See RFC 5321\r\n");
      case "QUIT":
        this.#line.say("221 2.0.0 Bye\r\n");
        return this.#line.hangUp();
      case "BDAT":
        // What follows is a chunk of message: read as commands it could say anything.
        this.#line.say(NOT_OFFERED);
        return this.#line.hangUp();
      default:
    }
    if (HTTP_COMMANDS.has(verb))
      return this.#reply(tempfail(421, "4.7.0", "This is not a web server"));
    if (++this.#errors >= this.#options.maxErrors) {
      return this.#reply(tempfail(421, "4.7.0", "Too many errors"));
    }
    return this.#line.say(OTHER_COMMANDS.has(verb) ? NOT_OFFERED : NOT_KNOWN);
  }

  #hello(verb: "EHLO" | "HELO" | "LHLO", argument: string): void {
    const { hostname, protocol } = this.#options;
    if (protocol === "lmtp" && verb !== "LHLO") {
      return this.#fault(reject(500, "5.5.1", "This is LMTP: send LHLO"));
    }
    const greeting = argument.split(" ", 1)[0] ?? "";
    if (greeting === "" || greeting.length > MAX_GREETING) {
      return this.#fault(reject(501, "5.5.4", `Syntax: ${verb} hostname`));
    }
    this.#end();
    this.#greeting = greeting;
    this.#protocol = verb === "HELO" ? "SMTP" : verb === "EHLO" ? "ESMTP" : "LMTP";
    const lines = verb === "HELO" ? [hostname] : [hostname, ...this.#extensions()];
    lines.forEach((line, i) =>
      this.#line.say(`250${i === lines.length - 1 ? " " : "-"}${line}\r\n`),
    );
  }

  #extensions(): string[] {
    const { maxBytes, dsn } = this.#options;
    return [
      "PIPELINING",
      maxBytes > 0 ? `SIZE ${maxBytes}` : "SIZE",
      "8BITMIME",
      "SMTPUTF8",
      "ENHANCEDSTATUSCODES",
      ...(dsn ? ["DSN"] : []),
      `XFORWARD ${XFORWARD_NAMES.join(" ")}`,
    ];
  }

  #readXforward(argument: string): void {
    if (this.#transaction !== null)
      return this.#fault(reject(503, "5.5.1", "Mail transaction in progress"));
    if (this.#xforwardUsed) this.#xforward = new Map();
    this.#xforwardUsed = false;
    if (!readXforward(argument, this.#xforward)) {
      return this.#fault(reject(501, "5.5.4", "Bad XFORWARD attribute"));
    }
    return this.#line.say("250 2.0.0 Ok\r\n");
  }

  async #mail(argument: string): Promise<void> {
    const protocol = this.#protocol;
    if (protocol === null) return this.#fault(reject(503, "5.5.1", "Send EHLO or LHLO first"));
    if (this.#transaction !== null) return this.#fault(reject(503, "5.5.1", "Nested MAIL command"));
    const path = /^FROM:/i.test(argument) ? parsePath(argument.slice(5)) : null;
    if (path === null) return this.#fault(reject(501, "5.1.7", "Syntax: MAIL FROM:<address>"));
    const fault = mailParameterFault(path.params, this.#options);
    if (fault !== null) return this.#fault(fault);
    const transaction: Growing = {
      listener: this.#options.name,
      peer: this.#peer.address,
      peerPort: this.#peer.port,
      greeting: this.#greeting,
      protocol,
      xforward: this.#xforward,
      sender: path.address,
      senderParams: path.params,
      recipients: [],
      startedAt: new Date(),
    };
    this.#xforwardUsed = true;
    const reply = await this.#ask(() => this.#options.handler.mail(transaction));
    if (reply !== null && reply.kind !== "ok") return this.#reply(reply);
    this.#transaction = transaction;
    this.#begun = true;
    this.#line.say(reply === null ? SENDER_OK : wireReply(reply));
  }

  async #rcpt(argument: string): Promise<void> {
    const transaction = this.#transaction;
    if (transaction === null) return this.#fault(NO_TRANSACTION);
    const path = /^TO:/i.test(argument) ? parsePath(argument.slice(3)) : null;
    if (path === null || path.address === null) {
      return this.#fault(reject(501, "5.1.3", "Syntax: RCPT TO:<address>"));
    }
    const fault = rcptParameterFault(path.params, this.#options);
    if (fault !== null) return this.#fault(fault);
    if (transaction.recipients.length >= this.#options.maxRecipients) {
      return this.#reply(tempfail(452, "4.5.3", "Too many recipients"));
    }
    const recipient = { address: path.address, params: path.params };
    const reply =
      (await this.#ask(() => this.#options.handler.rcpt(transaction, recipient))) ?? INTERNAL;
    if (reply.kind === "ok") transaction.recipients.push(recipient);
    this.#reply(reply);
  }

  async #beginData(argument: string): Promise<void> {
    const transaction = this.#transaction;
    if (transaction === null) return this.#fault(NO_TRANSACTION);
    if (argument !== "") return this.#fault(reject(501, "5.5.4", "Syntax: DATA"));
    if (transaction.recipients.length === 0) {
      const lmtp = transaction.protocol === "LMTP";
      return this.#reply(reject(lmtp ? 503 : 554, "5.5.1", "No valid recipients"));
    }
    const { handler } = this.#options;
    const refusal = await this.#ask(() => handler.data?.(transaction) ?? null);
    if (refusal !== null && refusal.kind !== "ok") {
      this.#end();
      return this.#reply(refusal);
    }
    const grew = (octets: number): boolean => handler.grew?.(transaction, octets) ?? true;
    this.#data = incoming(this.#options, grew, handler.open?.(transaction));
    this.#line.say(GO_AHEAD);
  }
}

/** `text` from `start` on without blanks and tabs at its ends. */
function trimmed(text: string, start: number): string {
  let from = start;
  let to = text.length;
  while (from < to && isBlank(text[from])) from++;
  while (to > from && isBlank(text[to - 1])) to--;
  return text.slice(from, to);
}

function isBlank(char: string | undefined): boolean {
  return char === " " || char === "\t";
}
