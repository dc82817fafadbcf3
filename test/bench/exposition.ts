// Reads Prometheus' text exposition format 0.0.4, as far as the benches ask postern's /metrics.

/** The value of one sample: `name` with exactly these labels; null when there is none. */
export function sample(
  text: string,
  name: string,
  labels: Readonly<Record<string, string>> = {},
): number | null {
  const wanted = Object.entries(labels)
    .map(([key, value]) => `${key}="${value}"`)
    .toSorted()
    .join(",");
  for (const line of text.split("\n")) {
    const match = /^([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (\S+)/.exec(line);
    if (match?.[1] !== name) continue;
    const own = [...(match[2] ?? "").matchAll(/[a-zA-Z_]\w*="(?:[^"\\]|\\.)*"/g)].map(String);
    if (own.toSorted().join(",") === wanted) return Number(match[3]);
  }
  return null;
}

export interface LoopDelay {
  readonly p999Ms: number;
  readonly maxMs: number;
}

/** How late postern's event loops ran since their start: the worst process of all; null without that metric. */
export function loopDelay(text: string): LoopDelay | null {
  const percentile = (name: string) =>
    sample(text, "postern_event_loop_delay_seconds", { percentile: name });
  const p999 = percentile("99.9");
  const max = percentile("100");
  return p999 === null || max === null ? null : { p999Ms: p999 * 1000, maxMs: max * 1000 };
}
