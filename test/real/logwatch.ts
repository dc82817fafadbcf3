// Runs the real logwatch over log lines of ours and reads its summary back. Used by logwatch.test.ts and by suites that
// feed it the log of a running server.
import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";

const LOGWATCH = "/usr/sbin/logwatch";

export const logwatchInstalled: boolean = existsSync(LOGWATCH);

export interface LogwatchReport {
  /** Lines of the summary: "Total messages scanned" → 1000, "Spam blocked" → 12, … */
  readonly totals: ReadonlyMap<string, number>;
  /** Lines that logwatch did not understand. */
  readonly unmatched: readonly string[];
  readonly text: string;
}

/** What logwatch makes of these message lines (without syslog prefix, which is added here). */
export async function logwatch(lines: readonly string[]): Promise<LogwatchReport> {
  const directory = await mkdtemp(join(tmpdir(), "postern-logwatch-"));
  try {
    const prefixed = lines.map((line) => `Nov 21 13:00:00 mx amavis[1234]: ${line}\n`);
    await writeFile(join(directory, "mail.log"), prefixed.join(""));
    const service = ["--service", "amavis", "--detail", "10", "--output", "stdout"];
    const where = ["--archives", "no", "--range", "all", "--logdir", directory];
    const { stdout } = await promisify(execFile)(LOGWATCH, [...service, ...where], {
      maxBuffer: 64 * 1024 * 1024,
    });
    return read(stdout);
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

function read(text: string): LogwatchReport {
  const totals = new Map<string, number>();
  const [summary = "", ...rest] = text.split(/^ \*+ Detail /m);
  for (const line of summary.split("\n")) {
    // "   8.142K  Total bytes scanned                          8,337": the exact figure stands at the end.
    const [, shown, name, exact] =
      /^ +([\d.]+[KMG]?) {2,}([A-Z][A-Za-z ]+?)(?: -+)?(?: +([\d,.%]+))?$/.exec(line) ?? [];
    if (shown === undefined || name === undefined) continue;
    const figure = exact !== undefined && !exact.endsWith("%") ? exact.replaceAll(",", "") : shown;
    if (!totals.has(name)) totals.set(name, Number(figure));
  }
  const [, after = ""] = `${summary}${rest.join("")}`.split("**Unmatched Entries**");
  const unmatched = after.split("\n").filter((line) => /^ +\d+ {3}/.test(line));
  return { totals, unmatched, text };
}
