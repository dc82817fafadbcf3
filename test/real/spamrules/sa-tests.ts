// Runs SpamAssassin's own test files (*.t) as they are under Perl, with modules of ours in place of theirs (sa-tests/), so that what the
// tests feed goes to our engine. By hand: SA_TESTS=DIR node test/real/spamrules/sa-tests.ts [--theirs] [FILE.t…]; --theirs asks the real
// SpamAssassin the same.
import { spawn } from "node:child_process";
import { mkdtemp, readFile, rm, symlink } from "node:fs/promises";
import { createServer, type Server } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { answerTo, type Question } from "./sa-tests-engine.ts";

export interface Outcome {
  readonly file: string;
  readonly passed: number;
  /** Names of what failed; the last is why the file ended early, if it did. */
  readonly failed: readonly string[];
  /** Why all of it was left out by itself; null: it ran. */
  readonly skipped: string | null;
  /** All that Perl wrote. */
  readonly said: string;
}

export interface TestPlaces {
  /** SpamAssassin's t/. */
  readonly tests: string;
  readonly site?: string;
  readonly rules?: string;
  /** Ask this program and not our engine. */
  readonly script?: string;
}

const MODULES = join(import.meta.dirname, "sa-tests");
const LIMIT_MS = 170_000;

/** One file. Leaves nothing behind; writes nothing but in a directory of its own. */
export async function runTest(file: string, places: TestPlaces): Promise<Outcome> {
  const directory = await mkdtemp(join(tmpdir(), "postern-sa-tests-"));
  const socket = join(directory, "engine");
  const server = await listen(socket);
  try {
    await symlink(join(places.tests, "data"), join(directory, "data"));
    const first = (await readFile(join(places.tests, file), "latin1")).split("\n", 1)[0] ?? "";
    const flags = /-T/.test(first) ? ["-T"] : [];
    const ours = places.script === undefined;
    const include = ours ? [`-I${MODULES}`, `-I${MODULES}/engine`] : [`-I${MODULES}`];
    const child = spawn("perl", [...flags, ...include, join(places.tests, file)], {
      cwd: directory,
      timeout: LIMIT_MS,
      env: {
        PATH: process.env["PATH"],
        HOME: directory,
        LANG: "C",
        SA_SITE: places.site ?? "/etc/spamassassin",
        SA_RULES: places.rules ?? "/usr/share/spamassassin",
        ...(ours ? { POSTERN_ENGINE: socket } : { SPAMASSASSIN_SCRIPT: places.script }),
      },
    });
    child.stdin.on("error", () => undefined);
    child.stdin.end();
    const [out, said] = await Promise.all([text(child.stdout), text(child.stderr)]);
    return outcomeOf(file, out, said);
  } finally {
    server.close();
    await rm(directory, { recursive: true, force: true });
  }
}

/** Lines of the Test Anything Protocol. */
function outcomeOf(file: string, out: string, said: string): Outcome {
  const skipped = /^1\.\.0 # SKIP (.*)$/m.exec(out)?.[1] ?? null;
  const planned = Number(/^1\.\.(\d+)$/m.exec(out)?.[1] ?? "0");
  const lines = [...out.matchAll(/^(not )?ok (\d+)(?: - (.*))?$/gm)];
  const failed = lines
    .filter(([, not]) => not !== undefined)
    .map(([, , number, name]) => `${number}: ${name ?? ""}`.trim());
  const passed = lines.length - failed.length;
  if (skipped === null && (lines.length < planned || lines.length === 0))
    failed.push(`${planned - lines.length} not reached: ${said.trim().split("\n").at(-1) ?? ""}`);
  return { file, passed, failed, skipped, said: out + said };
}

async function listen(socket: string): Promise<Server> {
  const server = createServer({ allowHalfOpen: true }, (connection) => {
    void text(connection.setEncoding("latin1"))
      .then((asked) => answerTo(JSON.parse(asked) as Question))
      .then((answer) => connection.end(ascii(JSON.stringify(answer ?? null))))
      .catch((error: unknown) => {
        console.error(error);
        connection.destroy();
      });
    connection.on("error", () => undefined);
  });
  await new Promise<void>((resolve) => server.listen(socket, resolve));
  return server;
}

const ascii = (json: string): string =>
  json.replace(/[^\0-~]/g, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, "0")}`);

if (import.meta.main) {
  const [, , ...args] = process.argv;
  const tests = process.env["SA_TESTS"] ?? "";
  const script = args.includes("--theirs") ? "/usr/bin/spamassassin" : undefined;
  for (const file of args.filter((name) => name.endsWith(".t"))) {
    const outcome = await runTest(file, script === undefined ? { tests } : { tests, script });
    const { passed, failed, skipped, said } = outcome;
    console.log(
      `${file}: ${passed} of ${passed + failed.length}${skipped === null ? "" : ` (${skipped})`}`,
    );
    for (const name of failed) console.log(`  ${name}`);
    if (args.includes("-v")) console.log(said);
  }
}
