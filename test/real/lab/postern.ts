// postern itself, started as the units start it: `node src/main.ts serve --config FILE`, from a configuration of deploy/ with
// its ports and paths replaced, with its own copy of rules/. It leads a process group, so that nothing of it survives a suite.
import { spawn, type ChildProcess } from "node:child_process";
import { cp, mkdir, writeFile } from "node:fs/promises";
import { connect } from "node:net";
import { join } from "node:path";
import { deployed, ROOT, run, until, type Peer, type Ran } from "./lab.ts";
import { directoryOf, unit, type UnitName } from "./unit.ts";

export interface PosternOptions {
  /** The lab's directory; everything of this postern lies in DIR/NAME (default "postern"). */
  readonly dir: string;
  readonly name?: string;
  /** File below deploy/ ("postfix/after-queue.toml"), or null for `more` alone. */
  readonly file: string | null;
  /** What to replace in it; state_dir and rules_dir are replaced without being named. */
  readonly replace?: Readonly<Record<string, string>>;
  /** TOML behind the file's. */
  readonly more?: string;
  /** Files for rules/local.d: name to text. */
  readonly rules?: Readonly<Record<string, string>>;
  /** Starts it as this unit of deploy/systemd does, as the unit's user; absent: as the user of the suite. */
  readonly unit?: UnitName;
}

export interface Postern extends Peer {
  readonly dir: string;
  readonly configFile: string;
  readonly rulesDir: string;
  /** Of the running supervisor; throws when it is down. */
  pid(): number;
  /** All that it wrote to standard output and error, over all starts. */
  log(): string;
  /** Standard output alone, where message lines go. */
  stdout(): string;
  /** To the supervisor, or with `all` to every process of it. */
  signal(signal: NodeJS.Signals, all?: "all"): void;
  /** kill -9 of all its processes, waited for. */
  crash(): Promise<void>;
  start(): Promise<void>;
  /** Another command with the same configuration: postern quarantine list … */
  command(...args: readonly string[]): Promise<Ran>;
  /** The same with text on its standard input. */
  feed(input: string, ...args: readonly string[]): Promise<Ran>;
}

/** Writes the configuration and starts postern; resolves when every listener of the file accepts connections. */
export async function postern(options: PosternOptions): Promise<Postern> {
  const dir = join(options.dir, options.name ?? "postern");
  const configFile = join(dir, "postern.toml");
  const rulesDir = join(dir, "rules");
  const toml = await configuration(options, dir, rulesDir);
  const stateDir = /^state_dir = "(.+)"$/m.exec(toml)?.[1] ?? join(dir, "state");
  await mkdir(stateDir, { recursive: true });
  await cp(join(ROOT, "rules"), rulesDir, { recursive: true });
  await mkdir(join(rulesDir, "local.d"), { recursive: true });
  for (const [name, text] of Object.entries(options.rules ?? {}))
    await writeFile(join(rulesDir, "local.d", name), text);
  await writeFile(configFile, toml);
  const asUnit = options.unit === undefined ? null : await unit(options.unit, dir, configFile);
  if (asUnit !== null) await directoryOf(asUnit.user, stateDir, 0o750);
  const listeners = [...toml.matchAll(/^listen = "([^"]+)"/gm)].map((match) => match[1] ?? "");
  let child: ChildProcess | null = null;
  let log = "";
  let stdout = "";

  const start = async () => {
    const own = [process.execPath, join(ROOT, "src/main.ts"), "serve", "--config", configFile];
    const [program = "", ...args] = asUnit?.argv ?? own;
    const started = spawn(program, args, {
      detached: true,
      stdio: ["ignore", "pipe", "pipe"],
      env: { ...process.env, ...asUnit?.env },
    });
    child = started;
    started.stdout.on("data", (piece: Buffer) => (stdout += piece.toString()));
    for (const stream of [started.stdout, started.stderr])
      stream.on("data", (piece: Buffer) => (log += piece.toString()));
    for (const listener of listeners) {
      await until(`postern on ${listener}`, () => {
        if (hasEnded(started))
          throw new Error(`postern ended (${started.exitCode ?? started.signalCode}):\n${log}`);
        return accepts(listener);
      });
    }
  };
  const end = async (signal: NodeJS.Signals, graceMs: number) => {
    const running = child;
    child = null;
    if (running?.pid === undefined) return;
    if (!hasEnded(running)) signalGroup(running.pid, signal, signal === "SIGKILL");
    const limit = Date.now() + graceMs;
    const group = running.pid;
    await until("the end of postern", () => {
      if (Date.now() > limit) signalGroup(group, "SIGKILL", true);
      return !signalGroup(group, 0, true);
    });
  };
  const running = () => {
    if (child?.pid === undefined || hasEnded(child))
      throw new Error(`postern is not running:\n${log}`);
    return child.pid;
  };
  const feed = (input: string, ...args: readonly string[]) =>
    run(process.execPath, [join(ROOT, "src/main.ts"), ...args, "--config", configFile], { input });
  const peer: Postern = {
    dir,
    configFile,
    rulesDir,
    pid: running,
    log: () => log,
    stdout: () => stdout,
    signal: (signal, all) => void signalGroup(running(), signal, all !== undefined),
    crash: () => end("SIGKILL", 5000),
    start,
    command: (...args) => feed("", ...args),
    feed,
    stop: () => end("SIGTERM", 10_000),
  };
  await start().catch(async (error: unknown) => {
    await peer.crash();
    throw error;
  });
  return peer;
}

async function configuration(
  options: PosternOptions,
  dir: string,
  rulesDir: string,
): Promise<string> {
  const own = { "/var/lib/postern": join(dir, "state"), "/etc/postern/rules": rulesDir };
  const text =
    options.file === null ? "" : await deployed(options.file, { ...own, ...options.replace });
  const whole = `${text}\n${options.more ?? ""}`;
  // A thousand rules a message are for the suites that are about them.
  return /^\[spamd?\]/m.test(whole) ? whole : `${whole}\n[spam]\nengine = "off"\n`;
}

const hasEnded = (child: ChildProcess) => child.exitCode !== null || child.signalCode !== null;

/** Whether there was a process to signal. */
function signalGroup(pid: number, signal: NodeJS.Signals | 0, all: boolean): boolean {
  try {
    process.kill(all ? -pid : pid, signal);
    return true;
  } catch {
    return false; // nobody is left
  }
}

function accepts(listener: string): Promise<boolean> {
  const colon = listener.lastIndexOf(":");
  const socket = listener.startsWith("unix:")
    ? connect({ path: listener.slice("unix:".length) })
    : connect({ host: listener.slice(0, colon), port: Number(listener.slice(colon + 1)) });
  return new Promise((resolve) => {
    socket.once("connect", () => {
      socket.destroy();
      resolve(true);
    });
    socket.once("error", () => resolve(false));
  });
}

/** The replacements for a deployed filter configuration: ports, and the socket where the file has one. */
export function filterPlaces(places: {
  readonly filterPort: number;
  readonly outboundPort?: number;
  readonly backPort: number;
  readonly httpPort: number;
  readonly socket?: string;
  readonly deployedSocket?: "/var/spool/postfix/postern" | "/run/postern";
}): Record<string, string> {
  const replace: Record<string, string> = {
    "127.0.0.1:10024": `127.0.0.1:${places.filterPort}`,
    "127.0.0.1:10025": `127.0.0.1:${places.backPort}`,
    "127.0.0.1:10090": `127.0.0.1:${places.httpPort}`,
  };
  if (places.outboundPort !== undefined)
    replace["127.0.0.1:10026"] = `127.0.0.1:${places.outboundPort}`;
  if (places.socket !== undefined && places.deployedSocket !== undefined) {
    replace[`${places.deployedSocket}/filter.sock`] = places.socket;
  }
  return replace;
}
