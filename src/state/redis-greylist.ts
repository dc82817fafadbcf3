// Greylisting on Redis. Keys: gl:{pair}:origin (a hash of first, last, attempts, passed, until, text), ga:{client}, kp:{person}.
// The braces keep a triplet's origins on one cluster node.
import {
  ALLOWED_COUNT,
  ANY_ORIGIN,
  REFRESH_MS,
  spared,
  type ClientState,
  type GreylistAnswer,
  type GreylistFilter,
  type GreylistQuestion,
  type GreylistRecord,
  type GreylistResult,
  type GreylistStore,
} from "./greylist-store.ts";
import { inBatches, type Decide } from "./greylist-batches.ts";
import { pairOf } from "./pair.ts";
import { CLIENT_COUNT, CLIENT_STANDS, GREYLIST, TRIPLET } from "./redis-scripts.ts";
import type { RedisCalls } from "./redis.ts";

const PAGE = 500;

export function redisGreylist(redis: RedisCalls): GreylistStore {
  const decide = redis.cluster ? onCluster(redis) : onOneServer(redis);
  const all =
    (write: boolean): GreylistStore["ask"] =>
    (questions, times, now) =>
      Promise.all(questions.map((question) => decide(question, times, now, write)));
  return {
    ask: all(true),
    peek: all(false),
    async records(filter, limit, now) {
      const found: GreylistRecord[] = [];
      for await (const keys of pages(redis, filter)) {
        for (const record of await read(redis, keys, now)) {
          if (matches(record, filter)) found.push(record);
          if (found.length === limit) return found;
        }
      }
      return found;
    },
    client: async (client, now) => clientOf(client, await fields(redis, clientKey(client)), now),
    async allowPair(sender, recipient, lifetime, now) {
      const key = tripletKey(pairOf(sender, recipient), ANY_ORIGIN);
      const at = String(now);
      const until = String(now + lifetime);
      const text = textOf(ANY_ORIGIN, sender, recipient);
      await put(redis, key, lifetime, {
        f: at,
        l: at,
        n: "0",
        p: at,
        u: until,
        t: text,
      });
    },
    allowClient: (client, lifetime, now) =>
      put(redis, clientKey(client), lifetime, {
        a: String(ALLOWED_COUNT),
        c: String(now),
        u: String(now + lifetime),
        n: client,
      }),
    clear: (filter) => clear(redis, filter),
    clearClient: async (client) => Number(await redis.call("UNLINK", clientKey(client))) > 0,
  };
}

const tripletKey = (pair: string, origin: string): string => `gl:{${pair}}:${origin}`;
const clientKey = (client: string): string => `ga:{${client}}`;
/** The key of a person; known-people writes it. */
export const personKeyOf = (person: string): string => `kp:{${person}}`;
const textOf = (origin: string, sender: string, recipient: string): string =>
  JSON.stringify([origin, sender, recipient]);

function parts({ sender, recipient, origins }: GreylistQuestion): {
  keys: string[];
  texts: string[];
} {
  const pair = pairOf(sender, recipient);
  return {
    keys: [...origins, ANY_ORIGIN].map((origin) => tripletKey(pair, origin)),
    texts: origins.map((origin) => textOf(origin, sender, recipient)),
  };
}

function onOneServer(redis: RedisCalls): Decide {
  return inBatches(async (questions, times) => {
    const keys: string[] = [];
    const args: (string | number)[] = [
      times.delay,
      times.window,
      times.lifetime,
      times.autoWhitelist,
      times.countEvery,
      REFRESH_MS,
    ];
    for (const { question, now, write } of questions) {
      const { clients, person } = question;
      const triplet = parts(question);
      if (person !== null) keys.push(personKeyOf(person));
      for (const client of clients) keys.push(clientKey(client));
      keys.push(...triplet.keys);
      args.push(now, write ? 1 : 0, person === null ? 0 : 1, clients.length, triplet.texts.length);
      args.push(...clients, ...triplet.texts);
    }
    const flat = (await redis.script(GREYLIST, keys, args)) as unknown[];
    return questions.map((_, n) => answerOf(flat.slice(n * 5, n * 5 + 5)));
  });
}

/**
 * All families are asked at once. A triplet of a spared sender is written too, which costs a record and nothing else; clients
 * are counted after the answer, since nobody waits for that.
 */
function onCluster(redis: RedisCalls): Decide {
  return async (question, times, now, write) => {
    const { keys, texts } = parts(question);
    const { delay, window, lifetime, autoWhitelist, countEvery } = times;
    const { person } = question;
    const flag = write ? 1 : 0;
    const clients = autoWhitelist > 0 ? question.clients : [];
    const [known, triplet, ...standing] = await Promise.all([
      person === null ? null : redis.call("GET", personKeyOf(person)),
      redis.script(TRIPLET, keys, [now, delay, window, lifetime, REFRESH_MS, flag, ...texts]),
      ...clients.map((client) =>
        redis.script(
          CLIENT_STANDS,
          [clientKey(client)],
          [now, autoWhitelist, lifetime, REFRESH_MS, flag],
        ),
      ),
    ]);
    const answer = answerOf(triplet);
    if (known !== null && Number(known) > now) return spared("person", answer);
    if (standing.includes(1)) return spared("client", answer);
    if (write && answer.result === "accepted") {
      const counted = question.clients.map((client) =>
        redis.script(CLIENT_COUNT, [clientKey(client)], [client, now, countEvery, lifetime]),
      );
      // A count that is lost costs one more triplet until the client is on the white-list.
      redis.pending(Promise.allSettled(counted));
    }
    return answer;
  };
}

function answerOf(reply: unknown): GreylistAnswer {
  const [result, missing, first, passed, attempts] = reply as [GreylistResult, ...string[]];
  return {
    result,
    missing: Number(missing),
    first: Number(first),
    passed: Number(passed),
    attempts: Number(attempts),
  };
}

async function put(
  redis: RedisCalls,
  key: string,
  ms: number,
  values: Readonly<Record<string, string>>,
): Promise<void> {
  await redis.call("HSET", key, ...Object.entries(values).flat());
  await redis.call("PEXPIRE", key, String(ms));
}

async function fields(redis: RedisCalls, key: string): Promise<ReadonlyMap<string, string>> {
  const reply = (await redis.call("HGETALL", key)) as string[];
  const map = new Map<string, string>();
  for (let i = 0; i + 1 < reply.length; i += 2) map.set(reply[i] ?? "", reply[i + 1] ?? "");
  return map;
}

function clientOf(
  client: string,
  values: ReadonlyMap<string, string>,
  now: number,
): ClientState | null {
  const number = (name: string): number => Number(values.get(name) ?? 0);
  if (values.size === 0 || number("u") <= now) return null;
  return { client, accepted: number("a"), counted: number("c"), until: number("u") };
}

/** Pages of keys of triplets; one page when sender and recipient are given. */
async function* pages(redis: RedisCalls, filter: GreylistFilter): AsyncIterable<string[]> {
  const pair =
    filter.sender !== undefined && filter.recipient !== undefined
      ? pairOf(filter.sender, filter.recipient)
      : "*";
  yield* redis.scan(`gl:{${pair}}:*`, PAGE);
}

async function read(
  redis: RedisCalls,
  keys: readonly string[],
  now: number,
): Promise<GreylistRecord[]> {
  const maps = await Promise.all(keys.map((key) => fields(redis, key)));
  return maps.flatMap((values) => {
    const number = (name: string): number => Number(values.get(name) ?? 0);
    const text = values.get("t");
    if (text === undefined || number("u") <= now) return [];
    const [origin, sender, recipient] = JSON.parse(text) as [string, string, string];
    return [
      {
        origin,
        sender,
        recipient,
        first: number("f"),
        last: number("l"),
        attempts: number("n"),
        passed: number("p"),
        until: number("u"),
      },
    ];
  });
}

function matches(record: GreylistRecord, filter: GreylistFilter): boolean {
  return (
    (filter.origin ?? record.origin) === record.origin &&
    (filter.sender ?? record.sender) === record.sender &&
    (filter.recipient ?? record.recipient) === record.recipient
  );
}

async function clear(redis: RedisCalls, filter: GreylistFilter): Promise<number> {
  let gone = 0;
  const every = Object.keys(filter).length === 0;
  for await (const keys of pages(redis, filter)) {
    const wanted = every ? keys : await matching(redis, keys, filter);
    for (const key of wanted) gone += Number(await redis.call("UNLINK", key));
  }
  if (!every) return gone;
  for await (const keys of redis.scan("ga:*", PAGE)) {
    for (const key of keys) gone += Number(await redis.call("UNLINK", key));
  }
  return gone;
}

async function matching(
  redis: RedisCalls,
  keys: readonly string[],
  filter: GreylistFilter,
): Promise<string[]> {
  const records = await Promise.all(keys.map((key) => read(redis, [key], 0)));
  return keys.filter((_, n) => {
    const [record] = records[n] ?? [];
    return record !== undefined && matches(record, filter);
  });
}
