// A message with edits applied to its header block, as a new Body over the old octets: nothing is copied but the lines
// that were written. The engine calls it once per cluster; destinations only read the result.
import assert from "node:assert";
import { isFoldedField } from "./field-line.ts";
import type { Field, Header } from "./header.ts";
import type { Body } from "./message.ts";

/**
 * One change of the header block, made by verdict/edits.ts. `index` counts in header.fields; `line` is a complete field,
 * folded with CRLF and a space, no trailing CRLF.
 */
export type HeaderEdit =
  | { readonly do: "prepend"; readonly line: string }
  | { readonly do: "remove"; readonly index: number }
  | { readonly do: "replace"; readonly index: number; readonly line: string };

/** One touched field: its octets, and what stands there instead ("" = nothing). */
interface Cut {
  readonly field: Field;
  readonly index: number;
  readonly insert: Buffer;
}

/** Written between our lines and a header that begins with white space, which would else continue our last line. */
const GUARD = "X-Postern-Guard: the header begins with a line that is no field\r\n";
const NOTHING = Buffer.alloc(0);

/**
 * The message as it shall arrive: prepended lines in their order, then all fields (kept, replaced or removed), then the
 * rest; every untouched octet is as it came. In memory when `body` is; else a stream. `size` is exact. The result
 * borrows from `body`. Throws when an edit is not one folded field or names no field: the caller's fault.
 */
export function editedBody(header: Header, body: Body, edits: readonly HeaderEdit[]): Body {
  const cuts = cutsOf(header, edits);
  let prefix = prefixOf(header, edits);
  const [first] = header.fields;
  if (prefix.length > 0 && first !== undefined && isMboxLine(first) && cuts[0]?.index !== 0) {
    // An mbox line is one only in first place; behind our lines it would end the header for some readers.
    cuts.unshift({ field: first, index: 0, insert: Buffer.concat([first.raw, prefix]) });
    prefix = NOTHING;
  }
  const changed = cuts.reduce(
    (sum, { field, insert }) => sum + insert.length - field.raw.length,
    0,
  );
  const size = body.size + prefix.length + changed;
  const bytes = body.bytes === null ? null : withoutCopying(prefix, cuts, header, body.bytes);
  const read = async function* (lent: boolean): AsyncGenerator<Buffer> {
    if (bytes !== null) yield* bytes;
    else yield* streamed(prefix, cuts, header, body, lent);
  };
  return { size, bytes, open: () => read(false), lend: () => read(true) };
}

function prefixOf(header: Header, edits: readonly HeaderEdit[]): Buffer {
  let text = "";
  for (const edit of edits) {
    if (edit.do !== "prepend") continue;
    assert(isFoldedField(edit.line), "a prepended line must be one folded field");
    text += `${edit.line}\r\n`;
  }
  if (text === "") return NOTHING;
  const lead = header.fields[0]?.raw[0];
  if (header.size === 0) text += "\r\n";
  else if (lead === 0x20 || lead === 0x09) text += GUARD;
  return Buffer.from(text);
}

function cutsOf(header: Header, edits: readonly HeaderEdit[]): Cut[] {
  const cuts = new Map<number, Cut>();
  for (const edit of edits) {
    if (edit.do === "prepend") continue;
    const field = header.fields[edit.index];
    assert(field !== undefined, "an edit must name a field of the header");
    assert(!cuts.has(edit.index), "a field can be edited once");
    if (edit.do === "replace") {
      assert(isFoldedField(edit.line), "a replacing line must be one folded field");
    }
    const insert = edit.do === "remove" ? NOTHING : Buffer.from(`${edit.line}\r\n`);
    cuts.set(edit.index, { field, index: edit.index, insert });
  }
  return [...cuts.values()].sort((a, b) => a.index - b.index);
}

function isMboxLine(field: Field): boolean {
  return field.name === "" && /^>?From /.test(field.raw.toString("latin1", 0, 6));
}

function withoutCopying(
  prefix: Buffer,
  cuts: readonly Cut[],
  header: Header,
  bytes: readonly Buffer[],
): readonly Buffer[] {
  const front = prefix.length > 0 ? [prefix] : [];
  if (cuts.length === 0) return [...front, ...bytes];
  const head: Buffer[] = [];
  const rest: Buffer[] = [];
  let room = header.size;
  for (const piece of bytes) {
    if (room > 0) head.push(piece.subarray(0, room));
    if (piece.length > room) rest.push(piece.subarray(room));
    room = Math.max(0, room - piece.length);
  }
  const block = head.length === 1 && head[0] !== undefined ? head[0] : Buffer.concat(head);
  return [...front, ...cutHeader(block, cuts, header.fields), ...rest];
}

async function* streamed(
  prefix: Buffer,
  cuts: readonly Cut[],
  header: Header,
  body: Body,
  lent: boolean,
): AsyncGenerator<Buffer> {
  if (prefix.length > 0) yield prefix;
  let head: Buffer[] | null = cuts.length > 0 && header.size > 0 ? [] : null;
  let held = 0;
  for await (const piece of (lent ? body.lend?.() : null) ?? body.open()) {
    if (head === null) {
      yield piece;
      continue;
    }
    head.push(lent ? Buffer.from(piece) : piece);
    held += piece.length;
    if (held < header.size) continue;
    const all = Buffer.concat(head);
    head = null;
    yield* cutHeader(all.subarray(0, header.size), cuts, header.fields);
    if (all.length > header.size) yield all.subarray(header.size);
  }
  assert(head === null, "the spool is shorter than its header");
}

/** The header block in slices, with the touched fields left out or replaced. */
function cutHeader(block: Buffer, cuts: readonly Cut[], fields: readonly Field[]): Buffer[] {
  const out: Buffer[] = [];
  let at = 0;
  let kept = 0;
  let next = 0;
  for (const { field, index, insert } of cuts) {
    for (; next < index; next += 1) at += fields[next]?.raw.length ?? 0;
    if (at > kept) out.push(block.subarray(kept, at));
    if (insert.length > 0) out.push(insert);
    at += field.raw.length;
    next = index + 1;
    kept = at;
  }
  assert(kept <= block.length, "the fields must be those of this message");
  if (kept < block.length) out.push(block.subarray(kept));
  return out;
}
