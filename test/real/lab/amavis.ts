// A real amavisd-new with SpamAssassin in its own process, local rules only, from the configuration of a lab's spamd: whose header
// fields ours are compared with. Takes SMTP, hands on to a port.
import { spawn } from "node:child_process";
import { chmod, chown, mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { connect } from "node:net";
import { until, type Peer } from "./lab.ts";
import { freePort } from "./ports.ts";
import { idsOf } from "./unit.ts";

export interface Amavis extends Peer {
  readonly port: number;
}

export interface AmavisOptions {
  readonly nextHop: number;
  /** SpamAssassin's site configuration. */
  readonly configDir: string;
  /** $sa_tag_level_deflt; null leaves it undefined: always. */
  readonly tag: number | null;
  readonly tag2: number;
}

const DEBIAN = [
  "/usr/share/amavis/conf.d/10-debian_scripts",
  "/etc/amavis/conf.d/01-debian",
  "/etc/amavis/conf.d/20-debian_defaults",
];

/** Starts it and returns when it listens. Runs as the user amavis. */
export async function amavis(labDir: string, options: AmavisOptions): Promise<Amavis> {
  const port = await freePort();
  const dir = join(labDir, `amavis-${port}`);
  const home = join(dir, "home");
  const { uid, gid } = await idsOf("amavis");
  await mkdir(dir, { recursive: true });
  for (const path of [home, join(home, "tmp"), join(home, "db"), join(home, "quarantine")]) {
    await mkdir(path, { mode: 0o750 });
    await chown(path, uid, gid);
  }
  // It refuses a configuration that its own user could write, or that lies in its home.
  const file = join(dir, "amavisd.conf");
  await writeFile(
    file,
    `use strict;
$MYHOME = '${home}'; $TEMPBASE = "$MYHOME/tmp"; $ENV{TMPDIR} = $TEMPBASE; $db_home = "$MYHOME/db";
$QUARANTINEDIR = "$MYHOME/quarantine"; $lock_file = "$MYHOME/amavisd.lock"; $pid_file = "$MYHOME/amavisd.pid";
$daemon_user = 'amavis'; $daemon_group = 'amavis'; $daemonize = 0;
$max_servers = 1; $enable_db = 0; $do_syslog = 0; $LOGFILE = "$MYHOME/amavis.log"; $log_level = 1;
$myhostname = 'mx.example.com'; $mydomain = 'example.com'; @local_domains_maps = (['.example.com']);
$unix_socketname = undef; $inet_socket_bind = '127.0.0.1'; $inet_socket_port = ${port}; @inet_acl = ('127.0.0.1');
$forward_method = 'smtp:[127.0.0.1]:${options.nextHop}'; $notify_method = $forward_method;
@bypass_virus_checks_maps = (1); @bypass_banned_checks_maps = (1); @bypass_header_checks_maps = (1);
@bypass_spam_checks_maps = (0); $sa_local_tests_only = 1; $sa_siteconfigpath = '${options.configDir}';
$sa_tag_level_deflt = ${options.tag ?? "undef"}; $sa_tag2_level_deflt = ${options.tag2}; $sa_kill_level_deflt = 99999;
$final_spam_destiny = D_PASS; $sa_spam_subject_tag = undef; @mynetworks = ();
1;
`,
  );
  await chmod(file, 0o644);
  const args = [...DEBIAN, file].flatMap((path) => ["-c", path]);
  const child = spawn("/usr/sbin/amavisd", [...args, "foreground"], {
    detached: true,
    stdio: ["ignore", "pipe", "pipe"],
  });
  let said = "";
  for (const stream of [child.stdout, child.stderr])
    stream.on("data", (piece: Buffer) => (said += piece.toString()));
  const ended = () => child.exitCode !== null || child.signalCode !== null;
  const stop = async (): Promise<void> => {
    if (ended() || child.pid === undefined) return;
    process.kill(-child.pid, "SIGTERM");
    await until("the end of amavisd", ended);
  };
  await until(
    "amavisd",
    () => {
      if (ended()) throw new Error(`amavisd ended:\n${said}`);
      return accepts(port);
    },
    60_000,
  ).catch(async (error: unknown) => {
    await stop();
    throw error;
  });
  return { port, stop };
}

function accepts(port: number): Promise<boolean> {
  const socket = connect(port, "127.0.0.1");
  return new Promise((resolve) => {
    socket.once("connect", () => (socket.destroy(), resolve(true)));
    socket.once("error", () => resolve(false));
  });
}
