// Bars of plain text for a terminal of any width, without colour, so that a pipe and a log take them too. Used by `postern stats`.
import { terminalText } from "./escape.ts";

/** One kind of value in a stacked bar. */
export interface Share {
  /** One character that the share is drawn with. */
  readonly mark: string;
  readonly value: number;
}

/**
 * `cells` characters at most, in proportion to `most`, the value that fills them. What is above zero shows as one character at
 * least, as long as there is room.
 */
export function stackedBar(shares: readonly Share[], most: number, cells: number): string {
  const total = shares.reduce((sum, { value }) => sum + value, 0);
  if (total <= 0 || most <= 0 || cells <= 0) return "";
  const length = Math.min(cells, Math.max(1, Math.round((total / most) * cells)));
  const present = shares.filter(({ value }) => value > 0);
  const lengths = present.map(({ value }) => Math.max(1, Math.round((value / total) * length)));
  // What rounding up cost is taken from the longest.
  for (let over = lengths.reduce((a, b) => a + b, 0) - Math.max(length, 1); over !== 0;) {
    const longest = lengths.indexOf(Math.max(...lengths));
    const room = over > 0 ? Math.min(over, (lengths[longest] ?? 1) - 1) : over;
    if (room === 0) break;
    lengths[longest] = (lengths[longest] ?? 1) - room;
    over -= room;
  }
  return present
    .map(({ mark }, n) => mark.repeat(lengths[n] ?? 0))
    .join("")
    .slice(0, cells);
}

/** A line per row, "name  ====  count", names cut to a third of the width; nothing in a name reaches the terminal unescaped. */
export function ranking(
  rows: readonly { readonly name: string; readonly count: number }[],
  width: number,
): readonly string[] {
  const most = Math.max(0, ...rows.map(({ count }) => count));
  const names = rows.map(({ name }) => cut(terminalText(name), Math.floor(width / 3)));
  const nameWidth = Math.max(0, ...names.map((name) => name.length));
  const countWidth = String(most).length;
  const cells = Math.max(1, width - nameWidth - countWidth - 6);
  return rows.map(({ count }, n) => {
    const bar = stackedBar([{ mark: "=", value: count }], most, cells);
    return `  ${(names[n] ?? "").padEnd(nameWidth)}  ${String(count).padStart(countWidth)}  ${bar}`;
  });
}

function cut(text: string, most: number): string {
  return text.length <= most ? text : `${text.slice(0, Math.max(1, most - 1))}~`;
}
