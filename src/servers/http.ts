// The HTTP listener: /metrics for Prometheus, /healthz (the process answers), /readyz (mail is taken). Reads only, for peers in
// `allow`; no body of a request is ever looked at. Runs in the supervisor.
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";

export interface HttpOptions {
  /** Peers that may ask; the address is "" on a unix socket. */
  allows(address: string): boolean;
  /** The metrics page in Prometheus' text format. */
  metrics(): Promise<string>;
  /** null when mail is taken, else why not. */
  notReady(): string | null;
  /** A line for /readyz beside "ready", e.g. that the last good rules are kept; null = nothing. */
  remark(): string | null;
}

/** The server, not yet listening. Requests over 8 KiB of header or slower than 10 s are cut off by node:http. */
export function httpServer(options: HttpOptions): Server {
  const server = createServer(
    { requestTimeout: 10_000, headersTimeout: 10_000, maxHeaderSize: 8192 },
    (request, response) => {
      void respond(request, response, options);
    },
  );
  server.on("connection", (socket) => {
    if (!options.allows(socket.remoteAddress ?? "")) socket.destroy();
  });
  return server;
}

async function respond(
  request: IncomingMessage,
  response: ServerResponse,
  options: HttpOptions,
): Promise<void> {
  const send = (status: number, text: string, type = "text/plain; charset=utf-8"): void => {
    response.writeHead(status, {
      "Content-Type": type,
      "X-Content-Type-Options": "nosniff",
      "Cache-Control": "no-store",
    });
    response.end(request.method === "HEAD" ? undefined : text);
  };
  if (request.method !== "GET" && request.method !== "HEAD") {
    send(405, "only GET\n");
    return;
  }
  const path = (request.url ?? "/").split("?")[0];
  if (path === "/healthz") send(200, "ok\n");
  else if (path === "/readyz") {
    const why = options.notReady();
    const remark = options.remark();
    send(
      why === null ? 200 : 503,
      why === null ? `ready\n${remark === null ? "" : `${remark}\n`}` : `not ready: ${why}\n`,
    );
  } else if (path === "/metrics") {
    try {
      send(200, await options.metrics(), "text/plain; version=0.0.4; charset=utf-8");
    } catch (error) {
      send(500, `metrics cannot be collected: ${(error as Error).message}\n`);
    }
  } else send(404, "there are /metrics, /healthz and /readyz\n");
}
