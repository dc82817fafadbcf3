// Writes the tables of README.md from the code, between the markers <!-- table NAME --> and <!-- end -->, and the floors are
// not its business. `--check` fails when a table differs from the code; `--write` brings it up to date.
import { readFileSync, writeFileSync } from "node:fs";
import { schema } from "../../src/config-schema.ts";
import { allChecks } from "../../src/checks/index.ts";
import { DEFECTS } from "../../src/mail/defects.ts";
import { compileRules } from "../../src/ruleset/compile.ts";
import { metrics } from "../../src/sys/metrics.ts";

const README = new URL("../../README.md", import.meta.url);

/** Every table by name. */
export async function tables(): Promise<ReadonlyMap<string, string>> {
  return new Map([
    ["configuration", configuration()],
    ["symbols", symbols()],
    ["metrics", metricsTable()],
    ["defects", defects()],
  ]);
}

/** The text with each marked table replaced. Throws when a table has no place, or a place no table. */
export function withTables(text: string, all: ReadonlyMap<string, string>): string {
  const used = new Set<string>();
  const out = text.replace(
    /<!-- table (\w+) -->\n[\s\S]*?<!-- end -->/g,
    (_match, name: string) => {
      const table = all.get(name);
      if (table === undefined)
        throw new Error(`README.md asks for a table "${name}" that nobody makes`);
      used.add(name);
      return `<!-- table ${name} -->\n${table}\n<!-- end -->`;
    },
  );
  for (const name of all.keys())
    if (!used.has(name)) throw new Error(`README.md has no place for the table "${name}"`);
  return out;
}

const row = (...cells: string[]): string =>
  `| ${cells.map((cell) => cell.replaceAll("|", "\\|").replaceAll("\n", " ")).join(" | ")} |`;
const table = (head: string[], rows: string[][]): string =>
  [row(...head), row(...head.map(() => "---")), ...rows.map((cells) => row(...cells))].join("\n");

interface Node {
  readonly shape?: Readonly<Record<string, Node>>;
  readonly element?: Node;
  readonly description?: string;
  readonly def?: {
    readonly type?: string;
    readonly innerType?: Node;
    readonly in?: Node;
    readonly defaultValue?: unknown;
  };
}

function configuration(): string {
  const rows: string[][] = [];
  const shape = (schema as unknown as Node).shape ?? {};
  for (const [section, node] of Object.entries(shape)) {
    const inner = unwrap(node);
    const listed = inner.element !== undefined;
    const keys = (listed ? unwrap(inner.element) : inner).shape ?? {};
    for (const [key, value] of Object.entries(keys)) {
      rows.push([
        `\`${listed ? `[[${section}]]` : `[${section}]`} ${key}\``,
        defaultOf(value),
        describedBy(value),
      ]);
    }
  }
  return table(["key", "default", "meaning"], rows);
}

function unwrap(node: Node | undefined): Node {
  return (
    chain(node ?? {}).find((one) => one.shape !== undefined || one.element !== undefined) ?? {}
  );
}

function chain(node: Node): Node[] {
  const found: Node[] = [];
  for (let at: Node | undefined = node; at !== undefined; at = at.def?.innerType ?? at.def?.in)
    found.push(at);
  return found;
}

function defaultOf(node: Node): string {
  const holder = chain(node).find(
    (one) => one.def?.type === "default" || one.def?.type === "prefault",
  );
  if (holder === undefined)
    return chain(node).some((one) => one.def?.type === "optional") ? "" : "needed";
  return `\`${JSON.stringify(holder.def?.defaultValue)}\``;
}

function describedBy(node: Node): string {
  const text = chain(node).find((one) => one.description !== undefined)?.description;
  if (text === undefined) throw new Error("a configuration key has no description");
  return text;
}

function symbols(): string {
  const compiled = compileRules(new Map(), { modes: [], hasOutgoing: false });
  if (!("ok" in compiled)) throw new Error("no rules do not compile");
  const seen = new Set<string>();
  // A check of both stages stands there once.
  const checks = allChecks(compiled.ok).filter(({ name }) => !seen.has(name) && seen.add(name));
  const rows = checks.flatMap((check) => [
    ...check.symbols.map((s) => [
      `\`${s.symbol}\``,
      check.name,
      s.category,
      String(s.score),
      s.meaning,
    ]),
    ...(check.symbols.some((s) => s.symbol === `UNCHECKED_${check.name.toUpperCase()}`)
      ? []
      : [
          [
            `\`UNCHECKED_${check.name.toUpperCase()}\``,
            check.name,
            "unchecked",
            "0",
            "The check failed or was late.",
          ],
        ]),
  ]);
  return table(["symbol", "check", "category", "score", "meaning"], rows);
}

function metricsTable(): string {
  const all = metrics().registry.getMetricsAsArray();
  const rows = all.map((metric) => {
    const {
      name,
      help,
      labelNames = [],
    } = metric as unknown as { name: string; help: string; labelNames?: readonly string[] };
    const kind = metric.constructor.name.toLowerCase();
    return [`\`${name}\``, kind, labelNames.map((label) => `\`${label}\``).join(" "), help];
  });
  return table(["metric", "kind", "labels", "meaning"], rows);
}

function defects(): string {
  return table(
    ["defect", "counts as", "meaning"],
    Object.entries(DEFECTS).map(([kind, of]) => [`\`${kind}\``, of.class, of.meaning]),
  );
}

if (process.argv[1] === new URL(import.meta.url).pathname) {
  const before = readFileSync(README, "utf8");
  const after = withTables(before, await tables());
  if (process.argv[2] === "--write") writeFileSync(README, after);
  else if (before !== after) {
    process.stderr.write("README.md: a table differs from the code; run: npm run docs\n");
    process.exitCode = 1;
  }
}
