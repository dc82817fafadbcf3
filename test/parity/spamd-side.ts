// A real spamd as one side of a comparison: one that runs already, or one that is started for it with the same rules, without network tests
// and Bayes, and with a report that gives exact points.
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { chmod, cp, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { processTree, residentOf, treeCpuSeconds } from "../bench/procfs.ts";
import { parseEndpoint, type Endpoint } from "../../src/clients/endpoint.ts";
import { UsageError } from "../../src/cli/options.ts";
import { askPing, askReport } from "../../src/clients/spamd-exchange.ts";
import type { RulePlaces, Side } from "./our-side.ts";

export interface SpamdSide extends Side {
  /** False until a report gave exact points. */
  readonly exact: () => boolean;
}

const DEADLINE_MS = 300_000;
const PING_MS = 5000;
const SPAMD = "/usr/sbin/spamd";
const EXACT = "report tests=[_TESTSSCORES(,)_] autolearn=_AUTOLEARN_\n";

/** "unix:/path", "tcp:host:port", or a path or host:port alone. Throws when nobody answers there. */
export async function runningSpamd(where: string): Promise<SpamdSide> {
  const endpoint =
    parseEndpoint(where) ?? parseEndpoint(`unix:${where}`) ?? parseEndpoint(`tcp:${where}`);
  if (endpoint === null)
    throw new UsageError(`--spamd ${where} is no socket: unix:/path or tcp:host:port is wanted`);
  const silent = await askPing(endpoint.at, PING_MS);
  if (silent !== null) throw new Error(`no spamd answers at ${endpoint.name}: ${silent}`);
  const unknown = { cpuSeconds: () => null, residentMiB: () => null, of: "" };
  return side(endpoint, unknown, async () => undefined);
}

/** `children` at once; ended by stop(). */
export async function startedSpamd(
  { ruleDir, siteDir, more }: RulePlaces,
  children: number,
): Promise<SpamdSide> {
  if (!existsSync(SPAMD))
    throw new Error(`${SPAMD} is not there: install it, or name one that runs with --spamd SOCKET`);
  const dir = await mkdtemp(join(tmpdir(), "parity-"));
  const site = join(dir, "site");
  await cp(siteDir, site, { recursive: true, dereference: true });
  await writeFile(join(site, "zz-parity.cf"), `use_bayes 0\n${more}\n${EXACT}`, "latin1");
  await chmod(dir, 0o755);
  const home = await mkdtemp(join(tmpdir(), "parity-home-"));
  await chmod(home, 0o777);
  const socket = join(home, "spamd.sock");
  const count = ["-m", String(children), `--min-children=${children}`, `--max-spare=${children}`];
  const args = ["-L", "-x", "-H", home, "-s", "stderr", ...count, "--max-conn-per-child=100000"];
  const user = process.getuid?.() === 0 ? ["-u", "nobody"] : [];
  const child: ChildProcess = spawn(
    SPAMD,
    [
      ...args,
      ...user,
      `--socketpath=${socket}`,
      "--socketmode=0666",
      "-C",
      ruleDir,
      `--siteconfigpath=${site}`,
    ],
    { detached: true, stdio: ["ignore", "ignore", "pipe"] },
  );
  let log = "";
  child.stderr?.on("data", (piece: Buffer) => (log = (log + piece.toString()).slice(-10_000)));
  const endpoint = parseEndpoint(`unix:${socket}`);
  if (endpoint === null) throw new Error(`${socket} is too long`);
  const pid = child.pid ?? 0;
  const kill = (): unknown => process.kill(-pid, "SIGTERM");
  process.once("exit", kill);
  const stop = async (): Promise<void> => {
    process.off("exit", kill);
    const gone = child.exitCode === null ? once(child, "exit") : null;
    if (gone !== null) kill();
    await gone;
    await rm(dir, { recursive: true, force: true });
    await rm(home, { recursive: true, force: true });
  };
  for (let i = 0; (await askPing(endpoint.at, 1000)) !== null; i++) {
    if (child.exitCode !== null || i > 300) {
      await stop();
      throw new Error(`spamd does not start:\n${log.trimEnd()}`);
    }
    await sleep(200);
  }
  const meter = {
    cpuSeconds: () => treeCpuSeconds(pid),
    residentMiB: () => residentOf(processTree(pid).map((one) => one.pid)) / 1024 / 1024,
    of: `spamd with ${children} children, shared pages counted in each`,
  };
  return side(endpoint, meter, stop);
}

function side(endpoint: Endpoint, meter: Side["meter"], stop: () => Promise<void>): SpamdSide {
  let exact = false;
  return {
    name: `spamd at ${endpoint.name}`,
    exact: () => exact,
    async opinion(octets) {
      const body = {
        size: octets.length,
        bytes: [octets],
        open: async function* () {
          yield octets;
        },
      };
      const { signal } = new AbortController();
      const limits = { connectMs: 30_000, deadlineMs: DEADLINE_MS, signal };
      const reply = await askReport(endpoint.at, body, null, limits);
      if (reply.kind === "error") return null;
      exact ||= reply.exact;
      const rules = new Map(reply.rules.map(({ name, score }) => [name, score]));
      // The total comes to a tenth only; the sum of exact points is the total.
      const sum = [...rules.values()].reduce((total, score) => total + score, 0);
      const total = reply.exact ? Math.round(sum * 1000) / 1000 : reply.total;
      return { total, required: reply.required, rules };
    },
    meter,
    stop,
  };
}
