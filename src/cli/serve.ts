// `postern serve`: runs the supervisor until a signal ends it. SIGHUP reads configuration and rules again, SIGUSR2 changes to the
// program on disk, SIGTERM and SIGINT stop gracefully, a second one at once.
import { existsSync } from "node:fs";
import { loadConfig, type Config } from "../config.ts";
import { processLog, type Log } from "../sys/log.ts";
import { supervise, type Supervisor } from "../supervisor.ts";
import { parseCommand, UsageError } from "./options.ts";

export async function serve(args: readonly string[]): Promise<number> {
  const {
    config: file,
    values,
    positionals,
  } = parseCommand(args, { "log-format": { type: "string" } });
  if (positionals.length > 0) throw new UsageError(`serve takes no "${positionals[0] ?? ""}"`);
  const format = values["log-format"] ?? file.server.log_format;
  if (format !== "text" && format !== "json")
    throw new UsageError('--log-format is "text" or "json"');
  // The command line goes before the file, also when that is read again.
  const formatted = (read: Config): Config => ({
    ...read,
    server: {
      ...read.server,
      log_format: values["log-format"] === undefined ? read.server.log_format : format,
    },
  });
  const config = formatted(file);
  const log = processLog(format);
  const starting = supervise(config, () => formatted(loadConfig(file.file)), log);
  const stopped = signals(starting, log);
  await starting;
  greet(config, log);
  await stopped;
  log.flush();
  return 0;
}

/** What a person who just started it wants to know next. */
function greet(config: Config, log: Log): void {
  log.info(
    `ready: postern on ${config.server.hostname}, process ${process.pid}, ${config.file ?? "no configuration file"}, ${config.server.workers} worker(s), state in ${config.server.state_dir}, rules from ${config.server.rules_dir}`,
  );
  const filter = config.listener.find((l) => l.protocol === "smtp" && l.role === "filter");
  const { endpoints = [] } = config.clamd;
  log.info(
    endpoints.length === 0
      ? "no virus scanner is asked: [clamd] names no endpoints"
      : `viruses: clamd at ${endpoints.join(", ")}`,
  );
  log.info(scorerText(config));
  if (config.file === null && existsSync("postern.toml"))
    log.warn("postern.toml in this directory is not read: name it by --config or POSTERN_CONFIG");
  if (config.file !== null || filter === undefined) return;
  log.info(
    `mailboxes are made at first delivery below ${config.delivery.mail_root} for the domains ${config.delivery.domains.join(", ")}`,
  );
  log.info(
    `send it a message: swaks --server ${filter.listen} --to postmaster@localhost --header 'Subject: hello'`,
  );
  log.info("judge a file without delivering it: npx node src/main.ts scan FILE");
}

function scorerText({ spam, spamd: { endpoints = [] } }: Config): string {
  const servers = `spamd at ${endpoints.join(", ")}`;
  switch (spam.engine) {
    case "native":
      return "spam: scored here by SpamAssassin's rules";
    case "spamd":
      return `spam: ${servers}`;
    case "both":
      return `spam: scored here by SpamAssassin's rules and by ${servers}, ${spam.serve} counts`;
    case "off":
      return "no spam scorer is asked: [spam] engine is off";
  }
}

/** A terminal sends Ctrl-C to all processes of the command, and launchers pass on what they get: within this time it is the same one. */
const SAME_MS = 500;

/** Acts on signals from the first moment on: those of the start are carried out after it. A start that fails is the caller's. */
function signals(starting: Promise<Supervisor>, log: Log): Promise<void> {
  const then = (act: (server: Supervisor) => unknown): void => void starting.then(act, () => {});
  return new Promise((resolve) => {
    let since: number | null = null;
    const stop = (signal: string): void => {
      if (since !== null) {
        if (performance.now() - since > SAME_MS) process.exit(1);
        return;
      }
      since = performance.now();
      log.info(`${signal}: finishing what is in flight`);
      then((server) =>
        server.stop().then(() => {
          log.info("stopped");
          resolve();
        }),
      );
    };
    process.on("SIGTERM", () => stop("SIGTERM"));
    process.on("SIGINT", () => stop("SIGINT"));
    process.on("SIGHUP", () => then((server) => server.reload()));
    process.on("SIGUSR2", () => then((server) => server.upgrade()));
  });
}
