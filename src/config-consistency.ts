// What no single key of postern.toml says: keys that contradict one another. Asked by config.ts after the schema.
import { ConfigError, lineOf } from "./config-error.ts";
import type { ConfigFile } from "./config-schema.ts";

const LOOPBACK = /^(127\.|\[::1\]|localhost:)/;

type Engine = NonNullable<ConfigFile["spam"]["engine"]>;

/** Throws ConfigError with the first contradiction; of the listeners, with all. */
export function checkConsistency(config: ConfigFile, text: string, file: string): void {
  checkListeners(config, text, file);
  checkMemory(config, text, file);
  checkGreylist(config, text, file);
  checkClamd(config, text, file);
  checkSpamd(config, text, file);
  checkDigest(config, text, file);
}

function checkListeners(config: ConfigFile, text: string, file: string): void {
  const errors: string[] = [];
  const at = (i: number, key: string): string => `${file}:${lineOf(text, ["listener", i, key])}`;
  for (const [i, listener] of (config.listener ?? []).entries()) {
    const loopback = listener.listen.startsWith("unix:") || LOOPBACK.test(listener.listen);
    if (!loopback && listener.allow === undefined) {
      errors.push(
        `${at(i, "listen")}: listener.listen: ${listener.listen} is not loopback, so it needs allow = ["…"] with the networks that may connect`,
      );
    }
    const { protocol } = listener;
    if (listener.role === "links" && protocol !== "http") {
      errors.push(`${at(i, "role")}: listener.role: "links" is for a listener of protocol http`);
    } else if (protocol !== "smtp" && protocol !== "lmtp" && listener.role === "delivery") {
      const what = protocol === "http" ? "an http" : `a ${protocol}`;
      errors.push(`${at(i, "role")}: listener.role: ${what} listener has no role`);
    }
    const filters = (protocol === "smtp" || protocol === "lmtp") && listener.role === "filter";
    if (listener.greylist === true && !(filters && listener.mode === "before-queue")) {
      const why = filters
        ? "an after-queue listener has no client that could come back: the MTA would keep trying; greylist at RCPT (policy) or before the queue"
        : "only a before-queue filter can greylist at the end of DATA";
      errors.push(`${at(i, "greylist")}: listener.greylist: ${why}`);
    }
    const twin = (config.listener ?? []).findIndex((other) => other.listen === listener.listen);
    if (twin < i)
      errors.push(
        `${at(i, "listen")}: listener.listen: ${listener.listen} is taken by an earlier listener`,
      );
  }
  if (errors.length > 0) throw new ConfigError(errors.join("\n"));
}

/** A worker takes 130 MB before its first message: below this it would be replaced, or killed, for nothing. */
const LEAST_MEMORY = 192 * 1024 * 1024;

function checkMemory({ server }: ConfigFile, text: string, file: string): void {
  if (server.worker_memory >= LEAST_MEMORY) return;
  throw new ConfigError(
    `${file}:${lineOf(text, ["server", "worker_memory"])}: server.worker_memory: expected at least 192M, which a worker needs to begin with`,
  );
}

function checkGreylist({ greylist }: ConfigFile, text: string, file: string): void {
  const fail = (key: string, why: string): never => {
    const line = lineOf(text, ["greylist", key]);
    throw new ConfigError(`${file}:${line}: greylist.${key}: ${why}`);
  };
  const { delay, window, lifetime, score_from: from, score_to: to } = greylist;
  if (window <= delay) fail("window", "must be longer than delay, or nobody could come back");
  if (lifetime < window) fail("lifetime", "must not be shorter than window");
  if (to <= from) fail("score_to", "must be above score_from");
}

function checkClamd(
  { clamd, limits, listener = [] }: ConfigFile,
  text: string,
  file: string,
): void {
  const fail = (key: string, why: string): never => {
    throw new ConfigError(`${file}:${lineOf(text, ["clamd", key])}: clamd.${key}: ${why}`);
  };
  if (clamd.deadline >= limits.check_deadline)
    fail(
      "deadline",
      "must be shorter than limits.check_deadline, which ends the check without a word",
    );
  const ours = listener.filter(({ protocol }) => protocol === "clamd");
  for (const name of clamd.endpoints ?? [])
    if (ours.some(({ listen: at }) => at === name || `tcp:${at}` === name))
      fail("endpoints", `${name} is a listener of our own: it would ask itself`);
}

function checkSpamd(config: ConfigFile, text: string, file: string): void {
  const { spamd, limits, listener = [] } = config;
  const fail = (path: readonly PropertyKey[], why: string): never => {
    const name = path.filter((part) => typeof part !== "number").join(".");
    throw new ConfigError(`${file}:${lineOf(text, path)}: ${name}: ${why}`);
  };
  const short = "must be shorter than limits.check_deadline, which ends the check without a word";
  if (spamd.deadline >= limits.check_deadline) fail(["spamd", "deadline"], short);
  const engine = engineOf(config);
  const asked = engine === "spamd" || engine === "both";
  if (asked && spamd.endpoints === undefined)
    fail(["spam", "engine"], `"${engine}" needs [spamd] endpoints`);
  for (const [i, { protocol, listen: at }] of listener.entries()) {
    if (protocol !== "spamd") continue;
    if (engine !== "native" && engine !== "both")
      fail(["listener", i, "protocol"], 'spamd is served by [spam] engine "native" or "both"');
    for (const name of spamd.endpoints ?? [])
      if (at === name || `tcp:${at}` === name)
        fail(["spamd", "endpoints"], `${name} is a listener of our own: it would ask itself`);
  }
}

/** Nobody's scorer changes by itself: where spamd is configured and nothing said, it is spamd. */
export function engineOf({ spam, spamd }: ConfigFile): Engine {
  return spam.engine ?? (spamd.endpoints === undefined ? "native" : "spamd");
}

function checkDigest({ digest, delivery }: ConfigFile, text: string, file: string): void {
  if (!digest.enabled || delivery.domains !== undefined) return;
  throw new ConfigError(
    `${file}:${lineOf(text, ["digest", "enabled"])}: digest.enabled: needs [delivery] domains, or nobody knows who is local`,
  );
}
