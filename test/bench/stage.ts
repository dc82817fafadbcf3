// Where a bench plays: a temporary directory and the processes started in it. Whatever happens, also on Ctrl-C, the
// processes (each leads a group of its own) are ended and the directory is removed.
import { spawn, type ChildProcess } from "node:child_process";
import { chmodSync, closeSync, mkdtempSync, openSync, readFileSync, rmSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";

export interface Running {
  readonly pid: number;
  readonly child: ChildProcess;
  /** SIGTERM, and SIGKILL to its group after 10 s; resolves when it has ended. */
  stop(): Promise<void>;
}

export interface StartOptions {
  readonly env?: Readonly<Record<string, string>>;
  /** Ports of 127.0.0.1 that must accept connections before it counts as started. */
  readonly ports?: readonly number[];
  /** Hand its standard output to the caller instead of the log file. */
  readonly piped?: boolean;
}

export interface Stage {
  readonly dir: string;
  /** Starts a program; its output goes to DIR/NAME.log. Throws with the log's end when it ends before it is ready. */
  start(
    name: string,
    command: string,
    args: readonly string[],
    options?: StartOptions,
  ): Promise<Running>;
  close(): Promise<void>;
}

const READY_MS = 20_000;
const STOP_MS = 10_000;

/** Makes the directory; `close` must be called, and is called on SIGINT and SIGTERM, after which the process ends. */
export function stage(): Stage {
  const dir = mkdtempSync(join(tmpdir(), "postern-bench-"));
  // Peers that change their user must be able to walk through.
  chmodSync(dir, 0o755);
  const running = new Set<Running>();
  const last = () => {
    for (const { pid } of running) signalGroup(pid, "SIGKILL");
    rmSync(dir, { recursive: true, force: true });
  };
  const close = async () => {
    await Promise.all([...running].map((one) => one.stop()));
    process.off("exit", last);
    for (const signal of SIGNALS) process.off(signal, interrupted);
    rmSync(dir, { recursive: true, force: true });
  };
  const interrupted = (signal: NodeJS.Signals) => {
    process.stderr.write(`${signal}: cleaning up\n`);
    void close().finally(() => process.exit(signal === "SIGINT" ? 130 : 143));
  };
  process.on("exit", last);
  for (const signal of SIGNALS) process.on(signal, interrupted);

  const start: Stage["start"] = async (name, command, args, options = {}) => {
    const log = join(dir, `${name}.log`);
    const fd = openSync(log, "a");
    const child = spawn(command, args, {
      cwd: dir,
      detached: true,
      env: { ...process.env, ...options.env },
      stdio: ["ignore", options.piped === true ? "pipe" : fd, fd],
    });
    closeSync(fd);
    const ended = new Promise<void>((resolve) => {
      child.once("error", () => resolve());
      child.once("exit", () => resolve());
    });
    if (child.pid === undefined) throw new Error(`${command} does not start`);
    const pid = child.pid;
    const one: Running = {
      pid,
      child,
      async stop() {
        signal(pid, "SIGTERM");
        const timer = setTimeout(() => signalGroup(pid, "SIGKILL"), STOP_MS);
        await ended;
        clearTimeout(timer);
        signalGroup(pid, "SIGKILL");
        running.delete(one);
      },
    };
    running.add(one);
    for (const port of options.ports ?? []) {
      const deadline = Date.now() + READY_MS;
      while (!(await accepts(port))) {
        if (child.exitCode === null && child.signalCode === null && Date.now() < deadline) continue;
        throw new Error(`${name} is not there on 127.0.0.1:${port}:\n${endOf(log)}`);
      }
    }
    return one;
  };
  return { dir, start, close };
}

const SIGNALS = ["SIGINT", "SIGTERM"] as const;

/** Tries once; a refusal takes 50 ms, so that it can be asked in a loop. */
function accepts(port: number): Promise<boolean> {
  const socket = connect(port, "127.0.0.1");
  return new Promise((resolve) => {
    socket.once("connect", () => {
      socket.destroy();
      resolve(true);
    });
    socket.once("error", () => setTimeout(resolve, 50, false));
  });
}

function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name);
  } catch {
    return; // it has ended
  }
}

const signalGroup = (pid: number, name: NodeJS.Signals) => signal(-pid, name);

const endOf = (log: string) =>
  readFileSync(log, "utf8").trimEnd().split("\n").slice(-20).join("\n");
