// How much work something was, for tests that bound it: on a busy machine the time on the wall says little.

/** Starts now; asked later, it tells the milliseconds of CPU that this process has spent in its own code since. */
export function cpuClock(): () => number {
  const start = process.cpuUsage();
  return () => process.cpuUsage(start).user / 1000;
}
