// The environment of a thread or a worker. Used by all who start one.
import { getCompileCacheDir } from "node:module";
import { dirname } from "node:path";

/** A variable for the process or thread that is started: where this one keeps compiled code; nothing when it keeps none. */
export function compileCacheVariable(): { readonly NODE_COMPILE_CACHE?: string } {
  const cache = getCompileCacheDir();
  // Below it Node keeps one directory for each version of its own.
  return cache === undefined ? {} : { NODE_COMPILE_CACHE: dirname(cache) };
}

/**
 * A thread takes compiled code from the cache only when its environment says where that is: it starts in half the time then, and with
 * 10 MiB less, since it need not read TypeScript.
 */
export function threadEnvironment(): NodeJS.ProcessEnv {
  return { ...process.env, ...compileCacheVariable() };
}
