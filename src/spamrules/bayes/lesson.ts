// What a message can teach Bayes: the ids under which it is known, its tokens, and when it came. Made in a thread (lesson-thread.ts), since
// any message may be a hostile one.
import { renderHtml } from "../html/render.ts";
import { prepare, toolsOf } from "../prepare.ts";
import type { RuleBook } from "../rulebook.ts";
import type { Subject } from "../subject.ts";
import { messageIds } from "./message-ids.ts";
import { tokensOf } from "./tokens.ts";

export interface Lesson {
  /** The first is the one to remember. Texts of octets, of any length. */
  readonly ids: readonly string[];
  /** Ids of the tokens, each once. */
  readonly tokens: readonly number[];
  /** When the message came, in seconds since 1970. */
  readonly at: number;
  /** It bears `X-Spam-Flag: YES`, which the filter writes and takes from nobody else. */
  readonly flagged: boolean;
}

/** Reads messages by the settings of a rule book. */
export function lessonReader(book: RuleBook): (octets: Buffer, now: number) => Lesson {
  const tools = toolsOf(book.settings, renderHtml);
  return (octets, now) => {
    const subject = prepare(octets, { now }, tools);
    return {
      ids: messageIds(subject),
      tokens: tokensOf(subject, book.settings, "learn").map(({ id }) => id),
      at: Math.floor(receivedAt(subject) / 1000),
      flagged: /^x-spam-flag:[\t ]*yes\b/im.test(subject.pristineHeaders),
    };
  };
}

const DAY = 86_400_000;

/** The date of the newest hop, else the author's, else now; nothing that lies more than a day ahead is believed. */
function receivedAt(subject: Subject): number {
  const { now } = subject.circumstances;
  const [newest = ""] = subject.getAll("Received");
  const dates = [newest.slice(newest.lastIndexOf(";") + 1), subject.get("Date") ?? ""];
  for (const text of dates) {
    const time = Date.parse(text.slice(0, 100).trim());
    if (time > 0 && time < now + DAY) return time;
  }
  return now;
}
