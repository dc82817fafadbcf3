// Walks a message in one way of reading and gives its leaves, and the files that stand encoded in their text, one after the other.
// Called by readings.ts.
import type { Entity } from "../mail/entity.ts";
import type { Habits } from "../mail/habits.ts";
import { withoutNul } from "../mail/line-habits.ts";
import { walker, type WalkLimits } from "../mail/mime.ts";
import { pieces, type Octets } from "./containers/octets.ts";
import { nameForms, namesOf } from "./names.ts";
import type { Way } from "./other-habits.ts";
import { textFileFinder, type TextFileFinder } from "./text-files.ts";
import { hasWideMark, isText, transcoder, wideCharset, type Transcoder } from "./wide-text.ts";

export interface Leaf {
  readonly path: string;
  readonly type: string;
  readonly names: readonly string[];
}

/** Sees leaves; each closes before the next one opens. */
export interface LeafSink {
  open(leaf: Leaf): void;
  /** Octets that may be overwritten after the call. */
  data(octets: Buffer): void;
  close(): void;
}

export interface LeafWatcher {
  /** The leaves of the message. */
  readonly leaves?: LeafSink;
  /** The files in their text. */
  readonly files?: LeafSink;
  /** Any part when it closes, its defects known. */
  closed?(entity: Entity): void;
  /** A text hides from those who look at octets: a wide charset, or NULs. */
  hidden?(): void;
  /** Own octets of a multipart. */
  between?(entity: Entity, octets: Buffer): void;
}

/** Walks piece by piece: after each step the watcher has seen what the piece held. */
export function* walkLeaves(
  message: Octets,
  limits: WalkLimits,
  way: Way,
  habits: Habits,
  watcher: LeafWatcher,
): Generator<void> {
  let open: OpenLeaf | null = null;
  const walk = walker(
    {
      open(entity) {
        open = entity.structure === "leaf" ? new OpenLeaf(entity, way, watcher) : null;
      },
      data(entity, octets) {
        if (entity.structure === "leaf") open?.write(octets);
        else watcher.between?.(entity, octets);
      },
      close(entity) {
        if (entity.structure === "leaf") open?.end();
        open = null;
        watcher.closed?.(entity);
      },
    },
    limits,
    () => false,
    habits,
  );
  for (const piece of pieces(message)) {
    walk.write(piece);
    yield;
  }
  walk.end();
  yield;
}

class OpenLeaf {
  readonly #texts: boolean;
  readonly #sink: LeafSink | undefined;
  readonly #finder: TextFileFinder | null;
  readonly #hidden: (() => void) | null;
  readonly #charset: string | null;
  #transcoder: Transcoder | null = null;
  #started = false;

  constructor(entity: Entity, way: Way, watcher: LeafWatcher) {
    const { leaves, files } = watcher;
    const { path, type } = entity;
    this.#charset = isText(entity) ? wideCharset(entity) : null;
    this.#hidden = isText(entity) ? () => watcher.hidden?.() : null;
    this.#texts = way.texts === true && isText(entity);
    this.#sink = leaves;
    this.#sink?.open({ path, type, names: namesOf(entity) });
    this.#finder = files === undefined ? null : fileFinder(path, files);
  }

  write(octets: Buffer): void {
    const wide = !this.#started && (this.#charset !== null || hasWideMark(octets));
    this.#started = true;
    if (wide || octets.includes(NUL)) this.#hidden?.();
    if (!this.#texts) {
      this.#give(octets);
      return;
    }
    if (wide) this.#transcoder = transcoder(this.#charset ?? "");
    this.#give(withoutNul(this.#transcoder?.write(octets) ?? octets));
  }

  end(): void {
    if (this.#transcoder !== null) this.#give(this.#transcoder.end());
    this.#finder?.end();
    this.#sink?.close();
  }

  #give(octets: Buffer): void {
    if (octets.length === 0) return;
    this.#sink?.data(octets);
    this.#finder?.write(octets);
  }
}

function fileFinder(path: string, files: LeafSink): TextFileFinder {
  return textFileFinder({
    begin: (name) => files.open({ path, type: "application/octet-stream", names: nameForms(name) }),
    data: (octets) => files.data(octets),
    end: () => files.close(),
  });
}

const NUL = 0;
