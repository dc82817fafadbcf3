// Redis as it survives the loss of a host: a master, a replica of it, and three sentinels that agree by two. Real processes on
// loopback ports; nothing is written to disk but what sentinels keep. For redis-sentinel.test.ts.
import { spawn, spawnSync, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { answering } from "../../fakes/redis-server.ts";
import { until, type Peer } from "./lab.ts";
import { freePorts } from "./ports.ts";

export interface Sentinels extends Peer {
  /** For `[redis] url`. */
  readonly url: string;
  /** Both servers. */
  readonly ports: readonly number[];
  /** The port of the server that the sentinels call master now. */
  master(): number;
  /** What the server on this port says to INFO replication: "master" or "slave". */
  role(port: number): string;
  /** How many records it has. */
  keys(port: number): number;
  /** To the server on this port; SIGKILL is waited for. */
  signal(port: number, signal: "SIGKILL" | "SIGSTOP" | "SIGCONT"): Promise<void>;
  /** Starts a killed server again, as it was configured first. */
  revive(port: number): Promise<void>;
  /** Freezes or thaws the sentinel that the URL names first. */
  freezeFirstSentinel(frozen: boolean): void;
}

const NAME = "mail";
const DOWN_AFTER_MS = 1000;

/** Resolves when the sentinels know each other and the replica. */
export async function sentinels(labDir: string): Promise<Sentinels> {
  const dir = join(labDir, "sentinels");
  await mkdir(dir);
  const [first = 0, second = 0, ...watch] = await freePorts(5);
  const servers = new Map<number, ChildProcess>();
  const serve = async (port: number): Promise<void> => {
    const own = ["--port", String(port), "--bind", "127.0.0.1", "--save", "", "--dir", dir];
    own.push("--repl-diskless-sync-delay", "0");
    const follows = port === second ? ["--replicaof", "127.0.0.1", String(first)] : [];
    servers.set(port, spawn("redis-server", [...own, ...follows], { stdio: "ignore" }));
    await answering(port);
  };
  await serve(first);
  await serve(second);
  const watchers = await Promise.all(watch.map((port) => watcher(dir, port, first)));
  const ask = (port: number, ...words: readonly string[]): string =>
    spawnSync("redis-cli", ["-p", String(port), ...words], { encoding: "utf8", timeout: 2000 })
      .stdout;
  const info = (port: number): string => ask(port, "INFO", "replication");
  await until("three sentinels and a replica", () =>
    watch.every((port) => {
      const said = ask(port, "SENTINEL", "MASTER", NAME);
      return /num-slaves\n1\n/.test(said) && /num-other-sentinels\n2\n/.test(said);
    }),
  );
  await until("the replica's copy", () => info(second).includes("master_link_status:up"));
  return {
    url: `redis+sentinel://${watch.map((port) => `127.0.0.1:${port}`).join(",")}/${NAME}`,
    ports: [first, second],
    master: () =>
      Number(ask(watch[1] ?? 0, "SENTINEL", "GET-MASTER-ADDR-BY-NAME", NAME).split("\n")[1]),
    role: (port) => /^role:(\w+)/m.exec(info(port))?.[1] ?? "",
    keys: (port) => Number(ask(port, "DBSIZE")),
    async signal(port, signal) {
      const server = servers.get(port);
      if (server === undefined) throw new Error(`no server on ${port}`);
      const exited = once(server, "exit");
      server.kill(signal);
      if (signal === "SIGKILL") await exited;
    },
    async revive(port) {
      await serve(port);
    },
    freezeFirstSentinel: (frozen) => void watchers[0]?.kill(frozen ? "SIGSTOP" : "SIGCONT"),
    async stop() {
      await Promise.all([...watchers, ...servers.values()].map(ended));
    },
  };
}

async function watcher(dir: string, port: number, master: number): Promise<ChildProcess> {
  const file = join(dir, `sentinel-${port}.conf`);
  await writeFile(
    file,
    `port ${port}
bind 127.0.0.1
dir ${dir}
sentinel monitor ${NAME} 127.0.0.1 ${master} 2
sentinel down-after-milliseconds ${NAME} ${DOWN_AFTER_MS}
sentinel failover-timeout ${NAME} 4000
`,
  );
  const child = spawn("redis-server", [file, "--sentinel"], { stdio: "ignore" });
  await answering(port);
  return child;
}

async function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exited = once(child, "exit");
  child.kill("SIGKILL");
  await exited;
}
