// How far postern's engine and SpamAssassin agree: `npm run parity -- [--spamd SOCKET | --oracle FILE…] PATH…` gives both the same messages
// under the same rules and prints what differs. Without a socket it starts a spamd of its own (-L, no Bayes).
import { parseArgs } from "node:util";
import { progress } from "../../src/cli/progress.ts";
import { ruleDirectories } from "../../src/spamrules/language/directories.ts";
import { compare, type Opinion } from "./compare.ts";
import { messagesIn, type NamedMessage } from "./messages.ts";
import { oracleOpinions } from "./oracle-side.ts";
import { ourSide, type RulePlaces, type Side } from "./our-side.ts";
import { printed, type ParityReport } from "./print.ts";
import { runningSpamd, startedSpamd } from "./spamd-side.ts";
import { measured, type Speed } from "./speed.ts";

const USAGE = `npm run parity -- [OPTION…] PATH…
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
  --json            for programs`;

interface Effort {
  readonly atOnce: number;
  /** How often all messages are given; the opinions are those of the last time. */
  readonly passes: number;
  /** Of each pass, at least. */
  readonly seconds: number;
}

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

async function places(
  rules: string | undefined,
  site: string | undefined,
  lines: readonly string[],
): Promise<RulePlaces> {
  const { ruleDirs, siteDirs } = await ruleDirectories();
  const [ruleDir, siteDir] = [rules ?? ruleDirs[0], site ?? siteDirs[0]];
  if (ruleDir === undefined || siteDir === undefined)
    throw new Error("no rules of SpamAssassin's are here: name them with --rules and --site");
  return { ruleDir, siteDir, more: lines.join("\n") };
}

async function main(): Promise<void> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
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
    },
  });
  const { oracle, subrules = false } = values;
  if (positionals.length === 0 && oracle === undefined) throw new Error(USAGE);
  const atOnce = Math.max(1, Number(values["at-once"] ?? "2") || 2);
  const effort = {
    atOnce,
    passes: Math.max(1, Number(values.passes) || (oracle === undefined ? 2 : 1)),
    seconds: Number(values.seconds ?? (oracle === undefined ? 15 : 0)) || 0,
  };
  const where = await places(values.rules, values.site, values.cf ?? []);
  const known = oracle === undefined ? null : await oracleOpinions(oracle, subrules);
  const paths = positionals.length > 0 ? positionals : [...(known?.keys() ?? [])];
  const all: NamedMessage[] = [];
  // The oracle takes each file for one message.
  for await (const message of messagesIn(paths, known === null))
    if (known === null || known.has(message.name)) all.push(message);
  const ours = new Party(await ourSide(where, atOnce, subrules && known !== null));
  const report: ParityReport = {
    ruleDirectories: [where.ruleDir, where.siteDir],
    ...(known === null
      ? await besideSpamd(ours, values.spamd, where, all, effort)
      : await besideOracle(ours, known, all, effort)),
  };
  process.stdout.write(
    values.json === true ? `${JSON.stringify(report, null, 1)}\n` : printed(report),
  );
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

async function besideSpamd(
  ours: Party,
  socket: string | undefined,
  where: RulePlaces,
  messages: readonly NamedMessage[],
  effort: Effort,
): Promise<Compared> {
  const spamd =
    socket === undefined ? await startedSpamd(where, effort.atOnce) : runningSpamd(socket);
  const theirs = new Party(spamd);
  try {
    await askAll([ours, theirs], messages, effort);
  } finally {
    await Promise.all([ours.side.stop(), spamd.stop()]);
  }
  return {
    against: spamd.name,
    parity: compare(ours.opinions, theirs.opinions, spamd.exact() ? 0.01 : 0.1),
    speeds: { ours: ours.speeds, theirs: theirs.speeds },
  };
}

try {
  await main();
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 2;
}
