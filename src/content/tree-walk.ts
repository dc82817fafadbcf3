// The parts of a message, made of what mail/mime.ts walks out of its octets: hash, size, types, names and marks of each. Called
// by tree.ts, which cuts the octets into pieces.
import { defect } from "../mail/defects.ts";
import { noteOnce, type Entity } from "../mail/entity.ts";
import type { Tree } from "../mail/message.ts";
import { walker } from "../mail/mime.ts";
import type { Sink, WalkLimits, Walker } from "../mail/mime.ts";
import { draft, type Draft } from "./draft.ts";
import { Measure } from "./measure.ts";
import { nameForms, namesOf } from "./names.ts";
import { textKeeper, type TextKeeper } from "./texts.ts";
import { textFileFinder, type TextFileFinder } from "./text-files.ts";
import { hasWideMark, isText, wideCharset } from "./wide-text.ts";

export interface TreeLimits extends WalkLimits {
  /** True: the start of each text part is kept. */
  readonly keepTexts?: boolean;
}

/** A part that is being read. */
interface Reading {
  readonly part: Draft;
  readonly measure: Measure;
  /** Looks for files in the text. */
  files: TextFileFinder | null;
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

/** `due` is asked between parts whether to pause. `root` is the path of the message itself. */
export function treeWalk(
  limits: TreeLimits,
  due: () => boolean,
  watcher: Watcher | null = null,
  root = "1",
): TreeWalk {
  const made = new Parts(limits, watcher, root);
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
  readonly #root: string;
  readonly #parts: Draft[] = [];
  readonly #readings = new Map<Entity, Reading>();
  readonly #keeper: TextKeeper | null;
  #overLimit: string | null = null;

  constructor(limits: TreeLimits, watcher: Watcher | null, root: string) {
    this.#limits = limits;
    this.#watcher = watcher;
    this.#root = root;
    this.#keeper = limits.keepTexts === true ? textKeeper() : null;
  }

  open(entity: Entity): void {
    const parent = entity.parent === null ? null : this.#readings.get(entity.parent)!.part;
    // The walker counts from "1".
    const path = this.#root + entity.path.slice(1);
    const part = draft(path, parent, entity.type, namesOf(entity));
    part.disposition = entity.disposition;
    parent?.children.push(part);
    this.#parts.push(part);
    const reading: Reading = { part, measure: new Measure(), files: null };
    // Whatever it is said to be: text in an attachment is read as text.
    if (entity.structure === "leaf") reading.files = this.#filesIn(reading);
    if (isText(entity)) {
      this.#keeper?.open(entity);
      const charset = wideCharset(entity);
      if (charset !== null) noteOnce(entity, "wide-charset", charset);
    }
    this.#readings.set(entity, reading);
    this.#watcher?.open(part);
  }

  data(entity: Entity, octets: Buffer): void {
    const reading = this.#readings.get(entity)!;
    const { part, measure } = reading;
    // A container's own octets are looked at, but they are not its content.
    if (entity.structure === "leaf") {
      measure.write(octets);
      reading.files?.write(octets);
      if (isText(entity) && octets.includes(0)) noteOnce(entity, "nul-in-text");
      this.#watcher?.data(part, octets);
    } else measure.look(octets);
    this.#keeper?.write(entity, octets);
  }

  close(entity: Entity, size: number): void {
    const { part, measure, files } = this.#readings.get(entity)!;
    this.#readings.delete(entity);
    files?.end();
    if (isText(entity) && hasWideMark(measure.start)) noteOnce(entity, "wide-charset");
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

  #filesIn(reading: Reading): TextFileFinder {
    return fileChildren(reading.part, this.#watcher, (part) => {
      if (this.#parts.length < this.#limits.maxParts) return this.#parts.push(part) > 0;
      this.#overLimit ??= `more than ${this.#limits.maxParts} parts`;
      reading.files = null;
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

/** Makes a child part of each file that stands encoded in the text of `parent`; `add` says whether there may be one more. */
function fileChildren(
  parent: Draft,
  watcher: Watcher | null,
  add: (part: Draft) => boolean,
): TextFileFinder {
  let open: { readonly part: Draft; readonly measure: Measure } | null = null;
  return textFileFinder({
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
    end(fault) {
      if (open === null) return;
      settle(open.part, open.measure);
      if (fault !== null) open.part.defects = [defect(fault)];
      watcher?.close(open.part);
      open = null;
    },
  });
}
