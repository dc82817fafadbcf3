// What `postern quarantine` does about messages that other nodes keep: lists them from the shared index, and asks the node that
// has one to show, release or delete it. Called by quarantine.ts; the connection comes from quarantine-command.ts.
import { randomUUID } from "node:crypto";
import { setTimeout } from "node:timers/promises";
import { readAnswer, type HeldAnswer, type HeldOrder } from "../engine/held-order.ts";
import { readIndexText } from "../engine/index-text.ts";
import { oneBuffer } from "../engine/report.ts";
import type { Body } from "../mail/message.ts";
import { parseEntry, type QuarantineEntry } from "../mailstore/quarantine-entry.ts";
import { passes, type Filter } from "../mailstore/quarantine-filter.ts";
import type { SharedNodes } from "../state/shared-nodes.ts";

/** An entry with the node that has it. */
export type NodeEntry = QuarantineEntry & { readonly node?: string };

type Wish<T = HeldOrder> = T extends unknown ? Omit<T, "request" | "by"> : never;

export interface OtherNodes {
  /** Our own name. */
  readonly node: string;
  /** What the other nodes keep, as far as the index tells. Rejects when the index is away. */
  list(filter: Filter): AsyncIterable<NodeEntry>;
  /** The other node that keeps this, or null. Rejects when the index is away. */
  find(id: string): Promise<string | null>;
  /** Asks the node and waits for its answer; never rejects: the lines say what to do when there is none. */
  ask(node: string, wish: Wish): Promise<HeldAnswer>;
}

export interface OtherNodesOptions {
  readonly nodes: SharedNodes;
  readonly node: string;
  /** Who asks: "command line (root)". */
  readonly by: string;
  readonly patienceMs?: number;
}

const PATIENCE_MS = 60_000;
const POLL_MS = 250;

export function otherNodes({ nodes, node: own, by, patienceMs }: OtherNodesOptions): OtherNodes {
  const { index } = nodes;
  const others = async (): Promise<readonly string[]> =>
    (await index.nodes(Date.now())).map(({ name }) => name).filter((name) => name !== own);
  return {
    node: own,
    async *list(filter) {
      for (const node of await others())
        for await (const page of index.entries(node, Date.now()))
          for (const { id, text } of page) {
            const entry = readIndexText(id, text);
            if (entry !== null && passes(entry, filter)) yield { ...entry, node };
          }
    },
    async find(id) {
      for (const node of await others())
        if ((await index.entry(node, id, Date.now())) !== null) return node;
      return null;
    },
    ask: (node, wish) =>
      ask(nodes, node, { ...wish, request: randomUUID(), by: `${by} on ${own}` }, patienceMs),
  };
}

/** A message that another node has shown. */
export function shownBy(
  node: string,
  { id, answer }: { readonly id: string; readonly answer: HeldAnswer },
): { readonly entry: NodeEntry; readonly body: Body } | string {
  const as = /"keptAs":"([a-z]{1,12})"/.exec(answer.entry ?? "")?.[1] ?? "";
  const entry = parseEntry(answer.entry ?? "", `${as}-${id}.json`);
  if (!answer.done || entry === null)
    return answer.lines.join("; ") || `${node} has answered something else`;
  const { message } = answer;
  if (message !== undefined)
    return { entry: { ...entry, node }, body: oneBuffer(Buffer.from(message, "base64")) };
  const open = (): never => {
    throw new Error(`too large to be shown from here: run the command on ${node}`);
  };
  return { entry: { ...entry, node }, body: { size: entry.size, bytes: null, open } };
}

async function ask(
  { index, requests }: SharedNodes,
  node: string,
  order: HeldOrder,
  patienceMs = PATIENCE_MS,
): Promise<HeldAnswer> {
  const seconds = Math.round(patienceMs / 1000);
  let number: string;
  try {
    number = await requests.send(node, JSON.stringify(order), patienceMs);
  } catch (error) {
    return not(`${node} cannot be asked: ${why(error)}. Try again, or run the command there`);
  }
  const answered = async (): Promise<HeldAnswer | null> => {
    const text = await requests.answer(node, number);
    return text === null
      ? null
      : (readAnswer(text) ?? not(`${node} has answered something else: same version?`));
  };
  const end = performance.now() + patienceMs;
  while (performance.now() < end) {
    // What fails now is asked again.
    const answer = await answered().catch(() => null);
    if (answer !== null) return answer;
    await setTimeout(POLL_MS);
  }
  try {
    if (await requests.withdraw(node, number)) {
      const seen = (await index.nodes(Date.now())).find(({ name }) => name === node)?.seen;
      const when = seen === undefined ? "" : ` (last seen ${new Date(seen).toISOString()})`;
      return not(
        `${node} did not answer within ${seconds} s${when}: the request is withdrawn and nothing was done. Start postern on ${node} and ask again, or run the command there`,
      );
    }
    const late = await answered();
    if (late !== null) return late;
  } catch (error) {
    return not(
      `${node} did not answer within ${seconds} s, and Redis is away (${why(error)}): a node that had not begun by now will not begin; see there what was done`,
    );
  }
  return not(
    `${node} has begun and did not answer within ${seconds} s: it goes on by itself. Before you ask again, look with \`postern quarantine show ${order.id}\` what was done`,
  );
}

function not(line: string): HeldAnswer {
  return { done: false, lines: [line] };
}

function why(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
