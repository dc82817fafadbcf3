// Which clamd can be asked: one that gave no connection, or no PONG, rests and is asked for a PONG every two seconds, so that no
// message has to try it. Asks for the version now and then, which tells how old the virus database is. Used by clamd.ts.
import { answersPing, askVersion } from "./clamd-ask.ts";
import type { Endpoint } from "./endpoint.ts";
import type { ClamdVersion } from "./clamd-reply.ts";

export interface WatchOptions {
  /** Milliseconds between two PINGs to one that rests. */
  readonly pingEveryMs: number;
  /** Milliseconds for an answer to PING or VERSION. */
  readonly pingMs: number;
  readonly versionEveryMs: number;
  /** Why it rests; null when it can be asked again. Told at each change, and at the first answer. */
  onHealth(endpoint: Endpoint, why: string | null): void;
  onVersion(endpoint: Endpoint, version: ClamdVersion): void;
}

/** One clamd and what is known of it. */
export interface Watched {
  readonly endpoint: Endpoint;
  /** Why it is not asked; null when it is. */
  readonly resting: string | null;
  /** Lets it rest until it answers a PING. */
  rest(why: string): void;
  /** Asks for a PONG, in the background; without one it rests. */
  doubt(): void;
  close(): void;
}

/** Begins to watch: the first VERSION goes out at once. Never keeps the process alive. */
export function watched(endpoint: Endpoint, options: WatchOptions): Watched {
  return new Watch(endpoint, options);
}

class Watch implements Watched {
  readonly endpoint: Endpoint;
  resting: string | null = null;
  readonly #options: WatchOptions;
  readonly #version: NodeJS.Timeout;
  #ping: NodeJS.Timeout | null = null;
  #doubting = false;
  #told = false;
  #closed = false;

  constructor(endpoint: Endpoint, options: WatchOptions) {
    this.endpoint = endpoint;
    this.#options = options;
    this.#version = setInterval(() => void this.#askVersion(), options.versionEveryMs).unref();
    void this.#askVersion();
  }

  rest(why: string): void {
    if (this.#closed || this.resting !== null) return;
    this.resting = why;
    this.#tell();
    this.#ping = setInterval(() => void this.#wake(), this.#options.pingEveryMs).unref();
  }

  doubt(): void {
    if (this.#closed || this.#doubting || this.resting !== null) return;
    this.#doubting = true;
    void answersPing(this.endpoint.at, this.#options.pingMs).then((answers) => {
      this.#doubting = false;
      if (!answers) this.rest("no answer to PING");
    });
  }

  close(): void {
    this.#closed = true;
    clearInterval(this.#version);
    if (this.#ping !== null) clearInterval(this.#ping);
  }

  async #wake(): Promise<void> {
    const answers = await answersPing(this.endpoint.at, this.#options.pingMs);
    if (!answers || this.#closed || this.resting === null) return;
    if (this.#ping !== null) clearInterval(this.#ping);
    this.#ping = null;
    this.resting = null;
    this.#tell();
    await this.#askVersion();
  }

  async #askVersion(): Promise<void> {
    if (this.resting !== null) return;
    const version = await askVersion(this.endpoint.at, this.#options.pingMs);
    if (this.#closed) return;
    if (typeof version === "string") return this.rest(version);
    if (!this.#told && this.resting === null) this.#tell();
    this.#options.onVersion(this.endpoint, version);
  }

  #tell(): void {
    this.#told = true;
    this.#options.onHealth(this.endpoint, this.resting);
  }
}
