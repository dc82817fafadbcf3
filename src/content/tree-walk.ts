// The parts of a message, made of what mail/mime.ts walks out of its octets: hash, size, types, names and marks of each. Called
// by tree.ts, which cuts the octets into pieces.
import { defect } from "../mail/defects.ts";
import type { Entity } from "../mail/entity.ts";
import type { Tree } from "../mail/message.ts";
import { walker } from "../mail/mime.ts";
import type { Sink, WalkLimits, Walker } from "../mail/mime.ts";
import { draft, type Draft } from "./draft.ts";
import { Measure } from "./measure.ts";
import { nameForms, namesOf } from "./names.ts";
import { textKeeper, type TextKeeper } from "./texts.ts";
import { uuFinder } from "./uuencode.ts";
import type { UuFinder } from "./uuencode.ts";

export interface TreeLimits extends WalkLimits {
  /** True: the start of each text part is kept. */
  readonly keepTexts?: boolean;
}

/** A part that is being read. */
interface Reading {
  readonly part: Draft;
  readonly measure: Measure;
  /** Text parts only. */
  uu: UuFinder | null;
}

/** Sees the parts while they are read. Its calls may throw: then the walk ends with that error. */
export interface Watcher {
  /** A part begins; parents before children. Its children and defects are not known yet. */
  open(part: Draft): void;
  /** Decoded octets of a part that is no multipart and no message; valid during the call. */
  data(part: Draft, octets: Buffer): void;
  /** All is known of it, its children included. */
  close(part: Draft): void;
}

/** Makes the parts of what it walks. */
export interface TreeWalk {
  readonly walker: Walker;
  /** Makes it independent of the octets that were written: they may be overwritten then. */
  own(): void;
  /** Ends the walk. */
  tree(): Tree;
}

/** `due` is asked between parts whether to pause. `above` is put in front of all paths: "1/2/" for a message that is part 1/2. */
export function treeWalk(
  limits: TreeLimits,
  due: () => boolean,
  watcher: Watcher | null = null,
  above = "",
): TreeWalk {
  const made = new Parts(limits, watcher, above);
  const walk = walker(made, limits, due);
  return {
    walker: walk,
    own: () => made.own(),
    tree() {
      walk.end();
      return made.tree(walk.overLimit);
    },
  };
}

/** Takes what the walker reports. */
class Parts implements Sink {
  readonly #limits: TreeLimits;
  readonly #watcher: Watcher | null;
  readonly #above: string;
  readonly #parts: Draft[] = [];
  readonly #readings = new Map<Entity, Reading>();
  readonly #keeper: TextKeeper | null;
  #overLimit: string | null = null;

  constructor(limits: TreeLimits, watcher: Watcher | null, above: string) {
    this.#limits = limits;
    this.#watcher = watcher;
    this.#above = above;
    this.#keeper = limits.keepTexts === true ? textKeeper() : null;
  }

  open(entity: Entity): void {
    const parent = entity.parent === null ? null : this.#readings.get(entity.parent)!.part;
    const part = draft(this.#above + entity.path, parent, entity.type, namesOf(entity));
    part.disposition = entity.disposition;
    parent?.children.push(part);
    this.#parts.push(part);
    const reading: Reading = { part, measure: new Measure(), uu: null };
    if (entity.structure === "leaf" && (entity.type.startsWith("text/") || entity.uuencoded)) {
      reading.uu = this.#uuPart(reading);
      this.#keeper?.open(entity);
    }
    this.#readings.set(entity, reading);
    this.#watcher?.open(part);
  }

  data(entity: Entity, octets: Buffer): void {
    const { part, measure, uu } = this.#readings.get(entity)!;
    // A container's own octets are looked at, but they are not its content.
    if (entity.structure === "leaf") {
      measure.write(octets);
      uu?.write(octets);
      this.#watcher?.data(part, octets);
    } else measure.look(octets);
    this.#keeper?.write(entity, octets);
  }

  close(entity: Entity, size: number): void {
    const { part, measure, uu } = this.#readings.get(entity)!;
    this.#readings.delete(entity);
    uu?.end();
    if (entity.structure === "leaf") settle(part, measure);
    else {
      part.size = size;
      part.marks = measure.marks;
    }
    if (entity.uuencoded && part.children.length === 0 && measure.size > 0) {
      entity.defects.push(defect("unknown-transfer-encoding", "no uuencoded file in the part"));
    }
    part.defects = [...entity.defects, ...part.defects];
    this.#watcher?.close(part);
  }

  own(): void {
    for (const { measure } of this.#readings.values()) measure.own();
  }

  tree(overLimit: string | null): Tree {
    const parts = this.#parts;
    return {
      root: parts[0]!,
      parts,
      overLimit: overLimit ?? this.#overLimit,
      unread: null,
      payloads: [],
      ...(this.#keeper !== null && { texts: this.#keeper.texts() }),
    };
  }

  #uuPart(reading: Reading): UuFinder {
    return uuChildren(reading.part, this.#watcher, (part) => {
      if (this.#parts.length < this.#limits.maxParts) return this.#parts.push(part) > 0;
      this.#overLimit ??= `more than ${this.#limits.maxParts} parts`;
      reading.uu = null;
      return false;
    });
  }
}

/** Writes into the part what is known when all octets were taken. */
export function settle(part: Draft, measure: Measure): void {
  part.size = measure.size;
  part.sha256 = measure.sha256();
  part.kinds = measure.kinds;
  part.marks = measure.marks;
}

/** Makes a child part of each uuencoded file in the text of `parent`; `add` says whether there may be one more. */
function uuChildren(
  parent: Draft,
  watcher: Watcher | null,
  add: (part: Draft) => boolean,
): UuFinder {
  let open: { readonly part: Draft; readonly measure: Measure } | null = null;
  return uuFinder({
    begin(name) {
      const path = `${parent.path}/${parent.children.length + 1}`;
      const part = draft(path, parent, "application/octet-stream", nameForms(name));
      if (!add(part)) return;
      parent.children.push(part);
      open = { part, measure: new Measure() };
      watcher?.open(part);
    },
    data(octets) {
      if (open === null) return;
      open.measure.write(octets);
      watcher?.data(open.part, octets);
    },
    end(complete) {
      if (open === null) return;
      settle(open.part, open.measure);
      if (!complete) open.part.defects = [defect("uuencode-truncated")];
      watcher?.close(open.part);
      open = null;
    },
  });
}
