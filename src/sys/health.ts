// Whether something that we ask is worth waiting for. One silence proves nothing: the name, the key or the message may be at fault. A few
// in a row make us ask for something that it must know; one that leaves even this without a word rests, and is asked again every
// second until it speaks. Nobody waits for what rests. Owned by the DNS client (one for each server) and the Redis store.

export interface HealthOptions {
  /** Asks for something that it must know; true when it says anything at all. Bounded in time, must not reject. */
  readonly ping: () => Promise<boolean>;
  /** Milliseconds between two such questions to one that rests; default a second. */
  readonly everyMs?: number;
  /** Told when it is put to rest (true), and when it is asked again. */
  readonly onRest?: (resting: boolean) => void;
}

export interface Health {
  readonly resting: boolean;
  /** A try ended without a word in all the time that a try has. */
  silent(): void;
  /** It said something, whatever it was. */
  spoke(): void;
  close(): void;
}

/** Silences in a row that raise a doubt: fewer than one message with a dead sender domain may bring. */
const DOUBT = 4;
const EVERY_MS = 1000;

/** Something that is taken to be well. */
export function health(options: HealthOptions): Health {
  return new Watched(options);
}

class Watched implements Health {
  resting = false;
  readonly #options: HealthOptions;
  #silences = 0;
  #asking = false;
  #timer: NodeJS.Timeout | null = null;
  #closed = false;

  constructor(options: HealthOptions) {
    this.#options = options;
  }

  silent(): void {
    if (++this.#silences >= DOUBT && this.#timer === null) this.#ping();
  }

  spoke(): void {
    this.#silences = 0;
    this.#rest(false);
  }

  close(): void {
    this.#closed = true;
    if (this.#timer !== null) clearTimeout(this.#timer);
  }

  #ping(): void {
    this.#timer = null;
    if (this.#asking || this.#closed) return;
    this.#asking = true;
    void this.#options.ping().then((spoke) => {
      this.#asking = false;
      if (this.#closed) return;
      if (spoke) return this.spoke();
      this.#rest(true);
      this.#timer = setTimeout(() => this.#ping(), this.#options.everyMs ?? EVERY_MS).unref();
    });
  }

  #rest(resting: boolean): void {
    if (this.resting === resting) return;
    this.resting = resting;
    this.#options.onRest?.(resting);
  }
}
