// One laboratory: a directory that the peers' own users may enter, the peers started in it, and the end of all of it.
// A suite makes one in beforeAll and cleans up in afterAll, also when a start failed half-way.
import { execFile } from "node:child_process";
import { chmod, mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

export interface Peer {
  /** Ends the peer and all its processes; a second call does nothing. */
  stop(): Promise<void>;
}

export interface Lab {
  /** Absolute; mode 0755, because postfix, Debian-exim and vmail pass through it. */
  readonly dir: string;
  /** Remembers a peer for cleanUp and returns it. */
  add<P extends Peer>(peer: P): P;
  /** Stops all peers, newest first, and removes the directory. Throws the first failure after trying all. */
  cleanUp(): Promise<void>;
}

/** Makes a laboratory below the system's temporary directory. */
export async function lab(name: string): Promise<Lab> {
  const dir = await mkdtemp(join(tmpdir(), `postern-lab-${name}-`));
  await chmod(dir, 0o755);
  const peers: Peer[] = [];
  return {
    dir,
    add(peer) {
      peers.push(peer);
      return peer;
    },
    async cleanUp() {
      const failures: unknown[] = [];
      for (const peer of peers.splice(0).reverse()) {
        await peer.stop().catch((error: unknown) => failures.push(error));
      }
      await rm(dir, { recursive: true, force: true, maxRetries: 5 });
      if (failures.length > 0) throw failures[0];
    },
  };
}

export interface Ran {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface RunOptions {
  readonly input?: string | Buffer;
  readonly uid?: number;
  readonly gid?: number;
  readonly timeoutMs?: number;
}

/** Runs a program to its end; the exit code is a value, a program that is not there or outlives 60 s is an error. */
export function run(file: string, args: readonly string[], options: RunOptions = {}): Promise<Ran> {
  const { input, timeoutMs = 60_000, ...identity } = options;
  return new Promise((resolve, reject) => {
    const child = execFile(
      file,
      [...args],
      { ...identity, timeout: timeoutMs, maxBuffer: 256 * 1024 * 1024, encoding: "utf8" },
      (error, stdout, stderr) => {
        if (error === null) resolve({ code: 0, stdout, stderr });
        else if (typeof error.code === "number") resolve({ code: error.code, stdout, stderr });
        else reject(new Error(`${file}: ${error.message}`, { cause: error }));
      },
    );
    child.stdin?.on("error", () => undefined); // a program may end without reading its input
    child.stdin?.end(input ?? "");
  });
}

/** As run, but a code other than 0 is an error that shows what the program said. */
export async function must(
  file: string,
  args: readonly string[],
  options: RunOptions = {},
): Promise<Ran> {
  const ran = await run(file, args, options);
  if (ran.code !== 0)
    throw new Error(`${file} ${args.join(" ")}: exit ${ran.code}\n${ran.stdout}${ran.stderr}`);
  return ran;
}

/** Asks again every 50 ms until the answer is neither false nor undefined; after `timeoutMs` an error says what was awaited. */
export async function until<T>(
  what: string,
  ask: () => T | false | undefined | Promise<T | false | undefined>,
  timeoutMs = 30_000,
): Promise<T> {
  const end = Date.now() + timeoutMs;
  for (;;) {
    const answer = await ask();
    if (answer !== false && answer !== undefined) return answer;
    if (Date.now() > end) throw new Error(`waited ${timeoutMs} ms for ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

/** The repository's root, absolute, with no slash at its end. */
export const ROOT: string = join(import.meta.dirname, "../../..");

/** A file below deploy/, each key of `replace` replaced by its value; a key that is not in the file is an error. */
export async function deployed(
  path: string,
  replace: Readonly<Record<string, string>> = {},
): Promise<string> {
  let text = await readFile(join(ROOT, "deploy", path), "utf8");
  for (const [from, to] of Object.entries(replace)) {
    if (!text.includes(from)) throw new Error(`deploy/${path} does not contain ${from}`);
    text = text.replaceAll(from, to);
  }
  return text;
}

/** Comments the active line of a deployed file out and takes the `#` from the other one. */
export function choose(text: string, active: string, other: string): string {
  const lines = text.split("\n");
  const at = lines.indexOf(active);
  const from = lines.indexOf(`#${other}`);
  if (at === -1 || from === -1) throw new Error(`no ${at === -1 ? active : `#${other}`} to choose`);
  lines[at] = `#${active}`;
  lines[from] = other;
  return lines.join("\n");
}

/** The text of a file, "" when it is not there. */
export async function textOf(path: string): Promise<string> {
  return readFile(path, "utf8").catch((error: unknown) => {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return "";
    throw error;
  });
}
