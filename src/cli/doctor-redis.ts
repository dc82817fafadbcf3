// What `postern doctor` says about Redis: whether each server answers, takes writes and scripts, and keeps what it is given. Asks
// PING, INFO, EVAL and, of sentinels, CKQUORUM; changes nothing.
import type { Cluster, Redis } from "ioredis";
import type { Config } from "../config.ts";
import type { Connection } from "../state/redis-connection.ts";
import { redisPlace, type Node, type RedisPlace } from "../state/redis-url.ts";
import { ok, warning, wrong, type Finding } from "./doctor-finding.ts";

/** For one answer: a person waits longer than a mail. */
const PATIENCE_MS = 3000;
/** Above this share of maxmemory the end is near. */
const FULL = 0.9;
/** UNLINK. */
const OLDEST = 4;

/** Within some seconds; nothing without [redis] url. */
export async function redisFindings({ redis }: Config): Promise<Finding[]> {
  const place = redis.url === undefined ? null : redisPlace(redis.url);
  if (place === null || redis.url === undefined) return [];
  // ioredis is only loaded where it is used.
  const { redisConnection } = await import("../state/redis-connection.ts");
  const state = { why: "no answer" };
  const { url, prefix, ca } = redis;
  const connection = redisConnection({
    url,
    prefix,
    deadlineMs: PATIENCE_MS,
    caFile: ca,
    onState: (up, why) => void (up || (state.why = why)),
  });
  try {
    const watchers = place.kind === "sentinel" ? await sentinelFindings(place, ca) : [];
    return [...watchers, ...(await connectionFindings(connection, place, state))];
  } finally {
    connection.disconnect();
  }
}

async function connectionFindings(
  connection: Connection,
  place: RedisPlace,
  state: { readonly why: string },
): Promise<Finding[]> {
  try {
    await connection.ping();
  } catch (error) {
    return [wrong(`Redis ${nameOf(place)}: ${explained(error, state.why)}`)];
  }
  if (place.kind !== "cluster") return serverFindings(connection as Redis, nameOf(place), place);
  const cluster = connection as Cluster;
  const info = await cluster.cluster("INFO").catch(() => "");
  const found: Finding[] = [];
  if (!/^cluster_state:ok/m.test(String(info)))
    found.push(
      wrong(`Redis ${nameOf(place)}: slots are without a server: redis-cli --cluster fix`),
    );
  for (const node of cluster.nodes("master")) {
    const { host, port } = node.options;
    found.push(...(await serverFindings(node, `${host ?? "?"}:${port ?? "?"}`, place)));
  }
  return found;
}

async function serverFindings(redis: Redis, name: string, place: RedisPlace): Promise<Finding[]> {
  try {
    const start = performance.now();
    await redis.ping();
    const ms = performance.now() - start;
    const info = infoOf(await redis.info());
    const saves = await redis.config("GET", "save").then(String, () => null);
    const found = infoFindings(name, info, saves, place.kind === "sentinel");
    const scripts = await redis.eval("return 1", 0).then(
      () => [],
      (error: Error) => [
        wrong(
          `Redis ${name} takes no scripts (${words(error)}): allow this user EVAL and EVALSHA, or nothing is greylisted`,
        ),
      ],
    );
    const version = info.get("redis_version") ?? "?";
    const answers = `Redis ${name} answers in ${ms.toFixed(1)} ms: version ${version}, ${info.get("role") ?? "?"}`;
    return [ok(answers), ...found, ...scripts];
  } catch (error) {
    return [wrong(`Redis ${name}: ${explained(error, "no answer")}`)];
  }
}

type Info = ReadonlyMap<string, string>;

/** `name:value` lines, `#` headings. */
export function infoOf(text: string): Info {
  const lines = text.split(/\r?\n/).filter((line) => line !== "" && !line.startsWith("#"));
  return new Map(
    lines.map((line) => {
      const colon = line.indexOf(":");
      return [line.slice(0, colon), line.slice(colon + 1)];
    }),
  );
}

/** What is wrong with a server by its INFO. `saves`: what CONFIG GET save said, null when it may not be asked. */
export function infoFindings(
  name: string,
  info: Info,
  saves: string | null,
  watched: boolean,
): Finding[] {
  const found: Finding[] = [];
  const version = Number.parseInt(info.get("redis_version") ?? "", 10);
  if (version < OLDEST) found.push(wrong(`Redis ${name}: ${OLDEST}.0 is the oldest that will do`));
  if (info.get("role") === "slave")
    found.push(
      wrong(
        `Redis ${name} is a replica of ${info.get("master_host") ?? "?"} and takes no writes: name the master, or its sentinels (redis+sentinel://)`,
      ),
    );
  if (watched && info.get("connected_slaves") === "0")
    found.push(warning(`Redis ${name} has no replica: nobody can take its place`));
  return [...found, ...memoryFindings(name, info), ...diskFindings(name, info, saves)];
}

function memoryFindings(name: string, info: Info): Finding[] {
  const policy = info.get("maxmemory_policy") ?? "noeviction";
  const most = Number(info.get("maxmemory") ?? 0);
  const used = Number(info.get("used_memory") ?? 0);
  const found: Finding[] = [];
  if (policy !== "noeviction")
    found.push(
      warning(
        `Redis ${name} throws records away when its memory is full (maxmemory-policy ${policy}): senders would wait again; CONFIG SET maxmemory-policy noeviction`,
      ),
    );
  if (most > 0 && used > most * FULL)
    found.push(
      warning(
        `Redis ${name} uses ${Math.round((used / most) * 100)} % of its maxmemory: raise it, or mail will go on without greylisting`,
      ),
    );
  return found;
}

function diskFindings(name: string, info: Info, saves: string | null): Finding[] {
  const failed = [
    ["rdb_last_bgsave_status", "its snapshot"],
    ["aof_last_write_status", "its log"],
  ].filter(([field = ""]) => (info.get(field) ?? "ok") !== "ok");
  if (failed.length > 0) {
    const what = failed.map(([, words]) => words).join(" and ");
    return [wrong(`Redis ${name} could not write ${what}: look at its disk and log`)];
  }
  const keeps = info.get("aof_enabled") === "1" || saves === null || !/^save,$/.test(saves);
  if (keeps) return [];
  return [
    warning(
      `Redis ${name} writes nothing to disk: after its restart every sender waits again; CONFIG SET appendonly yes`,
    ),
  ];
}

/** Each sentinel is asked by itself: that one of three is gone is seen nowhere else. */
async function sentinelFindings(
  place: RedisPlace & { kind: "sentinel" },
  caFile: string | undefined,
): Promise<Finding[]> {
  const { Redis } = await import("ioredis");
  const { tlsOf } = await import("../state/redis-connection.ts");
  const one = async ({ host, port }: Node): Promise<Finding> => {
    const name = `sentinel ${host}:${port}`;
    const times = { connectTimeout: PATIENCE_MS, commandTimeout: PATIENCE_MS };
    const tls = { tls: tlsOf(caFile) };
    const sentinel = new Redis({
      host,
      port,
      retryStrategy: null,
      ...times,
      ...(place.tls && tls),
    });
    let why = "no answer";
    sentinel.on("error", (error: Error) => (why = error.message));
    try {
      const said = await sentinel.call("SENTINEL", "CKQUORUM", place.name);
      return ok(`${name}: ${printable(String(said))}`);
    } catch (error) {
      const message = words(error);
      if (message.startsWith("ERR No such master"))
        return wrong(`${name} knows no master "${place.name}": see the name in [redis] url`);
      if (message.startsWith("NOQUORUM"))
        return wrong(`${name}: ${message}: a master that fails is not replaced`);
      return wrong(`${name}: ${explained(error, why)}`);
    } finally {
      sentinel.disconnect();
    }
  };
  return Promise.all(place.nodes.map(one));
}

/** Never the login, which the URL has. */
function nameOf(place: RedisPlace): string {
  if (place.kind === "unix") return place.path;
  if (place.kind === "single") return `${place.node.host}:${place.node.port}`;
  if (place.kind === "sentinel") return `${place.name} (master by Sentinel)`;
  return `cluster ${place.nodes.map(({ host, port }) => `${host}:${port}`).join(", ")}`;
}

const printable = (text: string): string => text.slice(0, 200).replace(/[^\x20-\x7e]/g, "");
const words = (error: unknown): string => printable((error as Error).message);

/** What the error means for the operator. `why`: what was heard of the connection. */
function explained(error: unknown, why: string): string {
  const message = words(error);
  if (/^(?:NOAUTH|WRONGPASS)/.test(message) || /^(?:NOAUTH|WRONGPASS)/.test(why))
    return `${message}: put the login into [redis] url (redis://user:password@host)`;
  if (message.startsWith("NOPERM")) return `${message}: give this user the right (ACL SETUSER)`;
  if (message.startsWith("LOADING")) return `${message}: wait until it has read its data`;
  if (/sentinels are unreachable/.test(why)) return "no sentinel names a server that is master";
  const reason = /timed out|closed|max retries/i.test(message) ? why : message;
  return `${printable(reason)}: mail goes on without greylisting and limits; start it, or see [redis] url`;
}
