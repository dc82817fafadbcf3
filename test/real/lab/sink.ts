// The next hop of the real suites: speaks SMTP and LMTP, keeps each message as the exact bytes between DATA and the dot
// (dot-stuffing undone, CRLF of the last line kept) with its envelope and XFORWARD attributes, and answers what a test says.
import { createServer, type Server, type Socket } from "node:net";
import { until, type Peer } from "./lab.ts";

export interface Caught {
  /** Without angle brackets; "" is the null sender. */
  readonly from: string;
  readonly mailParams: string;
  readonly to: readonly string[];
  readonly rcptParams: readonly string[];
  readonly xforward: Readonly<Record<string, string>>;
  readonly helo: string;
  readonly data: Buffer;
}

export interface SinkAnswers {
  /** A reply line other than 250 for a recipient, e.g. "450 4.2.0 busy"; undefined accepts. */
  rcpt?(address: string): string | undefined;
  /** The same for the final dot; over LMTP asked for each recipient. May take its time. */
  data?(message: Caught, recipient: string): string | undefined | Promise<string | undefined>;
}

export interface Sink extends Peer {
  readonly port: number;
  /** All messages so far, in the order of their dots; refused ones are not in it. */
  readonly caught: readonly Caught[];
  readonly answers: SinkAnswers;
  /** The first message whose bytes contain `text` (latin1); throws after `timeoutMs`. */
  find(text: string, timeoutMs?: number): Promise<Caught>;
  forget(): void;
}

/** Starts a sink on 127.0.0.1 (port 0 takes a free one) or on a unix socket, which anybody may then use. */
export async function sink(where: number | string = 0, answers: SinkAnswers = {}): Promise<Sink> {
  const caught: Caught[] = [];
  const sockets = new Set<Socket>();
  const server: Server = createServer({ allowHalfOpen: true }, (socket) => {
    sockets.add(socket);
    socket.setNoDelay(true);
    socket.on("close", () => sockets.delete(socket));
    socket.on("error", () => socket.destroy());
    converse(socket, answers, (message) => caught.push(message));
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    if (typeof where === "string")
      server.listen({ path: where, readableAll: true, writableAll: true }, resolve);
    else server.listen(where, "127.0.0.1", resolve);
  });
  const address = server.address();
  return {
    port: address === null || typeof address === "string" ? 0 : address.port,
    caught,
    answers,
    find: (text, timeoutMs = 30_000) =>
      until(
        `a message with ${JSON.stringify(text)}`,
        () => caught.find((message) => message.data.includes(text, 0, "latin1")),
        timeoutMs,
      ),
    forget: () => void caught.splice(0),
    async stop() {
      for (const socket of sockets) socket.destroy();
      await new Promise<void>((resolve) => server.close(() => resolve()));
    },
  };
}

interface Transaction {
  from: string | null;
  mailParams: string;
  to: string[];
  rcptParams: string[];
}

const fresh = (): Transaction => ({ from: null, mailParams: "", to: [], rcptParams: [] });

function converse(socket: Socket, answers: SinkAnswers, keep: (message: Caught) => void): void {
  const waiting: Buffer[] = [];
  let mode: "command" | "data" = "command";
  let lmtp = false;
  let helo = "";
  let xforward: Record<string, string> = {};
  let now = fresh();
  const say = (line: string) => void (socket.destroyed || socket.write(`${line}\r\n`, "latin1"));

  const finish = async (data: Buffer) => {
    const message: Caught = { ...now, from: now.from ?? "", xforward, helo, data };
    const replies: (string | undefined)[] = [];
    for (const to of lmtp ? now.to : now.to.slice(0, 1))
      replies.push(await answers.data?.(message, to));
    const to = lmtp ? now.to.filter((_, index) => replies[index] === undefined) : now.to;
    if (to.length > 0 && (lmtp || replies[0] === undefined)) keep({ ...message, to });
    for (const reply of replies) say(reply ?? "250 2.0.0 Ok: queued as SINK");
    now = fresh();
    xforward = {};
    mode = "command";
  };

  const command = (line: string) => {
    const verb = line.slice(0, 8).toUpperCase();
    if (verb.startsWith("EHLO") || verb.startsWith("LHLO")) {
      lmtp = verb.startsWith("L");
      helo = line.slice(5);
      const names = [
        "sink",
        "PIPELINING",
        "SIZE",
        "8BITMIME",
        "SMTPUTF8",
        "DSN",
        "ENHANCEDSTATUSCODES",
      ];
      names.push("XFORWARD NAME ADDR PORT PROTO HELO IDENT SOURCE");
      say(
        names
          .map((name, index) => `250${index === names.length - 1 ? " " : "-"}${name}`)
          .join("\r\n"),
      );
    } else if (verb.startsWith("HELO")) {
      helo = line.slice(5);
      say("250 sink");
    } else if (verb === "XFORWARD") {
      for (const pair of line.slice(9).split(" ")) {
        const [name = "", ...value] = pair.split("=");
        xforward[name.toUpperCase()] = value.join("=");
      }
      say("250 2.0.0 Ok");
    } else if (verb === "MAIL FRO") {
      const match = /^MAIL FROM:\s*<([^>]*)>\s*(.*)$/i.exec(line);
      now = { ...fresh(), from: match?.[1] ?? "", mailParams: match?.[2] ?? "" };
      say("250 2.1.0 Ok");
    } else if (verb.startsWith("RCPT TO")) {
      const match = /^RCPT TO:\s*<([^>]*)>\s*(.*)$/i.exec(line);
      const address = match?.[1] ?? "";
      const reply = answers.rcpt?.(address);
      if (reply === undefined) {
        now.to.push(address);
        now.rcptParams.push(match?.[2] ?? "");
      }
      say(reply ?? "250 2.1.5 Ok");
    } else if (verb === "DATA") {
      if (now.to.length === 0) return say("554 5.5.1 No valid recipients");
      mode = "data";
      say("354 End data with <CR><LF>.<CR><LF>");
    } else if (verb === "RSET") {
      now = fresh();
      xforward = {};
      say("250 2.0.0 Ok");
    } else if (verb === "QUIT") {
      say("221 2.0.0 Bye");
      socket.end();
    } else say(verb === "NOOP" ? "250 2.0.0 Ok" : "502 5.5.2 Unknown command");
  };

  const work = async () => {
    let buffer = Buffer.concat(waiting.splice(0));
    for (;;) {
      const end = mode === "data" ? endOfData(buffer) : buffer.indexOf("\r\n");
      if (end === -1) {
        if (waiting.length === 0) break;
        buffer = Buffer.concat([buffer, ...waiting.splice(0)]); // came while an answer was awaited
        continue;
      }
      if (mode === "data") {
        await finish(unstuffed(buffer.subarray(0, end)));
        buffer = buffer.subarray(end + 3);
      } else {
        const line = buffer.toString("latin1", 0, end);
        buffer = buffer.subarray(end + 2);
        command(line);
      }
    }
    waiting.unshift(buffer);
  };
  let working = false;
  socket.on("data", (piece: Buffer) => {
    waiting.push(piece);
    // Joining at every piece would cost the square of a large message: in DATA only the end is looked at.
    if (working || (mode === "data" && !endsData(waiting))) return;
    working = true;
    void work().finally(() => {
      working = false;
      if (socket.readableEnded) socket.end();
    });
  });
  // QUIRK: Exim sends dot, QUIT and FIN together and then waits for the reply: a closed half is no closed connection.
  socket.on("end", () => {
    if (!working) socket.end();
  });
  say("220 sink ESMTP");
}

/** Whether the last bytes can hold the final dot; a false alarm only costs a join. */
function endsData(pieces: readonly Buffer[]): boolean {
  const tail = Buffer.concat(pieces.slice(-6)).subarray(-8192);
  return tail.includes("\r\n.\r\n") || tail.subarray(0, 3).equals(Buffer.from(".\r\n"));
}

/** Where the line "." starts, or -1. The CRLF in front of it belongs to the message. */
function endOfData(buffer: Buffer): number {
  if (buffer.subarray(0, 3).equals(Buffer.from(".\r\n"))) return 0;
  const at = buffer.indexOf("\r\n.\r\n");
  return at === -1 ? -1 : at + 2;
}

function unstuffed(data: Buffer): Buffer {
  return Buffer.from(data.toString("latin1").replace(/(^|\r\n)\./g, "$1"), "latin1");
}
