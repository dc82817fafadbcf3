// The end of this turn of the event loop, as one promise that all share: what is written there for many peers wakes them together
// instead of one by one, which costs more than most answers.
let end: Promise<void> | null = null;

/** Resolves when this turn's events were all seen to. */
export function turnEnd(): Promise<void> {
  end ??= new Promise((resolve) => {
    setImmediate(() => {
      end = null;
      resolve();
    });
  });
  return end;
}
