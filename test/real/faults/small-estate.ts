// A small estate for strace and the power cut: one process of postern over one directory, nothing else around it but a next hop.
// Used by syscalls.ts and power-cut.ts.
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { until, type Peer } from "../lab/lab.ts";

export interface Ports {
  readonly smtp: number;
  readonly lmtp: number;
  readonly delivery: number;
  readonly hop: number;
}

export interface OneProcess extends Peer {
  pid(): number;
  /** All that this start wrote. */
  log(): string;
  /** How the last process ended, all that it wrote being in the log; null while it runs. */
  ended(): Promise<string | null>;
  /** kill -9, waited for. */
  kill(): Promise<void>;
  start(): Promise<void>;
}

/** Everything lies below DIR: mail/, kept/, state/. The configuration may lie elsewhere. */
export async function oneProcess(
  dir: string,
  ports: Ports,
  configFile: string,
  env: Readonly<Record<string, string>> = {},
): Promise<OneProcess> {
  await mkdir(dir, { recursive: true });
  await writeFile(configFile, toml(dir, ports));
  let child: ChildProcess | null = null;
  let closed: Promise<unknown> = Promise.resolve();
  let log = "";
  const running = () => child !== null && child.exitCode === null && child.signalCode === null;
  const start = async (): Promise<void> => {
    const script = join(import.meta.dirname, "one-process.ts");
    const started = spawn(process.execPath, [script, configFile], {
      stdio: ["pipe", "pipe", "pipe"],
      env: { ...process.env, ...env },
    });
    child = started;
    closed = once(started, "close");
    log = "";
    for (const stream of [started.stdout, started.stderr])
      stream.on("data", (piece: Buffer) => (log += piece.toString()));
    await until("postern", () => {
      if (!running()) throw new Error(`postern ended:\n${log}`);
      return log.includes("ready\n");
    });
  };
  const kill = async (): Promise<void> => {
    const one = child;
    child = null;
    if (one === null || one.exitCode !== null || one.signalCode !== null) return;
    const gone = once(one, "exit");
    one.kill("SIGKILL");
    await gone;
  };
  const ended = async (): Promise<string | null> => {
    if (running()) return null;
    await closed; // what it wrote last may come after its end
    return `exit code ${child?.exitCode}, signal ${child?.signalCode}`;
  };
  await start();
  return {
    pid: () => child?.pid ?? 0,
    ended,
    log: () => log,
    ...{ kill, start, stop: kill },
  };
}

function toml(dir: string, { smtp, lmtp, delivery, hop }: Ports): string {
  return `[server]
hostname = "mx.ours.example"
state_dir = "${dir}/state"
[quarantine]
dir = "${dir}/kept"
[delivery]
domains = ["ours.example"]
unknown = "create"
mail_root = "${dir}/mail"
[dns]
servers = "off"
[[listener]]
protocol = "smtp"
listen = "127.0.0.1:${smtp}"
next_hop = "smtp:127.0.0.1:${hop}"
[[listener]]
protocol = "lmtp"
listen = "127.0.0.1:${lmtp}"
next_hop = "local"
[[listener]]
protocol = "lmtp"
role = "delivery"
listen = "127.0.0.1:${delivery}"
`;
}
