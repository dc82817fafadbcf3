// The tree of a message's parts: what mail/mime.ts walks out of the octets, with hash, size, types, names and marks of
// each part. Read once per message, before the content checks; the event loop gets its turn every few milliseconds.
import { createHash, hash } from "node:crypto";
import type { Hash } from "node:crypto";
import { setImmediate } from "node:timers/promises";
import { defect } from "../mail/defects.ts";
import type { Entity } from "../mail/entity.ts";
import type { Body, Part, Tree } from "../mail/message.ts";
import { DEFAULT_WALK_LIMITS, walker } from "../mail/mime.ts";
import type { Sink, WalkLimits, Walker } from "../mail/mime.ts";
import { ISO_OFFSET, kindsOf, MAGIC_LENGTH } from "./magic.ts";
import { nameForms, namesOf } from "./names.ts";
import { markFinder } from "./self-test.ts";
import type { MarkFinder } from "./self-test.ts";
import { textKeeper } from "./texts.ts";
import { uuFinder } from "./uuencode.ts";
import type { UuFinder } from "./uuencode.ts";

export interface TreeLimits extends WalkLimits {
  /** True: the start of each text part is kept. */
  readonly keepTexts?: boolean;
}

export const DEFAULT_TREE_LIMITS: TreeLimits = DEFAULT_WALK_LIMITS;

/** How long the event loop may be held before others get a turn. */
const TURN_MS = 2;
/** Pieces start small, since a few KiB can hold hundreds of uuencoded files, and grow while they are cheap. */
const MIN_PIECE = 1024;
const FIRST_PIECE = 8 * 1024;
const MAX_PIECE = 32 * 1024;

/**
 * Reads the tree of parts of a whole message. Rejects only when the body's octets cannot be read; whatever they are,
 * they give a tree. Buffers that the body yields must not be changed until then.
 */
export async function readTree(
  body: Body,
  limits: TreeLimits = DEFAULT_TREE_LIMITS,
): Promise<Tree> {
  const pace: Pace = { piece: FIRST_PIECE, since: performance.now() };
  const reader = treeReader(limits, () => performance.now() - pace.since > TURN_MS);
  if (body.bytes !== null) {
    for (const octets of body.bytes) await feed(reader.walker, octets, pace);
  } else {
    for await (const octets of body.open()) await feed(reader.walker, octets, pace);
  }
  return reader.tree();
}

interface Pace {
  piece: number;
  /** When the event loop had its last turn. */
  since: number;
}

async function feed(into: Walker, octets: Buffer, pace: Pace): Promise<void> {
  for (let at = 0; at < octets.length;) {
    const piece = octets.subarray(at, at + pace.piece);
    at += piece.length;
    const before = performance.now();
    into.write(piece);
    const took = performance.now() - before;
    if (took > 1) pace.piece = Math.max(MIN_PIECE, pace.piece >> 2);
    else if (took < 0.4) pace.piece = Math.min(MAX_PIECE, pace.piece * 2);
    while (into.paused) {
      await turn(pace);
      into.write(EMPTY);
    }
    if (performance.now() - pace.since > TURN_MS) await turn(pace);
  }
}

async function turn(pace: Pace): Promise<void> {
  await setImmediate();
  pace.since = performance.now();
}

type Draft = { -readonly [Key in keyof Part]: Part[Key] } & {
  children: Part[];
  defects: Part["defects"];
};

/** A part that is being read. */
interface Reading {
  readonly part: Draft;
  readonly marks: MarkFinder;
  /** Text parts only. */
  uu: UuFinder | null;
  size: number;
  /** The first octets that came, until a second chunk makes a streaming hash worth its cost. */
  first: Buffer | null;
  hash: Hash | null;
  start: Buffer;
  isoMark: Buffer | null;
}

const EMPTY = Buffer.alloc(0);

function treeReader(limits: TreeLimits, due: () => boolean): { walker: Walker; tree(): Tree } {
  const parts: Draft[] = [];
  const readings = new Map<Entity, Reading>();
  const keeper = limits.keepTexts === true ? textKeeper() : null;
  let overLimit: string | null = null;
  const uuPart = (reading: Reading): UuFinder =>
    uuChildren(reading.part, (part) => {
      if (parts.length < limits.maxParts) return parts.push(part) > 0;
      overLimit ??= `more than ${limits.maxParts} parts`;
      reading.uu = null;
      return false;
    });
  const sink: Sink = {
    open(entity) {
      const parent = entity.parent === null ? null : readings.get(entity.parent)!.part;
      const part = draft(entity.path, parent, entity.type, namesOf(entity));
      part.disposition = entity.disposition;
      parent?.children.push(part);
      parts.push(part);
      const reading = readingOf(part);
      const text =
        entity.structure === "leaf" && (entity.type.startsWith("text/") || entity.uuencoded);
      if (text) reading.uu = uuPart(reading);
      if (text) keeper?.open(entity);
      readings.set(entity, reading);
    },
    data(entity, octets) {
      const reading = readings.get(entity)!;
      // A container's own octets are looked at, but they are not its content.
      if (entity.structure === "leaf") take(reading, octets);
      else reading.marks.write(octets);
      keeper?.write(entity, octets);
    },
    close(entity, size) {
      const reading = readings.get(entity)!;
      readings.delete(entity);
      reading.uu?.end();
      if (entity.structure === "leaf") settle(reading);
      else {
        reading.part.size = size;
        reading.part.marks = reading.marks.marks;
      }
      if (entity.uuencoded && reading.part.children.length === 0 && reading.size > 0) {
        entity.defects.push(defect("unknown-transfer-encoding", "no uuencoded file in the part"));
      }
      reading.part.defects = [...entity.defects, ...reading.part.defects];
    },
  };
  const walk = walker(sink, limits, due);
  return {
    walker: walk,
    tree() {
      walk.end();
      const texts = keeper === null ? {} : { texts: keeper.texts() };
      return { root: parts[0]!, parts, overLimit: walk.overLimit ?? overLimit, ...texts };
    },
  };
}

function draft(path: string, parent: Draft | null, type: string, names: string[]): Draft {
  return {
    path,
    parent,
    children: [],
    type,
    disposition: null,
    names,
    kinds: [],
    size: 0,
    sha256: "",
    marks: [],
    encrypted: false,
    defects: [],
  };
}

function readingOf(part: Draft): Reading {
  return {
    part,
    marks: markFinder(),
    uu: null,
    size: 0,
    first: null,
    hash: null,
    start: EMPTY,
    isoMark: null,
  };
}

function take(reading: Reading, octets: Buffer): void {
  if (reading.size === 0) reading.first = octets;
  else {
    if (reading.hash === null) {
      reading.hash = createHash("sha256").update(reading.first!);
      reading.first = null;
    }
    reading.hash.update(octets);
  }
  const missing = MAGIC_LENGTH - reading.start.length;
  if (missing > 0) {
    const more = octets.subarray(0, missing);
    reading.start = reading.size === 0 ? more : Buffer.concat([reading.start, more]);
  }
  const before = reading.size;
  reading.size += octets.length;
  if (reading.size > ISO_OFFSET && before < ISO_OFFSET + 5) {
    const mark = octets.subarray(Math.max(0, ISO_OFFSET - before), ISO_OFFSET + 5 - before);
    reading.isoMark = Buffer.concat([reading.isoMark ?? EMPTY, mark]);
  }
  reading.marks.write(octets);
  reading.uu?.write(octets);
}

/** Writes into the part what is known when all octets were taken. */
function settle(reading: Reading): void {
  const { part } = reading;
  part.size = reading.size;
  part.sha256 = reading.hash?.digest("hex") ?? hash("sha256", reading.first ?? EMPTY, "hex");
  part.kinds = kindsOf(reading.start, reading.isoMark);
  part.marks = reading.marks.marks;
}

/** Makes a child part of each uuencoded file in the text of `parent`; `add` says whether there may be one more. */
function uuChildren(parent: Draft, add: (part: Draft) => boolean): UuFinder {
  let open: Reading | null = null;
  return uuFinder({
    begin(name) {
      const path = `${parent.path}/${parent.children.length + 1}`;
      const part = draft(path, parent, "application/octet-stream", nameForms(name));
      if (!add(part)) return;
      parent.children.push(part);
      open = readingOf(part);
    },
    data(octets) {
      if (open !== null) take(open, octets);
    },
    end(complete) {
      if (open === null) return;
      settle(open);
      if (!complete) open.part.defects = [defect("uuencode-truncated")];
      open = null;
    },
  });
}
