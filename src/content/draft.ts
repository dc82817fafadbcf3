// A part while it is read: what mail/message.ts gives everybody else to read. Made by tree-walk.ts and by graft.ts.
import type { Part } from "../mail/message.ts";

export type Draft = { -readonly [Key in keyof Part]: Part[Key] } & {
  children: Part[];
  defects: Part["defects"];
};

/** A part of which nothing is known but its place, type and names. It is not yet among its parent's children. */
export function draft(
  path: string,
  parent: Part | null,
  type: string,
  names: readonly string[],
): Draft {
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
