// The command line of `npm run parity`, read strictly: what makes no sense is said before anything is started. Used by main.ts.
import { stat } from "node:fs/promises";
import { parseArgs } from "node:util";
import { UsageError } from "../../src/cli/options.ts";
import { suggestion } from "../../src/ruleset/suggest.ts";

export const USAGE = `npm run parity -- [OPTION…] PATH…
  PATH              files, directories, mboxes; with --oracle the files that it names when there is none
  --spamd SOCKET    one that runs already, with the same rules: unix:/path or tcp:host:port
  --oracle FILE     answers of test/real/spamrules/oracle.pl instead, once or more often
  --rules DIR       SpamAssassin's rules; default: this machine's
  --site DIR        the site's own; default: this machine's
  --cf LINE         a line more for both, once or more often
  --at-once N       messages under way at each side; 2
  --passes N        all messages so often, the sides in turn: only then are they as warm as what runs for days; 2, with --oracle 1
  --seconds N       in each pass a side that is done sooner goes on with the same messages: a second says little; 15, with --oracle 0
  --subrules        rules whose name starts with "__" too (with --oracle)
  --json            for programs
  --help            this text
Exit codes: 0 compared, 1 nothing could be compared, 2 wrong arguments.`;

const OPTIONS = {
  spamd: { type: "string" },
  oracle: { type: "string", multiple: true },
  rules: { type: "string" },
  site: { type: "string" },
  cf: { type: "string", multiple: true },
  "at-once": { type: "string" },
  passes: { type: "string" },
  seconds: { type: "string" },
  subrules: { type: "boolean" },
  json: { type: "boolean" },
  help: { type: "boolean", short: "h" },
} as const;

export interface Arguments {
  readonly paths: readonly string[];
  readonly spamd: string | undefined;
  readonly oracle: readonly string[] | undefined;
  readonly rules: string | undefined;
  readonly site: string | undefined;
  readonly lines: readonly string[];
  readonly atOnce: number;
  /** How often all messages are given; the opinions are those of the last time. */
  readonly passes: number;
  /** Of each pass, at least. */
  readonly seconds: number;
  readonly subrules: boolean;
  readonly json: boolean;
}

/** null: help is wanted. Throws UsageError. */
export function argumentsOf(args: readonly string[]): Arguments | null {
  const { values, positionals } = parsed(args);
  if (values.help === true) return null;
  const { spamd, oracle, subrules = false } = values;
  if (positionals.length === 0 && oracle === undefined)
    throw new UsageError(
      "which messages? Name files or directories, or --oracle FILE (see --help)",
    );
  if (spamd !== undefined && oracle !== undefined)
    throw new UsageError("--spamd and --oracle exclude one another");
  if (subrules && oracle === undefined)
    throw new UsageError("--subrules needs --oracle: a spamd does not tell of them");
  return {
    paths: positionals,
    spamd,
    oracle,
    rules: values.rules,
    site: values.site,
    lines: values.cf ?? [],
    atOnce: whole("at-once", values["at-once"], 2, 1),
    passes: whole("passes", values.passes, oracle === undefined ? 2 : 1, 1),
    seconds: whole("seconds", values.seconds, oracle === undefined ? 15 : 0, 0),
    subrules,
    json: values.json === true,
  };
}

function parsed(args: readonly string[]) {
  for (const arg of args) {
    if (arg === "--") break;
    const name = /^--([^=]+)/.exec(arg)?.[1];
    if (name !== undefined && !Object.hasOwn(OPTIONS, name))
      throw new UsageError(`unknown option "--${name}"${suggestion(name, Object.keys(OPTIONS))}`);
  }
  try {
    return parseArgs({ args: [...args], allowPositionals: true, options: OPTIONS });
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error));
  }
}

function whole(name: string, text: string | undefined, otherwise: number, least: number): number {
  if (text === undefined) return otherwise;
  const number = Number(text);
  if (/^\d{1,6}$/.test(text) && number >= least) return number;
  throw new UsageError(`--${name} ${text}: a whole number from ${least} to 999999 is wanted`);
}

/** Throws UsageError for a path that is not there, or no directory though `directory`. */
export async function mustExist(what: string, path: string, directory = false): Promise<void> {
  const found = await stat(path).catch((cause: NodeJS.ErrnoException) => cause.code ?? "");
  if (typeof found === "string")
    throw new UsageError(
      `${what} ${path} ${found === "ENOENT" ? "is not there" : `cannot be read (${found})`}`,
    );
  if (directory && !found.isDirectory()) throw new UsageError(`${what} ${path} is no directory`);
}
