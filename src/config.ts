// The one configuration file: reads postern.toml, locates every error at file:line with a suggestion, and fills in what
// depends on the machine. Only the files of a worker and the commands read the result.
import { existsSync, readFileSync } from "node:fs";
import { hostname } from "node:os";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { parse, TomlError } from "smol-toml";
import { checkConsistency, engineOf } from "./config-consistency.ts";
import { ConfigError, lineOf, located } from "./config-error.ts";
import { schema, type ConfigFile, type ListenerConfig } from "./config-schema.ts";

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

/** Where the files of deploy/ put the configuration. */
const SITE_FILE = "/etc/postern/postern.toml";

/**
 * Which file a command reads: the one that it is told, else POSTERN_CONFIG, else the site's where there is one; null = the defaults.
 * A command that took the defaults on a host with a configuration would look at another state_dir than the server's, and find nothing.
 */
export function configFile(
  named: string | null,
  environment: string | undefined = process.env["POSTERN_CONFIG"],
  site: string = SITE_FILE,
): string | null {
  return named ?? environment ?? (existsSync(site) ? site : null);
}

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
    throw new ConfigError(located(result.error.issues, text, file).join("\n"));
  }
  checkConsistency(result.data, text, file);
  const rulesDir = result.data.server.rules_dir;
  if (rulesDir !== undefined && !existsSync(resolve(dirname(file), rulesDir))) {
    // Without rules every message would be accepted: a misspelt path must not start.
    const at = `${file}:${lineOf(text, ["server", "rules_dir"])}`;
    throw new ConfigError(`${at}: server.rules_dir: there is no directory ${rulesDir}`);
  }
  return complete(result.data, file);
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
