// All names that a mail program could show or save a part under: the readings of filename and name, and what is left of
// each when directories, trailing dots and control characters go. Called by tree.ts; banned rules look at each.
import type { Entity } from "../mail/entity.ts";

const KEYS = ["filename", "name"] as const;

/** Names of a part from its header, the likeliest first, without repetitions; [] when none came. */
export function namesOf(entity: Entity): string[] {
  const found = new Set<string>();
  // Content-Disposition stands behind Content-Type among the declared fields, and its filename counts first.
  for (const key of KEYS) {
    for (let i = entity.declared.length - 1; i >= 0; i--) {
      for (const name of entity.declared[i]!.parameters.get(key) ?? []) addForms(name, found);
    }
  }
  return [...found];
}

/** The forms of one name as namesOf gives them; for names that stand elsewhere (uuencode, archives). */
export function nameForms(name: string): string[] {
  const found = new Set<string>();
  addForms(name, found);
  return [...found];
}

function addForms(name: string, found: Set<string>): void {
  if (name === "") return;
  found.add(name);
  // A reader in C ends the name at a NUL; others drop the control characters.
  if (/[\x00-\x1f\x7f]/.test(name)) {
    const nul = name.indexOf("\0");
    if (nul > 0) addForms(name.slice(0, nul), found);
    addForms(name.replace(/[\x00-\x1f\x7f]/g, ""), found);
  }
  const base = name.slice(Math.max(name.lastIndexOf("/"), name.lastIndexOf("\\")) + 1);
  if (base !== "") found.add(base);
  // Windows drops dots and spaces at the end: "a.exe. " is run as a.exe.
  const trimmed = trimEnd(base).trimStart();
  if (trimmed !== "") found.add(trimmed);
}

function trimEnd(name: string): string {
  let end = name.length;
  while (end > 0 && /[.\s]/.test(name.charAt(end - 1))) end--;
  return name.slice(0, end);
}
