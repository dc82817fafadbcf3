// SpamAssassin's TextCat plugin: whether a message is written in a language that nobody here wants (ok_languages). The guessing is done
// in textcat/.
import { languageOf, okLanguages } from "../textcat/guess.ts";
import type { Evals } from "./eval.ts";

/** Languages in which characters beyond ASCII come in rows. */
const BEYOND_ASCII = new Set(
  "am ar be bg cs el et fa fi he hi hy is ja ka ko mr pt ru ta th tr uk vi yi zh".split(" "),
);
/** Octets for each language that a guess needs for Scots not to be taken for English, or the other way round. */
const SURE = 1024;

export const TEXTCAT: Evals = {
  check_language({ subject, book: { settings } }) {
    const wanted = okLanguages(settings);
    if (wanted.includes("all")) return false;
    const guess = subject.languages;
    if (guess === null || guess.names.length === 0) return false;
    const unsure = guess.length < SURE * guess.names.length;
    const plain = (name: string): string => (unsure && name === "sco" ? "en" : name);
    const fine = new Set(wanted.map(plain));
    return !guess.names.some((name) => fine.has(plain(languageOf(name))));
  },
  check_body_8bits({ subject, book: { settings } }, _, { definition }) {
    if (settings.languageModels === null) return false;
    if (okLanguages(settings).some((name) => name === "all" || BEYOND_ASCII.has(name)))
      return false;
    const isRaw = definition.type === "eval" && definition.on === "rawbody";
    const lines = isRaw ? subject.rawbody : subject.body;
    return lines.some((line) => /[\x80-\xff]{8}/.test(line));
  },
};
