// The environment of a thread. Used by all who start one.
import { getCompileCacheDir } from "node:module";
import { dirname } from "node:path";

/**
 * A thread takes compiled code from the cache only when its environment says where that is: it starts in half the time then, and with
 * 10 MiB less, since it need not read TypeScript.
 */
export function threadEnvironment(): NodeJS.ProcessEnv {
  // Below it Node keeps one directory for each version of its own.
  const cache = getCompileCacheDir();
  return cache === undefined ? process.env : { ...process.env, NODE_COMPILE_CACHE: dirname(cache) };
}
