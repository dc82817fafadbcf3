// Reading a command's arguments: node:util.parseArgs with errors that say what is known, and --config everywhere.
import { parseArgs, type ParseArgsConfig } from "node:util";
import { configFile, loadConfig, type Config } from "../config.ts";
import { suggestion } from "../ruleset/suggest.ts";

/** Arguments that make no sense; exit code 2. */
export class UsageError extends Error {
  readonly code = "USAGE";
}

type Options = NonNullable<ParseArgsConfig["options"]>;

export interface Parsed {
  readonly config: Config;
  readonly values: Readonly<
    Record<string, string | boolean | readonly (string | boolean)[] | undefined>
  >;
  readonly positionals: readonly string[];
}

/**
 * Parses `args` with these options beside --config FILE, and loads that file (else as configFile says). Throws
 * UsageError for options that are not known, ConfigError for the file.
 */
export function parseCommand(args: readonly string[], options: Options): Parsed {
  const all: Options = { ...options, config: { type: "string", short: "c" } };
  for (const arg of args) {
    if (arg === "--") break;
    const name = /^--([^=]+)/.exec(arg)?.[1];
    if (name !== undefined && !Object.hasOwn(all, name)) {
      throw new UsageError(`unknown option "--${name}"${suggestion(name, Object.keys(all))}`);
    }
  }
  try {
    const { values, positionals } = parseArgs({
      args: [...args],
      options: all,
      allowPositionals: true,
      strict: true,
    });
    const named = typeof values["config"] === "string" ? values["config"] : null;
    return { config: loadConfig(configFile(named)), values, positionals };
  } catch (error) {
    if (error instanceof TypeError) throw new UsageError(error.message);
    throw error;
  }
}
