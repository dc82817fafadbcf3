// The names of a container's member: all forms of those that the container gives, and of what the container's own name says of
// the one file inside. Called by expand.ts.
import type { Format, Member } from "./containers/format.ts";
import { extensionOf } from "./looks-into.ts";
import { nameForms } from "./names.ts";

/** Names of one member that are looked at, and characters of each, counted from its end, where the extension is. */
const MAX_NAMES = 16;
const MAX_LENGTH = 1024;

/** Without repetitions, the likeliest first; [] when there is none. */
export function memberNames(
  member: Member,
  container: { readonly names: readonly string[] },
  format: Format,
): readonly string[] {
  const found = new Set<string>();
  const add = (name: string): void => {
    for (const form of nameForms(name.slice(-MAX_LENGTH))) found.add(form);
  };
  for (const name of member.names.slice(0, MAX_NAMES)) add(name);
  if (format.suffixes !== undefined)
    for (const name of container.names.slice(0, MAX_NAMES)) {
      const inside = withoutSuffix(name, format.suffixes);
      if (inside !== "") add(inside);
    }
  return [...found];
}

function withoutSuffix(name: string, suffixes: Readonly<Record<string, string>>): string {
  const extension = extensionOf(name);
  if (extension === "" || !Object.hasOwn(suffixes, extension)) return "";
  const stem = name.slice(0, -extension.length - 1);
  const inside = suffixes[extension]!;
  return inside === "" || stem === "" ? stem : `${stem}.${inside}`;
}
