// Notices changed rule files: fs.watch for speed, a look at sizes and times every few seconds for what it misses (NFS, bind
// mounts, a directory made later). Calls back when the files have been quiet for a while, so that half-written ones are
// not read. Used by the supervisor.
import { watch } from "node:fs";
import type { FSWatcher } from "node:fs";
import { stat } from "node:fs/promises";
import { join } from "node:path";
import { ruleFiles } from "./source.ts";

export interface WatchTimes {
  /** Milliseconds without a change before the callback; default 1000. */
  readonly quietMs?: number;
  /** Milliseconds between two looks at the files; default 3000. */
  readonly pollMs?: number;
}

export interface Watch {
  /** Stops; the callback is not called any more. */
  close(): void;
}

/** Watches the rule files below `directory`. `onError` hears why a look failed; the watch goes on. */
export async function watchRules(
  directory: string,
  onChange: () => void,
  onError: (cause: unknown) => void,
  { quietMs = 1000, pollMs = 3000 }: WatchTimes = {},
): Promise<Watch> {
  let reported = await signatureOf(directory);
  let seen = reported;
  let closed = false;
  let quiet: NodeJS.Timeout | null = null;
  const look = async (afterQuiet: boolean): Promise<void> => {
    const now = await signatureOf(directory);
    if (closed) return;
    if (now !== seen) {
      seen = now;
      wait();
    } else if (afterQuiet && now !== reported) {
      reported = now;
      onChange();
    }
  };
  const wait = (): void => {
    if (quiet !== null) clearTimeout(quiet);
    quiet = setTimeout(() => {
      quiet = null;
      look(true).catch(onError);
    }, quietMs);
  };
  const poll = setInterval(() => void look(false).catch(onError), pollMs);
  const watchers = ["", "local.d", "spam"].flatMap((below) => listen(join(directory, below), wait));
  return {
    close() {
      closed = true;
      clearInterval(poll);
      if (quiet !== null) clearTimeout(quiet);
      for (const watcher of watchers) watcher.close();
    },
  };
}

/** A watcher, or none: the directory may not exist or the system may be out of watches; looking still works. */
function listen(directory: string, onEvent: () => void): readonly FSWatcher[] {
  try {
    const watcher = watch(directory, { persistent: false }, onEvent);
    watcher.on("error", () => watcher.close());
    return [watcher];
  } catch {
    // Looking every few seconds covers it.
    return [];
  }
}

async function signatureOf(directory: string): Promise<string> {
  const paths = await ruleFiles(directory);
  const facts = await Promise.all(
    paths.map(async (path) => {
      const found = await stat(join(directory, path), { bigint: true }).catch(() => null);
      return found === null ? path : `${path} ${found.ino} ${found.size} ${found.mtimeNs}`;
    }),
  );
  return facts.join("\n");
}
