// The boundaries that can end a part at the moment (RFC 2046 5.1), as a trie over their octets: one walk along a line
// finds the boundary in it, however many multiparts are nested. Used by the MIME walker alone.

/** A boundary longer than this is not split at: mail programs' buffers end before. */
export const MAX_BOUNDARY = 998;

/** How much white space may follow a boundary before the line counts as something else. */
const MAX_PADDING = 1_000;

/** So many octets of a line decide what it is. */
export const MAX_DELIMITER: number = 2 + MAX_BOUNDARY + 2 + MAX_PADDING;

export interface Delimiter<T> {
  readonly owner: T;
  /** True for the end boundary: "--" follows. */
  readonly closes: boolean;
  /** True when only white space follows; false: the line merely starts with the boundary. */
  readonly exact: boolean;
}

const DASH = 0x2d;

interface Node<T> {
  readonly next: Map<number, Node<T>>;
  /** Multiparts with the boundary that ends here; the innermost is last. */
  readonly owners: T[];
}

export interface Boundaries<T> {
  readonly count: number;
  /**
   * Adds one for a multipart that opens. "reused": an enclosing one has the same, or the same with "--" behind it; "prefix": one
   * of the two starts with the other.
   */
  add(boundary: Buffer, owner: T): "new" | "reused" | "prefix";
  /** Removes what was added for a multipart that closes. */
  remove(boundary: Buffer, owner: T): void;
  /** False when no boundary starts with this octet: a quick no for most lines that start with "--". */
  mayStart(octet: number | undefined): boolean;
  /**
   * What the line at `from` (which starts with "--") delimits; `to` is its end, line end excluded. The longest
   * boundary that fits exactly, else the longest that the line starts with, else null.
   */
  match(bytes: Buffer, from: number, to: number): Delimiter<T> | null;
}

/** An empty set of boundaries. */
export function boundaries<T>(): Boundaries<T> {
  const root: Node<T> = { next: new Map(), owners: [] };
  let count = 0;
  return {
    get count() {
      return count;
    },
    add(boundary, owner) {
      let node = root;
      let relation: "new" | "reused" | "prefix" = "new";
      for (let at = 0; at < boundary.length; at++) {
        if (node.owners.length > 0 && relation !== "reused")
          relation = boundary.toString("latin1", at) === "--" ? "reused" : "prefix";
        const octet = boundary[at]!;
        let next = node.next.get(octet);
        if (next === undefined) node.next.set(octet, (next = { next: new Map(), owners: [] }));
        node = next;
      }
      if (node.next.size > 0 && relation === "new") relation = "prefix";
      if ((node.next.get(DASH)?.next.get(DASH)?.owners.length ?? 0) > 0) relation = "reused";
      node.owners.push(owner);
      count++;
      return node.owners.length > 1 ? "reused" : relation;
    },
    remove(boundary, owner) {
      const path: Node<T>[] = [root];
      for (const octet of boundary) {
        const next = path.at(-1)!.next.get(octet);
        if (next === undefined) return;
        path.push(next);
      }
      const owners = path.at(-1)!.owners;
      const at = owners.lastIndexOf(owner);
      if (at < 0) return;
      owners.splice(at, 1);
      count--;
      for (let i = path.length - 1; i > 0; i--) {
        if (path[i]!.owners.length > 0 || path[i]!.next.size > 0) break;
        path[i - 1]!.next.delete(boundary[i - 1]!);
      }
    },
    mayStart: (octet) => octet === undefined || root.next.has(octet),
    match: (bytes, from, to) => (count === 0 ? null : matchLine(root, bytes, from + 2, to)),
  };
}

function matchLine<T>(root: Node<T>, bytes: Buffer, from: number, to: number): Delimiter<T> | null {
  let node = root;
  let best: Delimiter<T> | null = null;
  const padding = paddingStart(bytes, from, to);
  for (let at = from; ; at++) {
    const owner = node.owners.at(-1);
    if (owner !== undefined) {
      const closes = bytes[at] === 0x2d && bytes[at + 1] === 0x2d && at + 2 <= to;
      const exact = at >= padding || (closes && at + 2 >= padding);
      if (exact || best === null || !best.exact)
        best = { owner, closes: closes && at < padding, exact };
    }
    const next = at < to ? node.next.get(bytes[at]!) : undefined;
    if (next === undefined) return best;
    node = next;
  }
}

/** Where the white space at the end of the line starts. */
function paddingStart(bytes: Buffer, from: number, to: number): number {
  let at = to;
  while (
    at > from &&
    (bytes[at - 1] === 0x20 || bytes[at - 1] === 0x09 || bytes[at - 1] === 0x0d)
  ) {
    at--;
  }
  return at;
}
