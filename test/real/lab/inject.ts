// Sends exact bytes to a server over SMTP or LMTP, one command at a time, and keeps every reply: what swaks does for an
// operator, without swaks' changes to the message. Used for mail into the MTAs and straight into postern.
import { connect, type Socket } from "node:net";

export interface Injection {
  readonly port?: number;
  /** Unix socket instead of a port. */
  readonly path?: string;
  /** A loopback address to connect from: how a test pretends another client to an MTA without XCLIENT. */
  readonly localAddress?: string;
  readonly from: string;
  readonly to: readonly string[];
  readonly data: Buffer;
  readonly helo?: string;
  readonly lmtp?: boolean;
  /** Attributes of an XCLIENT command, e.g. { ADDR: "192.0.2.7", NAME: "mx.remote.test" }. */
  readonly xclient?: Readonly<Record<string, string>>;
  readonly xforward?: Readonly<Record<string, string>>;
  /** User and password for AUTH PLAIN. */
  readonly auth?: readonly [user: string, password: string];
  readonly mailParams?: string;
  readonly timeoutMs?: number;
}

export interface Injected {
  /** The first refusal, else the reply to the dot (over LMTP the first one): what a client would show. */
  readonly reply: string;
  readonly rcpt: readonly string[];
  /** Replies to the dot: one, over LMTP one per accepted recipient; empty when it did not come so far. */
  readonly data: readonly string[];
}

/** Sends one message. Throws when the connection fails or a reply takes longer than `timeoutMs` (60 s). */
export async function inject(message: Injection): Promise<Injected> {
  const wire = await open(message);
  try {
    return await talk(wire, message);
  } finally {
    wire.socket.destroy();
  }
}

interface Wire {
  readonly socket: Socket;
  read(): Promise<string>;
  ask(line: string): Promise<string>;
}

const is2xx = (reply: string) => reply.startsWith("2");

async function talk(wire: Wire, message: Injection): Promise<Injected> {
  const refused = (reply: string): Injected => ({ reply, rcpt: [], data: [] });
  const hello = `${message.lmtp === true ? "LHLO" : "EHLO"} ${message.helo ?? "client.example.org"}`;
  const greeting = await wire.read();
  if (!is2xx(greeting)) return refused(greeting);
  let reply = await wire.ask(hello);
  if (!is2xx(reply)) return refused(reply);
  for (const [verb, attributes] of [
    ["XCLIENT", message.xclient],
    ["XFORWARD", message.xforward],
  ] as const) {
    if (attributes === undefined) continue;
    const pairs = Object.entries(attributes).map(([name, value]) => `${name}=${value}`);
    reply = await wire.ask(`${verb} ${pairs.join(" ")}`);
    if (is2xx(reply) && verb === "XCLIENT") reply = await wire.ask(hello);
    if (!is2xx(reply)) return refused(reply);
  }
  if (message.auth !== undefined) {
    const [user, password] = message.auth;
    reply = await wire.ask(
      `AUTH PLAIN ${Buffer.from(`\0${user}\0${password}`).toString("base64")}`,
    );
    if (!is2xx(reply)) return refused(reply);
  }
  reply = await wire.ask(
    `MAIL FROM:<${message.from}>${message.mailParams === undefined ? "" : ` ${message.mailParams}`}`,
  );
  if (!is2xx(reply)) return refused(reply);
  const rcpt: string[] = [];
  for (const to of message.to) rcpt.push(await wire.ask(`RCPT TO:<${to}>`));
  const accepted = rcpt.filter(is2xx).length;
  if (accepted === 0) return { reply: rcpt[0] ?? "no recipient", rcpt, data: [] };
  reply = await wire.ask("DATA");
  if (!reply.startsWith("354")) return { reply, rcpt, data: [] };
  wire.socket.write(stuffed(message.data));
  const data: string[] = [];
  for (let left = message.lmtp === true ? accepted : 1; left > 0; left--)
    data.push(await wire.read());
  await wire.ask("QUIT").catch(() => "");
  return { reply: data.find((line) => !is2xx(line)) ?? data[0] ?? "", rcpt, data };
}

/** The message as it goes over the wire, with the final dot; a last line without CRLF gets one. */
function stuffed(data: Buffer): Buffer {
  const text = data.toString("latin1").replace(/(^|\r\n)\./g, "$1..");
  return Buffer.from(`${text}${text.endsWith("\r\n") ? "" : "\r\n"}.\r\n`, "latin1");
}

function open(message: Injection): Promise<Wire> {
  const timeoutMs = message.timeoutMs ?? 60_000;
  const socket =
    message.path === undefined
      ? connect({ host: "127.0.0.1", port: message.port ?? 25, localAddress: message.localAddress })
      : connect({ path: message.path });
  let text = "";
  let failure: Error | null = null;
  let wake: () => void = () => undefined;
  socket.setNoDelay(true);
  socket.setTimeout(timeoutMs, () => socket.destroy(new Error(`no reply within ${timeoutMs} ms`)));
  socket.on("data", (piece: Buffer) => {
    text += piece.toString("latin1");
    wake();
  });
  socket.on("error", (error) => {
    failure = error;
  });
  socket.on("close", () => {
    failure ??= new Error("the server closed the connection");
    wake();
  });
  const read = async (): Promise<string> => {
    for (;;) {
      const match = /^(?:\d{3}-[^\r\n]*\r?\n)*\d{3}(?: [^\r\n]*)?\r?\n/.exec(text);
      if (match !== null) {
        text = text.slice(match[0].length);
        return match[0].trimEnd();
      }
      if (failure !== null) throw failure;
      await new Promise<void>((resolve) => (wake = resolve));
    }
  };
  const ask = (line: string) => {
    socket.write(`${line}\r\n`, "latin1");
    return read();
  };
  return new Promise((resolve, reject) => {
    socket.once("error", reject);
    socket.once("connect", () => resolve({ socket, read, ask }));
  });
}
