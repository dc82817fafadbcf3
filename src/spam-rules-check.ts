// Whether new rules of SpamAssassin's form may take the place of those in force: a mistake in a file of the operator's own keeps the old ones,
// as it does in rules/. Used by the supervisor; the process that looks at them leaves what it found out of their patterns to the workers.
import { fork } from "node:child_process";
import { isAbsolute, relative } from "node:path";
import type { Config } from "./config.ts";
import { sameRules } from "./live-engine.ts";
import { boundedErrors, errorText, type RuleError } from "./ruleset/errors.ts";
import { spamRuleDirectories } from "./spam-rules.ts";
import type { AboutRules, EngineData } from "./spamrules/engine-job.ts";
import type { Problem } from "./spamrules/rulebook.ts";
import type { Log } from "./sys/log.ts";

export interface SpamRulesCheck {
  /** These are in force from the start. What is wrong with files of the operator's own is told in the background. */
  begin(config: Config, first: EngineData | null): void;
  /**
   * Why others must not take their place: they cannot be used at all, a file cannot be read, or there is a mistake in one of the operator's
   * own that was not there before. None: they are those in force from now on, and what else is new about them has been told.
   */
  faults(config: Config, next: EngineData | null): Promise<readonly RuleError[]>;
}

/** Remarks that are told one by one. */
const MAX_TOLD = 20;

interface Known {
  readonly data: EngineData | null;
  readonly problems: readonly Problem[];
}

type Looked = Known | { readonly failed: string };

export function spamRulesCheck(log: Log): SpamRulesCheck {
  let known: Promise<Known> = Promise.resolve({ data: null, problems: [] });
  return {
    begin(config, first) {
      if (first === null && scoresItself(config))
        log.warn(
          `there are no spam rules: postern scores nothing itself${config.spam.engine === "both" ? ", and only spamd is asked" : ""}; restart it when there are some`,
        );
      known = look(first).then(async (looked) => {
        if ("failed" in looked) {
          log.error(`the spam rules cannot be used: ${looked.failed}`);
          return { data: first, problems: [] };
        }
        tell(log, await ownProblems(config, looked.problems));
        return looked;
      });
    },
    async faults(config, next) {
      const before = await known;
      if (next === null) {
        if (before.data !== null && scoresItself(config))
          return [whole("no file of spam rules is left")];
        known = Promise.resolve({ data: null, problems: [] });
        return [];
      }
      if (before.data !== null && isSame(next, before.data)) return [];
      const looked = await look(next);
      if ("failed" in looked) return [whole(`cannot be used: ${looked.failed}`)];
      const old = new Set(before.problems.map(nameOf));
      const own = await ownProblems(config, looked.problems);
      const fresh = own.filter((problem) => !old.has(nameOf(problem)));
      const faults = fresh.filter(({ mild }) => mild !== true);
      if (faults.length > 0) return boundedErrors(faults);
      known = Promise.resolve(looked);
      tell(log, fresh);
      return [];
    },
  };
}

const scoresItself = ({ spam: { engine } }: Config): boolean =>
  engine === "native" || engine === "both";

const isSame = (a: EngineData, b: EngineData): boolean =>
  sameRules(a, b) && JSON.stringify(a.problems) === JSON.stringify(b.problems);

async function look(data: EngineData | null): Promise<Looked> {
  if (data === null) return { data, problems: [] };
  const about = await aboutRules(data);
  return "failed" in about ? about : { data, problems: about.problems };
}

/** On a busy machine: it gives way to mail. */
const LOOK_MS = 120_000;

function aboutRules(data: EngineData): Promise<AboutRules | { readonly failed: string }> {
  return new Promise((resolve) => {
    const looking = fork(new URL("./spam-rules-look.ts", import.meta.url), {
      execArgv: ["--disable-warning=ExperimentalWarning", "--max-old-space-size=1024"],
      stdio: "ignore",
      timeout: LOOK_MS,
      killSignal: "SIGKILL",
    });
    looking.once("message", (about: AboutRules) => resolve(about));
    looking.once("error", ({ message }) => resolve({ failed: message }));
    looking.once("exit", (code, signal) =>
      resolve({ failed: `the process that compiles them ended (${signal ?? code ?? "?"})` }),
    );
    looking.send(data, () => undefined);
  });
}

/** The mistakes for which a running server keeps the rules that it has. */
export async function mistakes(
  config: Config,
  problems: readonly Problem[],
): Promise<readonly Problem[]> {
  return (await ownProblems(config, problems)).filter(({ mild }) => mild !== true);
}

/** Those of whole files, and those that are not about lines that sa-update brought: it has looked at these itself. */
async function ownProblems(
  config: Config,
  problems: readonly Problem[],
): Promise<readonly Problem[]> {
  const { ruleDirs, siteDirs } = await spamRuleDirectories(config);
  const brought = siteDirs.length > 0 ? ruleDirs : [];
  return problems.filter(
    ({ file, line }) => line === 0 || !brought.some((directory) => isBelow(directory, file)),
  );
}

function isBelow(directory: string, file: string): boolean {
  const path = relative(directory, file);
  return path !== "" && !path.startsWith("..") && !isAbsolute(path);
}

/** The same mistake on another line is no new one. */
const nameOf = ({ file, message }: Problem): string => `${file}\n${message}`;

const whole = (message: string): RuleError => ({ file: "spam rules", line: 0, message });

function tell(log: Log, problems: readonly Problem[]): void {
  for (const problem of problems.slice(0, MAX_TOLD)) log.warn(errorText(problem));
  const rest = problems.length - MAX_TOLD;
  if (rest > 0) log.warn(`spam rules: ${rest} more: postern rules check names all`);
}
