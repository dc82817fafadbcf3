// Reads a whole message in a thread: its parts by the MIME walker, what is inside them by expand.ts, and what other readers see in it
// by read-others.ts. The message that came (whose parts the tree has already) and mail found in containers take the same way.
import { pieces, type Octets } from "./containers/octets.ts";
import type { Draft } from "./draft.ts";
import { expand, type Means } from "./expand.ts";
import { Keep } from "./keep.ts";
import { readOthers } from "./read-others.ts";
import { treeWalk, type Watcher } from "./tree-walk.ts";

/** Where mail stands that was found in a container. */
export interface Place {
  /** Path of the part that it is in, and of its own root. */
  readonly parent: string;
  readonly path: string;
}

/**
 * `place` null: the message that came, whose own parts need not be told; `depth` counts the containers around it. Rejects with
 * LimitHit when a limit ends it.
 */
export async function readMail(
  octets: Octets,
  place: Place | null,
  depth: number,
  means: Means,
): Promise<void> {
  const { budget, tell } = means;
  const reader = new MailReader(place, depth, means);
  const walk = treeWalk(means.walk, () => false, reader, place?.path);
  try {
    for (const piece of pieces(octets)) {
      budget.time();
      walk.walker.write(piece);
      walk.own();
      if (!(await reader.expandClosed())) return;
    }
    const tree = walk.tree();
    if (!(await reader.expandClosed())) return;
    if (tree.overLimit !== null && place !== null) tell({ do: "unread", why: tree.overLimit });
    await readOthers(octets, tree, depth, means);
  } finally {
    reader.forget();
  }
}

/** A part that was read and is to be looked into. */
interface Closed {
  readonly part: Draft;
  readonly keep: Keep;
}

/** Tells of the parts and keeps the octets of those that are to be looked into. */
class MailReader implements Watcher {
  readonly #place: Place | null;
  readonly #depth: number;
  readonly #means: Means;
  readonly #open = new Map<Draft, Keep>();
  #closed: Closed[] = [];

  constructor(place: Place | null, depth: number, means: Means) {
    this.#place = place;
    this.#depth = depth;
    this.#means = means;
  }

  open(part: Draft): void {
    if (this.#place === null) return;
    const { path, type, names, disposition } = part;
    this.#means.budget.member();
    this.#means.tell({
      do: "part",
      path,
      parent: part.parent?.path ?? this.#place.parent,
      type,
      names,
      ...(disposition !== null && { disposition }),
    });
  }

  data(part: Draft, octets: Buffer): void {
    let keep = this.#open.get(part);
    if (keep === undefined) {
      keep = new Keep(this.#means.room, part);
      this.#open.set(part, keep);
    }
    keep.write(octets);
  }

  close(part: Draft): void {
    const { path, size, sha256, kinds, marks, defects } = part;
    if (this.#place !== null) {
      this.#means.tell({ do: "facts", path, size, sha256, kinds, marks });
      if (defects.length > 0) this.#means.tell({ do: "add", path, defects });
    }
    const keep = this.#open.get(part);
    if (keep === undefined) return;
    this.#open.delete(part);
    this.#closed.push({ part, keep });
  }

  /** Looks into the parts that were closed since the last call. False when the budget is over. */
  async expandClosed(): Promise<boolean> {
    const { budget } = this.#means;
    const closed = this.#closed;
    this.#closed = [];
    for (const { part, keep } of closed) {
      try {
        const octets = keep.octets();
        if (octets === null || budget.over !== null) continue;
        const { path, type, names, kinds, children } = part;
        const opened = { path, type, names, kinds, mail: keep.mail, children: children.length };
        await expand(opened, octets, this.#depth + 1, this.#means);
      } finally {
        keep.close();
      }
    }
    return budget.over === null;
  }

  /** Forgets all octets that are still kept. */
  forget(): void {
    for (const keep of this.#open.values()) keep.close();
    for (const { keep } of this.#closed) keep.close();
  }
}
