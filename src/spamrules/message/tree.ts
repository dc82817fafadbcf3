// The MIME tree with SpamAssassin's habits: breadth first, lines instead of octets, boundaries inherited by multiparts that name
// none. Every line is looked at once for each level above it, at most twenty.
import type { ParseFlag } from "../subject.ts";
import { readContentType } from "./content-type.ts";
import { splitMultipart } from "./multipart.ts";
import type { Parsed } from "./parse.ts";
import { parseMessage } from "./parse.ts";
import type { Reading } from "./part.ts";
import { Part } from "./part.ts";

const DEEPEST = 20;

export interface Tree {
  readonly root: Part;
  readonly flags: Set<ParseFlag>;
  /** By boundary: 0 when it ended as often as it began. A boundary that never came is not here. */
  readonly boundaries: ReadonlyMap<string, number>;
}

interface Task {
  readonly part: Part;
  readonly boundary: string | null;
  readonly lines: readonly string[];
  /** How much deeper it may go. */
  readonly depth: number;
}

export function readTree(parsed: Parsed, reading: Reading): Tree {
  const root = new Part(parsed.fields, reading);
  root.type = parsed.type;
  const flags = new Set<ParseFlag>();
  const boundaries = new Map<string, number>();
  if (parsed.truncated) flags.add("truncated_header");
  if (parsed.noSeparator) flags.add("missing_head_body_separator");
  const queue: Task[] = [
    { part: root, boundary: parsed.boundary, lines: parsed.lines, depth: DEEPEST },
  ];
  for (let at = 0; at < queue.length; at += 1) {
    const task = queue[at];
    if (task === undefined) break;
    const { part, boundary, depth } = task;
    if (part.type.startsWith("multipart/") && boundary !== null && depth > 0) {
      part.branch();
      const pieces = splitMultipart(task.lines, boundary, flags, boundaries);
      for (const piece of pieces) {
        const child = new Part(piece.fields, reading);
        const type = readContentType(piece.fields.value("content-type"));
        child.type =
          type.missing && part.type === "multipart/digest" ? "message/rfc822" : type.type;
        const own = type.boundary === "" || type.boundary === "0" ? null : type.boundary;
        part.add(child);
        queue.push({
          part: child,
          boundary: own ?? boundary,
          lines: piece.lines,
          depth: depth - 1,
        });
      }
    } else {
      finishLeaf(part, boundary, task.lines);
      if (depth > 0) openMessage(part, depth, reading, queue);
    }
  }
  return { root, flags, boundaries };
}

function finishLeaf(part: Part, boundary: string | null, lines: readonly string[]): void {
  const type = readContentType(part.fields.value("content-type"));
  if (!type.missing)
    part.type = !type.type.startsWith("multipart/") || boundary !== null ? type.type : "text/plain";
  part.charset = type.charset;
  const disposition = part.fields.value("content-disposition") ?? "";
  const named = /name=[\t-\r ]*"?([^";]+)"?/i.exec(disposition)?.[1];
  if (named !== undefined) part.name = named;
  else if (type.name !== null && type.name !== "" && type.name !== "0") part.name = type.name;
  part.boundary = boundary;
  part.fill(lines);
}

/** Goes into message/rfc822 and message/global. */
function openMessage(part: Part, depth: number, reading: Reading, queue: Task[]): void {
  if (part.type !== "message/rfc822" && part.type !== "message/global") return;
  const octets = part.decoded;
  if (octets === "") return;
  const parsed = parseMessage(octets);
  const inner = new Part(parsed.fields, reading);
  inner.type = parsed.type;
  part.add(inner);
  part.forget();
  queue.push({ part: inner, boundary: parsed.boundary, lines: parsed.lines, depth: depth - 1 });
}

/** In the order of the message, parents before children. */
export function partsOf(root: Part): Part[] {
  const parts: Part[] = [];
  const stack: Part[] = [root];
  for (let part = stack.pop(); part !== undefined; part = stack.pop()) {
    parts.push(part);
    for (let at = part.children.length - 1; at >= 0; at -= 1) {
      const child = part.children[at];
      if (child !== undefined) stack.push(child);
    }
  }
  return parts;
}
