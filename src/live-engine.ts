// The engine for SpamAssassin's rules of one worker, replaced whole when the rule files change: new threads compile the new rules, then
// the pointer swaps, and the old ones end after their last message. Made by scoring.ts.
import { setTimeout as sleep } from "node:timers/promises";
import type { Config } from "./config.ts";
import { spamEngine, type SpamEngine } from "./spamrules/engine.ts";
import type { EngineData } from "./spamrules/engine-job.ts";
import type { Told } from "./scoring.ts";

export interface LiveEngine {
  /** Ask for it anew for each message. */
  readonly current: SpamEngine;
  /** Resolves when the rules are compiled, or after some seconds: then the first message waits for the rest. Never rejects. */
  ready(): Promise<void>;
  /** Puts other rules in force. When they cannot be compiled at all the old ones stay, which is told. Never rejects. */
  use(data: EngineData): Promise<void>;
  close(): Promise<void>;
}

const POOL = "spam";
/** What a start waits for the rules: on an idle machine they take one second. */
const READY_MS = 4000;

export function liveEngine(config: Config, first: EngineData, told: Told | null): LiveEngine {
  told?.metrics.threadWaiting.set({ pool: POOL }, 0);
  const made = (data: EngineData): SpamEngine =>
    spamEngine({
      data,
      deadlineMs: config.spam.deadline,
      threads: config.spam.threads,
      ...(told !== null && {
        onEnd: (result, ms) => {
          told.metrics.threadJobs.inc({ pool: POOL, result });
          told.metrics.threadSeconds.observe({ pool: POOL }, ms / 1000);
        },
        onWaiting: (jobs) => told.metrics.threadWaiting.set({ pool: POOL }, jobs),
      }),
    });
  let data = first;
  let current = made(first);
  const leaving = new Set<Promise<void>>();
  const leave = (engine: SpamEngine): void => {
    const end = engine.close();
    leaving.add(end);
    void end.finally(() => leaving.delete(end));
  };
  return {
    get current() {
      return current;
    },
    ready() {
      const compiled = current.warm().then((about) => {
        if ("failed" in about) told?.log.error(`the spam rules cannot be used: ${about.failed}`);
        else told?.metrics.spamRules.set(about.rules);
      });
      return Promise.race([compiled, sleep(READY_MS, undefined, { ref: false })]);
    },
    async use(next) {
      if (sameRules(next, data)) return;
      const engine = made(next);
      const about = await engine.warm();
      if ("failed" in about) {
        told?.log.error(`the new spam rules cannot be used: ${about.failed}; the old ones stay`);
        return leave(engine);
      }
      told?.metrics.spamRules.set(about.rules);
      const old = current;
      current = engine;
      data = next;
      leave(old);
    },
    async close() {
      leave(current);
      await Promise.all(leaving);
    },
  };
}

/** Whether both say the same, file by file. */
export function sameRules(a: EngineData, b: EngineData): boolean {
  return (
    a.texts.length === b.texts.length &&
    a.texts.every(
      ({ file, octets }, i) => file === b.texts[i]?.file && octets === b.texts[i]?.octets,
    )
  );
}
