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
  --passes N        all messages so often, and the speed of the last time compared: 2 for sides that run for days; 1
  --subrules        rules whose name starts with "__" too (with --oracle)
  --json            for programs`;

interface Collected {
  readonly opinions: Map<string, Opinion | null>;
  /** Pass by pass. */
  readonly speeds: readonly Speed[];
}

interface Effort {
  readonly atOnce: number;
  /** How often all messages are given: the opinions, and the speed that is compared, are those of the last time. */
  readonly passes: number;
}

async function ask(
  side: Side,
  messages: readonly NamedMessage[],
  { atOnce, passes }: Effort,
): Promise<Collected> {
  const opinions = new Map<string, Opinion | null>();
  const speeds: Speed[] = [];
  const bar = progress(side.name.slice(0, 20), messages.length * passes);
  let done = 0;
  // Neither side is measured cold.
  for (const { octets } of messages.slice(0, 20)) await side.opinion(octets);
  for (let pass = 0; pass < passes; pass++) {
    const speed = await measured(messages, atOnce, side.meter, async ({ name, octets }) => {
      opinions.set(name, await side.opinion(octets));
      bar.step(++done);
    });
    speeds.push(speed);
  }
  bar.end();
  return { opinions, speeds };
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
      subrules: { type: "boolean" },
      json: { type: "boolean" },
    },
  });
  const { oracle, subrules = false } = values;
  if (positionals.length === 0 && oracle === undefined) throw new Error(USAGE);
  const atOnce = Math.max(1, Number(values["at-once"] ?? "2") || 2);
  const effort = { atOnce, passes: Math.max(1, Number(values.passes ?? "1") || 1) };
  const where = await places(values.rules, values.site, values.cf ?? []);
  const known = oracle === undefined ? null : await oracleOpinions(oracle, subrules);
  const paths = positionals.length > 0 ? positionals : [...(known?.keys() ?? [])];
  const all: NamedMessage[] = [];
  // The oracle takes each file for one message.
  for await (const message of messagesIn(paths, known === null))
    if (known === null || known.has(message.name)) all.push(message);
  const ours = await ourSide(where, atOnce, subrules && known !== null);
  const our = await ask(ours, all, effort);
  await ours.stop();
  const theirs =
    known === null
      ? await theirOpinions(values.spamd, where, all, effort)
      : {
          opinions: known,
          speeds: null,
          exact: true,
          name: `${known.size} answers of SpamAssassin`,
        };
  const report: ParityReport = {
    against: theirs.name,
    ruleDirectories: [where.ruleDir, where.siteDir],
    parity: compare(our.opinions, theirs.opinions, theirs.exact ? 0.01 : 0.1),
    speeds: { ours: our.speeds, theirs: theirs.speeds },
  };
  process.stdout.write(
    values.json === true ? `${JSON.stringify(report, null, 1)}\n` : printed(report),
  );
}

async function theirOpinions(
  socket: string | undefined,
  where: RulePlaces,
  messages: readonly NamedMessage[],
  effort: Effort,
): Promise<Collected & { readonly exact: boolean; readonly name: string }> {
  const side =
    socket === undefined ? await startedSpamd(where, effort.atOnce) : runningSpamd(socket);
  try {
    const { opinions, speeds } = await ask(side, messages, effort);
    return { opinions, speeds, exact: side.exact(), name: side.name };
  } finally {
    await side.stop();
  }
}

try {
  await main();
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 2;
}
