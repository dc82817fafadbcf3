// The command line: `postern <command> …`. Finds the command, runs it, sets the exit code (0 ok, 1 failure, 2 configuration;
// scan: 3 stopped). Commands are loaded when asked for, so that each starts fast.
import cluster from "node:cluster";
import { enableCompileCache } from "node:module";

const COMMANDS: Readonly<
  Record<string, () => Promise<(args: readonly string[]) => Promise<number>>>
> = {
  serve: async () => (await import("./cli/serve.ts")).serve,
  scan: async () => (await import("./cli/scan.ts")).scan,
  rules: async () => (await import("./cli/rules.ts")).rules,
  quarantine: async () => (await import("./cli/quarantine-command.ts")).quarantineCommand,
  history: async () => (await import("./cli/history-command.ts")).historyCommand,
  stats: async () => (await import("./cli/stats-command.ts")).statsCommand,
  greylist: async () => (await import("./cli/greylist-command.ts")).greylistCommand,
  learn: async () => (await import("./cli/learn-command.ts")).learnCommand,
  user: async () => (await import("./cli/wired.ts")).userCommand,
  dkim: async () => (await import("./cli/dkim.ts")).dkim,
  doctor: async () => (await import("./cli/doctor.ts")).doctor,
};

const USAGE = `usage: postern <command> [--config FILE] …

  serve [--log-format text|json]         run the server
  scan FILE…|DIR…|-                      judge messages without delivering them, and say why
  rules check|show                       check the rule files and run their cases; show them in effective order
  rules diff DIR                         which verdicts of recorded mail the rules in DIR would change
  quarantine list|show|release|delete|expire|digest|rotate-key
  greylist list|explain|allow|clear      why a sender waits, and what to do about it
  learn --spam|--ham|--forget PATH…      teach Bayes from messages, or take it back; --dump says what it knows
  history list|explain ID                what was decided about a message, and why
  stats [--hours N|--days N] [--top …]   what came and what became of it
  user add|del|list                      mailboxes, their passwords and aliases
  dkim keygen DOMAIN SELECTOR            a key to sign outgoing mail with, and the DNS record for it
  doctor                                 ask everything that postern depends on, and say what to do

exit codes: 0 ok, 1 failure, 2 configuration; scan: 0 delivered, 3 stopped
`;

async function main(argv: readonly string[]): Promise<number> {
  const [name, ...args] = argv;
  if (name === undefined || name === "help" || name === "--help" || name === "-h") {
    process.stdout.write(USAGE);
    return name === undefined ? 2 : 0;
  }
  const load = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined;
  if (load === undefined) {
    const { suggestion } = await import("./ruleset/suggest.ts");
    process.stderr.write(
      `postern: no command "${name}"${suggestion(name, Object.keys(COMMANDS))}\n${USAGE}`,
    );
    return 2;
  }
  return (await load())(args);
}

/** Errors of the operator are told in a line each; everything else is a fault of ours and shows where. */
function failure(error: unknown): number {
  const code = (error as { code?: unknown }).code;
  if (code === "CONFIG" || code === "RULES" || code === "USAGE") {
    process.stderr.write(`postern: ${(error as Error).message.replaceAll("\n", "\npostern: ")}\n`);
    return 2;
  }
  const expected =
    error instanceof Error && !(error instanceof TypeError) && !(error instanceof ReferenceError);
  process.stderr.write(
    `postern: ${expected && process.env["POSTERN_TRACE"] === undefined ? error.message : String((error as Error).stack ?? error)}\n`,
  );
  return 1;
}

enableCompileCache();
if (cluster.isWorker) {
  await (await import("./worker.ts")).work();
} else {
  process.exitCode = await main(process.argv.slice(2)).catch(failure);
}
