// Who takes part in the `content` bench: postern and amavisd-new, told to look into the same things, and the clamd and the spamd that
// both ask. amavisd-new is Debian's with its helper programs, since without them it opens no archive.
import { chownSync, cpSync, existsSync, mkdirSync, writeFileSync } from "node:fs";
import { execFileSync } from "node:child_process";
import { connect } from "node:net";
import { join } from "node:path";
import { freePorts } from "../real/lab/ports.ts";
import { ROOT, type Peer } from "./peers.ts";
import type { Stage } from "./stage.ts";

/** Which of the two servers are asked. */
export interface Asked {
  readonly clamd: boolean;
  readonly spamd: boolean;
  /** postern scores by its own engine what amavisd-new gives to spamd. */
  readonly native?: boolean;
}

export interface Servers {
  /** clamd's unix socket. */
  readonly clamdSocket: string;
}

/** amavisd-new has no other place for it. */
const SPAMD_PORT = 783;
const EICAR_SIGNATURE =
  "Eicar-Test-Signature:0:*:58354f2150254041505b345c505a58353428505e2937434329377d2445494341522d5354414e444152442d414e544956495255532d544553542d46494c452124482b482a";

/** null when all are there; else what to do. */
export function contentMissing(): string | null {
  const programs = [
    ["/usr/sbin/amavisd", "amavisd-new p7zip-full file pax"],
    ["/usr/sbin/clamd", "clamav-daemon"],
    ["/usr/sbin/spamd", "spamd spamassassin"],
    ["/usr/bin/python3", "python3"],
  ] as const;
  for (const [path, packages] of programs)
    if (!existsSync(path)) return `${path} not found: apt-get install ${packages}`;
  return process.getuid?.() === 0
    ? null
    : "needs root (amavisd-new changes its user, spamd takes port 783)";
}

/** A clamd with one signature, so that none of its time is a database's, and a spamd with two children and no network tests. */
export async function startServers(on: Stage): Promise<Servers> {
  const dir = join(on.dir, "servers");
  mkdirSync(join(dir, "db"), { recursive: true });
  writeFileSync(join(dir, "db/test.ndb"), EICAR_SIGNATURE);
  const clamdSocket = join(dir, "clamd.sock");
  const [tcp = 0] = await freePorts(1);
  writeFileSync(
    join(dir, "clamd.conf"),
    `LocalSocket ${clamdSocket}
LocalSocketMode 666
TCPSocket ${tcp}
TCPAddr 127.0.0.1
DatabaseDirectory ${dir}/db
StreamMaxLength 30M
MaxThreads 4
OfficialDatabaseOnly no
Foreground yes
User amavis
`,
  );
  give(dir);
  give(join(dir, "db"));
  await on.start("clamd", "/usr/sbin/clamd", ["-c", join(dir, "clamd.conf")], { ports: [tcp] });
  if (await taken(SPAMD_PORT))
    throw new Error(`127.0.0.1:${SPAMD_PORT} is taken; stop the spamd there`);
  const spamd = [
    "-L",
    "-m",
    "2",
    "--min-children=2",
    "--max-conn-per-child=100000",
    "-u",
    "nobody",
  ];
  await on.start("spamd", "/usr/sbin/spamd", [...spamd, "-H", dir, "-s", "null"], {
    ports: [SPAMD_PORT],
  });
  return { clamdSocket };
}

const idOf = (flag: "-u" | "-g") =>
  Number(execFileSync("id", [flag, "amavis"], { encoding: "utf8" }));
const give = (path: string) => chownSync(path, idOf("-u"), idOf("-g"));

function taken(port: number): Promise<boolean> {
  const socket = connect(port, "127.0.0.1");
  return new Promise((resolve) => {
    socket.once("connect", () => (socket.destroy(), resolve(true)));
    socket.once("error", () => resolve(false));
  });
}

/** postern from this checkout, with the shipped rules and two workers. */
export async function contentPostern(
  on: Stage,
  sinkPort: number,
  { clamd, spamd, native = false }: Asked,
  { clamdSocket }: Servers,
): Promise<Peer> {
  const [port = 0, httpPort = 0] = await freePorts(2);
  const dir = join(on.dir, `postern-${port}`);
  cpSync(join(ROOT, "rules"), join(dir, "rules"), { recursive: true });
  const file = join(dir, "postern.toml");
  const asks = [
    clamd ? `[clamd]\nendpoints = ["unix:${clamdSocket}"]\n` : "",
    spamd && !native ? `[spamd]\nendpoints = ["tcp:127.0.0.1:${SPAMD_PORT}"]\n` : "",
    native ? "" : `[spam]\nengine = "${spamd ? "spamd" : "off"}"\n`,
  ];
  writeFileSync(
    file,
    `[server]
workers = 2
[[listener]]
protocol = "smtp"
listen = "127.0.0.1:${port}"
[[listener]]
protocol = "http"
listen = "127.0.0.1:${httpPort}"
[next_hop]
relay = "smtp:127.0.0.1:${sinkPort}"
[delivery]
domains = ["example.com"]
[dns]
servers = "off"
${asks.join("")}`,
  );
  const args = [join(ROOT, "src/main.ts"), "serve", "--config", file];
  const running = await on.start(`postern-${port}`, process.execPath, args, {
    ports: [port, httpPort],
  });
  return { name: "postern", port, running, httpPort };
}

const DEBIAN = [
  "/usr/share/amavis/conf.d/10-debian_scripts",
  "/etc/amavis/conf.d/01-debian",
  "/etc/amavis/conf.d/20-debian_defaults",
];

/** amavisd-new with Debian's defaults and two children, asking the same servers. */
export async function contentAmavis(
  on: Stage,
  sinkPort: number,
  { clamd, spamd }: Asked,
  { clamdSocket }: Servers,
): Promise<Peer> {
  const [port = 0] = await freePorts(1);
  const dir = join(on.dir, `amavis-${port}`);
  const home = join(dir, "home");
  mkdirSync(dir);
  for (const each of [home, join(home, "tmp"), join(home, "db"), join(home, "quarantine")]) {
    mkdirSync(each, { mode: 0o750 });
    give(each);
  }
  const virus = String.raw`@av_scanners = (['ClamAV-clamd', \&ask_daemon, ["CONTSCAN {}\n", "${clamdSocket}"],
  qr/\bOK$/m, qr/\bFOUND$/m, qr/^.*?: (?!Infected Archive)(.*) FOUND$/m ]); @av_scanners_backup = ();
@bypass_virus_checks_maps = (0);`;
  const spam = `@spam_scanners = (['SpamdClient', 'Amavis::SpamControl::SpamdClient']);
@bypass_spam_checks_maps = (0); $sa_tag_level_deflt = -999; $sa_tag2_level_deflt = 5; $sa_kill_level_deflt = 10;
$sa_mail_body_size_limit = 500*1024; $final_spam_destiny = D_PASS;`;
  // amavisd refuses a configuration that its own user could write, or that lies in its home.
  const file = join(dir, "amavisd.conf");
  writeFileSync(
    file,
    `use strict;
$MYHOME = '${home}'; $TEMPBASE = "$MYHOME/tmp"; $ENV{TMPDIR} = $TEMPBASE; $db_home = "$MYHOME/db";
$QUARANTINEDIR = "$MYHOME/quarantine"; $lock_file = "$MYHOME/amavisd.lock"; $pid_file = "$MYHOME/amavisd.pid";
$daemon_user = 'amavis'; $daemon_group = 'amavis'; $daemonize = 0;
$max_servers = 2; $max_requests = 1000000; $enable_db = 0; $do_syslog = 0; $LOGFILE = "$MYHOME/amavis.log"; $log_level = 0;
$myhostname = 'bench.example.com'; $mydomain = 'example.com'; @local_domains_maps = (['.example.com']);
$unix_socketname = undef; $inet_socket_bind = '127.0.0.1'; $inet_socket_port = ${port}; @inet_acl = ('127.0.0.1');
$forward_method = 'smtp:[127.0.0.1]:${sinkPort}'; $notify_method = $forward_method;
${clamd ? virus : "@bypass_virus_checks_maps = (1);"}
${spamd ? spam : "@bypass_spam_checks_maps = (1);"}
1;
`,
    { mode: 0o644 },
  );
  const args = [...DEBIAN, file].flatMap((path) => ["-c", path]);
  const running = await on.start(`amavisd-${port}`, "/usr/sbin/amavisd", [...args, "foreground"], {
    ports: [port],
  });
  return { name: "amavisd-new", port, running, httpPort: null };
}
