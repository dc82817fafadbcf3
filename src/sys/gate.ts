// The one bound for work in flight: at most `limit` holders at once; later ones wait in order until a deadline. What is
// entered must be left exactly once (the pass does that itself, however often it is called).

export interface Gate {
  /** How many are inside now, and how many wait. */
  readonly inside: number;
  readonly waiting: number;
  /** Resolves with the function that leaves again, or null when no place came free within `patienceMs`. */
  enter(patienceMs: number): Promise<(() => void) | null>;
  /** The same without waiting. */
  tryEnter(): (() => void) | null;
}

export function gate(limit: number): Gate {
  let inside = 0;
  const queue = new Set<(pass: () => void) => void>();

  const pass = (): (() => void) => {
    let left = false;
    return () => {
      if (left) return;
      left = true;
      const next = queue.values().next();
      if (next.done === true) inside--;
      else {
        queue.delete(next.value);
        next.value(pass());
      }
    };
  };
  const tryEnter = (): (() => void) | null => {
    if (inside >= limit) return null;
    inside++;
    return pass();
  };
  return {
    get inside() {
      return inside;
    },
    get waiting() {
      return queue.size;
    },
    tryEnter,
    enter(patienceMs) {
      const now = tryEnter();
      if (now !== null) return Promise.resolve(now);
      return new Promise((resolve) => {
        const timer = setTimeout(() => {
          queue.delete(waiter);
          resolve(null);
        }, patienceMs);
        const waiter = (p: () => void): void => {
          clearTimeout(timer);
          resolve(p);
        };
        queue.add(waiter);
      });
    },
  };
}
