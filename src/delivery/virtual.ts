// The `virtual` file, in Postfix' virtual(5) syntax: "pattern target, target". Patterns: user@domain, @domain (everything else
// in it; "*@domain" means the same), user, and a bare "domain anything", which declares a virtual domain.
import { canonicalDomain } from "../mail/address.ts";
import { logicalLines, parseTargets, splitKey, tableBuilder, unquoted } from "./table-file.ts";
import type { Table } from "./table-file.ts";

export interface VirtualTable extends Table {
  /** Domains with an address pattern or a declaration: names in them are no names of `aliases`. */
  readonly domains: ReadonlySet<string>;
}

/** Compiles the text of a virtual file. Never throws: what is wrong is in `problems`, with `file` and line. */
export function parseVirtual(text: string, file: string): VirtualTable {
  const table = tableBuilder(file);
  const domains = new Set<string>();
  const { lines, orphan } = logicalLines(text);
  if (orphan > 0) table.problem(orphan, "continues a line, but there is none before it");
  for (const { line, text: entry } of lines) {
    const split = splitKey(entry, (char) => /\s/.test(char));
    if (split === null) {
      table.problem(line, 'expected "address target, target"');
      continue;
    }
    const key = parseKey(unquoted(split.key));
    if (key === null) {
      table.problem(line, `${split.key} is no address, @domain, name or domain`);
      continue;
    }
    if (key.declares) domains.add(key.domain);
    const targets = parseTargets(split.rest);
    if (typeof targets === "string") {
      table.problem(line, targets);
      continue;
    }
    if (key.catchAll) domains.add(key.domain);
    table.add(line, key.text, targets);
  }
  return { ...table.done(), domains };
}

interface Key {
  readonly text: string;
  readonly domain: string;
  readonly catchAll: boolean;
  readonly declares: boolean;
}

function parseKey(text: string): Key | null {
  const at = text.lastIndexOf("@");
  if (at < 0) {
    // "first.last" may be a name as well as a domain, so such a line is both, as in Postfix.
    const declares = text.includes(".");
    const domain = declares ? canonicalDomain(text) : null;
    return { text, domain: domain ?? "", catchAll: false, declares: domain !== null };
  }
  const domain = canonicalDomain(text.slice(at + 1));
  if (domain === null) return null;
  const local = text.slice(0, at);
  const catchAll = local === "" || local === "*";
  return {
    text: catchAll ? `@${domain}` : `${local}@${domain}`,
    domain,
    catchAll,
    declares: false,
  };
}
