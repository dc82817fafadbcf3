// The one configuration file: reads postern.toml, locates every error at file:line with a suggestion, and fills in what
// depends on the machine. Only app.ts and the commands read the result.
import { existsSync, readFileSync } from "node:fs";
import { hostname } from "node:os";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { parse, TomlError } from "smol-toml";
import type { z } from "zod";
import { schema, type ConfigFile, type ListenerConfig } from "./config-schema.ts";
import { suggestion } from "./ruleset/suggest.ts";

/** A configuration that cannot be used; `message` starts with "file:line: ". Exit code 2. */
export class ConfigError extends Error {
  readonly code = "CONFIG";
}

export interface Config extends Omit<
  ConfigFile,
  | "spam"
  | "server"
  | "delivery"
  | "auth"
  | "dkim"
  | "quarantine"
  | "listener"
  | "networks"
  | "outgoing"
> {
  /** The file it came from; null = built-in defaults. */
  readonly file: string | null;
  readonly server: ConfigFile["server"] & {
    hostname: string;
    node: string;
    state_dir: string;
    rules_dir: string;
  };
  readonly listener: readonly ListenerConfig[];
  readonly outgoing: { readonly relay: string | null };
  readonly networks: ConfigFile["networks"] & { mta_names: readonly string[] };
  readonly delivery: Omit<ConfigFile["delivery"], "domains"> & {
    /** The file names a table of users: whoever is not in it does not exist, whoever delivers. */
    users_named: boolean;
    domains: readonly string[];
    mail_root: string;
    users: string;
    unknown: "refuse" | "create";
  };
  readonly auth: { readonly verify: boolean };
  readonly dkim: { readonly keys: string };
  readonly quarantine: ConfigFile["quarantine"] & { dir: string };
  readonly spam: ConfigFile["spam"] & {
    engine: "native" | "spamd" | "both" | "off";
    local_tests_only: boolean;
  };
}

const SHIPPED_RULES = fileURLToPath(new URL("../rules", import.meta.url));
const LOOPBACK = /^(127\.|\[::1\]|localhost:)/;

/** Reads the file, or takes the defaults when `file` is null. Throws ConfigError with all errors, a line each. */
export function loadConfig(file: string | null): Config {
  if (file === null) return complete(schema.parse({}), null);
  let text: string;
  try {
    text = readFileSync(file, "utf8");
  } catch (error) {
    throw new ConfigError(`${file}:1: cannot be read: ${(error as Error).message}`);
  }
  return parseConfig(text, file);
}

/** The same from a text; `file` names it in errors and is the base of relative paths. */
export function parseConfig(text: string, file: string): Config {
  let raw: unknown;
  try {
    raw = parse(text);
  } catch (error) {
    if (!(error instanceof TomlError)) throw error;
    const [first = "is not TOML"] = error.message.split("\n");
    throw new ConfigError(`${file}:${error.line}: ${first}`);
  }
  const result = schema.safeParse(raw);
  if (!result.success) {
    throw new ConfigError(
      result.error.issues.flatMap((issue) => located(issue, text, file)).join("\n"),
    );
  }
  checkListeners(result.data, text, file);
  checkMemory(result.data, text, file);
  checkGreylist(result.data, text, file);
  checkClamd(result.data, text, file);
  checkSpamd(result.data, text, file);
  checkDigest(result.data, text, file);
  const rulesDir = result.data.server.rules_dir;
  if (rulesDir !== undefined && !existsSync(resolve(dirname(file), rulesDir))) {
    // Without rules every message would be accepted: a misspelt path must not start.
    const at = `${file}:${lineOf(text, ["server", "rules_dir"])}`;
    throw new ConfigError(`${at}: server.rules_dir: there is no directory ${rulesDir}`);
  }
  return complete(result.data, file);
}

function located(issue: z.core.$ZodIssue, text: string, file: string): string[] {
  if (issue.code === "unrecognized_keys") {
    return issue.keys.map((key) => {
      const path = [...issue.path, key];
      const known = keysAt(issue.path);
      return `${file}:${lineOf(text, path)}: unknown key "${dotted(path)}"${suggestion(key, known)}`;
    });
  }
  const wanted =
    issue.code === "invalid_value"
      ? `one of ${issue.values.map((v) => `"${String(v)}"`).join(", ")}`
      : issue.message;
  return [
    `${file}:${lineOf(text, issue.path)}: ${dotted(issue.path)}: expected ${wanted.replace(/^Invalid input: expected /, "")}`,
  ];
}

const dotted = (path: readonly PropertyKey[]): string =>
  path
    .filter((part) => typeof part !== "number")
    .map(String)
    .join(".");

/** The keys that the schema knows at a path. */
function keysAt(path: readonly PropertyKey[]): string[] {
  let at: unknown = schema;
  for (const part of path) {
    at = unwrap(at);
    const shape = (at as { shape?: Record<string, unknown> }).shape;
    const element = (at as { element?: unknown }).element;
    at = typeof part === "number" ? element : shape?.[String(part)];
  }
  return Object.keys((unwrap(at) as { shape?: object } | undefined)?.shape ?? {});
}

function unwrap(node: unknown): unknown {
  let at = node;
  for (let depth = 0; depth < 8; depth++) {
    const inner = (at as { def?: { innerType?: unknown } } | undefined)?.def?.innerType;
    if (inner === undefined) return at;
    at = inner;
  }
  return at;
}

/** The line on which a key stands (1-based); the table's line, then 1, when the key itself is not found. */
export function lineOf(text: string, path: readonly PropertyKey[]): number {
  const names = path.filter((part) => typeof part !== "number").map(String);
  const index = path.find((part) => typeof part === "number") ?? 0;
  let table: string[] = [];
  let seen = -1;
  let tableLine = 1;
  const lines = text.split("\n");
  for (const [i, line] of lines.entries()) {
    const head = /^\s*(\[\[?)\s*([^\]]+?)\s*\]/.exec(line);
    if (head !== null) {
      table = (head[2] ?? "").split(".").map((part) => part.trim().replace(/^["']|["']$/g, ""));
      if (head[1] === "[[" && table.join(".") === names.slice(0, table.length).join(".")) seen++;
      if (
        table.join(".") === names.slice(0, table.length).join(".") &&
        (head[1] === "[" || seen === index)
      ) {
        tableLine = i + 1;
        if (table.length === names.length) return tableLine;
      }
      if (head[1] === "[[" && seen !== index) table = ["\0"];
      continue;
    }
    const key = /^\s*("[^"]*"|'[^']*'|[A-Za-z0-9_.-]+)\s*=/.exec(line)?.[1];
    if (key === undefined) continue;
    const full = [...table, ...key.split(".").map((part) => part.replace(/^["']|["']$/g, ""))];
    if (
      full.join(".") === names.slice(0, full.length).join(".") &&
      full.length >= Math.min(names.length, 2)
    )
      return i + 1;
  }
  return tableLine;
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
function engineOf({ spam, spamd }: ConfigFile): Config["spam"]["engine"] {
  return spam.engine ?? (spamd.endpoints === undefined ? "native" : "spamd");
}

function checkDigest({ digest, delivery }: ConfigFile, text: string, file: string): void {
  if (!digest.enabled || delivery.domains !== undefined) return;
  throw new ConfigError(
    `${file}:${lineOf(text, ["digest", "enabled"])}: digest.enabled: needs [delivery] domains, or nobody knows who is local`,
  );
}

const DEFAULT_LISTENERS: readonly Partial<ListenerConfig>[] = [
  { protocol: "smtp", listen: "127.0.0.1:10024", role: "filter" },
  { protocol: "lmtp", listen: "127.0.0.1:10025", role: "delivery" },
  { protocol: "policy", listen: "127.0.0.1:10023" },
  { protocol: "http", listen: "127.0.0.1:10090" },
];

function complete(config: ConfigFile, file: string | null): Config {
  const base = file === null ? process.cwd() : dirname(resolve(file));
  const path = (name: string): string => resolve(base, name);
  const host = config.server.hostname ?? (hostname() || "localhost");
  const stateDir = path(config.server.state_dir);
  const besides = path("rules");
  const rulesDir =
    config.server.rules_dir !== undefined
      ? path(config.server.rules_dir)
      : existsSync(besides)
        ? besides
        : SHIPPED_RULES;
  const { delivery } = config;
  return {
    ...config,
    file,
    server: {
      ...config.server,
      hostname: host,
      node: config.server.node ?? host,
      state_dir: stateDir,
      rules_dir: rulesDir,
    },
    listener: config.listener ?? schema.shape.listener.parse(DEFAULT_LISTENERS) ?? [],
    networks: { ...config.networks, mta_names: config.networks.mta_names ?? [host] },
    outgoing: {
      relay:
        config.outgoing.relay ??
        (config.next_hop.relay.startsWith("smtp:") ? config.next_hop.relay : null),
    },
    delivery: {
      ...delivery,
      domains: domainsOf(delivery.domains, path, file === null ? ["localhost", host] : []),
      mail_root: path(delivery.mail_root ?? join(stateDir, "mail")),
      users: path(delivery.users ?? join(stateDir, "users")),
      users_named: delivery.users !== undefined,
      unknown: delivery.unknown ?? (file === null ? "create" : "refuse"),
    },
    auth: { verify: config.auth.verify ?? Array.isArray(config.dns.servers) },
    redis: {
      ...config.redis,
      ca: config.redis.ca === undefined ? undefined : path(config.redis.ca),
    },
    dkim: { keys: path(config.dkim.keys ?? "dkim") },
    spam: {
      ...config.spam,
      // What has hit by then counts, so it must end before the check as a whole does.
      deadline: Math.min(config.spam.deadline, 0.8 * config.limits.check_deadline),
      engine: engineOf(config),
      local_tests_only:
        config.dns.servers === "off" ||
        (config.spam.local_tests_only ?? !Array.isArray(config.dns.servers)),
      rule_dirs: config.spam.rule_dirs?.map(path),
    },
    quarantine: {
      ...config.quarantine,
      dir: path(config.quarantine.dir ?? join(stateDir, "quarantine")),
    },
  };
}

function domainsOf(
  domains: readonly string[] | string | undefined,
  path: (name: string) => string,
  fallback: readonly string[],
): readonly string[] {
  if (domains === undefined) return fallback;
  if (typeof domains !== "string") return domains.map((domain) => domain.toLowerCase());
  const file = path(domains);
  try {
    return readFileSync(file, "utf8")
      .split("\n")
      .map((line) => line.replace(/#.*/, "").trim().toLowerCase())
      .filter((line) => line !== "");
  } catch (error) {
    throw new ConfigError(
      `${file}:1: delivery.domains: cannot be read: ${(error as Error).message}`,
    );
  }
}
