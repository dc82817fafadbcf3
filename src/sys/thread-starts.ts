// Whether another thread of a pool is worth a try. Threads that die while they start, of what they are all given, would do so for every
// job, and each job would wait for that: so only one tries after a pause that grows, and the others are told at once. Used by threads.ts.

const FIRST_PAUSE_MS = 10_000;
const LONGEST_PAUSE_MS = 600_000;

export class Starts {
  /** Why the last one died; null: as far as is known they start. */
  #why: string | null = null;
  #trying = false;
  #pauseMs = FIRST_PAUSE_MS;
  #until = 0;

  /** Why none is to be started now; null: one may be. */
  refusal(): string | null {
    if (this.#why === null) return null;
    if (!this.#trying && performance.now() >= this.#until) return null;
    return `threads do not start: ${this.#why}`;
  }

  /** One is being started: it must be told how that went. */
  begun(): void {
    this.#trying = this.#why !== null;
  }

  succeeded(): void {
    this.#why = null;
    this.#trying = false;
    this.#pauseMs = FIRST_PAUSE_MS;
  }

  /** It died by itself, or took too long. */
  failed(why: string): void {
    this.#why = why;
    this.#trying = false;
    this.#until = performance.now() + this.#pauseMs;
    this.#pauseMs = Math.min(this.#pauseMs * 2, LONGEST_PAUSE_MS);
  }

  /** It was ended before anybody could know. */
  givenUp(): void {
    this.#trying = false;
  }
}
