// One word to a clamd and its answer: zPING, zVERSION. On a connection of its own, over TCP and unix sockets. Called by the watch
// over the endpoints (clamd-watch.ts) and by `postern doctor`.
import { connect } from "node:net";
import type { Endpoint } from "./endpoint.ts";
import { MAX_REPLY, parseVersion, type ClamdVersion } from "./clamd-reply.ts";

/** True when it is up and serves: PONG within `ms`. Never rejects. */
export async function answersPing(at: Endpoint["at"], ms: number): Promise<boolean> {
  const reply = await ask(at, "zPING\0", ms);
  return Buffer.isBuffer(reply) && reply.toString("latin1") === "PONG\0";
}

/** Its version, or in words why there is none. Never rejects; ends within `ms`. */
export async function askVersion(at: Endpoint["at"], ms: number): Promise<ClamdVersion | string> {
  const reply = await ask(at, "zVERSION\0", ms);
  if (!Buffer.isBuffer(reply)) return reply;
  return parseVersion(reply) ?? "its reply to VERSION is none of clamd's";
}

/** All that came until the server closed, or in words why nothing did. */
function ask(at: Endpoint["at"], command: string, ms: number): Promise<Buffer | string> {
  return new Promise((resolve) => {
    const socket = connect(at);
    const heard: Buffer[] = [];
    let octets = 0;
    const done = (result: Buffer | string): void => {
      clearTimeout(timer);
      socket.removeAllListeners().on("error", () => undefined);
      socket.destroy();
      resolve(result);
    };
    const timer = setTimeout(() => done(`no answer within ${ms} ms`), ms);
    socket.on("connect", () => socket.write(command));
    socket.on("error", (error: NodeJS.ErrnoException) => done(error.code ?? error.message));
    socket.on("end", () => done(octets === 0 ? "closed without an answer" : Buffer.concat(heard)));
    socket.on("data", (piece: Buffer) => {
      heard.push(piece);
      octets += piece.length;
      if (octets > MAX_REPLY) done("its answer has no end");
      else if (piece.at(-1) === 0) done(Buffer.concat(heard));
    });
  });
}
