// `postern rules diff DIR`: the mail of the history under the rules in DIR: which verdicts would change, and what cannot be known.
// Exit codes: 0 nothing changes, 1 something does.
import type { HistoryRow } from "../state/history-row.ts";
import type { Replayed, Replayer } from "../replay.ts";
import { terminalJson, terminalText } from "./escape.ts";

export interface DiffDeps {
  readonly rows: Iterable<HistoryRow>;
  readonly replayer: Replayer;
  readonly limit: number;
  readonly json: boolean;
  readonly out: (text: string) => void;
}

/** What no replay can tell, in the order of its weight. */
const KEPT =
  "DNS lists, greylist, sender authentication, malformed, virus and spam findings are those of the day; virus-score lines are not applied again.";

export async function rulesDiff({ rows, replayer, limit, json, out }: DiffDeps): Promise<number> {
  let [messages, recipients, changed, unsure] = [0, 0, 0, 0];
  const kinds = new Map<string, number>();
  for (const row of rows) {
    messages++;
    for (const one of await replayer.replay(row)) {
      recipients++;
      if (one.before === one.after) continue;
      if (one.unasked.length > 0) unsure++;
      const kind = `${one.before} (${one.recipient.category}) -> ${one.after} (${one.category})`;
      kinds.set(kind, (kinds.get(kind) ?? 0) + 1);
      if (++changed <= limit)
        out(json ? `${terminalJson(objectOf(row, one))}\n` : lineOf(row, one));
    }
  }
  if (json) return changed === 0 ? 0 : 1;
  if (changed > limit) out(`… and ${changed - limit} more: --limit shows more\n`);
  out(`${messages} messages to ${recipients} recipients: ${changed} verdicts change\n`);
  for (const [kind, count] of [...kinds].sort((a, b) => b[1] - a[1])) out(`  ${count}  ${kind}\n`);
  if (unsure > 0)
    out(
      `${unsure} of them were stopped before all checks were asked: those might still stop them\n`,
    );
  out(`${KEPT}\n`);
  return changed === 0 ? 0 : 1;
}

function objectOf(row: HistoryRow, one: Replayed): object {
  const { before, after, category, rule, unasked, recipient } = one;
  return {
    time: new Date(row.time).toISOString(),
    id: row.mailId,
    sender: row.sender,
    recipient: recipient.address,
    before,
    beforeCategory: recipient.category,
    after,
    category,
    rule,
    unasked,
  };
}

function lineOf(row: HistoryRow, one: Replayed): string {
  const when = new Date(row.time).toISOString().replace(/\.\d+Z$/, "Z");
  const why = one.rule === null ? one.category : `${one.category}, ${one.rule}`;
  const open = one.unasked.length === 0 ? "" : `; never asked: ${one.unasked.join(", ")}`;
  return `${terminalText(
    `${when}  ${row.mailId}  <${row.sender ?? ""}> -> <${one.recipient.address}>  ${one.before} -> ${one.after} (${why}${open})`,
  )}\n`;
}
