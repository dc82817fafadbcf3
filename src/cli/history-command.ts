// Wires `postern history` to the configuration: the file that the workers write.
import { existsSync } from "node:fs";
import { historyFile } from "../accounts.ts";
import type { Config } from "../config.ts";
import { historyReader, type HistoryReader } from "../state/history-read.ts";
import { history } from "./history.ts";
import { split } from "./wired.ts";

/** The history of this configuration. Throws, saying what to do, when there is none. */
export function openHistory(config: Config): HistoryReader {
  const file = historyFile(config);
  if (!existsSync(file)) {
    const why = config.history.enabled
      ? "it begins with the first message that postern serve answers"
      : "[history] enabled is false";
    throw new Error(`there is no ${file}: ${why}`);
  }
  return historyReader(file);
}

export async function historyCommand(args: readonly string[]): Promise<number> {
  const { config, rest } = split(args);
  const reader = openHistory(config);
  try {
    return history(rest, {
      reader,
      out: (text) => void process.stdout.write(text),
      err: (text) => void process.stderr.write(text),
      now: () => Date.now(),
    });
  } finally {
    reader.close();
  }
}
