// What the fault suite attacks: postern with two workers on five listeners (SMTP and LMTP; to a next hop, to Maildirs, the bare
// delivery agent), with real clamd, spamd and Redis behind it. Mail and state lie on file systems of their own, so that they can
// be filled and locked. Used by campaign.ts and latency.ts; needs root.
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { processTree } from "../../bench/procfs.ts";
import { answering } from "../../fakes/redis-server.ts";
import { clamd, type Clamd } from "../lab/clamd.ts";
import { lab, must, run, until, type Lab, type Peer } from "../lab/lab.ts";
import type { Way } from "../lab/ledger.ts";
import { freePorts } from "../lab/ports.ts";
import { postern, type Postern } from "../lab/postern.ts";
import { spamd, type Spamd } from "../lab/spamd.ts";
import { nextHop, type NextHop } from "./next-hop.ts";

export interface Road extends Way {
  readonly name: string;
  /** Whether the checks run on it. */
  readonly judges: boolean;
}

export interface Service extends Peer {
  freeze(): void;
  thaw(): void;
  kill(): Promise<void>;
  start(): Promise<void>;
}

export interface Estate {
  readonly lab: Lab;
  readonly roads: readonly Road[];
  readonly filter: Postern;
  readonly hop: NextHop;
  readonly clamd: Clamd;
  readonly spamd: Spamd;
  readonly redis: Service;
  /** Mount points, each a tmpfs: mailboxes; quarantine; spool and SQLite. */
  readonly mail: string;
  readonly quarantine: string;
  readonly state: string;
  /** Shifts the wall clock of every process of postern by so many seconds. */
  clock(seconds: number): Promise<void>;
  killWorker(): void;
  /** As a service manager does: kill -9, the workers end, a new one starts. */
  killSupervisor(): Promise<void>;
}

/** A message's whole budget here, and what one dependency may take of it. */
export const BUDGET_MS = 10_000;
export const DEADLINE_MS = 3000;
export const REDIS_MS = 500;
/** What postern's workers may hold in flight, each. */
export const IN_FLIGHT = 30;

/** More than a long campaign leaves; what is not used costs no memory. */
export const TMPFS_SIZE = "6g";

/** Starts all of it; on failure nothing stays. `more` is TOML. */
export async function estate(
  more = "",
  local: Readonly<Record<string, string>> = {},
): Promise<Estate> {
  const room = await lab("faults");
  try {
    return await build(room, more, local);
  } catch (error) {
    await room.cleanUp();
    throw error;
  }
}

async function build(
  room: Lab,
  more: string,
  rules: Readonly<Record<string, string>>,
): Promise<Estate> {
  const [mail, quarantine, state] = [
    await mounted(room, "mail"),
    await mounted(room, "quarantine"),
    await mounted(room, "state"),
  ];
  const ports = await freePorts(7);
  const [hopPort = 0, httpPort = 0, ...own] = ports;
  const hop = room.add(await nextHop(hopPort));
  const scanner = room.add(await clamd(room.dir));
  const scorer = room.add(await spamd(room.dir, { children: 2 }));
  const store = room.add(await redis(room.dir));
  const roads = roadsOf(own);
  const clockFile = join(room.dir, "clock");
  await writeFile(clockFile, "0");
  process.env["FAULTS_CLOCK"] = clockFile;
  process.env["NODE_OPTIONS"] = `--import=${join(import.meta.dirname, "shifted-clock.ts")}`;
  const filter = room.add(
    await postern({
      dir: room.dir,
      file: null,
      rules,
      more:
        `${listeners(roads, hopPort)}[[listener]]\nprotocol = "http"\nlisten = "127.0.0.1:${httpPort}"\n` +
        `[server]\nhostname = "mx.ours.example"\nstate_dir = "${state}"\nworkers = 2\n` +
        `[quarantine]\ndir = "${quarantine}/kept"\n` +
        `[delivery]\ndomains = ["ours.example"]\nunknown = "create"\nmail_root = "${mail}/root"\n` +
        `[redis]\nurl = "${store.url}"\ntimeout = "${REDIS_MS}ms"\n` +
        `[limits]\nin_flight = ${IN_FLIGHT}\nbudget_after_queue = "${BUDGET_MS}ms"\ncheck_deadline = "${DEADLINE_MS + 500}ms"\n` +
        `[clamd]\nendpoints = ["${scanner.unix}"]\ndeadline = "${DEADLINE_MS}ms"\n` +
        // Real scoring takes a tenth of a second: only the small letters get it.
        `[spamd]\nendpoints = ["${scorer.name}"]\ndeadline = "${DEADLINE_MS}ms"\nin_flight = 1\nmax_size = "1500"\noversize = "skip"\n${more}`,
    }).finally(() => delete process.env["NODE_OPTIONS"]),
  );
  return {
    ...{ lab: room, roads, filter, hop, clamd: scanner, spamd: scorer, redis: store },
    ...{ mail, quarantine, state },
    async clock(seconds) {
      await writeFile(clockFile, String(seconds));
      await new Promise((resolve) => setTimeout(resolve, 300));
    },
    killWorker() {
      const supervisor = filter.pid();
      const workers = processTree(supervisor).filter(({ parent }) => parent === supervisor);
      const one = workers[Math.floor(Math.random() * workers.length)];
      if (one !== undefined) process.kill(one.pid, "SIGKILL");
    },
    async killSupervisor() {
      const all = processTree(filter.pid()).map(({ pid }) => pid);
      process.kill(filter.pid(), "SIGKILL");
      await until("the end of the workers", () => !all.some(lives), 8000);
      await filter.start();
    },
  };
}

function roadsOf(ports: readonly number[]): readonly Road[] {
  const names = [
    ["smtp to a next hop", false, true],
    ["lmtp to a next hop", true, true],
    ["smtp to Maildirs", false, true],
    ["lmtp to Maildirs", true, true],
    ["lmtp delivery", true, false],
  ] as const;
  return names.map(([name, lmtp, judges], i) => ({ name, lmtp, judges, port: ports[i] ?? 0 }));
}

function listeners(roads: readonly Road[], hopPort: number): string {
  const lines = roads.map(({ name, port, lmtp, judges }) => {
    const protocol = lmtp ? "lmtp" : "smtp";
    const hop = name.endsWith("next hop") ? `${protocol}:127.0.0.1:${hopPort}` : "local";
    const role = judges ? `next_hop = "${hop}"` : 'role = "delivery"';
    return `[[listener]]\nprotocol = "${protocol}"\nlisten = "127.0.0.1:${port}"\n${role}\n`;
  });
  return lines.join("");
}

/** A tmpfs in the lab, unmounted at its end. */
async function mounted(room: Lab, name: string): Promise<string> {
  const path = join(room.dir, name);
  await mkdir(path);
  await must("mount", ["-t", "tmpfs", "-o", `size=${TMPFS_SIZE},mode=0755`, "tmpfs", path]);
  room.add({ stop: async () => void (await run("umount", ["-l", path])) });
  return path;
}

async function redis(labDir: string): Promise<Service & { readonly url: string }> {
  const dir = join(labDir, "redis");
  await mkdir(dir);
  const [port = 0] = await freePorts(1);
  const args = ["--port", String(port), "--bind", "127.0.0.1", "--dir", dir, "--appendonly", "yes"];
  let child: ChildProcess | null = null;
  const start = async (): Promise<void> => {
    child = spawn("redis-server", args, { stdio: "ignore" });
    await answering(port);
  };
  const kill = async (): Promise<void> => {
    const running = child;
    child = null;
    if (running === null || running.exitCode !== null || running.signalCode !== null) return;
    const gone = once(running, "exit");
    running.kill("SIGKILL");
    await gone;
  };
  await start();
  return {
    url: `redis://127.0.0.1:${port}`,
    freeze: () => void child?.kill("SIGSTOP"),
    thaw: () => void child?.kill("SIGCONT"),
    ...{ kill, start, stop: kill },
  };
}

function lives(pid: number): boolean {
  return processTree(pid).length > 0;
}
