// Puts what the deep reading told (deep-notes.ts) into the tree of the first walk: new parts under their parents, and more about those
// that were there. Used by deep.ts on the event loop; a note is little work.
import { defect } from "../mail/defects.ts";
import type { Payload, Part, Tree } from "../mail/message.ts";
import type { DeepNote } from "./deep-notes.ts";
import { draft, type Draft } from "./draft.ts";

type Note<Do extends DeepNote["do"]> = Extract<DeepNote, { do: Do }>;

export class Graft {
  readonly #tree: Tree;
  /** All parts by path. Those of the tree are ours to change: nobody has seen them yet. */
  readonly #parts: Map<string, Draft>;
  /** Paths of the parts that are being looked into, the innermost last. */
  readonly #open: string[] = [];
  #unread: string | null = null;
  #grown = false;

  constructor(tree: Tree) {
    this.#tree = tree;
    this.#parts = new Map(tree.parts.map((part) => [part.path, part as Draft]));
  }

  take(note: DeepNote): void {
    switch (note.do) {
      case "part":
        return this.#part(note);
      case "facts": {
        const part = this.#parts.get(note.path);
        const { size, sha256, kinds, marks } = note;
        if (part !== undefined) Object.assign(part, { size, sha256, kinds, marks });
        return;
      }
      case "add":
        return this.#add(note);
      case "enter":
        this.#open.push(note.path);
        return;
      case "leave":
        this.#open.pop();
        return;
      case "unread":
        this.unread(note.why);
        return;
      default:
        note satisfies never;
    }
  }

  /** Something was left out; the first reason stays. */
  unread(why: string): void {
    this.#unread ??= why;
  }

  /** The reading was cut off: the innermost part that was being looked into gets the defect. */
  cut(kind: "container-too-slow" | "container-broken", why: string): void {
    const at = this.#parts.get(this.#open.at(-1) ?? "");
    if (at !== undefined) at.defects = [...at.defects, defect(kind, why)];
    this.unread(why);
  }

  /** The whole tree, in document order. */
  tree(payloads: readonly Payload[]): Tree {
    const parts = this.#grown ? inOrder(this.#tree.root) : this.#tree.parts;
    return { ...this.#tree, parts, unread: this.#unread, payloads };
  }

  #part({ path, parent: above, type, names, disposition, reading }: Note<"part">): void {
    const parent = this.#parts.get(above);
    if (parent === undefined || this.#parts.has(path)) return;
    const part = draft(path, parent, type, names);
    part.disposition = disposition ?? null;
    part.reading = reading ?? null;
    parent.children.push(part);
    this.#parts.set(path, part);
    this.#grown = true;
  }

  #add({ path, defects = [], attributes = [], kind, instead, encrypted }: Note<"add">): void {
    const part = this.#parts.get(path);
    if (part === undefined) return;
    if (defects.length > 0) part.defects = [...part.defects, ...defects];
    const more = attributes.filter((one) => !part.attributes.includes(one));
    if (more.length > 0) part.attributes = [...part.attributes, ...more];
    if (encrypted === true) part.encrypted = true;
    if (kind === undefined) return;
    const others = part.kinds.filter((one) => one !== kind && one !== instead);
    part.kinds = [kind, ...others];
  }
}

/** Parents before children, the children of each in their order. Without recursion: mail nests a hundred deep. */
function inOrder(root: Part): Part[] {
  const ordered: Part[] = [];
  const ahead: Part[] = [root];
  for (let part = ahead.pop(); part !== undefined; part = ahead.pop()) {
    ordered.push(part);
    for (let i = part.children.length - 1; i >= 0; i--) ahead.push(part.children[i]!);
  }
  return ordered;
}
