// How much ham and spam the small rule set tags, over messages whose kind is known: `npm run tagged -- --ham PATH --spam PATH`.
// Each file is one message; its source is what its name says before the last "-". Asks nobody: no DNS, no Bayes.
import { basename, resolve } from "node:path";
import { parseArgs } from "node:util";
import { progress } from "../../src/cli/progress.ts";
import { messagesIn } from "./messages.ts";
import { judge, KINDS, ruleScorer, type Judged, type Kind } from "./small-set.ts";

const USAGE = `npm run tagged -- [OPTION…] --ham PATH… --spam PATH…
  --ham, --spam PATH  files and directories, once or more often
  --rules DIR         other rules than rules/spam
  --by-rule           how often each rule hits
  --list              the messages that are taken for the other kind
  --json              each message with its points and rules, for programs`;

/** "12 of 400 (3.00 %)" of each source and of all. */
function summary(all: readonly Judged[], kind: Kind): string[] {
  const mine = all.filter((one) => one.kind === kind);
  const sources = Map.groupBy(mine, ({ name }) => basename(name).replace(/-[^-]*$/, ""));
  const line = (label: string, some: readonly Judged[]): string => {
    const tagged = some.filter((one) => one.tagged).length;
    const share = some.length === 0 ? "" : ` (${((100 * tagged) / some.length).toFixed(2)} %)`;
    return `${kind.padEnd(5)} ${label.padEnd(20)} ${tagged} of ${some.length} tagged${share}`;
  };
  return [...[...sources].map(([source, some]) => line(source, some)), line("all", mine)];
}

function byRule(all: readonly Judged[]): string[] {
  const counts = new Map<string, Record<Kind, number>>();
  for (const { kind, rules } of all)
    for (const rule of rules) {
      const count = counts.get(rule) ?? { ham: 0, spam: 0 };
      count[kind]++;
      counts.set(rule, count);
    }
  return [...counts]
    .sort(([, a], [, b]) => b.spam - a.spam)
    .map(([rule, { ham, spam }]) => `${rule.padEnd(26)} ham ${ham}, spam ${spam}`);
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      ham: { type: "string", multiple: true, default: [] },
      spam: { type: "string", multiple: true, default: [] },
      rules: { type: "string", default: resolve(import.meta.dirname, "../../rules/spam") },
      "by-rule": { type: "boolean" },
      list: { type: "boolean" },
      json: { type: "boolean" },
    },
  });
  if (values.ham.length + values.spam.length === 0) throw new Error(USAGE);
  const by = await ruleScorer(values.rules);
  const given: { kind: Kind; name: string; octets: Buffer }[] = [];
  for (const kind of KINDS)
    for await (const message of messagesIn(values[kind], false)) given.push({ kind, ...message });
  const bar = progress("tagged", given.length);
  const all: Judged[] = [];
  for (const { kind, name, octets } of given) {
    all.push(await judge(by, kind, name, octets));
    bar.step(all.length);
  }
  bar.end();
  if (values.json === true) return void process.stdout.write(`${JSON.stringify(all)}\n`);
  const wrong = all.filter(({ kind, tagged }) => tagged !== (kind === "spam"));
  const lines = [
    ...(values["by-rule"] === true ? byRule(all) : []),
    ...(values.list === true
      ? wrong.map((one) => `${one.name} ${one.points} ${one.rules.join(" ")}`)
      : []),
    ...KINDS.flatMap((kind) => summary(all, kind)),
  ];
  process.stdout.write(`${lines.join("\n")}\n`);
}

try {
  await main();
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 2;
}
