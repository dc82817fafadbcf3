// Lists of address patterns with "*" and "?", as welcomelist_from and enlist_addrlist make them, ready to be asked.
import { lower } from "../message/octets.ts";
import type { Glob } from "../rulebook.ts";

/** Whether a text, whole, is like a pattern: "*" is anything, "?" one octet, no line ends. At most the product of both lengths in time. */
export const like = (glob: Glob, text: string): boolean => {
  let at = 0;
  let inGlob = 0;
  let star = -1;
  let retry = 0;
  while (at < text.length) {
    const wanted = glob[inGlob];
    if (wanted === "*") {
      star = inGlob++;
      retry = at;
    } else if (
      wanted !== undefined &&
      text[at] !== "\n" &&
      (wanted === "?" || wanted === text[at])
    ) {
      inGlob++;
      at++;
    } else if (star >= 0 && text[retry] !== "\n") {
      inGlob = star + 1;
      at = ++retry;
    } else return false;
  }
  while (glob[inGlob] === "*") inGlob++;
  return inGlob === glob.length;
};

export type AddressList = (address: string) => boolean;

/** Octets that a pattern does not take as they are. */
const paranoid = (glob: Glob): Glob => glob.replace(/[\0\\(]/g, "_");

const compiled = (globs: readonly Glob[]): AddressList => {
  const exact = new Set(globs);
  const ends = new Set<string>();
  const others: Glob[] = [];
  for (const glob of globs) {
    const pattern = paranoid(glob);
    if (/^\*[^*?]*$/.test(pattern)) ends.add(pattern.slice(1));
    else if (/[*?]/.test(pattern) || pattern !== glob) others.push(pattern);
  }
  const firsts = new Set([...ends].map((end) => end.charCodeAt(0)));
  const longest = [...ends].reduce((most, { length }) => Math.max(most, length), 0);
  const endsSo = (text: string): boolean => {
    for (let at = Math.max(0, text.length - longest); at < text.length; at++)
      if (firsts.has(text.charCodeAt(at)) && ends.has(text.slice(at))) return true;
    return ends.has("");
  };
  return (address) => {
    const small = lower(address);
    return (
      exact.has(small) ||
      (!small.includes("\n") && endsSo(small)) ||
      others.some((glob) => like(glob, small))
    );
  };
};

const LISTS = new WeakMap<readonly Glob[], AddressList>();

/** Whether an address, in any case, is on a list. Made once per list. */
export const addressList = (globs: readonly Glob[]): AddressList => {
  const known = LISTS.get(globs);
  if (known !== undefined) return known;
  const list = compiled(globs);
  LISTS.set(globs, list);
  return list;
};
