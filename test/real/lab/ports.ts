// Free loopback ports for the peers that a suite starts. They lie below the range from which the kernel takes ports for
// outgoing connections, so that nobody gets one between our look and the peer's bind.
import { createServer } from "node:net";

const FIRST = 20_000;
const LAST = 31_999;
const taken = new Set<number>();

/** `count` different ports of 127.0.0.1 that were free a moment ago; this process never names one twice. */
export async function freePorts(count: number): Promise<readonly number[]> {
  const ports: number[] = [];
  for (let attempts = 0; ports.length < count; attempts++) {
    if (attempts > 1000) throw new Error("no free ports on 127.0.0.1");
    const port = FIRST + Math.floor(Math.random() * (LAST - FIRST));
    if (taken.has(port) || !(await isFree(port))) continue;
    taken.add(port);
    ports.push(port);
  }
  return ports;
}

/** One port, as freePorts. */
export async function freePort(): Promise<number> {
  const [port] = await freePorts(1);
  if (port === undefined) throw new Error("no free port");
  return port;
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once("error", () => resolve(false));
    server.listen(port, "127.0.0.1", () => server.close(() => resolve(true)));
  });
}
