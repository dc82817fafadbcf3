// The command line: `postern <command> …`. Finds the command, runs it, sets the exit code (0 ok, 1 failure, 2 configuration;
// scan: 3 stopped). Commands are loaded when asked for, so that each starts fast.
import cluster from "node:cluster";
import { readFileSync } from "node:fs";
import { enableCompileCache } from "node:module";
import { constants } from "node:os";
import { USAGE, USAGES } from "./cli/usage.ts";

const COMMANDS: Readonly<
  Record<keyof typeof USAGES, () => Promise<(args: readonly string[]) => Promise<number>>>
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

async function main(argv: readonly string[]): Promise<number> {
  const [name, ...args] = argv;
  if (name === undefined) {
    process.stderr.write(USAGE);
    return 2;
  }
  if (name === "help" || name === "--help" || name === "-h") {
    const [about = ""] = args;
    process.stdout.write(isCommand(about) ? USAGES[about] : USAGE);
    return 0;
  }
  if (name === "--version" || name === "-V") {
    process.stdout.write(`postern ${version()} on Node ${process.version}\n`);
    return 0;
  }
  if (!isCommand(name)) {
    const { suggestion } = await import("./ruleset/suggest.ts");
    process.stderr.write(
      `postern: no command "${name}"${suggestion(name, Object.keys(COMMANDS))}\n${USAGE}`,
    );
    return 2;
  }
  if (asksForHelp(args)) {
    process.stdout.write(USAGES[name]);
    return 0;
  }
  if (name !== "serve") endWithReader();
  return (await COMMANDS[name]())(args).catch((error: unknown) => failure(error, USAGES[name]));
}

/** What is piped into head(1) ends when that does, as other programs do by SIGPIPE. */
function endWithReader(): void {
  process.stdout.on("error", ({ code }: NodeJS.ErrnoException) => {
    process.exit(code === "EPIPE" ? 128 + constants.signals.SIGPIPE : 1);
  });
}

function isCommand(name: string): name is keyof typeof USAGES {
  return Object.hasOwn(COMMANDS, name);
}

/** Whether --help stands where an option may stand. */
function asksForHelp(args: readonly string[]): boolean {
  const options = args.includes("--") ? args.slice(0, args.indexOf("--")) : args;
  return options.includes("--help") || options.includes("-h");
}

function version(): string {
  const file = new URL("../package.json", import.meta.url);
  return (JSON.parse(readFileSync(file, "utf8")) as { version: string }).version;
}

/** Errors of the operator are told in a line each; everything else is a fault of ours and shows where. */
function failure(error: unknown, usage = ""): number {
  const code = (error as { code?: unknown }).code;
  if (code === "CONFIG" || code === "RULES" || code === "USAGE") {
    process.stderr.write(`postern: ${(error as Error).message.replaceAll("\n", "\npostern: ")}\n`);
    if (code === "USAGE") process.stderr.write(usage);
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
  process.exitCode = await main(process.argv.slice(2)).catch((error: unknown) => failure(error));
}
