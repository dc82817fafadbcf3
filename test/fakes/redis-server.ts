// A real redis-server for tests, on a unix socket in a temporary directory (or a loopback port), nothing saved to disk.
import { spawn, spawnSync, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { createConnection } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";

export interface RedisServer {
  /** For [redis] url. */
  readonly url: string;
  readonly process: ChildProcess;
  /** Ends it hard, as a crash would. */
  kill(): Promise<void>;
  /** Starts it again at the same place, empty. */
  restart(): Promise<void>;
  stop(): Promise<void>;
}

/** Null when Debian's redis-server is there, else why tests are skipped. */
export function whyNoRedis(): string | null {
  const probe = spawnSync("redis-server", ["--version"]);
  return probe.error === undefined ? null : "redis-server is not installed";
}

/** Starts a server and waits until it answers. */
export async function redisServer(more: readonly string[] = []): Promise<RedisServer> {
  const dir = await mkdtemp(join(tmpdir(), "postern-redis-"));
  const socket = join(dir, "redis.sock");
  const args = ["--port", "0", "--unixsocket", socket, "--save", "", "--dir", dir, ...more];
  let child = spawn("redis-server", args, { stdio: "ignore" });
  await answering(socket);
  const kill = async (): Promise<void> => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    const exited = once(child, "exit");
    child.kill("SIGKILL");
    await exited;
  };
  return {
    url: `redis+unix://${socket}`,
    get process() {
      return child;
    },
    kill,
    async restart() {
      await kill();
      await rm(socket, { force: true });
      child = spawn("redis-server", args, { stdio: "ignore" });
      await answering(socket);
    },
    async stop() {
      await kill();
      await rm(dir, { recursive: true, force: true });
    },
  };
}

/** Resolves when something says PONG there, or wants a login first; rejects after 10 s. */
export async function answering(where: string | number): Promise<void> {
  const deadline = Date.now() + 10_000;
  while (!(await pong(where))) {
    if (Date.now() > deadline) throw new Error(`nothing answers on ${where}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

function pong(where: string | number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket =
      typeof where === "string"
        ? createConnection({ path: where })
        : createConnection({ port: where, host: "127.0.0.1" });
    socket.on("error", () => resolve(false));
    socket.on("close", () => resolve(false));
    socket.on("connect", () => socket.write("PING\r\n"));
    socket.on("data", (data) => {
      resolve(/^(?:\+PONG|-NOAUTH)/.test(data.toString()));
      socket.destroy();
    });
  });
}
