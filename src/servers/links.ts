// The HTTP listener of release links: GET /release/TOKEN shows a page, POST releases; nothing else is here. No request body is
// looked at. Runs in the workers, perhaps behind a reverse proxy that adds TLS.
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { isIP, type AddressInfo } from "node:net";
import type { LinkedRelease } from "../engine/linked-release.ts";
import type { Listener } from "./listener.ts";
import { pageOf, plainPage, type HtmlPage } from "./links-page.ts";

export interface LinksOptions {
  readonly links: LinkedRelease;
  /** Whom to ask, on pages. */
  readonly postmaster: string;
  /** Which TCP peers may connect, by IP address (IPv4-mapped as IPv4). Unix sockets are not asked. */
  readonly allow: (peer: string) => boolean;
  /** Requests a minute of one client. */
  readonly perMinute: number;
  readonly onRequest: (result: string) => void;
  readonly onError: (error: unknown) => void;
  /** Milliseconds; for tests. */
  readonly clock?: () => number;
}

const MAX_CONNECTIONS = 200;
const TOKEN = /\/release\/([A-Za-z0-9._-]{1,1000})$/;
const MAX_CLIENTS = 10_000;
const MINUTE_MS = 60_000;

/** A page may load nothing, run nothing, be framed by nobody; its address (the link) is told to nobody and stored nowhere. */
const HEADERS = {
  "Content-Type": "text/html; charset=utf-8",
  "Content-Security-Policy":
    "default-src 'none'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
  "X-Content-Type-Options": "nosniff",
  "X-Frame-Options": "DENY",
  "Referrer-Policy": "no-referrer",
  "Cache-Control": "no-store",
  "X-Robots-Tag": "noindex, nofollow",
} as const;

/** The listener, not yet listening. Requests over 8 KiB of header or slower than 10 s are cut off by node:http. */
export function linksServer(options: LinksOptions): Listener {
  const rate = requestRate(options.perMinute, options.clock ?? (() => performance.now()));
  const server = createServer(
    {
      requestTimeout: 10_000,
      headersTimeout: 10_000,
      connectionsCheckingInterval: 5_000,
      maxHeaderSize: 8192,
    },
    (request, response) => void respond(request, response, options, rate),
  );
  let connections = 0;
  server.maxConnections = MAX_CONNECTIONS;
  server.on("connection", (socket) => {
    const peer = peerOf(socket.remoteAddress);
    connections += 1;
    socket.once("close", () => (connections -= 1));
    if (peer !== "" && !options.allow(peer)) socket.destroy();
  });
  return {
    server,
    get connections() {
      return connections;
    },
    listen: (where) =>
      new Promise<AddressInfo | string>((resolve, reject) => {
        server.once("error", reject);
        server.listen(where, () => {
          server.off("error", reject);
          server.on("error", options.onError);
          resolve(server.address() ?? "");
        });
      }),
    close: (graceMs) => closed(server, graceMs),
  };
}

async function closed(server: Server, graceMs: number): Promise<void> {
  if (!server.listening) return;
  await new Promise<void>((resolve) => {
    const timer = setTimeout(() => server.closeAllConnections(), graceMs);
    server.close(() => {
      clearTimeout(timer);
      resolve();
    });
    server.closeIdleConnections();
  });
}

async function respond(
  request: IncomingMessage,
  response: ServerResponse,
  options: LinksOptions,
  rate: (client: string) => boolean,
): Promise<void> {
  // A body is neither read nor waited for: the connection ends with the answer.
  if (request.method === "POST") response.setHeader("Connection", "close");
  request.resume();
  try {
    const page = await answerOf(request, options, rate);
    options.onRequest(String(page.status));
    if (page.status === 405) response.setHeader("Allow", "GET, HEAD, POST");
    response.writeHead(page.status, HEADERS);
    response.end(request.method === "HEAD" ? undefined : page.html);
  } catch (error) {
    options.onError(error);
    response.destroy();
  }
}

async function answerOf(
  request: IncomingMessage,
  { links, postmaster }: LinksOptions,
  rate: (client: string) => boolean,
): Promise<HtmlPage> {
  const client = clientOf(request);
  if (!rate(client)) return plainPage(429, "Too many requests: try again in a minute");
  const token = TOKEN.exec((request.url ?? "").split("?")[0] ?? "")?.[1];
  if (token === undefined) return plainPage(404, "There is nothing here");
  switch (request.method) {
    case "GET":
    case "HEAD":
      return pageOf(await links.look(token), postmaster);
    case "POST":
      return pageOf(await links.release(token, client), postmaster);
    default:
      return plainPage(405, "Only GET and POST");
  }
}

/** The peer, or whom a proxy on this host names last; "local" on a unix socket without a proxy's word. */
function clientOf({ socket, headers }: IncomingMessage): string {
  const peer = peerOf(socket.remoteAddress);
  if (peer !== "" && peer !== "::1" && !peer.startsWith("127.")) return peer;
  const named = String(headers["x-forwarded-for"] ?? "")
    .slice(-100)
    .split(",")
    .at(-1);
  const address = (named ?? "").trim();
  return isIP(address) === 0 ? peer || "local" : address;
}

function peerOf(address: string | undefined): string {
  return (address ?? "").replace(/^::ffff:/, "");
}

/** So many a minute for each client; of too many clients at once the later ones wait for the next minute. */
function requestRate(perMinute: number, clock: () => number): (client: string) => boolean {
  const counts = new Map<string, number>();
  let since = clock();
  return (client) => {
    const now = clock();
    if (now - since >= MINUTE_MS) {
      counts.clear();
      since = now;
    }
    const count = (counts.get(client) ?? 0) + 1;
    if (count === 1 && counts.size >= MAX_CLIENTS) return false;
    counts.set(client, count);
    return count <= perMinute;
  };
}
