// The `aliases` file, in Postfix' aliases(5) syntax: "name: target, target". A name stands for that local part in every local
// domain that the `virtual` file does not claim. Compiled by the composition root, looked up by resolve.ts.
import { logicalLines, parseTargets, splitKey, tableBuilder, unquoted } from "./table-file.ts";
import type { Table } from "./table-file.ts";

/** Compiles the text of an aliases file. Never throws: what is wrong is in `problems`, with `file` and line. */
export function parseAliases(text: string, file: string): Table {
  const table = tableBuilder(file);
  const { lines, orphan } = logicalLines(text);
  if (orphan > 0) table.problem(orphan, "continues a line, but there is none before it");
  for (const { line, text: entry } of lines) {
    const split = splitKey(entry, (char) => char === ":");
    if (split === null) {
      table.problem(line, 'expected "name: address, address"');
      continue;
    }
    const name = unquoted(split.key.trim());
    if (name === "" || name.includes("@")) {
      table.problem(
        line,
        `${split.key}: a name without domain is needed; addresses go into virtual`,
      );
      continue;
    }
    const targets = parseTargets(split.rest);
    if (typeof targets === "string") table.problem(line, targets);
    else table.add(line, name, targets);
  }
  return table.done();
}
