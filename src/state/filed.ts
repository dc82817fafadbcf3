// Which files of the training folders were looked at, and what they were: always this host's, since the files are. Written and read by the
// training job, once per folder and round.

export interface Filed {
  /** The file's name up to the flags. */
  readonly name: string;
  /** lessonKey() of the message. */
  readonly key: string;
  readonly size: number;
}

export interface FiledNotes {
  /** What was noted of a folder; at most MAX_FILED. */
  list(place: string, now: number): Promise<readonly Filed[]>;
  note(place: string, files: readonly Filed[], rememberMs: number, now: number): Promise<void>;
  drop(place: string, names: readonly string[]): Promise<void>;
}

export const MAX_FILED = 20_000;
