// A real clamd without any downloaded database: two signatures, EICAR and one of our own. In the foreground, on a unix socket and
// a loopback port; it can be frozen, killed, started again and told to reload.
import { spawn, type ChildProcess } from "node:child_process";
import { chmod, mkdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { answersPing } from "../../../src/clients/clamd-ask.ts";
import { textOf, until, type Peer } from "./lab.ts";
import { freePort } from "./ports.ts";

export interface Clamd extends Peer {
  readonly port: number;
  /** "unix:/…" and "tcp:127.0.0.1:…", for `[clamd] endpoints`. */
  readonly unix: string;
  readonly tcp: string;
  freeze(): void;
  thaw(): void;
  /** kill -9, waited for. */
  kill(): Promise<void>;
  start(): Promise<void>;
  /** Reads its database again, while it scans (SIGUSR2); resolves when the log says so. */
  reload(): Promise<void>;
  log(): Promise<string>;
}

/** What our own signature finds; only clamd knows it. */
export const MARKER = ["POSTERN-LAB", "VIRUS", "MARKER"].join("-");
export const MARKER_NAME = "Lab.Marker-1";

const hex = (text: string): string => Buffer.from(text, "latin1").toString("hex");
const EICAR_HEAD = ["X5O!P%@AP[4\\PZX54(P^)7CC)7}", "$EICAR-STANDARD-"].join("");
const SIGNATURES = [
  `Eicar-Test-Signature:0:*:${hex(EICAR_HEAD)}`,
  `${MARKER_NAME}:0:*:${hex(MARKER)}`,
];

/** Starts it in DIR/NAME and returns when it answers. `lines` go into its configuration. */
export async function clamd(
  labDir: string,
  name = "clamd",
  lines: readonly string[] = [],
): Promise<Clamd> {
  const dir = join(labDir, name);
  await mkdir(join(dir, "db"), { recursive: true });
  await chmod(dir, 0o755);
  await writeFile(join(dir, "db/lab.ndb"), `${SIGNATURES.join("\n")}\n`);
  const port = await freePort();
  const socket = join(dir, "sock");
  const log = join(dir, "log");
  const config = join(dir, "clamd.conf");
  const settings = [
    "Foreground yes",
    `LocalSocket ${socket}`,
    "LocalSocketMode 666",
    `TCPSocket ${port}`,
    "TCPAddr 127.0.0.1",
    `DatabaseDirectory ${join(dir, "db")}`,
    `TemporaryDirectory ${dir}`,
    `LogFile ${log}`,
    "OfficialDatabaseOnly no",
    "MaxThreads 4",
    ...lines,
  ];
  await writeFile(config, `${settings.join("\n")}\n`);
  let child: ChildProcess | null = null;
  const start = async (): Promise<void> => {
    await rm(socket, { force: true });
    const started = spawn("/usr/sbin/clamd", ["-c", config], { stdio: "ignore" });
    child = started;
    await until("clamd", async () => {
      if (started.exitCode !== null) throw new Error(`clamd ended:\n${await textOf(log)}`);
      return answersPing({ path: socket }, 1000);
    });
  };
  const end = async (signal: NodeJS.Signals): Promise<void> => {
    const running = child;
    child = null;
    if (running === null) return;
    running.kill("SIGCONT");
    running.kill(signal);
    await until("the end of clamd", () => running.exitCode !== null || running.signalCode !== null);
  };
  const reloads = async () => (await textOf(log)).split("Database correctly reloaded").length;
  await start();
  return {
    port,
    unix: `unix:${socket}`,
    tcp: `tcp:127.0.0.1:${port}`,
    freeze: () => void child?.kill("SIGSTOP"),
    thaw: () => void child?.kill("SIGCONT"),
    kill: () => end("SIGKILL"),
    start,
    async reload() {
      const before = await reloads();
      // It reloads only what has changed.
      await writeFile(join(dir, "db/more.ndb"), `Lab.Unused-${before}:0:*:${hex(`u-${before}`)}\n`);
      child?.kill("SIGUSR2");
      await until("clamd's reload", async () => (await reloads()) > before);
    },
    log: () => textOf(log),
    stop: () => end("SIGTERM"),
  };
}
