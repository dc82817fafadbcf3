// The tokens of a message, as SpamAssassin's Bayes cuts them: words of its visible and its hidden text, of its URIs and of its header.
// Runs in the engine's threads, which have no store: the ids go out, counts come back, and chance.ts makes of them what they mean.
import { hash } from "node:crypto";
import { parseAddresses } from "../message/addresses.ts";
import type { Settings } from "../rulebook.ts";
import type { Subject } from "../subject.ts";
import { idnToAscii } from "../uri/idn.ts";
import { bayesSettings, type BayesSettings } from "./bayes-settings.ts";
import { fieldTexts } from "./fields.ts";
import { tokenId, type Token } from "./token.ts";
import { wordsOf, type Region, type WordRules } from "./words.ts";

/** Words, in all their forms, after which no further line is read. */
const MOST_OF_TEXT = 50_000;
const MOST_OF_REST = 10_000;
/** Of one message; ordinary ones have hundreds. SpamAssassin knows no such bound. */
export const MOST_TOKENS = 20_000;

/**
 * scan: the domains of sender and author count too. learn: SpamAssassin knows them only in messages that it scanned before, and leaves
 * them out when it is taught.
 */
export type Purpose = "scan" | "learn";

/** Each token once; at most MOST_TOKENS. */
export function tokensOf(subject: Subject, settings: Settings, purpose: Purpose): readonly Token[] {
  const texts = new Set<string>();
  for (const words of wordLists(subject, bayesSettings(settings), purpose))
    for (const word of words) if (word !== "") texts.add(word);
  const tokens = new Map<number, Token>();
  for (const text of texts) {
    if (tokens.size === MOST_TOKENS) break;
    const id = tokenId(text);
    tokens.set(id, { id, text });
  }
  return [...tokens.values()];
}

function* wordLists(
  subject: Subject,
  settings: BayesSettings,
  purpose: Purpose,
): Generator<readonly string[]> {
  const { sources } = settings;
  const rules: WordRules = { maxLength: settings.maxLength, isStopword: stopwords(settings) };
  const read = (
    lines: Iterable<string>,
    prefix: string,
    region: Region,
    most: number,
  ): readonly string[] => {
    const words: string[] = [];
    for (const line of lines) {
      wordsOf(line, prefix, region, rules, words);
      if (words.length >= most) break;
    }
    return words;
  };
  // The fields first: a flood of words must not push them out.
  if (sources.has("header"))
    for (const [name, value] of fieldsOf(subject, settings, purpose))
      yield read([value], `H${name}:`, "header", MOST_OF_REST);
  if (sources.has("visible")) yield read(subject.visibleBody, "", "body", MOST_OF_TEXT);
  if (sources.has("uri")) yield read(subject.uris, "", "uri", MOST_OF_REST);
  if (sources.has("invisible")) yield read(subject.invisibleBody, "I*:", "body", MOST_OF_TEXT);
  if (sources.has("mimepart")) yield partWords(subject);
}

function fieldsOf(
  subject: Subject,
  settings: BayesSettings,
  purpose: Purpose,
): Iterable<readonly [name: string, value: string]> {
  return fieldTexts(subject.getAll("ALL"), factLines(subject, purpose), {
    ignored: settings.ignoredFields,
    addresses: parseAddresses,
  });
}

/** What SpamAssassin adds to the fields when it reads a message, in its order. */
function factLines(subject: Subject, purpose: Purpose): readonly string[] {
  const lines: string[] = [];
  const { relays, languages } = subject;
  if (purpose === "scan") {
    const authors = [...new Set(subject.getAll("From:addr:host").map(trimmed))].map(idnToAscii);
    if (authors.length > 0) lines.push(`x-authordomain: ${authors.join(" ")}\n`);
  }
  if (languages !== null) {
    lines.push(`x-languages: ${languages.names.join(" ")}\n`);
    lines.push(`x-languages-length: ${languages.length}\n`);
  }
  if (purpose === "scan") {
    const sender = subject.getAll("EnvelopeFrom:first:addr:host")[0];
    if (sender !== undefined) lines.push(`x-senderdomain: ${idnToAscii(trimmed(sender))}\n`);
  }
  for (const side of ["external", "internal", "trusted", "untrusted"] as const)
    lines.push(`x-spam-relays-${side}: ${relays.text(side)}\n`);
  return lines;
}

const trimmed = (text: string): string => text.replace(/\n$/, "");

function partWords(subject: Subject): readonly string[] {
  return subject.parts
    .filter(({ children }) => children.length === 0)
    .slice(0, 1000)
    .map(({ decoded, type }) => {
      const digest = hash("sha1", Buffer.from(decoded, "latin1"), "hex");
      return `MIME:${SHORT.get(`${digest}:${type}`) ?? `${digest}:${type}`}`;
    });
}

/** Nothing, one and two empty lines. */
const SHORT: ReadonlyMap<string, string> = new Map(
  (
    [
      ["", "Empty", ["plain", "html", "xml"]],
      ["\n", "OneNL", ["plain", "html"]],
      ["\n\n", "TwoNL", ["plain", "html"]],
    ] as const
  ).flatMap(([text, name, kinds]) =>
    kinds.map((kind): [string, string] => [
      `${hash("sha1", text, "hex")}:text/${kind}`,
      `${name}-${{ plain: "Plaintext", html: "HTML", xml: "XML" }[kind]}`,
    ]),
  ),
);

/** Each word is looked up once per message. */
function stopwords({ stopwords: patterns }: BayesSettings): (word: string) => boolean {
  if (patterns.length === 0) return () => false;
  const known = new Map<string, boolean>();
  return (word) => {
    let is = known.get(word);
    if (is === undefined) {
      is = patterns.some((pattern) => pattern.test(word));
      known.set(word, is);
    }
    return is;
  };
}
