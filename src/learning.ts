// Teaching Bayes over the store of a configuration: messages become lessons in threads, lessons go into the store. Wired here for
// `postern learn`, for the training folders, and for TELL.
import type { Config } from "./config.ts";
import { lessons } from "./spamrules/bayes/lessons.ts";
import type { Lesson } from "./spamrules/bayes/lesson.ts";
import type { EngineData } from "./spamrules/engine-job.ts";
import { lessonKey, type Label, type LessonResult, type TokenStore } from "./state/token-store.ts";

/** Octets of a message that is worth learning: larger ones are no text. */
export const MAX_LESSON = 8 * 1024 * 1024;

/** A message that has been read. */
export interface Reading {
  /** Of all ids under which it may be known, the one to remember first. */
  readonly keys: readonly string[];
  readonly tokens: readonly number[];
  readonly at: number;
  readonly flagged: boolean;
}

export interface Failed {
  readonly failed: string;
}

export interface Teaching {
  readonly label: Label;
  /** Whose folder it lay in; "" = nobody's. */
  readonly mailbox: string;
  /** Leave alone what was learned as the other. */
  readonly timid?: boolean;
}

export interface Teacher {
  /** Never rejects. */
  read(octets: Uint8Array): Promise<Reading | Failed>;
  /** Rejects when the store is down or late. */
  teach(reading: Reading, teaching: Teaching): Promise<LessonResult>;
  /** What it was learned as; null when it was not. Rejects as teach() does. */
  forget(reading: Reading): Promise<Label | null>;
  close(): Promise<void>;
}

/** `data`: the rules of the engine, whose tokens these must be. `threads` read at once. */
export function teacher(config: Config, data: EngineData, store: TokenStore, threads = 1): Teacher {
  const reader = lessons({ data, threads, queue: 8 * threads });
  return {
    async read(octets) {
      const lesson = await reader.read(octets, Date.now());
      return "failed" in lesson ? lesson : readingOf(lesson);
    },
    teach: ({ keys, tokens, at }, { label, mailbox, timid = false }) =>
      store.learn(
        { keys, label, tokens, at, mailbox, timid, rememberMs: config.bayes.remember },
        Date.now(),
      ),
    forget: ({ keys, tokens }) => store.forget(keys, tokens, Date.now()),
    close: () => reader.close(),
  };
}

const readingOf = ({ ids, tokens, at, flagged }: Lesson): Reading => ({
  keys: ids.map(lessonKey),
  tokens,
  at,
  flagged,
});

/** For autolearn: teaches timidly, one message after the other; what comes while many wait is left out. Never rejects. */
export function autolearner(
  learner: () => Teacher,
  warn: (text: string) => void,
): (octets: readonly Uint8Array[], label: Label) => Promise<void> {
  let waiting = 0;
  return async (octets, label) => {
    if (waiting >= MAX_AUTOLEARN) return;
    waiting++;
    try {
      const reading = await learner().read(Buffer.concat(octets));
      if ("failed" in reading) return warn(`bayes: not learned: ${reading.failed}`);
      await learner().teach(reading, { label, mailbox: "", timid: true });
    } catch (error) {
      warn(`bayes: not learned: ${(error as Error).message}`);
    } finally {
      waiting--;
    }
  };
}

const MAX_AUTOLEARN = 4;
