// Tags whose text is in every match of a pattern with %{TAGS}: a text without it needs no pattern made for this message. Used by
// facts.ts.
import type { Node } from "./syntax.ts";

/** Names; some that are needed may be missing. */
export function neededTags(node: Node): ReadonlySet<string> {
  switch (node.kind) {
    case "tag":
      return new Set([node.name]);
    case "sequence":
      return new Set(node.items.flatMap((item) => [...neededTags(item)]));
    case "choice":
      return node.items.map(neededTags).reduce(common);
    case "repeat":
      return node.min === 0 ? NONE : neededTags(node.of);
    case "group":
    case "atomic":
      return neededTags(node.of);
    case "look":
    case "octets":
    case "empty":
    case "edge":
    case "back":
      return NONE;
  }
}

const NONE: ReadonlySet<string> = new Set();

function common(some: ReadonlySet<string>, others: ReadonlySet<string>): ReadonlySet<string> {
  return new Set([...some].filter((name) => others.has(name)));
}
