// One ioredis connection of whatever kind the URL names, with what postern asks of every dependency: a deadline per command,
// a bound on what waits while it is away, and reconnecting for ever.
import { readFileSync } from "node:fs";
import type { ConnectionOptions } from "node:tls";
import { Cluster, Redis, type ClusterOptions, type RedisOptions } from "ioredis";
import { redisPlace } from "./redis-url.ts";

export interface RedisOptionsOfOurs {
  /** See redis-url.ts. */
  readonly url: string;
  /** Put in front of every key. */
  readonly prefix: string;
  readonly deadlineMs: number;
  /** PEM file of the authorities that a server's certificate must come from; absent: those that Node knows. */
  readonly caFile?: string | undefined;
  /** Told when the connection is lost and when it is back; not for every failed try. */
  readonly onState?: (up: boolean, why: string) => void;
}

export type Connection = Redis | Cluster;

type Common = Pick<
  Required<RedisOptions>,
  "commandTimeout" | "connectTimeout" | "socketTimeout" | "reconnectOnError"
> & {
  username?: string;
  password?: string;
  retryStrategy: (times: number) => number;
  autoResendUnfulfilledCommands: boolean;
  maxRetriesPerRequest: null;
  tls?: ConnectionOptions;
};

const RETRY_MIN_MS = 50;
const RETRY_MAX_MS = 1000;
/** A server that was asked and says nothing for so many deadlines is given up, and looked for again. */
const SILENT_DEADLINES = 4;

/** Starts to connect; commands wait for it up to their deadline. Throws when the URL is none or the file cannot be read. */
export function redisConnection(options: RedisOptionsOfOurs): Connection {
  const { url, deadlineMs, caFile, onState } = options;
  const place = redisPlace(url);
  if (place === null) throw new Error(`"${url}" is no Redis URL`);
  const retry = (times: number): number => Math.min(RETRY_MAX_MS, RETRY_MIN_MS * times);
  const common = {
    ...("tls" in place && place.tls && { tls: tlsOf(caFile) }),
    ...(place.username !== null && { username: place.username }),
    ...(place.password !== null && { password: place.password }),
    commandTimeout: deadlineMs,
    connectTimeout: 5000,
    // A host that lost its power closes no connection: without this we would ask it until TCP gives up, a quarter of an hour.
    socketTimeout: deadlineMs * SILENT_DEADLINES,
    // Who was master and is a replica now keeps its connections: ask again who is.
    reconnectOnError: ({ message }: Error) => message.includes("READONLY "),
    retryStrategy: retry,
    // A command that was sent when the connection broke may have been done: it is not sent again.
    autoResendUnfulfilledCommands: false,
    maxRetriesPerRequest: null,
  } satisfies Partial<RedisOptions>;
  const connection = connect(place, common, retry, deadlineMs);
  watch(connection, onState);
  return connection;
}

/** Throws when the file cannot be read. */
export function tlsOf(caFile: string | undefined): ConnectionOptions {
  return caFile === undefined ? {} : { ca: readFileSync(caFile) };
}

function connect(
  place: NonNullable<ReturnType<typeof redisPlace>>,
  common: Common,
  retry: (times: number) => number,
  deadlineMs: number,
): Connection {
  switch (place.kind) {
    case "single":
      return new Redis({ ...common, ...place.node, db: place.db });
    case "unix":
      return new Redis({ ...common, path: place.path, db: place.db });
    case "sentinel":
      return new Redis({
        ...common,
        sentinels: place.nodes.map(({ host, port }) => ({ host, port })),
        name: place.name,
        db: place.db,
        ...(common.tls !== undefined && {
          sentinelTLS: common.tls,
          enableTLSForSentinelMode: true,
        }),
        sentinelRetryStrategy: retry,
        // The next one is asked when a sentinel is silent.
        sentinelCommandTimeout: deadlineMs * SILENT_DEADLINES,
      });
    case "cluster": {
      const options = {
        redisOptions: common,
        clusterRetryStrategy: retry,
        slotsRefreshTimeout: deadlineMs * 2,
        retryDelayOnFailover: 50,
        retryDelayOnClusterDown: 50,
      } satisfies ClusterOptions;
      return new Cluster(
        place.nodes.map(({ host, port }) => ({ host, port })),
        options,
      );
    }
  }
}

function watch(connection: Connection, onState: RedisOptionsOfOurs["onState"]): void {
  let up: boolean | null = null;
  let why = "connection closed";
  const say = (next: boolean): void => {
    if (up === next) return;
    up = next;
    onState?.(next, next ? "" : why);
  };
  // Without a listener ioredis prints errors itself; each command rejects by its own deadline anyway.
  connection.on("error", (error: Error) => {
    why = error.message;
    say(false);
  });
  connection.on("close", () => say(false));
  connection.on("ready", () => say(true));
}
