// A real spamd without network tests, on a unix socket or a loopback port, with rules of its own on top of Debian's that say how
// SpamAssassin has read a message: from which client, in which envelope. It can be killed, frozen, filled up and started again.
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { chmod, cp, mkdir, rm, writeFile } from "node:fs/promises";
import { connect, type Socket } from "node:net";
import { join } from "node:path";
import { parseEndpoint } from "../../../src/clients/endpoint.ts";
import { askPing } from "../../../src/clients/spamd-exchange.ts";
import { deployed, until, type Peer } from "./lab.ts";
import { freePort } from "./ports.ts";

export interface Spamd extends Peer {
  /** As [spamd] endpoints writes it. */
  readonly name: string;
  /** The site configuration: /etc/spamassassin with the lab's rules. */
  readonly configDir: string;
  /** All that it logged. */
  log(): string;
  /** kill -9 of all its processes, waited for. */
  kill(): Promise<void>;
  /** SIGSTOP and SIGCONT of all its processes. */
  freeze(): void;
  thaw(): void;
  /** Starts it again at the same place. */
  start(): Promise<void>;
  /** Keeps all children busy with messages that never end; the function lets them go. */
  fill(): Promise<() => void>;
}

export interface SpamdOptions {
  readonly where?: "unix" | "tcp";
  /** --max-children, all there from the start. */
  readonly children?: number;
  /** Adds deploy/spamassassin/postern.cf: exact points in reports. */
  readonly exact?: boolean;
  /** More lines of its configuration. */
  readonly more?: string;
  /** --allow-tell: clients may teach its Bayes. */
  readonly tell?: boolean;
}

/**
 * Rules whose names say what SpamAssassin understood: LAB_CLIENT and LAB_ENVELOPE (of the suites' usual client and sender), LAB_ONE_HOP
 * (no second relay outside), LAB_BEHIND_RELAY (a client behind the trusted 198.51.100.25), LAB_FORGED, LAB_RBL and LAB_GREY.
 */
const LAB_RULES = String.raw`
trusted_networks 127.0.0.0/8 198.51.100.25
internal_networks 127.0.0.0/8 198.51.100.25
header LAB_CLIENT X-Spam-Relays-External =~ /^\[ ip=192\.0\.2\.7 rdns=mx\.sender\.example helo=client\.example\.org by=mx\.example\.com /
score LAB_CLIENT 0.1
header LAB_ONE_HOP X-Spam-Relays-External =~ /^\[ [^\]]*\]\s*$/
score LAB_ONE_HOP 0.1
header LAB_ENVELOPE EnvelopeFrom =~ /^ann\@sender\.example$/
score LAB_ENVELOPE 0.1
header LAB_BEHIND_RELAY X-Spam-Relays-External =~ /^\[ ip=203\.0\.113\.9 rdns=mx\.far\.example helo=mx\.far\.example by=backup\.example\.com /
score LAB_BEHIND_RELAY 0.1
header LAB_FORGED ALL =~ /forged by the sender/
score LAB_FORGED 0.1
header LAB_RBL X-RBL-Warning =~ /^192\.0\.2\.7 is listed by /
score LAB_RBL 0.1
header LAB_GREY X-Greylist =~ /^delayed \d+ seconds by /
score LAB_GREY 0.1
body LAB_AT_THE_END /text at the very end of the letter/
score LAB_AT_THE_END 0.1
`;

/** Starts it and returns when it answers PING. As root it changes to nobody. */
export async function spamd(labDir: string, options: SpamdOptions = {}): Promise<Spamd> {
  const { where = "unix", children = 2, exact = false, more = "", tell = false } = options;
  const dir = join(labDir, `spamd-${where}`);
  const configDir = join(dir, "config");
  await cp("/etc/spamassassin", configDir, { recursive: true });
  await writeFile(join(configDir, "lab.cf"), `${LAB_RULES}\n${more}\n`);
  if (exact)
    await writeFile(join(configDir, "postern.cf"), await deployed("spamassassin/postern.cf"));
  const home = join(dir, "home");
  await mkdir(home, { recursive: true });
  await chmod(home, 0o777);
  const socket = join(dir, "spamd.sock");
  const port = where === "tcp" ? await freePort() : 0;
  const name = where === "tcp" ? `tcp:127.0.0.1:${port}` : `unix:${socket}`;
  const at = parseEndpoint(name)?.at ?? { path: socket };
  const listen =
    where === "tcp"
      ? ["-i", "127.0.0.1", "-p", String(port)]
      : [`--socketpath=${socket}`, "--socketmode=0666"];
  const count = [`-m`, String(children), `--min-children=${children}`, `--max-spare=${children}`];
  const args = ["-L", "-x", "-u", "nobody", "-H", home, "-s", "stderr", ...count, ...listen];
  if (tell) args.push("--allow-tell");
  let child: ChildProcess | null = null;
  let log = "";

  const signal = (what: NodeJS.Signals): boolean => {
    if (child?.pid === undefined) return false;
    try {
      return process.kill(-child.pid, what);
    } catch {
      return false; // nobody is left
    }
  };
  const start = async (): Promise<void> => {
    await rm(socket, { force: true });
    const started = spawn("/usr/sbin/spamd", [...args, `--siteconfigpath=${configDir}`], {
      detached: true,
      stdio: ["ignore", "ignore", "pipe"],
    });
    child = started;
    started.stderr.on("data", (piece: Buffer) => (log += piece.toString()));
    await until(
      "spamd",
      async () => {
        if (started.exitCode !== null) throw new Error(`spamd ended:\n${log}`);
        return (await askPing(at, 1000)) === null;
      },
      60_000,
    );
  };
  const end = async (what: NodeJS.Signals): Promise<void> => {
    const running = child;
    if (running === null) return;
    const gone =
      running.exitCode !== null || running.signalCode !== null ? null : once(running, "exit");
    signal("SIGCONT");
    signal(what);
    await gone;
    await until("the end of spamd's children", () => !signal(what));
    child = null;
  };
  await start();
  return {
    name,
    configDir,
    log: () => log,
    kill: () => end("SIGKILL"),
    freeze: () => void signal("SIGSTOP"),
    thaw: () => void signal("SIGCONT"),
    start,
    fill: () => fill(at, children),
    stop: () => end("SIGKILL"),
  };
}

/** One unfinished message to each child; returns once all of them read. */
async function fill(at: { path: string } | { host: string; port: number }, count: number) {
  const sockets: Socket[] = [];
  for (let i = 0; i < count; i++) {
    const socket = connect(at as { path: string });
    socket.on("error", () => undefined);
    await once(socket, "connect");
    socket.write("REPORT SPAMC/1.5\r\nContent-length: 1000\r\n\r\nSubject: never ends\r\n\r\n");
    sockets.push(socket);
  }
  await until("all children to be busy", async () => (await askPing(at, 500)) !== null);
  return () => {
    for (const socket of sockets) socket.destroy();
  };
}
