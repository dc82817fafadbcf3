// A real Exim on loopback, put together from the sections of deploy/exim4/*.conf with nothing changed but addresses, ports
// and paths; the rest is the smallest configuration that relays example.com. It runs as Debian-exim.
import { spawn } from "node:child_process";
import { chmod, chown, mkdir, readdir, writeFile } from "node:fs/promises";
import { connect } from "node:net";
import { join } from "node:path";
import { choose, deployed, must, run, textOf, until, type Peer } from "./lab.ts";
import { freePorts } from "./ports.ts";
import { idsOf } from "./unit.ts";

export interface EximOptions {
  /** The lab's directory; Exim lives in DIR/exim. */
  readonly dir: string;
  readonly nextHop: number;
  readonly hookup: "none" | "after-queue" | "in-dialogue";
  readonly via?: "smtp" | "lmtp" | "unix";
  readonly filterPort?: number;
  readonly reinjectPort?: number;
  /** Port of a policy service, or its socket in socketDir: deploy/exim4/policy.conf on top. */
  readonly policyPort?: number | "socket";
  /** Port of a clamd listener: deploy/exim4/malware.conf on top. */
  readonly malwarePort?: number;
  /** What stands behind spamd_address, "127.0.0.1 783" or a path: deploy/exim4/spam.conf on top. */
  readonly spamAddress?: string;
}

export interface Exim extends Peer {
  /** Also takes AUTH PLAIN of user@example.com with the password "secret". */
  readonly smtpPort: number;
  readonly reinjectPort: number;
  readonly socketDir: string;
  readonly socket: string;
  /** Message ids in the queue. */
  queued(): Promise<readonly string[]>;
  queueEmpty(timeoutMs?: number): Promise<void>;
  /** Tries all queued mail now, whatever the retry rules say. */
  flush(): Promise<void>;
  log(): Promise<string>;
  sendmail(from: string, to: readonly string[], message: string | Buffer): Promise<void>;
}

type Sections = Readonly<
  Record<"main" | "acl rcpt" | "acl data" | "routers" | "transports" | "retry", string>
>;

const NOTHING: Sections = {
  main: "",
  "acl rcpt": "",
  "acl data": "",
  routers: "",
  transports: "",
  retry: "",
};

/** Cuts a file of deploy/exim4 at its `# ==== section ====` headings. */
function sections(text: string): Sections {
  const found: Record<string, string> = { ...NOTHING };
  for (const piece of text.split(/^# ==== /m).slice(1)) {
    const name = Object.keys(NOTHING).find((key) => piece.startsWith(key));
    if (name === undefined) throw new Error(`unknown section: ${piece.slice(0, 40)}`);
    found[name] = piece.slice(piece.indexOf("\n") + 1);
  }
  return { ...NOTHING, ...found };
}

async function hookup(
  options: EximOptions,
  smtp: number,
  back: number,
  socket: string,
): Promise<Sections> {
  if (options.hookup === "none") {
    return {
      ...NOTHING,
      main: `daemon_smtp_ports = ${smtp} : ${back}\nlocal_interfaces = <; [127.0.0.1]:${smtp} ; [127.0.0.1]:${back}\n`,
    };
  }
  let text = await deployed("exim4/after-queue.conf", {
    "daemon_smtp_ports = 25 : 10025": `daemon_smtp_ports = ${smtp} : ${back}`,
    "[0.0.0.0]:25": `[127.0.0.1]:${smtp}`,
    "[127.0.0.1]:10025": `[127.0.0.1]:${back}`,
    "{10025}": `{${back}}`,
    "port = 10024": `port = ${options.filterPort ?? 9}`,
    "/run/postern/filter.sock": socket,
  });
  const transport = { smtp: "postern_smtp", lmtp: "postern_lmtp", unix: "postern_socket" }[
    options.via ?? "smtp"
  ];
  if (transport !== "postern_smtp") {
    text = text
      .replace("  transport = postern_smtp\n", "# transport = postern_smtp\n")
      .replace(`# transport = ${transport}\n`, `  transport = ${transport}\n`);
  }
  const after = sections(text);
  if (options.hookup === "after-queue") return after;
  const during = sections(await deployed("exim4/in-dialogue.conf", { "{10025}": `{${back}}` }));
  return {
    ...after,
    main: after.main + during.main,
    "acl rcpt": after["acl rcpt"] + during["acl rcpt"],
  };
}

async function policySections(options: EximOptions, back: number, dir: string): Promise<Sections> {
  const { policyPort } = options;
  if (policyPort === undefined) return NOTHING;
  const text = await deployed("exim4/policy.conf", { "{10025}": `{${back}}` });
  const [tcp, socket] = ["inet:127.0.0.1:10023", "/run/postern/policy.sock"];
  const place =
    policyPort === "socket"
      ? choose(text, `POSTERN_PLACE = ${tcp}`, `POSTERN_PLACE = ${socket}`)
      : text.replace(tcp, `inet:127.0.0.1:${policyPort}`);
  return sections(place.replaceAll(socket, join(dir, "policy.sock")));
}

async function malwareSections({ malwarePort }: EximOptions, back: number): Promise<Sections> {
  if (malwarePort === undefined) return NOTHING;
  const text = await deployed("exim4/malware.conf", {
    "clamd:127.0.0.1 10027": `clamd:127.0.0.1 ${malwarePort}`,
    "{10025}": `{${back}}`,
  });
  return sections(text);
}

async function spamSections({ spamAddress }: EximOptions, back: number): Promise<Sections> {
  if (spamAddress === undefined) return NOTHING;
  const text = await deployed("exim4/spam.conf", {
    "spamd_address = 127.0.0.1 10783": `spamd_address = ${spamAddress}`,
    "{10025}": `{${back}}`,
    ...(spamAddress.includes("rspamd") && {
      "condition = ${if >={$spam_score_int}{100}}": "condition = ${if eq{$spam_action}{reject}}",
    }),
  });
  return sections(text);
}

function configuration(base: string, nextHop: number, own: Sections): string {
  return `
primary_hostname = mx.example.com
qualify_domain = example.com
spool_directory = ${base}/spool
log_file_path = ${base}/%slog
pid_file_path = ${base}/exim.pid
exim_user = Debian-exim
exim_group = Debian-exim
tls_advertise_hosts =
message_size_limit = 100M
smtp_load_reserve = 1000
deliver_queue_load_max = 1000
queue_only_load = 1000
host_lookup =
rfc1413_query_timeout = 0s
keep_environment =
domainlist local_domains = example.com
acl_smtp_rcpt = acl_check_rcpt
acl_smtp_data = acl_check_data
${own.main}
begin acl
acl_check_rcpt:
${own["acl rcpt"]}
  accept hosts = 127.0.0.0/8
acl_check_data:
${own["acl data"]}
  accept
begin routers
${own.routers}
final:
  driver = manualroute
  domains = *
  transport = to_sink
  route_list = * 127.0.0.1
  self = send
begin transports
${own.transports}
to_sink:
  driver = smtp
  port = ${nextHop}
  allow_localhost
  message_linelength_limit = 1G
  hosts_try_fastopen =
begin retry
${own.retry}
*  *  F,5d,1m
begin authenticators
plain:
  driver = plaintext
  public_name = PLAIN
  server_condition = \${if and {{eq{$auth2}{user@example.com}}{eq{$auth3}{secret}}}}
  server_set_id = $auth2
`;
}

/** Starts Exim with a queue runner every minute and returns when it listens. */
export async function exim(options: EximOptions): Promise<Exim> {
  const base = join(options.dir, "exim");
  const socketDir = join(base, "postern");
  const [smtp = 0, free = 0] = await freePorts(2);
  const back = options.reinjectPort ?? free;
  const config = join(base, "exim.conf");
  const socket = join(socketDir, "filter.sock");
  await layOut(base, socketDir);
  const own = await hookup(options, smtp, back, socket);
  const policy = await policySections(options, back, socketDir);
  const malware = await malwareSections(options, back);
  const spam = await spamSections(options, back);
  const all = {
    ...own,
    main: own.main + policy.main + malware.main + spam.main,
    "acl rcpt": own["acl rcpt"] + policy["acl rcpt"],
    "acl data": own["acl data"] + policy["acl data"] + malware["acl data"] + spam["acl data"],
  };
  await writeFile(config, configuration(base, options.nextHop, all));
  const daemon = spawn("/usr/sbin/exim4", ["-C", config, "-bdf", "-q1m"], {
    detached: true,
    stdio: "ignore",
  });
  const log = async () =>
    (await textOf(join(base, "mainlog"))) + (await textOf(join(base, "paniclog")));
  try {
    await until("Exim's port", () => {
      if (daemon.exitCode !== null) throw new Error(`exim ended with ${daemon.exitCode}`);
      return answers(smtp);
    });
  } catch (error) {
    const said = (await run("/usr/sbin/exim4", ["-C", config, "-bV"])).stderr;
    throw new Error(`${await log()}${said}`, { cause: error });
  }
  // Exim names a message's files <id>-H and <id>-D, in input/ or one directory below.
  const queued = async () => {
    const names = await readdir(join(base, "spool/input"), { recursive: true });
    return names
      .filter((name) => name.endsWith("-H"))
      .map((name) => name.replace(/^.*\//, "").slice(0, -2));
  };
  return {
    smtpPort: smtp,
    reinjectPort: back,
    socketDir,
    socket,
    queued,
    queueEmpty: async (timeoutMs = 30_000) => {
      await until("an empty Exim queue", async () => (await queued()).length === 0, timeoutMs);
    },
    flush: async () =>
      void (await must("/usr/sbin/exim4", ["-C", config, "-qff"], { timeoutMs: 120_000 })),
    log,
    async sendmail(from, to, message) {
      await must("/usr/sbin/exim4", ["-C", config, "-i", "-oi", "-f", from, ...to], {
        input: message,
      });
    },
    stop: () => endGroup(daemon.pid),
  };
}

/** Kills a process group that we made (detached), the children of its leader with it. */
async function endGroup(pid: number | undefined): Promise<void> {
  if (pid === undefined) return;
  const kill = (signal: NodeJS.Signals | 0) => {
    try {
      process.kill(-pid, signal);
      return true;
    } catch {
      return false; // nobody is left
    }
  };
  kill("SIGTERM");
  const end = Date.now() + 3000;
  await until("the end of Exim", () => {
    if (Date.now() > end) kill("SIGKILL");
    return !kill(0);
  });
}

function answers(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1");
    socket.once("data", () => {
      resolve(true);
      socket.destroy();
    });
    socket.on("error", () => undefined);
    socket.once("close", () => resolve(false));
  });
}

async function layOut(base: string, socketDir: string): Promise<void> {
  const { uid, gid } = await idsOf("Debian-exim");
  for (const dir of [base, join(base, "spool"), join(base, "spool/input")]) {
    await mkdir(dir, { recursive: true, mode: 0o750 });
    await chown(dir, uid, gid);
  }
  await chmod(base, 0o755);
  await mkdir(socketDir);
  // As deploy/tmpfiles.d/postern-exim.conf: the setgid bit gives the socket Exim's group.
  await chown(socketDir, (await idsOf("postern")).uid, gid);
  await chmod(socketDir, 0o2750);
}
