// Opinions of SpamAssassin that were asked before: the lines that test/real/spamrules/oracle.pl prints.
import { createReadStream } from "node:fs";
import { createInterface } from "node:readline";
import type { Opinion } from "./compare.ts";

interface OracleLine {
  readonly file: string;
  readonly score: number;
  readonly required: number;
  readonly named: readonly string[];
  readonly hits: Readonly<Record<string, number>>;
  readonly points: Readonly<Record<string, number>>;
}

/** By file. `subrules`: those whose name starts with "__" count too. */
export async function oracleOpinions(
  paths: readonly string[],
  subrules: boolean,
): Promise<Map<string, Opinion>> {
  const found = new Map<string, Opinion>();
  for (const path of paths) {
    const lines = createInterface({ input: createReadStream(path), crlfDelay: Infinity });
    for await (const text of lines) {
      if (text === "") continue;
      const { file, score, required, named, hits, points } = JSON.parse(text) as OracleLine;
      const names = subrules ? Object.keys(hits) : named;
      const rules = new Map(names.map((name) => [name, points[name] ?? 0]));
      found.set(file, { total: score, required, rules });
    }
  }
  return found;
}
