// One SMTP session by hand, for suites that count what sessions are told and when: connect, ask, send a message. Over TCP or a unix
// socket.
import { connect, type NetConnectOpts } from "node:net";

export interface Session {
  /** The next reply, its last line; "" when the connection has ended. */
  reply(): Promise<string>;
  /** Sends a command and resolves to its reply. */
  ask(command: string): Promise<string>;
  send(octets: string): void;
  close(): void;
}

/** Connects; resolves to the session and its greeting. Rejects when the connection is refused. */
export async function session(to: NetConnectOpts): Promise<Session & { greeting: string }> {
  const socket = connect(to);
  let text = "";
  let ended = false;
  let wake: () => void = () => undefined;
  socket.on("data", (piece: Buffer) => {
    text += piece.toString("latin1");
    wake();
  });
  socket.on("close", () => {
    ended = true;
    wake();
  });
  await new Promise<void>((resolve, reject) => {
    socket.once("error", reject);
    socket.once("connect", () => {
      socket.off("error", reject);
      socket.on("error", () => socket.destroy());
      resolve();
    });
  });
  const reply = async (): Promise<string> => {
    for (;;) {
      const match = /^(?:\d{3}-[^\r\n]*\r\n)*(\d{3}(?: [^\r\n]*)?)\r\n/.exec(text);
      if (match?.[1] !== undefined) {
        text = text.slice(match[0].length);
        return match[1];
      }
      if (ended) return "";
      await new Promise<void>((resolve) => (wake = resolve));
    }
  };
  const send = (octets: string): void => void (socket.destroyed || socket.write(octets, "latin1"));
  const ask = (command: string): Promise<string> => {
    send(`${command}\r\n`);
    return reply();
  };
  return { greeting: await reply(), reply, ask, send, close: () => socket.destroy() };
}

/** One transaction up to the reply to its dot; the first reply that refuses ends it and is the result. */
export async function transaction(one: Session, to: string, message: string): Promise<string> {
  for (const command of ["MAIL FROM:<ann@sender.example>", `RCPT TO:<${to}>`]) {
    const reply = await one.ask(command);
    if (!reply.startsWith("2")) return reply;
  }
  const go = await one.ask("DATA");
  if (!go.startsWith("354")) return go;
  one.send(`${message.replaceAll(/\r?\n/g, "\r\n")}\r\n.\r\n`);
  return one.reply();
}
