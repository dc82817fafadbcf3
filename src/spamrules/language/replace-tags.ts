// ReplaceTags: <A> in the pattern of a rule named by replace_rules stands for what `replace_tag A …` says; <pre X>, <inter X> and <post X>
// put something before, between and behind the tags of the same pattern.
import type { PerlPattern } from "../rulebook.ts";
import type { Draft } from "./draft.ts";

const MAX_PASSES = 6;
const MAX_LENGTH = 256 * 1024;
/** Perl sees the pattern with its flags in front, so that nothing is ever between the beginning and a first tag. */
const FRONT = "(?)";

type Tags = Draft["replacing"];

/** The pattern with its tags replaced; null when that grows past all bounds. */
export function replaceTags(pattern: PerlPattern, tags: Tags): PerlPattern | null {
  let text = FRONT + pattern.source;
  for (let pass = 0; pass < MAX_PASSES; pass++) {
    const next = replaceOnce(text, tags);
    if (next === null) return null;
    text = next.text;
    if (!next.again) break;
  }
  return { source: text.slice(FRONT.length), flags: pattern.flags };
}

function replaceOnce(text: string, tags: Tags): { text: string; again: boolean } | null {
  const start = quote(tags.start);
  const end = quote(tags.end);
  const names: Record<string, string | undefined> = {};
  let rest = text;
  for (const kind of ["pre", "post", "inter"]) {
    rest = rest.replace(new RegExp(`${start}${kind} (.+?)${end}`), (_whole, name: string) => {
      names[kind] = name;
      return "";
    });
  }
  const pieces = rest.split(/(<[^<>]+>)/);
  // Perl's split drops what is empty at the end.
  while (pieces.length > 0 && pieces.at(-1) === "") pieces.pop();
  const tag = new RegExp(`${start}(.+?)${end}`);
  const pre = tags.pre.get(names["pre"] ?? "");
  const post = tags.post.get(names["post"] ?? "");
  const inter = tags.inter.get(names["inter"] ?? "");
  let again = false;
  let built = "";
  for (const piece of pieces) {
    let now = piece;
    if (pre !== undefined) now = now.replace(tag, (whole) => pre + whole);
    if (post !== undefined) now = now.replace(new RegExp(tag, "g"), (whole) => whole + post);
    if (inter !== undefined && now === "") now = inter;
    const name = tag.exec(now)?.[1];
    const instead = name === undefined ? undefined : tags.tags.get(name);
    if (name !== undefined && instead !== undefined) {
      again ||= /<[^>]+>/.test(instead);
      now = now.replaceAll(tags.start + name + tags.end, () => instead);
    }
    built += now;
    if (built.length > MAX_LENGTH) return null;
  }
  return { text: built, again };
}

function quote(text: string): string {
  return text.replace(/[^\w\s]/g, "\\$&");
}
