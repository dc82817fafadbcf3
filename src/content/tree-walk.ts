// The parts of a message, made of what mail/mime.ts walks out of its octets: hash, size, types, names and marks of each. Called
// by tree.ts, which cuts the octets into pieces.
import { createHash, hash } from "node:crypto";
import type { Hash } from "node:crypto";
import { defect } from "../mail/defects.ts";
import type { Entity } from "../mail/entity.ts";
import type { Part, Tree } from "../mail/message.ts";
import { walker } from "../mail/mime.ts";
import type { Sink, WalkLimits, Walker } from "../mail/mime.ts";
import { ISO_OFFSET, kindsOf, MAGIC_LENGTH } from "./magic.ts";
import { nameForms, namesOf } from "./names.ts";
import { markFinder } from "./self-test.ts";
import type { MarkFinder } from "./self-test.ts";
import { textKeeper, type TextKeeper } from "./texts.ts";
import { uuFinder } from "./uuencode.ts";
import type { UuFinder } from "./uuencode.ts";

export interface TreeLimits extends WalkLimits {
  /** True: the start of each text part is kept. */
  readonly keepTexts?: boolean;
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

/** Makes the parts of what it walks. */
export interface TreeWalk {
  readonly walker: Walker;
  /** Makes it independent of the octets that were written: they may be overwritten then. */
  own(): void;
  /** Ends the walk. */
  tree(): Tree;
}

/** `due` is asked between parts whether to pause. */
export function treeWalk(limits: TreeLimits, due: () => boolean): TreeWalk {
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
    own() {
      for (const reading of readings.values()) own(reading);
    },
    tree() {
      walk.end();
      return treeOf(parts, walk.overLimit ?? overLimit, keeper);
    },
  };
}

function treeOf(parts: Draft[], overLimit: string | null, keeper: TextKeeper | null): Tree {
  const texts = keeper === null ? {} : { texts: keeper.texts() };
  return { root: parts[0]!, parts, overLimit, unread: null, payloads: [], ...texts };
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
    attributes: [],
    reading: null,
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

/** Hashes the first octets, of which more than a view of them was never kept. */
function hashOf(reading: Reading): Hash {
  if (reading.hash === null) {
    reading.hash = createHash("sha256").update(reading.first!);
    reading.first = null;
  }
  return reading.hash;
}

function own(reading: Reading): void {
  if (reading.first === null) return;
  hashOf(reading);
  reading.start = Buffer.from(reading.start);
}

function take(reading: Reading, octets: Buffer): void {
  if (reading.size === 0) reading.first = octets;
  else hashOf(reading).update(octets);
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
