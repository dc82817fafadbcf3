// The digests of a configuration: sent every day by the workers, now by a command. Wired here for both.
import { createHash } from "node:crypto";
import type { Config } from "./config.ts";
import { sendDigests, type DigestMeans, type DigestRun } from "./engine/digest.ts";
import { digestTicks } from "./engine/digest-clock.ts";
import { isLocal } from "./judging.ts";
import { linkKeyFile, postmasterOf } from "./links-service.ts";
import type { Quarantine } from "./mailstore/quarantine.ts";
import { linkKey } from "./state/link-key.ts";
import { mailId } from "./sys/ids.ts";
import type { Log } from "./sys/log.ts";

export interface DigestRooms {
  readonly config: Config;
  readonly quarantine: Quarantine;
  readonly once: DigestMeans["once"];
  readonly routeTo: DigestMeans["routeTo"];
  readonly onResult: DigestMeans["onResult"];
  readonly log: Log;
}

export interface Digests {
  /** Asks every half minute whether a digest is due; nothing when [digest] is not enabled. */
  start(): void;
  /** Sends one now, whatever was sent before. */
  send(run: DigestRun): Promise<readonly string[]>;
  stop(): Promise<void>;
}

const TICK_MS = 30_000;

export function digests(rooms: DigestRooms): Digests {
  const { config, log } = rooms;
  const means = meansOf(rooms);
  const stopping = new AbortController();
  const tick = digestTicks({
    at: config.digest.at,
    once: rooms.once,
    store: means.store,
    run: async (run) => (await sendDigests(run, means, stopping.signal)).complete,
  });
  let timer: NodeJS.Timeout | null = null;
  let last = Promise.resolve();
  return {
    start() {
      if (!config.digest.enabled) return;
      timer = setInterval(() => {
        last = tick(new Date()).catch((error: Error) => log.warn(`digest: ${error.message}`));
      }, TICK_MS);
      timer.unref();
    },
    send: async (run) => (await sendDigests(run, means, stopping.signal)).lines,
    async stop() {
      if (timer !== null) clearInterval(timer);
      stopping.abort();
      await last;
    },
  };
}

function meansOf({ config, quarantine, once, routeTo, onResult, log }: DigestRooms): DigestMeans {
  const { digest, links, server } = config;
  const place = `${server.hostname} ${config.quarantine.dir}`;
  return {
    hostname: server.hostname,
    postmaster: postmasterOf(config),
    quarantine,
    store: createHash("sha256").update(place).digest("base64url").slice(0, 16),
    once,
    isLocal: isLocal(config),
    recipients: digest.recipients ?? null,
    maxMessages: digest.max_messages,
    url: links.url?.replace(/\/+$/, "") ?? null,
    linkMs: links.valid,
    categories: links.categories,
    key: () => linkKey(linkKeyFile(config)),
    routeTo,
    newMailId: mailId,
    onResult,
    info: (text) => log.info(text),
    warn: (text) => log.warn(text),
  };
}
