// Single look-ups in compiled `virtual` and `aliases` tables, pattern after pattern as Postfix does it. Used by resolve.ts.
import { parseAddress } from "../mail/address.ts";
import { foldedKey } from "./table-file.ts";
import type { Entries, Target } from "./table-file.ts";

/** An address that a table gave; `domain` null when it named none. */
export interface Result {
  readonly local: string;
  readonly domain: string | null;
  /** Straight to the mailbox, no further tables. */
  readonly direct: boolean;
}

interface At {
  readonly local: string;
  readonly domain: string;
}

/** Names that are never split, because mail systems made them. */
const WHOLE = new Set(["mailer-daemon", "double-bounce"]);

/** "alice+lists" → alice, lists; null when there is nothing to split. The first of the delimiters splits. */
export function splitExtension(
  local: string,
  delimiters: string,
): { readonly base: string; readonly extension: string; readonly delimiter: string } | null {
  if (WHOLE.has(local.toLowerCase())) return null;
  let at = -1;
  for (const delimiter of delimiters) {
    const found = local.indexOf(delimiter, 1);
    if (found > 0 && (at < 0 || found < at)) at = found;
  }
  if (at < 0) return null;
  const isListName =
    local.charAt(at) === "-" && (/^owner-/i.test(local) || /-request$/i.test(local));
  if (isListName) return null;
  return { base: local.slice(0, at), extension: local.slice(at + 1), delimiter: local.charAt(at) };
}

/**
 * virtual(5): user+ext@domain, user@domain, user+ext, user (those two only where bare names hold), @domain. An extension
 * that was not part of the pattern is put into every result. Null when no pattern is listed.
 */
export function virtualOf(
  table: Entries,
  { local, domain }: At,
  bare: boolean,
  delimiters: string,
): readonly Result[] | null {
  const name = foldedKey(local);
  const split = splitExtension(local, delimiters);
  const base = split === null ? null : foldedKey(split.base);
  const unmatched = split === null ? "" : split.delimiter + split.extension;
  const patterns: readonly (readonly [string | null, string])[] = [
    [`${name}@${domain}`, ""],
    [base === null ? null : `${base}@${domain}`, unmatched],
    [bare ? name : null, ""],
    [bare ? base : null, unmatched],
    [`@${domain}`, ""],
  ];
  for (const [key, extension] of patterns) {
    const targets = key === null ? undefined : table.get(key);
    if (targets !== undefined) return resultsOf(targets, local, extension);
  }
  return null;
}

/** aliases(5): name+ext, then name (the extension is then gone); `owner` is the name of its owner-alias, if there is one. */
export function aliasOf(
  table: Entries,
  local: string,
  delimiters: string,
): { readonly results: readonly Result[]; readonly owner: string | null } | null {
  const split = splitExtension(local, delimiters);
  const names = split === null ? [local] : [local, split.base];
  for (const name of names.map(foldedKey)) {
    const targets = table.get(name);
    if (targets === undefined) continue;
    const owner = `owner-${name}`;
    const hasOwner = !name.startsWith("owner-") && table.has(owner);
    return { results: resultsOf(targets, local, ""), owner: hasOwner ? owner : null };
  }
  return null;
}

function resultsOf(
  targets: readonly Target[],
  local: string,
  extension: string,
): readonly Result[] {
  const base = extension === "" ? local : local.slice(0, local.length - extension.length);
  return targets.map(({ address, direct }) => {
    // "@other.example": the same local part in another domain.
    const text = address.startsWith("@") ? null : parseAddress(address);
    if (text !== null) {
      const domain = text.domain === "" ? null : text.domain;
      return { local: text.local + extension, domain, direct };
    }
    const other = parseAddress(`x${address}`)?.domain;
    return { local: base + extension, domain: other ?? null, direct };
  });
}
