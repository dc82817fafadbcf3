// The :host modifier for fields that are no addresses: the first host name with a known top-level name in a text.
import { isFqdn } from "../uri/domain.ts";
import { idnToAscii } from "../uri/idn.ts";
import { lower } from "./octets.ts";

const LONGEST = 251;

/** What follows the last "@" goes first, since what stands before may look like a host. null: there is none. */
export function hostIn(text: string, topLevel: ReadonlySet<string>): string | null {
  for (const line of text.split("\n")) {
    const found = afterAt(line, topLevel);
    if (found === null) continue;
    if (valid(found)) return found;
    break;
  }
  for (let at = 0; at < text.length;) {
    const end = hostEnd(text, at, topLevel);
    if (end < 0) {
      at += 1;
      continue;
    }
    const host = text.slice(at, end);
    if (valid(host)) return host;
    at = end;
  }
  return null;
}

function valid(host: string): boolean {
  return isFqdn(idnToAscii(host), true);
}

function afterAt(line: string, topLevel: ReadonlySet<string>): string | null {
  for (let at = line.lastIndexOf("@"); at >= 0; at = at > 0 ? line.lastIndexOf("@", at - 1) : -1) {
    const end = hostEnd(line, at + 1, topLevel);
    if (end >= 0) return line.slice(at + 1, end);
  }
  return null;
}

/** Where the longest name that starts here ends, if its last label is known and nothing of a name follows; -1 without one. */
function hostEnd(text: string, start: number, topLevel: ReadonlySet<string>): number {
  if (start > 0 && /[._-]/.test(text[start - 1] ?? "")) return -1;
  const run = /^[^\t-\r ]*/.exec(text.slice(start, start + LONGEST + 65))?.[0] ?? "";
  for (let dot = run.lastIndexOf(".", LONGEST); dot > 0; dot = run.lastIndexOf(".", dot - 1)) {
    const label = /^[A-Za-z0-9-]+/.exec(run.slice(dot + 1))?.[0] ?? "";
    const end = dot + 1 + label.length;
    if (label !== "" && !/[._-]/.test(run[end] ?? "") && topLevel.has(lower(label)))
      return start + end;
  }
  return -1;
}
