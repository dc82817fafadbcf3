// Reads the tree of a message's parts while its octets arrive, or afterwards from where it is kept: small pieces, between
// which the event loop gets its turn. What is made of the octets is tree-walk.ts. Read once per message, before the content checks.
import type { Body, Tree } from "../mail/message.ts";
import { DEFAULT_WALK_LIMITS } from "../mail/mime.ts";
import { nextTurn, shareLeft, spend } from "../sys/turn-share.ts";
import { treeWalk, type TreeLimits, type TreeWalk } from "./tree-walk.ts";

export const DEFAULT_TREE_LIMITS: TreeLimits = DEFAULT_WALK_LIMITS;

/** Reads the tree of parts of a message whose octets come piece by piece. */
export interface TreeReader {
  /**
   * Takes the next octets, which must not be changed until it resolves: then they are read and nothing is kept of them. Wait for
   * it before the next call; others get their turns meanwhile. Never rejects, whatever the octets are.
   */
  write(octets: Buffer): Promise<void>;
  /** The whole tree; to be called once, after the last write. Rejects only with a fault of ours. */
  tree(): Promise<Tree>;
}

/** A reader for one message. */
export function treeReader(limits: TreeLimits = DEFAULT_TREE_LIMITS): TreeReader {
  return new Paced(limits);
}

/**
 * Reads the tree of parts of a whole message. Rejects only when the body's octets cannot be read; whatever they are,
 * they give a tree.
 */
export async function readTree(
  body: Body,
  limits: TreeLimits = DEFAULT_TREE_LIMITS,
): Promise<Tree> {
  const reader = treeReader(limits);
  if (body.bytes !== null) {
    for (const octets of body.bytes) await reader.write(octets);
  } else {
    for await (const octets of body.lend?.() ?? body.open()) await reader.write(octets);
  }
  return reader.tree();
}

/** Pieces start small, since a few KiB can hold hundreds of uuencoded files, and grow while they are cheap. */
const MIN_PIECE = 1024;
const FIRST_PIECE = 8 * 1024;
const MAX_PIECE = 32 * 1024;
const EMPTY = Buffer.alloc(0);

class Paced implements TreeReader {
  readonly #walk: TreeWalk;
  #piece = FIRST_PIECE;
  /** Nothing was read yet: a small message waits for no turn. */
  #fresh = true;
  /** When the walker is to pause, on the clock of performance.now(). */
  #until = 0;
  #failure: { readonly error: unknown } | null = null;

  constructor(limits: TreeLimits) {
    this.#walk = treeWalk(limits, () => performance.now() > this.#until);
  }

  async write(octets: Buffer): Promise<void> {
    const { walker } = this.#walk;
    for (let at = 0; at < octets.length && this.#failure === null;) {
      if (!this.#fresh && shareLeft() <= 0) await nextTurn();
      this.#fresh = false;
      const piece = octets.subarray(at, at + this.#piece);
      at += piece.length;
      this.#step(piece);
      while (walker.paused && this.#failure === null) {
        await nextTurn();
        this.#step(EMPTY);
      }
    }
    this.#walk.own();
  }

  async tree(): Promise<Tree> {
    if (this.#failure === null && !this.#fresh && shareLeft() <= 0) await nextTurn();
    if (this.#failure !== null) throw this.#failure.error;
    return this.#walk.tree();
  }

  #step(piece: Buffer): void {
    const before = performance.now();
    this.#until = before + shareLeft();
    try {
      this.#walk.walker.write(piece);
    } catch (error) {
      this.#failure = { error };
    }
    const took = performance.now() - before;
    spend(took);
    if (took > 1) this.#piece = Math.max(MIN_PIECE, this.#piece >> 2);
    else if (took < 0.4) this.#piece = Math.min(MAX_PIECE, this.#piece * 2);
  }
}
