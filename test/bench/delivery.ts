// Durable deliveries a second into one Maildir: postern's LMTP delivery listener against Dovecot's LMTP server, in interleaved rounds on
// one fresh loop-mounted ext4 with a journal, from which nothing is deleted between the rounds (freed inodes make ext4 several times
// slower). Both sync the file and its directory before they answer (Dovecot: mail_fsync=optimized).
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { freePorts } from "../real/lab/ports.ts";
import { ROOT } from "./peers.ts";
import { sendLmtp, toolsMissing } from "./postfix-tools.ts";
import { treeCpuSeconds } from "./procfs.ts";
import { stage, type Running, type Stage } from "./stage.ts";
import { figure, median, medianRatio, roundOf, table } from "./statistics.ts";

export interface DeliveryOptions {
  /** Messages in flight. */
  readonly sessions: readonly number[];
  readonly rounds: number;
  readonly seconds: number;
  readonly json: boolean;
}

const BODY = 3800;
const IMAGE_BYTES = 8 * 1024 ** 3;
/** Of the small messages above: what must not be filled in the middle of a round. */
const MAX_ROUND = 20_000;
const WORKERS = 2;

interface Agent {
  readonly name: string;
  readonly port: number;
  readonly running: Running;
  /** Where the messages must be. */
  readonly folder: string;
}

interface Series {
  readonly name: string;
  readonly rates: number[];
  readonly cpu: number[];
}

/** Runs it and prints; returns the exit code: 2 when something is missing, 1 when a message is. */
export async function delivery(options: DeliveryOptions): Promise<number> {
  const missing = whatIsMissing();
  if (missing !== null) {
    process.stderr.write(`delivery: ${missing}\n`);
    return 2;
  }
  const on = stage();
  const disk = join(on.dir, "disk");
  try {
    mountFresh(join(on.dir, "image"), disk);
    const agents = [await postern(on, disk), await dovecot(on, disk)];
    const results = [];
    let sent = 0;
    for (const sessions of options.sessions) {
      const measured = await measure(agents, sessions, options);
      sent += measured.sent;
      results.push({ sessions, series: measured.series });
      if (!options.json) process.stdout.write(page(sessions, measured.series, options));
    }
    if (options.json)
      process.stdout.write(`${JSON.stringify({ bench: "delivery", results }, null, 2)}\n`);
    const there = agents.map(({ folder }) => readdirSync(folder).length);
    for (const { running } of agents) await running.stop();
    if (there.every((count) => count === sent)) return 0;
    process.stderr.write(`sent ${sent} to each, found ${there.join(" and ")}\n`);
    return 1;
  } finally {
    if (existsSync(disk)) execFileSync("umount", ["-l", disk]);
    await on.close();
  }
}

function whatIsMissing(): string | null {
  if (process.getuid?.() !== 0) return "needs root (it mounts a file system)";
  if (!existsSync("/usr/sbin/dovecot")) return "needs dovecot-lmtpd";
  return toolsMissing();
}

function mountFresh(image: string, disk: string): void {
  writeFileSync(image, "");
  truncateSync(image, IMAGE_BYTES);
  execFileSync("mkfs.ext4", ["-q", "-F", "-E", "lazy_itable_init=0,lazy_journal_init=0", image]);
  mkdirSync(disk);
  execFileSync("mount", ["-o", "loop", image, disk]);
}

async function measure(
  agents: readonly Agent[],
  sessions: number,
  { rounds, seconds }: DeliveryOptions,
): Promise<{ series: readonly Series[]; sent: number }> {
  const load = ({ port }: Agent, messages: number) =>
    sendLmtp({ port, sessions, messages, size: BODY });
  const series = agents.map(({ name }): Series => ({ name, rates: [], cpu: [] }));
  // The same number to both: their folders stay equally long.
  const cold = 300;
  const first = [];
  for (const agent of agents) first.push(cold / (await load(agent, cold)));
  const messages = Math.min(MAX_ROUND, roundOf(Math.min(...first), seconds));
  for (let round = 1; round <= rounds; round++) {
    for (const [i, agent] of agents.entries()) {
      const before = treeCpuSeconds(agent.running.pid);
      const rate = messages / (await load(agent, messages));
      series[i]?.rates.push(rate);
      series[i]?.cpu.push(((treeCpuSeconds(agent.running.pid) - before) / messages) * 1000);
      process.stderr.write(
        `${sessions} in flight, round ${round}: ${agent.name} ${figure(rate)}/s\n`,
      );
    }
  }
  return { series, sent: cold + rounds * messages };
}

function page(sessions: number, series: readonly Series[], { rounds }: DeliveryOptions): string {
  const reference = series.find(({ name }) => name === "Dovecot LMTP")?.rates ?? [];
  const rows = series.map(({ name, rates, cpu }) => [
    name,
    figure(median(rates)),
    `${figure(Math.min(...rates))}–${figure(Math.max(...rates))}`,
    figure(medianRatio(rates, reference)),
    figure(median(cpu)),
  ]);
  const head = ["agent", "deliveries/s", "least–most", "× Dovecot", "CPU s per 1,000"];
  return `\n${BODY} octets, ${sessions} in flight, one mailbox, medians of ${rounds} interleaved rounds:\n\n${table(head, rows)}\n`;
}

async function postern(on: Stage, disk: string): Promise<Agent> {
  const [port = 0] = await freePorts(1);
  const file = join(on.dir, "postern.toml");
  writeFileSync(
    file,
    `[server]\nworkers = ${WORKERS}\nstate_dir = "${on.dir}/state"\nrules_dir = "${ROOT}/rules"
[[listener]]\nprotocol = "lmtp"\nrole = "delivery"\nlisten = "127.0.0.1:${port}"
[delivery]\ndomains = ["example.com"]\nunknown = "create"\nmail_root = "${disk}/postern"
[dns]\nservers = "off"\n`,
  );
  const args = [join(ROOT, "src/main.ts"), "serve", "--config", file];
  const running = await on.start("postern", process.execPath, args, { ports: [port] });
  const folder = join(disk, "postern/example.com/recipient/Maildir/new");
  return { name: "postern", port, running, folder };
}

/** Bare: no quota, no ACL, no Sieve, which only cost it time. */
async function dovecot(on: Stage, disk: string): Promise<Agent> {
  const [port = 0] = await freePorts(1);
  const dir = join(on.dir, "dovecot");
  mkdirSync(join(dir, "run"), { recursive: true, mode: 0o755 });
  const home = join(disk, "dovecot");
  mkdirSync(home);
  execFileSync("chown", ["vmail:vmail", home]);
  const file = join(dir, "dovecot.conf");
  writeFileSync(
    file,
    `base_dir = ${dir}/run\nstate_dir = ${dir}\nlog_path = ${dir}/dovecot.log\nssl = no\nlisten = 127.0.0.1
protocols = lmtp\nfirst_valid_uid = 1\nmail_fsync = optimized\nmail_location = maildir:~/Maildir
service lmtp {\n  inet_listener lmtp {\n    address = 127.0.0.1\n    port = ${port}\n  }\n}
passdb {\n  driver = static\n  args = nopassword=y\n}
userdb {\n  driver = static\n  args = uid=vmail gid=vmail home=${home}/%n allow_all_users=yes\n}\n`,
  );
  const running = await on.start("dovecot", "/usr/sbin/dovecot", ["-F", "-c", file], {
    ports: [port],
  });
  return { name: "Dovecot LMTP", port, running, folder: join(home, "recipient/Maildir/new") };
}
