// A Redis Cluster of three masters from Debian's redis-server, on loopback ports, as several nodes share it. For nodes.test.ts.
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { answering } from "../../fakes/redis-server.ts";
import { must, until, type Peer } from "./lab.ts";
import { freePorts } from "./ports.ts";

export interface RedisCluster extends Peer {
  /** For `[redis] url`. */
  readonly url: string;
  readonly ports: readonly number[];
  /** kill -9 of the n-th master. */
  kill(n: number): Promise<void>;
  /** Starts it again, with what it had written to disk. Resolves when the cluster is whole. */
  revive(n: number): Promise<void>;
}

/** Resolves when all slots are served. */
export async function redisCluster(labDir: string): Promise<RedisCluster> {
  // The bus has ports of its own: the usual port + 10000 may be somebody's.
  const taken = await freePorts(6);
  const ports = taken.slice(0, 3);
  const servers: ChildProcess[] = [];
  const serve = async (n: number): Promise<void> => {
    const port = ports[n] ?? 0;
    const dir = join(labDir, `redis-${n}`);
    await mkdir(dir, { recursive: true });
    const args = ["--port", String(port), "--bind", "127.0.0.1", "--dir", dir, "--save", ""];
    args.push("--cluster-port", String(taken[n + 3] ?? 0));
    args.push("--appendonly", "yes", "--cluster-enabled", "yes", "--cluster-node-timeout", "2000");
    servers[n] = spawn("redis-server", args, { stdio: "ignore" });
    await answering(port);
  };
  const whole = (): Promise<unknown> =>
    until("a whole cluster", async () => {
      for (const port of ports) {
        const { stdout } = await must("redis-cli", ["-p", String(port), "CLUSTER", "INFO"]);
        if (!/^cluster_state:ok/m.test(stdout)) return false;
      }
      return true;
    });
  await Promise.all(ports.map((_, n) => serve(n)));
  const places = ports.map((port) => `127.0.0.1:${port}`);
  await must("redis-cli", ["--cluster", "create", ...places, "--cluster-yes"]);
  await whole();
  const kill = async (n: number): Promise<void> => {
    const server = servers[n];
    if (server === undefined || server.exitCode !== null || server.signalCode !== null) return;
    const exited = once(server, "exit");
    server.kill("SIGKILL");
    await exited;
  };
  return {
    url: `redis+cluster://${places.join(",")}`,
    ports,
    kill,
    async revive(n) {
      await serve(n);
      await whole();
    },
    async stop() {
      await Promise.all(servers.map((_, n) => kill(n)));
    },
  };
}
