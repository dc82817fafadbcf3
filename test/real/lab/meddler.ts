// Stands between postern and a real service and hands octets through, until a test wants the service to talk nonsense, to break
// off in the middle of its answer, or to swallow everything.
import { connect, createServer, type AddressInfo, type Socket } from "node:net";
import type { Peer } from "./lab.ts";

export type Meddling = "through" | "garbage" | "cut" | "swallow";

export interface Meddler extends Peer {
  readonly port: number;
  /** For connections from now on. */
  meddle: Meddling;
}

/** Listens on 127.0.0.1 in front of the service at `behind`. */
export async function meddler(
  behind: { path: string } | { host: string; port: number },
): Promise<Meddler> {
  const sockets = new Set<Socket>();
  const keep = (socket: Socket): Socket => {
    sockets.add(socket);
    return socket.on("error", () => undefined).on("close", () => sockets.delete(socket));
  };
  const server = createServer((socket) => {
    keep(socket);
    if (peer.meddle === "swallow") socket.resume();
    else if (peer.meddle === "garbage") {
      socket.on("data", () => socket.end("SPAMD/9 yes\x00\x1b[2J garbage\r\n\r\n"));
    } else between(socket, keep(connect(behind as { path: string })), peer.meddle === "cut");
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const peer: Meddler = {
    port: (server.address() as AddressInfo).port,
    meddle: "through",
    async stop() {
      for (const socket of sockets) socket.destroy();
      await new Promise<void>((resolve) => server.close(() => resolve()));
    },
  };
  return peer;
}

function between(client: Socket, service: Socket, cut: boolean): void {
  client.on("data", (piece) => service.write(piece));
  client.on("close", () => service.destroy());
  service.on("close", () => client.destroy());
  service.on("data", (piece: Buffer) => {
    if (cut) client.end(piece.subarray(0, Math.floor(piece.length / 2)));
    else client.write(piece);
  });
}
