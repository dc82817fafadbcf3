// The bound for messages in flight, by number and by octets, fair across clients: whoever waits is let in when a place comes free
// and its client has the smallest share of what is inside. app's admission.ts and the clamd service enter it.

export interface FairGate {
  /** Messages inside now, how many wait, and the octets that those inside hold or announced. */
  readonly inside: number;
  readonly waiting: number;
  readonly octets: number;
  /**
   * A place for a message of `client` (any text that tells clients apart) that announced `octets` (0 = unknown). Null when none
   * came free within `patienceMs`.
   */
  enter(client: string, octets: number, patienceMs: number): Promise<Pass | null>;
}

/** What whoever is inside has. */
export interface Place {
  /**
   * The message has come to `octets`. False, and nothing changes, when that is more than it announced and there is no room for it
   * beside the others; alone it may grow as it likes.
   */
  grow(octets: number): boolean;
  /** Exactly once counts, however often it is called. */
  leave(): void;
}

export interface Pass extends Place {
  /** It did not come at once. */
  readonly waited: boolean;
}

export interface FairGateLimits {
  readonly messages: number;
  readonly octets: number;
}

interface Client {
  messages: number;
  octets: number;
  readonly queue: Set<Waiter>;
  /** When it was let in last, or began to wait: of clients with equal shares the one with the lowest comes first. */
  turn: number;
}

interface Waiter {
  readonly octets: number;
  admit(): void;
}

/** An empty gate. Its work per message is one step, and one per waiting client when there are any. */
export function fairGate(limits: FairGateLimits): FairGate {
  return new Door(limits);
}

class Door implements FairGate {
  inside = 0;
  waiting = 0;
  octets = 0;
  readonly #limits: FairGateLimits;
  readonly #clients = new Map<string, Client>();
  readonly #queued = new Set<Client>();
  #turns = 0;

  constructor(limits: FairGateLimits) {
    this.#limits = limits;
  }

  enter(name: string, octets: number, patienceMs: number): Promise<Pass | null> {
    const client = this.#client(name);
    if (this.waiting === 0 && this.#fits(octets)) {
      return Promise.resolve(this.#admit(name, client, octets, false));
    }
    return new Promise((resolve) => {
      const waiter: Waiter = {
        octets,
        admit: () => {
          clearTimeout(timer);
          this.#unqueue(client, waiter);
          resolve(this.#admit(name, client, octets, true));
        },
      };
      const timer = setTimeout(() => {
        this.#unqueue(client, waiter);
        this.#forget(name, client);
        resolve(null);
        // It may have been one that stood in the way of others: too large for now.
        this.#next();
      }, patienceMs);
      if (client.queue.size === 0) client.turn = this.#turns++;
      client.queue.add(waiter);
      this.#queued.add(client);
      this.waiting++;
    });
  }

  #client(name: string): Client {
    let client = this.#clients.get(name);
    if (client === undefined) {
      client = { messages: 0, octets: 0, queue: new Set(), turn: 0 };
      this.#clients.set(name, client);
    }
    return client;
  }

  #forget(name: string, client: Client): void {
    if (client.messages === 0 && client.queue.size === 0) this.#clients.delete(name);
  }

  #fits(octets: number): boolean {
    if (this.inside >= this.#limits.messages) return false;
    return this.octets === 0 || this.octets + octets <= this.#limits.octets;
  }

  #admit(name: string, client: Client, announced: number, waited: boolean): Pass {
    let held = 0;
    let left = false;
    const hold = (octets: number): void => {
      this.octets += octets - held;
      client.octets += octets - held;
      held = octets;
    };
    this.inside++;
    client.messages++;
    client.turn = this.#turns++;
    hold(announced);
    return {
      waited,
      grow: (octets) => {
        if (left || octets <= held) return true;
        const others = this.octets - held;
        if (others > 0 && others + octets > this.#limits.octets) return false;
        hold(octets);
        return true;
      },
      leave: () => {
        if (left) return;
        left = true;
        hold(0);
        this.inside--;
        client.messages--;
        this.#forget(name, client);
        this.#next();
      },
    };
  }

  #unqueue(client: Client, waiter: Waiter): void {
    if (!client.queue.delete(waiter)) return;
    this.waiting--;
    if (client.queue.size === 0) this.#queued.delete(client);
  }

  /** Lets in whoever is due. The one that is due is not overtaken by smaller ones, or a large one would wait for ever. */
  #next(): void {
    for (let due = this.#due(); due !== null && this.#fits(due.octets); due = this.#due())
      due.admit();
  }

  /** The first message of the client with the smallest share of what is inside; clients with equal shares take turns. */
  #due(): Waiter | null {
    let best: Client | null = null;
    let smallest = Infinity;
    for (const client of this.#queued) {
      const share = Math.max(
        client.messages / this.#limits.messages,
        client.octets / this.#limits.octets,
      );
      if (share > smallest || (share === smallest && best !== null && best.turn < client.turn))
        continue;
      best = client;
      smallest = share;
    }
    if (best === null) return null;
    const [first = null] = best.queue;
    return first;
  }
}
