// The small sums of the benches: medians over rounds, ratios, and a Markdown table. Used by every sub-bench.

/** The middle value; the mean of the two middle ones for an even count; NaN for none. */
export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  const upper = sorted[middle] ?? NaN;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? NaN) + upper) / 2;
}

/** The median of values[i] / others[i]: what else the machine did in a round met both. NaN when one of them is empty. */
export function medianRatio(values: readonly number[], others: readonly number[]): number {
  return median(values.slice(0, others.length).map((value, i) => value / (others[i] ?? NaN)));
}

/** `value` in about three significant digits, thousands separated; "–" for null and NaN. */
export function figure(value: number | null): string {
  if (value === null || Number.isNaN(value)) return "–";
  const magnitude = Math.abs(value);
  const digits = magnitude >= 100 ? 0 : magnitude >= 10 ? 1 : magnitude >= 0.1 ? 2 : 3;
  return value.toLocaleString("en-US", {
    minimumFractionDigits: digits,
    maximumFractionDigits: digits,
  });
}

/** How many messages make a round of `seconds` at `rate` a second: at least 100, two significant digits, at most 500,000. */
export function roundOf(rate: number, seconds: number): number {
  const wanted = Math.min(500_000, Math.max(100, rate * seconds));
  return Number(wanted.toPrecision(2));
}

/** A Markdown table, columns padded; the first column is left-aligned, the others right. */
export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = head.map((cell, i) =>
    Math.max(3, cell.length, ...rows.map((row) => (row[i] ?? "").length)),
  );
  const line = (cells: readonly string[]) =>
    `| ${widths
      .map((width, i) =>
        i === 0 ? (cells[i] ?? "").padEnd(width) : (cells[i] ?? "").padStart(width),
      )
      .join(" | ")} |`;
  const rule = widths.map((width, i) =>
    i === 0 ? "-".repeat(width) : `${"-".repeat(width - 1)}:`,
  );
  return [line(head), line(rule), ...rows.map(line)].join("\n");
}
