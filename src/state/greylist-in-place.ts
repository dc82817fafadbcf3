// Greylist decisions without a wait: what is remembered is read in place (a WAL reader never waits for a writer), and what the
// decision changes is written behind by the state thread, which decides again in one transaction. What was told and is not written
// yet is kept here, so that a process never contradicts itself. When writes hang or fail, or reads are slow, the thread is
// asked instead, and then everybody waits for it under the deadline: a store that is down must be noticed.
import type { GreylistAnswer, GreylistQuestion, GreylistTimes, Written } from "./greylist-store.ts";
import type { Look, Looked, Pending } from "./sqlite-greylist.ts";

export interface InPlaceMeans {
  /** Decides from what is stored and what is pending; writes nothing. Throws what SQLite says. */
  readonly look: Look;
  /** From now on `look` must see what was just written: it may have seen an older state for the rest of this turn. */
  refresh(): void;
  /** Asks the thread, which decides and writes. Rejects when it cannot, or not in time. */
  ask(
    questions: readonly GreylistQuestion[],
    times: GreylistTimes,
    now: number,
  ): Promise<readonly GreylistAnswer[]>;
  /** Has the thread decide and write in its own time. Rejects when it cannot; never before it has tried. */
  write(asked: readonly Asked[], times: GreylistTimes): Promise<unknown>;
  close(): void;
}

/** A question and the time at which it was asked. */
export type Asked = readonly [question: GreylistQuestion, now: number];

/** States that were told, by pair, then by origin. */
type Told = Map<string, Map<string, Written>>;

interface Batch {
  /** On the clock of performance.now(). */
  readonly begun: number;
  readonly told: Told;
}

/** How long changes gather before they are written: what a kill -9 may cost. A retry comes minutes later. */
const GATHER_MS = 100;
/** Changes that are not written after this long, or this many, mean that the disk cannot keep up. */
const PATIENCE_MS = 250;
const MAX_PENDING = 5000;
/** When reads take more than this of one second, and each more than that, the disk is slow: then the thread reads for a while. */
const READ_SHARE_MS = 250;
const SLOW_READ_MS = 1;
const AFTER_SLOW_MS = 10_000;

/** A decider with its own memory of what is being written. */
export class GreylistInPlace {
  readonly #means: InPlaceMeans;
  /** Clients that gain an accepted triplet: how many they have then, only the thread knows. */
  readonly #clients = new Set<string>();
  #gathered: Asked[] = [];
  /** What was told of them. */
  #told: Told = new Map();
  #times: GreylistTimes | null = null;
  #timer: NodeJS.Timeout | null = null;
  /** Batches that are being written, the oldest first. */
  readonly #writing = new Set<Batch>();
  #pending = 0;
  /** On the clock of performance.now(): until then the thread is asked. */
  #distrustUntil = 0;
  /** Since when the time of reads is summed up, the sum, and how many they were. */
  #secondBegan = -Infinity;
  #readMs = 0;
  #reads = 0;

  readonly #pendingOf: Pending = (pair) => {
    let known: ReadonlyMap<string, Written> | undefined = this.#told.get(pair);
    if (this.#writing.size === 0) return known;
    for (const { told } of [...this.#writing].reverse()) {
      const older = told.get(pair);
      if (older !== undefined) known = known === undefined ? older : new Map([...older, ...known]);
    }
    return known;
  };

  constructor(means: InPlaceMeans) {
    this.#means = means;
  }

  /** Decides and has it written. Rejects when the store is down or late. */
  async ask(
    questions: readonly GreylistQuestion[],
    times: GreylistTimes,
    now: number,
  ): Promise<readonly GreylistAnswer[]> {
    const looked = this.#lookAll(questions, times, now, true);
    if (looked === null) {
      this.flush();
      const answers = await this.#means.ask(questions, times, now);
      // It writes again. After slow reads the time has to pass.
      if (this.#distrustUntil === Infinity) this.#distrustUntil = 0;
      return answers;
    }
    return looked.map(({ answer }) => answer);
  }

  /** Decides as `ask` would, and nothing changes; null when the thread must be asked. */
  peek(
    questions: readonly GreylistQuestion[],
    times: GreylistTimes,
    now: number,
  ): readonly GreylistAnswer[] | null {
    return this.#lookAll(questions, times, now, false)?.map(({ answer }) => answer) ?? null;
  }

  #lookAll(
    questions: readonly GreylistQuestion[],
    times: GreylistTimes,
    now: number,
    tell: boolean,
  ): readonly Looked[] | null {
    const start = performance.now();
    if (!this.#trusted(start) || questions.some((question) => this.#isCounted(question)))
      return null;
    try {
      return questions.map((question) => {
        const looked = this.#means.look(question, times, now, this.#pendingOf);
        if (tell) this.#tell(question, looked, times, now);
        return looked;
      });
    } catch {
      // Whatever is wrong with the file, the thread will say it.
      return null;
    } finally {
      this.#spend(start, performance.now());
    }
  }

  /** True when nothing waits to be written. */
  get idle(): boolean {
    return this.#pending === 0;
  }

  /** Hands over what is gathered, and reads no more. */
  close(): void {
    this.flush();
    this.#distrustUntil = Infinity;
    this.#means.close();
  }

  /** Hands over what is gathered, so that whoever asks the thread next finds it done. */
  flush(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    const asked = this.#gathered;
    const times = this.#times;
    if (asked.length === 0 || times === null) return;
    this.#gathered = [];
    const told = this.#told;
    this.#told = new Map();
    const batch = { begun: performance.now(), told };
    this.#writing.add(batch);
    const clients = [...this.#clients];
    const settle = (failed: boolean): void => {
      this.#means.refresh();
      this.#writing.delete(batch);
      this.#pending -= asked.length;
      for (const client of clients) this.#clients.delete(client);
      if (failed) this.#distrustUntil = Infinity;
    };
    this.#means.write(asked, times).then(
      () => settle(false),
      () => settle(true),
    );
  }

  #spend(from: number, to: number): void {
    if (to - this.#secondBegan > 1000) {
      this.#secondBegan = from;
      this.#readMs = 0;
      this.#reads = 0;
    }
    this.#readMs += to - from;
    this.#reads++;
    if (this.#readMs > READ_SHARE_MS && this.#readMs > this.#reads * SLOW_READ_MS)
      this.#distrustUntil = to + AFTER_SLOW_MS;
  }

  /** Remembers what is told until it is written. */
  #tell(
    question: GreylistQuestion,
    { pair, answer, state, refresh }: Looked,
    times: GreylistTimes,
    now: number,
  ): void {
    if (state === null && refresh === null) return;
    if (state !== null) {
      let known = this.#told.get(pair);
      if (known === undefined) this.#told.set(pair, (known = new Map<string, Written>()));
      for (const origin of question.origins) known.set(origin, state);
    }
    if (answer.result === "accepted")
      for (const client of question.clients) this.#clients.add(client);
    if (this.#times !== times) this.flush();
    this.#times = times;
    this.#gathered.push([question, now]);
    this.#pending++;
    this.#timer ??= setTimeout(() => this.flush(), GATHER_MS);
  }

  /** False while the store must be asked and waited for. */
  #trusted(now: number): boolean {
    if (now < this.#distrustUntil || this.#pending >= MAX_PENDING) return false;
    const [oldest] = this.#writing;
    return oldest === undefined || now - oldest.begun < PATIENCE_MS;
  }

  #isCounted({ clients }: GreylistQuestion): boolean {
    return this.#clients.size > 0 && clients.some((client) => this.#clients.has(client));
  }
}
