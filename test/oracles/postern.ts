// What postern sees in a message: its first reading and the others, with the octets of all parts. For comparisons with other readers.
import { createHash } from "node:crypto";
import { octetsOf } from "../../src/content/containers/octets.ts";
import { worthAnotherReading } from "../../src/content/other-habits.ts";
import { otherReadings } from "../../src/content/readings.ts";
import { DEFAULT_TREE_LIMITS } from "../../src/content/tree.ts";
import { treeWalk } from "../../src/content/tree-walk.ts";
import type { Part, Tree } from "../../src/mail/message.ts";

export interface Seen {
  readonly tree: Tree;
  readonly leaves: readonly { readonly part: Part; readonly octets: Buffer }[];
  readonly others: readonly {
    readonly reading: string;
    readonly type: string;
    readonly names: readonly string[];
    readonly octets: Buffer;
  }[];
}

/** Reads a message as the mail path does, its other readings included. */
export function posternSees(message: Buffer): Seen {
  const octets = new Map<Part, Buffer[]>();
  const walk = treeWalk(DEFAULT_TREE_LIMITS, () => false, {
    open: () => {},
    data(part, some) {
      const list = octets.get(part);
      if (list === undefined) octets.set(part, [Buffer.from(some)]);
      else list.push(Buffer.from(some));
    },
    close: () => {},
  });
  for (let at = 0; at < message.length; at += 32_768)
    walk.walker.write(message.subarray(at, at + 32_768));
  const tree = walk.tree();
  const leaves = tree.parts
    .filter(({ sha256 }) => sha256 !== "")
    .map((part) => ({ part, octets: Buffer.concat(octets.get(part) ?? []) }));
  const others: Seen["others"][number][] = [];
  if (worthAnotherReading(tree.parts)) {
    const known = new Set(leaves.map(({ part }) => part.sha256));
    for (const other of otherReadings(octetsOf(message), DEFAULT_TREE_LIMITS, known)) {
      const { reading, type, names } = other;
      others.push({ reading, type, names, octets: Buffer.concat([...other.octets()]) });
    }
  }
  return { tree, leaves, others };
}

/**
 * A hash that white space at line ends (some keep it in quoted-printable, and no line break that ends in it is soft for them) and the form of line ends do not change.
 */
export function looseHash(octets: Buffer): string {
  const text = octets
    .toString("latin1")
    .replace(/=[ \t]+\r?\n/g, "")
    .replace(/[ \t]*(?:\r+\n?|\n)/g, "\n")
    .trimEnd();
  return createHash("sha256").update(text, "latin1").digest("hex");
}
