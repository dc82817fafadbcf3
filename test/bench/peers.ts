// What a bench puts between a sender and a sink: postern, amavisd-new, Haraka, or nothing; each with two processes that work
// and with the checks of its defaults that need no other server. A peer that is not installed says what is missing.
import { chownSync, cpSync, existsSync, mkdirSync, writeFileSync } from "node:fs";
import { execFileSync } from "node:child_process";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { freePorts } from "../real/lab/ports.ts";
import type { Running, Stage } from "./stage.ts";

export const ROOT: string = resolve(dirname(fileURLToPath(import.meta.url)), "../..");

export interface Peer {
  readonly name: string;
  /** Where mail goes in. */
  readonly port: number;
  /** The process whose tree is measured; null for none. */
  readonly running: Running | null;
  /** Where postern's metrics are; null for the others. */
  readonly httpPort: number | null;
}

export interface Candidate {
  readonly name: string;
  /** null when it can be started; else why not, for the operator. */
  missing(): string | null;
  /** Starts it towards a sink on `sinkPort`. */
  start(stage: Stage, sinkPort: number): Promise<Peer>;
}

export const direct: Candidate = {
  name: "direct",
  missing: () => null,
  start: async (_stage, sinkPort) => ({
    name: "direct",
    port: sinkPort,
    running: null,
    httpPort: null,
  }),
};

/** The product, from this checkout, with the shipped rules. `profileDir`: where its processes leave a CPU profile. */
export function postern(workers = 2, profileDir: string | null = null): Candidate {
  return {
    name: "postern",
    missing: () => null,
    async start(stage, sinkPort) {
      const [port = 0, httpPort = 0] = await freePorts(2);
      const dir = join(stage.dir, `postern-${port}`);
      cpSync(join(ROOT, "rules"), join(dir, "rules"), { recursive: true });
      const file = join(dir, "postern.toml");
      writeFileSync(file, posternToml({ workers, port, httpPort, sinkPort }));
      const profile = `--cpu-prof --cpu-prof-dir=${profileDir ?? ""}`;
      const running = await stage.start(
        `postern-${port}`,
        process.execPath,
        [join(ROOT, "src/main.ts"), "serve", "--config", file],
        { ports: [port, httpPort], env: profileDir === null ? {} : { NODE_OPTIONS: profile } },
      );
      return { name: "postern", port, running, httpPort };
    },
  };
}

interface Places {
  readonly workers: number;
  readonly port: number;
  readonly httpPort: number;
  readonly sinkPort: number;
}

const posternToml = ({ workers, port, httpPort, sinkPort }: Places) => `[server]
workers = ${workers}
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
[spam]
engine = "off"
`;

/** What Debian's package configures around its own choices: helper programs, file(1), banned names and types. */
const DEBIAN = [
  "/usr/share/amavis/conf.d/10-debian_scripts",
  "/etc/amavis/conf.d/01-debian",
  "/etc/amavis/conf.d/20-debian_defaults",
];

/**
 * amavisd-new without virus scanner and SpamAssassin. "lean": MIME decoding and banned names, no other program is run: the
 * fastest that still does what postern's checks do. "debian": with Debian's defaults, which ask file(1) about each part.
 */
export function amavis(kind: "lean" | "debian"): Candidate {
  const name = kind === "lean" ? "amavisd-new" : "amavisd-new, Debian's defaults";
  return {
    name,
    missing() {
      if (!existsSync("/usr/sbin/amavisd"))
        return "not installed (Debian: apt-get install amavisd-new file pax)";
      if (kind === "debian" && !DEBIAN.every((path) => existsSync(path)))
        return "not Debian's package";
      return process.getuid?.() === 0 ? null : "needs root (it changes to the user amavis)";
    },
    async start(stage, sinkPort) {
      const [port = 0] = await freePorts(1);
      const dir = join(stage.dir, `amavis-${port}`);
      const home = join(dir, "home");
      mkdirSync(dir);
      for (const each of [home, join(home, "tmp"), join(home, "db"), join(home, "quarantine")]) {
        mkdirSync(each, { mode: 0o750 });
        chownSync(each, idOf("-u"), idOf("-g"));
      }
      // amavisd refuses a configuration that its own user could write, or that lies in its home.
      const file = join(dir, "amavisd.conf");
      writeFileSync(file, amavisConf(home, port, sinkPort, kind === "lean" ? BANNED : ""), {
        mode: 0o644,
      });
      const files = [...(kind === "debian" ? DEBIAN : []), file].flatMap((path) => ["-c", path]);
      const running = await stage.start(
        `amavisd-${port}`,
        "/usr/sbin/amavisd",
        [...files, "foreground"],
        { ports: [port] },
      );
      return { name, port, running, httpPort: null };
    },
  };
}

const idOf = (flag: "-u" | "-g") =>
  Number(execFileSync("id", [flag, "amavis"], { encoding: "utf8" }));

const BANNED = String.raw`$banned_filename_re = new_RE(
  qr'\.[^./]*\.(exe|vbs|pif|scr|bat|cmd|com|cpl|dll)\.?$'i, qr'^application/(x-msdownload|x-msdos-program|hta)$'i,
  qr'.\.(exe|vbs|pif|scr|bat|cmd|com|cpl)$'i);`;

const amavisConf = (home: string, port: number, sinkPort: number, more: string) => `use strict;
$MYHOME = '${home}'; $TEMPBASE = "$MYHOME/tmp"; $ENV{TMPDIR} = $TEMPBASE; $db_home = "$MYHOME/db";
$QUARANTINEDIR = "$MYHOME/quarantine"; $lock_file = "$MYHOME/amavisd.lock"; $pid_file = "$MYHOME/amavisd.pid";
$daemon_user = 'amavis'; $daemon_group = 'amavis'; $daemonize = 0;
$max_servers = 2; $enable_db = 0; $do_syslog = 0; $LOGFILE = "$MYHOME/amavis.log"; $log_level = 0;
$myhostname = 'bench.example.com'; $mydomain = 'example.com'; @local_domains_maps = (['.example.com']);
$unix_socketname = undef; $inet_socket_bind = '127.0.0.1'; $inet_socket_port = ${port}; @inet_acl = ('127.0.0.1');
$forward_method = 'smtp:[127.0.0.1]:${sinkPort}'; $notify_method = $forward_method;
@bypass_virus_checks_maps = (1); @bypass_spam_checks_maps = (1);
${more}
1;
`;

/** Haraka with queue/smtp_forward, from HARAKA_DIR (the directory of the npm package) or a global installation. */
export const haraka: Candidate = {
  name: "Haraka",
  missing: () =>
    harakaDir() === null
      ? "not installed (npm install Haraka somewhere; HARAKA_DIR=…/node_modules/Haraka)"
      : null,
  async start(stage, sinkPort) {
    const [port = 0] = await freePorts(1);
    const dir = join(stage.dir, "haraka");
    const config: Readonly<Record<string, string>> = {
      "smtp.ini": `listen=127.0.0.1:${port}\nnodes=2\n`,
      "smtp_forward.ini": `host=127.0.0.1\nport=${sinkPort}\n`,
      host_list: "example.com\n",
      plugins: "rcpt_to.in_host_list\nqueue/smtp_forward\n",
      me: "bench.example.com\n",
    };
    mkdirSync(join(dir, "config"), { recursive: true });
    // Without these of its own it does not greet.
    for (const name of ["connection.ini", "log.ini"])
      cpSync(join(harakaDir() ?? "", "config", name), join(dir, "config", name));
    for (const [name, text] of Object.entries(config))
      writeFileSync(join(dir, "config", name), text);
    const running = await stage.start(
      "haraka",
      process.execPath,
      [join(harakaDir() ?? "", "bin/haraka"), "-c", dir],
      { ports: [port] },
    );
    return { name: "Haraka", port, running, httpPort: null };
  },
};

function harakaDir(): string | null {
  const places = [
    process.env["HARAKA_DIR"] ?? "",
    "/usr/lib/node_modules/Haraka",
    "/usr/local/lib/node_modules/Haraka",
  ];
  return places.find((place) => place !== "" && existsSync(join(place, "bin/haraka"))) ?? null;
}
