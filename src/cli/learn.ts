// `postern learn`: teaches Bayes from files, and makes it forget. Store and threads come in `deps`; learn-command.ts wires them. One bad
// message never stops the rest. Exit codes: 0 done, 1 some message failed or nothing was found, 2 the command makes no sense, 130 interrupted.
import { parseArgs } from "node:util";
import type { Readable } from "node:stream";
import type { Teacher } from "../learning.ts";
import type { Label, TokenStore } from "../state/token-store.ts";
import { terminalText } from "./escape.ts";
import { messagesOf, sourceOf, type SourceMessage } from "./learn-sources.ts";
import type { Progress } from "./progress.ts";
import { USAGES } from "./usage.ts";

export interface LearnDeps {
  readonly teacher: Teacher;
  readonly tokens: TokenStore;
  /** Messages read at once. */
  readonly atOnce: number;
  readonly minSpam: number;
  readonly minHam: number;
  readonly maxTokens: number;
  readonly stdin: Readable;
  readonly out: (text: string) => void;
  readonly err: (text: string) => void;
  readonly progress: (label: string, total: number) => Progress;
  /** Ctrl-C: what is under way is done, nothing more is begun. */
  readonly signal: AbortSignal;
  readonly now: () => number;
}

const OPTIONS = {
  spam: { type: "boolean" },
  ham: { type: "boolean" },
  forget: { type: "boolean" },
  "forget-mailbox": { type: "string" },
  dump: { type: "boolean" },
  mailbox: { type: "string" },
  json: { type: "boolean" },
} as const;

class Misused extends Error {}

type Flags = Readonly<Partial<Record<keyof typeof OPTIONS, string | boolean>>>;

export async function learn(args: readonly string[], deps: LearnDeps): Promise<number> {
  try {
    const { values, positionals } = parseArgs({
      args: [...args],
      options: OPTIONS,
      allowPositionals: true,
    });
    return await run(values, positionals, deps);
  } catch (error) {
    if (!(error instanceof Misused) && !(error instanceof TypeError)) throw error;
    deps.err(`postern learn: ${error.message}\n${USAGES.learn}`);
    return 2;
  }
}

const DEEDS = ["spam", "ham", "forget", "forget-mailbox", "dump"] as const;

function run(flags: Flags, paths: readonly string[], deps: LearnDeps): Promise<number> {
  const [deed, ...more] = DEEDS.filter((name) => flags[name] !== undefined);
  if (deed === undefined || more.length > 0)
    throw new Misused("one of --spam, --ham, --forget, --forget-mailbox and --dump");
  if (flags.json !== undefined && deed !== "dump") throw new Misused(`--${deed} takes no --json`);
  if (flags.mailbox !== undefined && deed !== "spam" && deed !== "ham")
    throw new Misused(`--${deed} takes no --mailbox`);
  const isOverPaths = deed === "spam" || deed === "ham" || deed === "forget";
  if (isOverPaths === (paths.length === 0))
    throw new Misused(isOverPaths ? `--${deed} needs a PATH` : `--${deed} takes no PATH`);
  switch (deed) {
    case "dump":
      return dump(flags.json === true, deps);
    case "forget-mailbox":
      return forgetMailbox(String(flags["forget-mailbox"]), deps);
    default:
      return overPaths(deed, paths, String(flags.mailbox ?? ""), deps);
  }
}

/** What became of the messages, by word. */
type Counts = Map<string, number>;

async function overPaths(
  deed: Label | "forget",
  paths: readonly string[],
  mailbox: string,
  deps: LearnDeps,
): Promise<number> {
  const { files, failed } = await sourceOf(paths);
  const counts: Counts = new Map();
  const fail = (what: string): void => {
    counts.set("failed", (counts.get("failed") ?? 0) + 1);
    deps.err(`postern: ${terminalText(what)}\n`);
  };
  failed.forEach(fail);
  const kib = (octets: number): number => Math.ceil(octets / 1024);
  const total = kib(files.reduce((sum, { size }) => sum + size, 0));
  const bar = deps.progress(`learn (KiB)`, total);
  let done = 0;
  const deal = async (message: SourceMessage): Promise<void> => {
    const became = await dealWith(message, deed, mailbox.toLowerCase(), deps).catch(
      (error: Error) => ({ failed: error.message }),
    );
    done += message.size;
    bar.step(Math.min(kib(done), total));
    if (typeof became !== "string") return fail(`${message.name}: ${became.failed}`);
    counts.set(became, (counts.get(became) ?? 0) + 1);
  };
  const under = new Set<Promise<void>>();
  for (const file of files) {
    if (deps.signal.aborted) break;
    try {
      for await (const message of messagesOf(file, deps.stdin)) {
        if (deps.signal.aborted) break;
        const dealing = deal(message).finally(() => under.delete(dealing));
        under.add(dealing);
        if (under.size >= deps.atOnce) await Promise.race(under);
      }
    } catch (error) {
      if (!deps.signal.aborted) fail(`${file.path}: ${(error as Error).message}`);
    }
  }
  await Promise.all(under);
  bar.end();
  if (deps.signal.aborted) return interrupted(counts, deps);
  const expired = await deps.tokens.expire(deps.maxTokens, deps.now());
  await tell(counts, expired, deps);
  return (counts.get("failed") ?? 0) > 0 || counts.size === 0 ? 1 : 0;
}

async function dealWith(
  { octets }: SourceMessage,
  deed: Label | "forget",
  mailbox: string,
  { teacher }: LearnDeps,
): Promise<string | { readonly failed: string }> {
  if (octets === null) return { failed: "too large to learn from" };
  const reading = await teacher.read(octets);
  if ("failed" in reading) return reading;
  if (deed === "forget")
    return (await teacher.forget(reading)) === null ? "not known" : "forgotten";
  const result = await teacher.teach(reading, { label: deed, mailbox });
  return { learned: "learned", relearned: "learned anew", known: "known already" }[result];
}

const spelled = (counts: Counts): string =>
  [...counts].map(([word, count]) => `${count} ${word}`).join(", ");

/** As after any other end: each message is learned whole or not at all. */
function interrupted(counts: Counts, deps: LearnDeps): number {
  const far = spelled(counts) || "no message";
  deps.out(`interrupted: ${far}; the same command again does the rest\n`);
  return INTERRUPTED;
}

/** 128 and the number of SIGINT. */
const INTERRUPTED = 130;

async function tell(counts: Counts, expired: number, deps: LearnDeps): Promise<void> {
  deps.out(`${spelled(counts) || "no message found"}\n`);
  if (expired > 0) deps.out(`${expired} tokens that were of no use for long were forgotten\n`);
  const { spam, ham } = await deps.tokens.totals();
  deps.out(`${standing(spam, ham, deps)}\n`);
}

function standing(spam: number, ham: number, { minSpam, minHam }: LearnDeps): string {
  const lacking = [
    ...(spam < minSpam ? [`${minSpam - spam} more spam`] : []),
    ...(ham < minHam ? [`${minHam - ham} more ham`] : []),
  ];
  const known = `learned from ${spam} spam and ${ham} ham`;
  return lacking.length === 0 ? known : `${known}; Bayes is asked after ${lacking.join(" and ")}`;
}

/** Messages that one question to the store takes back. */
const AT_ONCE = 50;

async function forgetMailbox(mailbox: string, deps: LearnDeps): Promise<number> {
  let forgotten = 0;
  for (let some = -1; some !== 0 && !deps.signal.aborted; forgotten += some)
    some = await deps.tokens.forgetMailbox(mailbox.toLowerCase(), AT_ONCE, deps.now());
  if (deps.signal.aborted) return interrupted(new Map([["forgotten", forgotten]]), deps);
  deps.out(`${terminalText(mailbox)}: ${forgotten} forgotten\n`);
  return forgotten > 0 ? 0 : 1;
}

async function dump(json: boolean, deps: LearnDeps): Promise<number> {
  const summary = await deps.tokens.summary(deps.now());
  if (json) {
    deps.out(`${JSON.stringify(summary)}\n`);
    return 0;
  }
  const { spam, ham, tokens, oldest, newest, expired, mailboxes } = summary;
  const day = (ms: number): string =>
    ms === 0 ? "never" : new Date(ms).toISOString().slice(0, 10);
  deps.out(`${standing(spam, ham, deps)}\n`);
  deps.out(`tokens       ${tokens} of at most ${deps.maxTokens}\n`);
  deps.out(`of use       from ${day(oldest * 1000)} to ${day(newest * 1000)}\n`);
  deps.out(`last expiry  ${day(expired)}\n`);
  for (const { mailbox, messages } of mailboxes)
    deps.out(`mailbox      ${terminalText(mailbox)}: ${messages}\n`);
  return 0;
}
