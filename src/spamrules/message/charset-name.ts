// The name that Perl's Encode has for a charset that a message names, or none: then SpamAssassin guesses.

const LATIN: Readonly<Record<string, string>> = {
  "1": "1",
  "2": "2",
  "3": "3",
  "4": "4",
  "5": "9",
  "6": "10",
  "7": "13",
  "8": "14",
  "9": "15",
  "10": "16",
};
const WINDOWS: Readonly<Record<string, string>> = {
  latin1: "cp1252",
  latin2: "cp1250",
  cyrillic: "cp1251",
  greek: "cp1253",
  turkish: "cp1254",
  hebrew: "cp1255",
  arabic: "cp1256",
  baltic: "cp1257",
  vietnamese: "cp1258",
};
const WORDS: Readonly<Record<string, string>> = {
  c: "ascii",
  cyrillic: "iso-8859-5",
  arabic: "iso-8859-6",
  greek: "iso-8859-7",
  hebrew: "iso-8859-8",
  thai: "iso-8859-11",
};

/** In the order in which Encode tries them; lower case throughout. */
const ALIASES: readonly (readonly [RegExp, string | ((found: string) => string | undefined)])[] = [
  [/\butf-8$/, "utf-8"],
  [/cp65001/, "utf-8"],
  [/cp65000/, "utf-7"],
  [/\bbig5-?hk(?:scs)?$/, "big5-hkscs"],
  [/\bhk(?:scs)?[-_]?big5$/, "big5-hkscs"],
  [/\bbig-?5(?:-?et(?:en)?)?$/, "big5-eten"],
  [/(?:x-)?(?:uhc|windows-949)$/, "cp949"],
  [/\bks_c_5601-1987$/, "cp949"],
  [/\beuc[^\n]*kr$|\bkr[^\n]*euc$/, "euc-kr"],
  [/\bwindows-31j$/, "cp932"],
  [/\bsjis$|\bshift[^\n]*jis$/, "shiftjis"],
  [/\bujis$|\bjp[^\n]*euc$|\beuc[^\n]*jp$/, "euc-jp"],
  [/\bjis$/, "7bit-jis"],
  [/\bgb[-_ ]?2312(?!-?raw)/, "euc-cn"],
  [/^gbk$/, "cp936"],
  [/\bcn[^\n]*euc$|\beuc[^\n]*cn$/, "euc-cn"],
  [/\bkoi8[\t-\r \-_]*([ru])$/, "koi8-"],
  [/^macintosh$/, "macroman"],
  [/^(?:x[_-])?mac[_-]([^\n]*)$/, "mac"],
  [/\b(?:cp|ibm|ms|windows)[-_ ]?(\d{2,4})$/, "cp"],
  [/\btis-?620\b/, "iso-8859-11"],
  [/^(c|cyrillic|arabic|greek|hebrew|thai)$/, (word) => WORDS[word]],
  [
    /\bwin(latin[12]|cyrillic|baltic|greek|turkish|hebrew|arabic|vietnamese)$/,
    (word) => WINDOWS[word],
  ],
  [
    /\b(?:iso[-_]?)?latin[-_]?(\d+)$/,
    (n) => (LATIN[n] === undefined ? undefined : `iso-8859-${LATIN[n]}`),
  ],
  [/\bansi[-_]?x3\.4[-_]?1968$/, "ascii"],
  [/\biso8859(\d+)$/, "iso-8859-"],
  [/\b(?:iso[-_]?)?646(?:[-_]?us)?$/, "ascii"],
  [/^(?:us-?)ascii$/, "ascii"],
  [/^utf-?16-?be$/, "utf-16be"],
  [/^utf-?16-?le$/, "utf-16le"],
  [/^ucs-?2-?(?:be)?$|^iso-10646-1$/, "utf-16be"],
  [/^ucs-?2-?le$/, "utf-16le"],
  [/^utf-?32-?be$|^ucs-?4-?be$/, "utf-32be"],
  [/^utf-?32-?le$|^ucs-?4-?le$/, "utf-32le"],
  [/^utf-?32$|^ucs-?4$|^iso-10646-ucs-4$/, "utf-32"],
  [/^(?:unicode-1-1-)?utf-?7$/, "utf-7"],
];

/** A longer name is none. */
const LONGEST = 100;

/** Lower case, one of the names that single-byte.ts and multi-byte.ts know, or one that nobody knows. */
export function charsetName(declared: string): string {
  if (declared.length > LONGEST) return "";
  let name = declared.toLowerCase();
  // "iso 8859_1": blanks and underscores count as dashes, the first run of them.
  const spaced = /^([^\t-\r _]+)[\t-\r _]+([^\t-\r _]*)$/.exec(name);
  if (spaced !== null) name = `${spaced[1]}-${spaced[2]}`;
  if (name === "ks-c_5601-1987") return "cp949";
  const iso = /\biso[-_]?(\d+)[-_](\d+)$/.exec(name);
  if (iso !== null && iso[1] !== "10646" && iso[1] !== "2022") return `iso-${iso[1]}-${iso[2]}`;
  for (const [pattern, target] of ALIASES) {
    const found = pattern.exec(name);
    if (found === null) continue;
    const word = found[1] ?? "";
    const result = typeof target === "string" ? target + word : target(word);
    if (result !== undefined) return result;
  }
  return name;
}
