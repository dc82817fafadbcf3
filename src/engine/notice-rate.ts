// How many notices may go out: a flood of stopped mail must not become a flood of notices. Counts what it refuses, so that the
// next notice can say so. Asked by notices.ts; time is the caller's (milliseconds of a monotonic clock).

export interface NoticeLimits {
  /** Milliseconds between two notices under one key. */
  readonly everyMs: number;
  /** Notices in any hour, all keys together. */
  readonly perHour: number;
}

export interface NoticeRate {
  /** How many under this key were refused since the last one that was admitted; null when this one is refused. */
  admit(key: string, nowMs: number): number | null;
}

export const NOTICE_LIMITS: NoticeLimits = { everyMs: 60_000, perHour: 60 };

const HOUR_MS = 3_600_000;
/** The key that was heard of longest ago is forgotten beyond this. */
const MAX_KEYS = 10_000;

interface Heard {
  /** When the last one was admitted; -Infinity = never. */
  at: number;
  leftOut: number;
}

export function noticeRate({ everyMs, perHour }: NoticeLimits = NOTICE_LIMITS): NoticeRate {
  const keys = new Map<string, Heard>();
  /** Times of the last `perHour` admissions, oldest first. */
  const admitted: number[] = [];
  return {
    admit(key, nowMs) {
      const heard = keys.get(key) ?? { at: -Infinity, leftOut: 0 };
      keys.delete(key);
      keys.set(key, heard);
      const [oldest] = keys.keys();
      if (keys.size > MAX_KEYS && oldest !== undefined) keys.delete(oldest);
      const oldestAdmission = admitted.length < perHour ? -Infinity : (admitted[0] ?? Infinity);
      if (nowMs - heard.at < everyMs || nowMs - oldestAdmission < HOUR_MS) {
        heard.leftOut++;
        return null;
      }
      const { leftOut } = heard;
      heard.at = nowMs;
      heard.leftOut = 0;
      admitted.push(nowMs);
      if (admitted.length > perHour) admitted.shift();
      return leftOut;
    },
  };
}
