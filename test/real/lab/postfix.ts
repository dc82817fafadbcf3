// A real Postfix on loopback with its own configuration, queue and log, made from deploy/postfix/* with nothing changed
// but addresses, ports and paths. smtpd and the delivery agents run as the user postfix, as everywhere.
import { chown, copyFile, mkdir, writeFile, chmod } from "node:fs/promises";
import { join } from "node:path";
import { choose, deployed, must, run, textOf, until, type Peer } from "./lab.ts";
import { freePorts } from "./ports.ts";
import { idsOf } from "./unit.ts";

export interface PostfixOptions {
  /** The lab's directory; Postfix lives in DIR/postfix. */
  readonly dir: string;
  /** Where accepted and filtered mail goes in the end: the sink. */
  readonly nextHop: number;
  readonly hookup: "none" | "after-queue" | "before-queue";
  /** How postern is reached; "unix" is LMTP after-queue (Postfix's smtp client knows no unix sockets), SMTP before-queue. */
  readonly via?: "smtp" | "lmtp" | "unix";
  /** Postern's ports for deploy's 10024 and 10026. */
  readonly filterPort?: number;
  readonly outboundPort?: number;
  /** Port of a Dovecot auth service: switches the submission smtpd on. */
  readonly saslPort?: number;
  /** Port of deploy's 10025; a free one when absent. */
  readonly reinjectPort?: number;
  /** Adds deploy's delivery.main.cf: these domains go to postern-delivery, in place of the sink. */
  readonly delivery?: readonly string[];
  /** Port of a policy service, or its socket in socketDir: deploy/postfix/policy.main.cf on top. */
  readonly policyPort?: number | "socket";
  /** Runs the smtpd of port 25 chrooted to the queue directory, as Debian ships it. */
  readonly chroot?: boolean;
  /** More main.cf lines, after all others. */
  readonly main?: readonly string[];
}

export interface QueueEntry {
  readonly queue_name: string;
  readonly queue_id: string;
  readonly sender: string;
  readonly recipients: readonly { readonly address: string; readonly delay_reason?: string }[];
}

export interface Postfix extends Peer {
  readonly smtpPort: number;
  readonly reinjectPort: number;
  readonly submissionPort: number;
  /** Where the socket of postern-delivery must lie; deploy's /var/spool/postfix/postern-delivery. */
  readonly deliveryDir: string;
  /** Where postern's unix socket must lie (group postfix, setgid); deploy's /var/spool/postfix/postern. */
  readonly socketDir: string;
  readonly socket: string;
  queued(): Promise<readonly QueueEntry[]>;
  queueEmpty(timeoutMs?: number): Promise<void>;
  /** Tries all deferred mail now. */
  flush(): Promise<void>;
  log(): Promise<string>;
  /** sendmail(1) of this Postfix, called as an ordinary local program does. */
  sendmail(from: string, to: readonly string[], message: string | Buffer): Promise<void>;
}

const SERVICES = `
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
flush unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
smtp unix - - n - - smtp
relay unix - - n - - smtp
showq unix n - n - - showq
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
lmtp unix - - n - - lmtp
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
postlog unix-dgram n - n - 1 postlogd
sink unix - - n - - smtp
  -o smtp_line_length_limit=0
  -o disable_mime_output_conversion=yes
  -o smtp_send_xforward_command=yes
`;

function mainCf(etc: string, base: string, nextHop: number): string {
  return `
compatibility_level = 3.6
config_directory = ${etc}
queue_directory = ${base}/queue
data_directory = ${base}/data
command_directory = /usr/sbin
daemon_directory = /usr/lib/postfix/sbin
mail_owner = postfix
setgid_group = postdrop
myhostname = mx.example.com
mydomain = example.com
myorigin = example.com
mydestination =
relay_domains = example.com
relay_recipient_maps =
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
mynetworks = 127.0.0.0/8
relay_transport = sink:[127.0.0.1]:${nextHop}
default_transport = sink:[127.0.0.1]:${nextHop}
maillog_file = ${base}/maillog
maillog_file_prefixes = ${base}
smtpd_relay_restrictions = permit_mynetworks, permit_sasl_authenticated, reject_unauth_destination
smtpd_authorized_xclient_hosts = 127.0.0.0/8
disable_dns_lookups = yes
smtp_dns_support_level = disabled
alias_maps =
alias_database =
import_environment = MAIL_CONFIG
`;
}

interface Ports {
  readonly smtp: number;
  readonly reinject: number;
  readonly submission: number;
}

/** The snippets of deploy/postfix for this hookup: text for main.cf and for master.cf. */
async function snippets(
  options: PostfixOptions,
  ports: Ports,
): Promise<{ main: string; master: string }> {
  const front = `127.0.0.1:${ports.smtp}`;
  const plain = `${front} inet n - ${options.chroot === true ? "y" : "n"} - - smtpd\n`;
  const pickup = "pickup unix n - n 60 1 pickup\n";
  if (options.hookup === "none") return { main: "", master: plain + pickup };
  const filter = `127.0.0.1:${options.filterPort ?? 9}`;
  const back = { "127.0.0.1:10025": `127.0.0.1:${ports.reinject}` };
  const outbound = await outboundServices(options, ports);
  const via = options.via ?? "smtp";
  if (options.hookup === "before-queue") {
    let master = await deployed("postfix/before-queue.master.cf", {
      ...back,
      "127.0.0.1:10024": filter,
      "\nsmtp      inet": `\n${front}      inet`,
    });
    if (via === "lmtp") throw new Error("smtpd_proxy_filter speaks no LMTP");
    if (via === "unix") {
      master = choose(
        master,
        `  -o smtpd_proxy_filter=${filter}`,
        "  -o smtpd_proxy_filter=unix:postern/filter.sock",
      );
    }
    return { main: await deployed("postfix/before-queue.main.cf"), master: master + outbound };
  }
  let main = await deployed("postfix/after-queue.main.cf", {
    "127.0.0.1:10024": filter,
    "[127.0.0.1]:10024": `[127.0.0.1]:${options.filterPort ?? 9}`,
  });
  const first = `content_filter = scan:[127.0.0.1]:${options.filterPort ?? 9}`;
  if (via === "lmtp") main = choose(main, first, `content_filter = scan-lmtp:inet:${filter}`);
  if (via === "unix")
    main = choose(main, first, "content_filter = scan-lmtp:unix:postern/filter.sock");
  const master = await deployed("postfix/after-queue.master.cf", back);
  return { main, master: plain + master + outbound };
}

async function deliveryLines({ delivery }: PostfixOptions): Promise<readonly string[]> {
  if (delivery === undefined) return [];
  const domains = { "= example.com": `= ${delivery.join(", ")}` };
  return ["relay_domains =", await deployed("postfix/delivery.main.cf", domains)];
}

async function outboundServices(options: PostfixOptions, ports: Ports): Promise<string> {
  if (options.outboundPort === undefined) return "pickup unix n - n 60 1 pickup\n";
  const text = await deployed("postfix/outbound.master.cf", {
    "[127.0.0.1]:10026": `[127.0.0.1]:${options.outboundPort}`,
    "\nsubmission inet": `\n127.0.0.1:${ports.submission} inet`,
  });
  if (options.saslPort !== undefined) return text;
  const start = text.indexOf(`127.0.0.1:${ports.submission} inet`);
  return text.slice(0, start) + text.slice(text.indexOf("# sendmail(1)"));
}

/** Starts Postfix and returns when its smtpd listens. */
export async function postfix(options: PostfixOptions): Promise<Postfix> {
  const base = join(options.dir, "postfix");
  const etc = join(base, "etc");
  const [smtp = 0, reinject = 0, submission = 0] = await freePorts(3);
  const ports: Ports = { smtp, reinject: options.reinjectPort ?? reinject, submission };
  const socketDir = join(base, "queue/postern");
  const deliveryDir = join(base, "queue/postern-delivery");
  await layOut(base, socketDir, deliveryDir);
  const { main, master } = await snippets(options, ports);
  const sasl =
    options.saslPort === undefined
      ? []
      : ["smtpd_sasl_type = dovecot", `smtpd_sasl_path = inet:127.0.0.1:${options.saslPort}`];
  const mainLines = [
    mainCf(etc, base, options.nextHop),
    main,
    ...sasl,
    ...(await deliveryLines(options)),
    options.policyPort === undefined ? "" : await policyCf(options.policyPort),
    ...(options.main ?? []),
  ];
  await writeFile(join(etc, "main.cf"), `${mainLines.join("\n")}\n`);
  await writeFile(join(etc, "master.cf"), SERVICES + master);
  await copyFile("/etc/postfix/dynamicmaps.cf", join(etc, "dynamicmaps.cf")).catch(() => undefined);
  await must("postfix", ["-c", etc, "start"]);
  const log = () => textOf(join(base, "maillog"));
  const queued = async () => {
    const { stdout } = await must("postqueue", ["-c", etc, "-j"]);
    return stdout
      .split("\n")
      .filter((line) => line !== "")
      .map((line) => JSON.parse(line) as QueueEntry);
  };
  let stopped = false;
  return {
    smtpPort: ports.smtp,
    reinjectPort: ports.reinject,
    submissionPort: ports.submission,
    socketDir,
    deliveryDir,
    socket: join(socketDir, "filter.sock"),
    queued,
    queueEmpty: async (timeoutMs = 30_000) => {
      await until("an empty Postfix queue", async () => (await queued()).length === 0, timeoutMs);
    },
    flush: async () => void (await must("postqueue", ["-c", etc, "-f"])),
    log,
    async sendmail(from, to, message) {
      await must("sendmail", ["-C", etc, "-i", "-f", from, ...to], { input: message });
    },
    async stop() {
      if (stopped) return;
      stopped = true;
      await run("postfix", ["-c", etc, "stop"]);
      await until(
        "the end of Postfix",
        async () => (await run("postfix", ["-c", etc, "status"])).code !== 0,
      );
    },
  };
}

async function policyCf(port: number | "socket"): Promise<string> {
  const own = port === "socket" ? "unix:postern/policy.sock" : `inet:127.0.0.1:${port}`;
  return deployed("postfix/policy.main.cf", { "{ inet:127.0.0.1:10023,": `{ ${own},` });
}

async function layOut(base: string, socketDir: string, deliveryDir: string): Promise<void> {
  for (const dir of ["etc", "queue", "data"])
    await mkdir(join(base, dir), { recursive: true, mode: 0o755 });
  const { uid, gid } = await idsOf("postfix");
  await chown(join(base, "data"), uid, gid);
  // As deploy/tmpfiles.d/postern-postfix.conf: the setgid bit gives the sockets the group postfix.
  for (const [dir, user] of [
    [socketDir, "postern"],
    [deliveryDir, "vmail"],
  ] as const) {
    await mkdir(dir, { recursive: true });
    await chown(dir, (await idsOf(user)).uid, gid);
    await chmod(dir, 0o2750);
  }
}
