// Opinions of SpamAssassin that were asked before: the lines that test/real/spamrules/oracle.pl prints.
import { createReadStream } from "node:fs";
import { createInterface } from "node:readline";
import { UsageError } from "../../src/cli/options.ts";
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
    let number = 0;
    for await (const text of lines) {
      number++;
      if (text === "") continue;
      const { file, score, required, named, hits, points } = answerIn(text, `${path}:${number}`);
      const names = subrules ? Object.keys(hits) : named;
      const rules = new Map(names.map((name) => [name, points[name] ?? 0]));
      found.set(file, { total: score, required, rules });
    }
  }
  return found;
}

function answerIn(text: string, place: string): OracleLine {
  try {
    const line = JSON.parse(text) as Partial<OracleLine> | null;
    if (typeof line?.file === "string" && Array.isArray(line.named)) return line as OracleLine;
  } catch {
    // Said below.
  }
  throw new UsageError(`${place}: no answer of oracle.pl`);
}
