// Whether a DNS server is worth waiting for. Names whose own servers are dead time out too, so that a few silences in a row only make
// us ask for a name that every resolver knows; one that leaves even this without a word rests, and is asked again every second
// until it speaks. Nobody waits for a server that rests. Owned by dns.ts.

export interface HealthOptions {
  /** Asks the server for something that it must know; true when it says anything at all. Must not reject. */
  readonly ping: () => Promise<boolean>;
  /** Milliseconds between two such questions to one that rests. */
  readonly everyMs: number;
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

/** A server that is taken to be well. */
export function dnsHealth(options: HealthOptions): Health {
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
    if (++this.#silences >= DOUBT) this.#ping();
  }

  spoke(): void {
    this.#silences = 0;
    this.resting = false;
  }

  close(): void {
    this.#closed = true;
    if (this.#timer !== null) clearTimeout(this.#timer);
  }

  #ping(): void {
    if (this.#asking || this.#closed) return;
    this.#asking = true;
    void this.#options.ping().then((spoke) => {
      this.#asking = false;
      if (this.#closed) return;
      if (spoke) return this.spoke();
      this.resting = true;
      this.#timer = setTimeout(() => this.#ping(), this.#options.everyMs).unref();
    });
  }
}
