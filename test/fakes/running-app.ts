// A worker's app in this process: real listeners on unix sockets in a temporary directory, real rules, real stores; next hops
// are the caller's. For tests of the whole path without other servers.
import { mkdtemp, mkdir, readFile, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { startApp, type App } from "../../src/app.ts";
import { smtpDestination } from "../../src/clients/smtp.ts";
import { parseNextHop } from "../../src/clients/next-hop.ts";
import { parseConfig, type Config } from "../../src/config.ts";
import { oneBuffer } from "../../src/engine/report.ts";
import { parseAddress } from "../../src/mail/address.ts";
import { UNKNOWN_CLIENT, type Recipient } from "../../src/mail/message.ts";
import type { Reply } from "../../src/mail/reply.ts";
import { readRules } from "../../src/ruleset/source.ts";
import { prepareStore } from "../../src/state/sqlite.ts";
import { textLog } from "../../src/sys/log.ts";
import { metrics, type Metrics } from "../../src/sys/metrics.ts";

export interface RunningApp {
  readonly dir: string;
  readonly app: App;
  readonly config: Config;
  readonly metrics: Metrics;
  /** Message lines and everything else that was logged. */
  readonly lines: string[];
  readonly says: string[];
  /** Sends one message to the filter listener; one reply per recipient over LMTP, else one. */
  send(mail: Mail): Promise<readonly Reply[]>;
  /** Paths of all files below a directory of the temporary one. */
  files(below: string): Promise<readonly string[]>;
  read(path: string): Promise<string>;
  stop(): Promise<void>;
}

export interface Mail {
  readonly protocol?: "smtp" | "lmtp";
  readonly from?: string | null;
  readonly to: readonly string[];
  readonly params?: Readonly<Record<string, readonly string[]>>;
  readonly xforward?: Readonly<Record<string, string>>;
  /** Text with LF or CRLF line ends. */
  readonly text: string;
}

export interface AppOptions {
  /** TOML without [server] and [[listener]] of the filter. */
  readonly toml: string;
  /** More lines of [server]. */
  readonly server?: string;
  readonly mode?: "after-queue" | "before-queue";
  /** Lines of local.d/policy.rules, local.d/scores.rules. */
  readonly policy?: string;
  readonly scores?: string;
  /** More rule files, by path below rules/. */
  readonly rules?: Readonly<Record<string, string>>;
  /** Puts files into the directory before the app starts. */
  readonly before?: (dir: string) => Promise<void>;
}

const RULES = new URL("../../rules", import.meta.url).pathname;

export async function runningApp({
  toml,
  server = "",
  mode = "after-queue",
  policy = "",
  scores = "",
  rules = {},
  before,
}: AppOptions): Promise<RunningApp> {
  const dir = await mkdtemp(join(tmpdir(), "postern-app-"));
  const listener = `[[listener]]\nprotocol = "smtp"\nlisten = "unix:${dir}/filter.sock"\nmode = "${mode}"\n`;
  const config = parseConfig(
    `${toml.replaceAll("DIR", dir)}\n${listener}\n[server]\nstate_dir = "state"\nhostname = "filter.example"\nrules_dir = "${RULES}"\n${server}\n`,
    join(dir, "postern.toml"),
  );
  await mkdir(join(dir, "state/spool"), { recursive: true, mode: 0o700 });
  await mkdir(config.quarantine.dir, { recursive: true, mode: 0o700 });
  prepareStore(join(dir, "state/state.db"));
  await before?.(dir);
  const shipped = await readRules(RULES);
  if ("errors" in shipped) throw new Error("the shipped rules do not load");
  const source = new Map([
    ...shipped.ok,
    ["local.d/policy.rules", policy],
    ["local.d/scores.rules", scores],
    ...Object.entries(rules),
  ]);
  const lines: string[] = [];
  const says: string[] = [];
  const into = (list: string[]) => ({
    write: (text: string) => list.push(text.trimEnd()),
    flushSync() {},
  });
  const meters = metrics();
  const app = await startApp(config, source, textLog(into(lines), into(says)), meters);
  return {
    dir,
    app,
    config,
    metrics: meters,
    lines,
    says,
    send: (mail) => send(dir, mail),
    files: async (below) =>
      (await readdir(join(dir, below), { recursive: true, withFileTypes: true }).catch(() => []))
        .filter((entry) => entry.isFile())
        .map((entry) => join(entry.parentPath, entry.name)),
    read: (path) => readFile(path, "utf8"),
    async stop() {
      await app.stop(config.limits.stop_deadline, 0);
      await rm(dir, { recursive: true });
    },
  };
}

async function send(dir: string, mail: Mail): Promise<readonly Reply[]> {
  const nextHop = parseNextHop(`${mail.protocol ?? "smtp"}:unix:${dir}/filter.sock`);
  if (nextHop === null) throw new Error("no next hop");
  const client = smtpDestination({ nextHop, hostname: "client.example" });
  const from = mail.from === undefined ? "sender@remote.example" : mail.from;
  const recipients: Recipient[] = mail.to.map((raw) => ({
    address: address(raw),
    params: mail.params?.[raw] ?? [],
  }));
  const prepared = await client.prepare(
    {
      id: "test-1",
      mailId: "AAAAAAAAAAAA",
      sender: from === null ? null : address(from),
      senderParams: [],
      client: UNKNOWN_CLIENT,
      xforward: new Map(Object.entries(mail.xforward ?? {})),
      body: oneBuffer(Buffer.from(mail.text.replace(/\r?\n/g, "\r\n"))),
      folder: null,
      tainted: false,
    },
    recipients,
    AbortSignal.timeout(15_000),
  );
  const replies = await prepared.commit();
  await client.close();
  return replies;
}

function address(raw: string) {
  const parsed = parseAddress(raw);
  if (parsed === null) throw new Error(`no address: ${raw}`);
  return parsed;
}
