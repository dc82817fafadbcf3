// Greylisting on Redis. Keys: gt:{pair}:origin ("first last attempts passed until" and sender and recipient as JSON), gw:{client}
// ("accepted counted until"), kp:{person} (until). Plain texts: one MGET reads all that a decision asks, one SET writes and expires a
// record; hashes took three times as many commands. The braces keep a triplet's origins on one cluster node.
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
    async (questions, times, now) => {
      const [first] = questions;
      if (first !== undefined && questions.length === 1)
        return [await decide(first, times, now, write)];
      return Promise.all(questions.map((question) => decide(question, times, now, write)));
    };
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
    client: async (client, now) =>
      clientOf(client, await redis.call("GET", clientKey(client)), now),
    async allowPair(sender, recipient, lifetime, now) {
      const key = tripletKey(pairOf(sender, recipient), ANY_ORIGIN);
      const value = `${now} ${now} 0 ${now} ${now + lifetime} ${textOf(sender, recipient)}`;
      await redis.call("SET", key, value, "PX", String(lifetime));
    },
    async allowClient(client, lifetime, now) {
      const value = `${ALLOWED_COUNT} ${now} ${now + lifetime}`;
      await redis.call("SET", clientKey(client), value, "PX", String(lifetime));
    },
    clear: (filter) => clear(redis, filter),
    clearClient: async (client) => Number(await redis.call("UNLINK", clientKey(client))) > 0,
  };
}

const TRIPLETS = "gt:";
const CLIENTS = "gw:";
const tripletKey = (pair: string, origin: string): string => `${TRIPLETS}{${pair}}:${origin}`;
const clientKey = (client: string): string => `${CLIENTS}{${client}}`;
/** The key of a person; known-people writes it. */
export const personKeyOf = (person: string): string => `kp:{${person}}`;
const textOf = (sender: string, recipient: string): string => JSON.stringify([sender, recipient]);

/** The keys of a triplet, that of ANY_ORIGIN last. */
function tripletKeys({ sender, recipient, origins }: GreylistQuestion): string[] {
  const pair = pairOf(sender, recipient);
  return [...origins, ANY_ORIGIN].map((origin) => tripletKey(pair, origin));
}

const ZERO = "0".charCodeAt(0);

function onOneServer(redis: RedisCalls): Decide {
  return inBatches(async (questions, times) => {
    const { delay, window, lifetime, autoWhitelist, countEvery } = times;
    const keys: string[] = [];
    const lives = String(Math.max(1, window));
    const args = [
      `${delay} ${window} ${lifetime} ${autoWhitelist} ${countEvery} ${REFRESH_MS}`,
      lives,
    ];
    for (const { question, now, write } of questions) {
      const { sender, recipient, origins, clients, person } = question;
      if (person !== null) keys.push(personKeyOf(person));
      for (const client of clients) keys.push(clientKey(client));
      keys.push(...tripletKeys(question));
      const counts = [write ? 1 : 0, person === null ? 0 : 1, clients.length, origins.length];
      const first = `${now} ${now} 1 0 ${now + window} ${textOf(sender, recipient)}`;
      args.push(String.fromCharCode(...counts.map((count) => ZERO + count)), first);
    }
    const told = (await redis.script(GREYLIST, keys, args)) as string[];
    return told.map((answer, n) =>
      answer === "new" ? firstAnswer(questions[n]?.now ?? 0, delay) : answerOf(answer),
    );
  });
}

/**
 * All families are asked at once. A triplet of a spared sender is written too, which costs a record and nothing else; clients
 * are counted after the answer, since nobody waits for that.
 */
function onCluster(redis: RedisCalls): Decide {
  return async (question, times, now, write) => {
    const { delay, window, lifetime, autoWhitelist, countEvery } = times;
    const { sender, recipient, person } = question;
    const flag = write ? 1 : 0;
    const clients = autoWhitelist > 0 ? question.clients : [];
    const [known, triplet, ...standing] = await Promise.all([
      person === null ? null : redis.call("GET", personKeyOf(person)),
      redis.script(TRIPLET, tripletKeys(question), [
        ...[now, delay, window, lifetime, REFRESH_MS, flag],
        textOf(sender, recipient),
      ]),
      ...clients.map((client) =>
        redis.script(
          CLIENT_STANDS,
          [clientKey(client)],
          [now, autoWhitelist, lifetime, REFRESH_MS, flag],
        ),
      ),
    ]);
    const answer = answerOf(String(triplet));
    if (known !== null && Number(known) > now) return spared("person", answer);
    if (standing.includes(1)) return spared("client", answer);
    if (write && answer.result === "accepted") {
      const counted = question.clients.map((client) =>
        redis.script(CLIENT_COUNT, [clientKey(client)], [now, countEvery, lifetime]),
      );
      // A count that is lost costs one more triplet until the client is on the white-list.
      redis.pending(Promise.allSettled(counted));
    }
    return answer;
  };
}

/** What GREYLIST does not tell of a triplet that is new. */
function firstAnswer(now: number, delay: number): GreylistAnswer {
  return { result: "new", missing: delay, first: now, passed: 0, attempts: 1 };
}

/** "result missing first passed attempts", as the scripts tell it. */
function answerOf(told: string): GreylistAnswer {
  const [result, ...numbers] = told.split(" ");
  const [missing = 0, first = 0, passed = 0, attempts = 0] = numbers.map(Number);
  return { result: result as GreylistResult, missing, first, passed, attempts };
}

function clientOf(client: string, value: unknown, now: number): ClientState | null {
  if (typeof value !== "string") return null;
  const [accepted = 0, counted = 0, until = 0] = value.split(" ").map(Number);
  return until <= now ? null : { client, accepted, counted, until };
}

/** Pages of keys of triplets; one page when sender and recipient are given. */
async function* pages(redis: RedisCalls, filter: GreylistFilter): AsyncIterable<string[]> {
  const pair =
    filter.sender !== undefined && filter.recipient !== undefined
      ? pairOf(filter.sender, filter.recipient)
      : "*";
  yield* redis.scan(`${TRIPLETS}{${pair}}:*`, PAGE);
}

async function read(
  redis: RedisCalls,
  keys: readonly string[],
  now: number,
): Promise<GreylistRecord[]> {
  const values = await Promise.all(keys.map((key) => redis.call("GET", key)));
  return values.flatMap((value, n) => recordOf(keys[n] ?? "", value, now));
}

/** The record in a key; none when it has expired or is none of ours. */
function recordOf(key: string, value: unknown, now: number): GreylistRecord[] {
  const origin = key.slice(key.indexOf("}:") + 2);
  const parts = typeof value === "string" ? RECORD.exec(value) : null;
  if (parts === null) return [];
  const [first = 0, last = 0, attempts = 0, passed = 0, until = 0] = parts.slice(1, 6).map(Number);
  if (until <= now) return [];
  const [sender, recipient] = JSON.parse(parts[6] ?? "") as [string, string];
  return [{ origin, sender, recipient, first, last, attempts, passed, until }];
}

const RECORD = /^(\d+) (\d+) (\d+) (\d+) (\d+) (\[.*)$/s;

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
  for await (const keys of redis.scan(`${CLIENTS}*`, PAGE)) {
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
