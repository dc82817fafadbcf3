// How far the HTML of a multipart/alternative says something else than its plain text, word by word. Called by body.ts.
import { isHigh, isWord, plainSpaces, widen, widthAt } from "../html/octets.ts";
import type { MimePart, Subject } from "../subject.ts";

export interface Difference {
  /** Per cent of the words of the HTML that the text has not; of the worst multipart/alternative. */
  readonly percent: number;
  /** Different words of the last multipart/alternative that has HTML with words. */
  readonly htmlWords: number;
  readonly textWords: number;
}

const ALTERNATIVE = /^multipart\/alternative\b/;
const TEXT = /^text\b/;
/** Stands for an image where HTML has no words. */
const IMAGE = "\n";

export function alternativeDifference(subject: Subject): Difference {
  let [percent, htmlWords, textWords] = [0, 0, 0];
  if (isInvitation(subject.root)) return { percent, htmlWords, textWords };
  for (const part of subject.parts) {
    if (!ALTERNATIVE.test(part.type)) continue;
    const { html, text } = wordsOf(part);
    if (html.size === 0) continue;
    [htmlWords, textWords] = [html.size, text.size];
    let left = 0;
    for (const [word, count] of html) if ((text.get(word) ?? 0) < count) left += 1;
    percent = Math.max(percent, (left / html.size) * 100);
  }
  return { percent, htmlWords, textWords };
}

/** A meeting request as Exchange sends it. */
function isInvitation({ type, children }: MimePart): boolean {
  const types = children.map((child) => (child.children.length === 0 ? child.type : ""));
  return type === "multipart/alternative" && types.join() === "text/html,text/calendar";
}

function wordsOf(part: MimePart): { html: Map<string, number>; text: Map<string, number> } {
  const html = new Map<string, number>();
  const text = new Map<string, number>();
  const waiting = [part];
  for (let inner = waiting.pop(); inner !== undefined; inner = waiting.pop()) {
    waiting.push(...inner.children.toReversed());
    const rendered = TEXT.test(inner.type) ? inner.rendered : null;
    if (rendered === null) continue;
    const isNarrow = rendered.html?.narrow.has("text") === true;
    count(rendered.text, isNarrow, rendered.type === "text/html" ? html : text);
    if (rendered.type === "text/html" && html.size === 0 && rendered.html?.inside.has("img")) {
      html.set(IMAGE, 1);
    }
  }
  return { html, text };
}

/** Counts what stands between white space and holds a letter, a digit or "_". */
function count(octets: string, isNarrow: boolean, words: Map<string, number>): void {
  const wide = !isNarrow && isHigh(octets);
  for (const word of plainSpaces(octets, wide).split(/[\t-\r ]+/)) {
    if (!/\w/.test(word) && !(wide && hasWideWord(word))) continue;
    const key = isNarrow ? widen(word) : word;
    words.set(key, (words.get(key) ?? 0) + 1);
  }
}

function hasWideWord(octets: string): boolean {
  for (let at = 0; at < octets.length;) {
    const width = widthAt(octets, at);
    if (isWord(octets.slice(at, at + width), true)) return true;
    at += width;
  }
  return false;
}
