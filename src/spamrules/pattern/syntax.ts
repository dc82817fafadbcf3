// A Perl pattern as a tree: what parse.ts makes of its text, and what emit.ts and literals.ts read. Case is settled here: a letter
// under /i is the set of both. Also what makes a pattern untranslatable.
import type { OctetSet } from "./octet-set.ts";

/** Where a match may stand without taking octets: ^ and $ with and without /m, \A, \z, \b, \B. \Z is "end" as $ is. */
export type Edge = "start" | "lineStart" | "end" | "lineEnd" | "veryEnd" | "word" | "notWord";

export type Mode = "greedy" | "lazy" | "possessive";

export interface Repeat {
  readonly kind: "repeat";
  readonly of: Node;
  readonly min: number;
  /** Infinity without a bound. */
  readonly max: number;
  readonly mode: Mode;
}

export interface Group {
  readonly kind: "group";
  /** Perl's number, from 1; several groups of a branch reset share one. */
  readonly number: number;
  readonly name: string | null;
  readonly of: Node;
}

export interface Look {
  readonly kind: "look";
  readonly behind: boolean;
  readonly negative: boolean;
  readonly of: Node;
}

export type Node =
  | { readonly kind: "empty" }
  | { readonly kind: "octets"; readonly set: OctetSet }
  | { readonly kind: "sequence"; readonly items: readonly Node[] }
  | { readonly kind: "choice"; readonly items: readonly Node[] }
  | Repeat
  | Group
  | Look
  | { readonly kind: "atomic"; readonly of: Node }
  | { readonly kind: "back"; readonly number: number; readonly fold: boolean }
  | { readonly kind: "edge"; readonly edge: Edge }
  /** %{NAME}: what a rule captured under that name in the same message. */
  | { readonly kind: "tag"; readonly name: string; readonly fold: boolean };

export interface Tree {
  readonly root: Node;
  /** Names of groups, as written, with their numbers. */
  readonly names: ReadonlyMap<string, readonly number[]>;
  /** Numbers that back references mean. */
  readonly referenced: ReadonlySet<number>;
  /** Names of %{NAME}. */
  readonly tags: ReadonlySet<string>;
}

export const EMPTY: Node = { kind: "empty" };

/** One node for several in a row. */
export function sequence(items: readonly Node[]): Node {
  const kept = items.filter((item) => item.kind !== "empty");
  if (kept.length === 0) return EMPTY;
  return kept.length === 1 ? kept[0]! : { kind: "sequence", items: kept };
}

/** A pattern that has no counterpart here; the message says why, for the operator. */
export class Untranslatable extends Error {}
