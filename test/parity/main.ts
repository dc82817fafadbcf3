// How far postern's engine and SpamAssassin agree: `npm run parity -- [--spamd SOCKET | --oracle FILE…] PATH…` gives both the same messages
// under the same rules and prints what differs. Without a socket it starts a spamd of its own (-L, no Bayes).
import { UsageError } from "../../src/cli/options.ts";
import { progress } from "../../src/cli/progress.ts";
import { ruleDirectories } from "../../src/spamrules/language/directories.ts";
import { argumentsOf, mustExist, USAGE, type Arguments } from "./arguments.ts";
import { compare, type Opinion } from "./compare.ts";
import { messagesIn, type NamedMessage } from "./messages.ts";
import { oracleOpinions } from "./oracle-side.ts";
import { ourSide, type RulePlaces, type Side } from "./our-side.ts";
import { printed, type ParityReport } from "./print.ts";
import { runningSpamd, startedSpamd, type SpamdSide } from "./spamd-side.ts";
import { measured, type Speed } from "./speed.ts";

type Effort = Pick<Arguments, "atOnce" | "passes" | "seconds">;

/** One side and what it has answered. */
class Party {
  readonly side: Side;
  readonly opinions = new Map<string, Opinion | null>();
  /** Pass by pass. */
  readonly speeds: Speed[] = [];

  constructor(side: Side) {
    this.side = side;
  }

  async pass(messages: readonly NamedMessage[], effort: Effort, step: () => void): Promise<void> {
    let given = 0;
    const speed = await measured(messages, effort, this.side.meter, async ({ name, octets }) => {
      this.opinions.set(name, await this.side.opinion(octets));
      if (given++ < messages.length) step();
    });
    this.speeds.push(speed);
  }
}

/** Pass by pass, one side after the other: a machine that is slower for a minute is so for both. */
async function askAll(
  parties: readonly Party[],
  messages: readonly NamedMessage[],
  effort: Effort,
): Promise<void> {
  const bar = progress("parity", messages.length * effort.passes * parties.length);
  let done = 0;
  // Neither side is measured cold.
  for (const { side } of parties)
    for (const { octets } of messages.slice(0, 20)) await side.opinion(octets);
  for (let pass = 0; pass < effort.passes; pass++)
    for (const party of parties) await party.pass(messages, effort, () => bar.step(++done));
  bar.end();
}

async function places({ rules, site, lines }: Arguments): Promise<RulePlaces> {
  const { ruleDirs, siteDirs } = await ruleDirectories();
  const [ruleDir, siteDir] = [rules ?? ruleDirs[0], site ?? siteDirs[0]];
  if (ruleDir === undefined || siteDir === undefined)
    throw new UsageError("no rules of SpamAssassin's are here: name them with --rules and --site");
  await mustExist("--rules", ruleDir, true);
  await mustExist("--site", siteDir, true);
  return { ruleDir, siteDir, more: lines.join("\n") };
}

async function messagesOf(
  { paths: given }: Arguments,
  known: ReadonlyMap<string, Opinion> | null,
): Promise<NamedMessage[]> {
  const paths = given.length > 0 ? given : [...(known?.keys() ?? [])];
  for (const path of paths) await mustExist("message", path);
  const all: NamedMessage[] = [];
  // The oracle takes each file for one message.
  for await (const message of messagesIn(paths, known === null))
    if (known === null || known.has(message.name)) all.push(message);
  if (all.length > 0) return all;
  if (known === null) throw new UsageError(`no message in ${paths.join(", ")}`);
  throw new UsageError("the oracle's answers are about none of these messages");
}

async function main(): Promise<void> {
  const given = argumentsOf(process.argv.slice(2));
  if (given === null) {
    process.stdout.write(`${USAGE}\n`);
    return;
  }
  const { oracle, subrules } = given;
  const where = await places(given);
  for (const file of oracle ?? []) await mustExist("--oracle", file);
  const known = oracle === undefined ? null : await oracleOpinions(oracle, subrules);
  const all = await messagesOf(given, known);
  // Asked for first: a spamd that is not there must not cost a wait for our own engine.
  const spamd = known === null ? await spamdOf(given, where) : null;
  try {
    const ours = new Party(await ourSide(where, given.atOnce, subrules && known !== null));
    const compared =
      known !== null
        ? await besideOracle(ours, known, all, given)
        : await besideSpamd(ours, spamd!, all, given);
    const report: ParityReport = {
      ruleDirectories: [where.ruleDir, where.siteDir],
      ...compared,
    };
    process.stdout.write(given.json ? `${JSON.stringify(report, null, 1)}\n` : printed(report));
  } finally {
    await spamd?.stop();
  }
}

type Compared = Omit<ParityReport, "ruleDirectories">;

async function besideOracle(
  ours: Party,
  known: Map<string, Opinion>,
  messages: readonly NamedMessage[],
  effort: Effort,
): Promise<Compared> {
  try {
    await askAll([ours], messages, effort);
  } finally {
    await ours.side.stop();
  }
  return {
    against: `${known.size} answers of SpamAssassin`,
    parity: compare(ours.opinions, known, 0.01),
    speeds: { ours: ours.speeds, theirs: null },
  };
}

/** One that answers, or an Error that says why not. */
async function spamdOf({ spamd, atOnce }: Arguments, where: RulePlaces): Promise<SpamdSide> {
  return spamd === undefined ? await startedSpamd(where, atOnce) : await runningSpamd(spamd);
}

async function besideSpamd(
  ours: Party,
  spamd: SpamdSide,
  messages: readonly NamedMessage[],
  effort: Effort,
): Promise<Compared> {
  const theirs = new Party(spamd);
  try {
    await askAll([ours, theirs], messages, effort);
  } finally {
    await ours.side.stop();
  }
  return {
    against: spamd.name,
    parity: compare(ours.opinions, theirs.opinions, spamd.exact() ? 0.01 : 0.1),
    speeds: { ours: ours.speeds, theirs: theirs.speeds },
  };
}

// A spamd that was started for this ends with it.
for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => process.exit(130));
try {
  await main();
} catch (error) {
  process.stderr.write(`parity: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = error instanceof UsageError ? 2 : 1;
}
