// Finds many texts at once (Aho and Corasick): one step per octet, however many texts there are. Rows of the first states, where it
// nearly always is, are whole; the others keep their few edges in lists. Used by prefilter.ts.
import { Lists, ListsDraft } from "./lists.ts";
import { FOLD } from "./literals.ts";

/** States with whole rows. */
const DENSE_STATES = 16_384;

export class Automaton {
  /** Octet to class; octets of no text share class 0. */
  readonly #classes: Uint8Array;
  readonly #width: number;
  /** Target * 2 by state and class, for states below #denseEnd; 1 more when texts end there. */
  readonly #rows: Int32Array | Uint16Array;
  readonly #denseEnd: number;
  /** Edges of the others: from #edgesFrom[state - #denseEnd] on, classes and targets. */
  readonly #edgesFrom: Int32Array;
  readonly #edgeClass: Uint8Array;
  readonly #edgeTarget: Int32Array;
  readonly #fail: Int32Array;
  /** 0, or 1 + the number of a list. */
  readonly #found: Int32Array;
  /** Numbers of texts that end at a state. */
  readonly lists: Lists;

  /** Texts are folded; the numbers of those that are found are their places in the list. */
  constructor(texts: readonly string[]) {
    const trie = buildTrie(texts);
    const order = breadthFirst(trie);
    this.#classes = trie.classes;
    this.#width = trie.width;
    const count = order.length;
    const renumbered = new Int32Array(count);
    for (let at = 0; at < count; at++) renumbered[order[at]!] = at;
    this.#denseEnd = Math.min(count, DENSE_STATES);
    const cells = this.#denseEnd * this.#width;
    this.#rows = count < 32_768 ? new Uint16Array(cells) : new Int32Array(cells);
    this.#fail = new Int32Array(count);
    this.#found = new Int32Array(count);
    const lists = new ListsDraft();
    const edgesFrom = [0];
    const edgeClass: number[] = [];
    const edgeTarget: number[] = [];
    for (let state = 0; state < count; state++) {
      const edges = trie.edges[order[state]!];
      const fail = this.#fail[state]!;
      const own = trie.found[order[state]!];
      const inherited = state === 0 ? 0 : this.#found[fail]!;
      this.#found[state] =
        own === undefined ? inherited : 1 + lists.add(own, inherited === 0 ? null : inherited - 1);
      // Rows of shallower states are there already: a fail state is always shallower than its state.
      if (state < this.#denseEnd && state > 0) {
        this.#rows.copyWithin(state * this.#width, fail * this.#width, (fail + 1) * this.#width);
      }
      for (const [octetClass, to] of edges ?? []) {
        const target = renumbered[to]!;
        this.#fail[target] =
          state === 0 ? 0 : this.#next(fail, octetClass, edgesFrom, edgeClass, edgeTarget);
        if (state < this.#denseEnd) this.#rows[state * this.#width + octetClass] = target * 2;
        else {
          edgeClass.push(octetClass);
          edgeTarget.push(target);
        }
      }
      if (state >= this.#denseEnd) edgesFrom.push(edgeClass.length);
    }
    for (let cell = 0; cell < cells; cell++) {
      if (this.#found[this.#rows[cell]! >> 1] !== 0) this.#rows[cell]! |= 1;
    }
    this.#edgesFrom = Int32Array.from(edgesFrom);
    this.#edgeClass = Uint8Array.from(edgeClass);
    this.#edgeTarget = Int32Array.from(edgeTarget);
    this.lists = lists.finish();
  }

  get states(): number {
    return this.#fail.length;
  }

  /** Octets of memory. */
  get size(): number {
    const { byteLength } = this.#rows;
    return byteLength + 8 * this.#fail.length + 5 * this.#edgeClass.length + this.lists.bytes;
  }

  /**
   * Reads octets from `start` to `end` and tells the numbers of the lists whose texts end at some octet: each is told once, and not at
   * all when `told` has `epoch` at its place. Writes them into `into` and returns how many.
   */
  scan(
    octets: Uint8Array,
    start: number,
    end: number,
    told: Int32Array,
    epoch: number,
    into: Int32Array,
  ): number {
    const classes = this.#classes;
    const width = this.#width;
    const rows = this.#rows;
    const denseEnd = this.#denseEnd;
    const found = this.#found;
    let state = 0;
    let count = 0;
    for (let at = start; at < end; at++) {
      const octetClass = classes[octets[at]!]!;
      if (state < denseEnd) {
        const cell = rows[state * width + octetClass]!;
        state = cell >> 1;
        if ((cell & 1) === 0) continue;
      } else state = this.#step(state, octetClass);
      const list = found[state]!;
      if (list !== 0 && told[list] !== epoch) {
        told[list] = epoch;
        into[count++] = list - 1;
      }
    }
    return count;
  }

  #step(from: number, octetClass: number): number {
    let state = from;
    while (state >= this.#denseEnd) {
      const index = state - this.#denseEnd;
      const end = this.#edgesFrom[index + 1]!;
      for (let edge = this.#edgesFrom[index]!; edge < end; edge++) {
        if (this.#edgeClass[edge] === octetClass) return this.#edgeTarget[edge]!;
      }
      state = this.#fail[state]!;
    }
    return this.#rows[state * this.#width + octetClass]! >> 1;
  }

  /** #step() while the lists of edges are still growing. */
  #next(
    from: number,
    octetClass: number,
    edgesFrom: number[],
    edgeClass: number[],
    edgeTarget: number[],
  ): number {
    let state = from;
    while (state >= this.#denseEnd) {
      const index = state - this.#denseEnd;
      for (let edge = edgesFrom[index]!; edge < edgesFrom[index + 1]!; edge++) {
        if (edgeClass[edge] === octetClass) return edgeTarget[edge]!;
      }
      state = this.#fail[state]!;
    }
    return this.#rows[state * this.#width + octetClass]! >> 1;
  }
}

interface Trie {
  readonly classes: Uint8Array;
  readonly width: number;
  readonly edges: (Map<number, number> | undefined)[];
  readonly found: (number[] | undefined)[];
}

function buildTrie(texts: readonly string[]): Trie {
  const classOf = new Uint8Array(256);
  let width = 1;
  const edges: Trie["edges"] = [undefined];
  const found: (number[] | undefined)[] = [undefined];
  for (let number = 0; number < texts.length; number++) {
    const text = texts[number]!;
    let state = 0;
    for (let at = 0; at < text.length; at++) {
      const octet = text.charCodeAt(at);
      const octetClass = (classOf[octet] ||= width++);
      const row = (edges[state] ??= new Map<number, number>());
      let next = row.get(octetClass);
      if (next === undefined) {
        next = edges.push(undefined) - 1;
        found.push(undefined);
        row.set(octetClass, next);
      }
      state = next;
    }
    (found[state] ??= []).push(number);
  }
  const classes = FOLD.map((octet) => classOf[octet]!);
  return { classes, width, edges, found };
}

function breadthFirst({ edges }: Trie): number[] {
  const order = [0];
  for (let at = 0; at < order.length; at++) {
    for (const to of edges[order[at]!]?.values() ?? []) order.push(to);
  }
  return order;
}
