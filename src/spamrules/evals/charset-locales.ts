// Which charsets mail of a country may be written in, for the rules about mail from far away (ok_locales).

const JAPANESE =
  "EUCJP JISX020119760 JISX020819830 JISX020819900 JISX020819970 JISX021219900 JISX021320001 JISX021320002 SHIFT_JIS SHIFTJIS " +
  "ISO2022JP SJIS JIS7 JISX0201 JISX0208 JISX0212";
const CYRILLIC = "KOI8R KOI8U KOI8T ISOIR111 CP1251 GEORGIANPS PT154 CP866";
const SIMPLIFIED = "GB1988 GB2312 GB231219800 GB18030 GBK ISO2022CN";
const TRADITIONAL = "BIG5HKSCS BIG5 EUCTW";

const words = (text: string): ReadonlySet<string> => new Set(text.split(" "));
const CYRILLIC_SET = words(CYRILLIC);

/** By language; charsets without punctuation. What all may use is not repeated. */
const OF: ReadonlyMap<string, ReadonlySet<string>> = new Map([
  ["ja", words(JAPANESE)],
  ["ko", words("EUCKR KSC56011987")],
  ...["ru", "ka", "tg", "be", "uk", "bg"].map((code) => [code, CYRILLIC_SET] as const),
  ["th", words("TIS620")],
  ["zh", words(`${SIMPLIFIED} ${TRADITIONAL}`)],
]);

const ANYWHERE =
  /^(?:USASCII$|ASCII$|ISO8859|ISO10646|UTF|UCS|CP125|WINDOWS|IBM852$|UNICODE11UTF[78]|XUNKNOWN$|ISO$)/;

/** Whether a charset is usual in one of these languages, or everywhere. */
export const fitsLocales = (charset: string, locales: readonly string[]): boolean => {
  const name = charset
    .toUpperCase()
    .replace(/[^A-Z0-9]/g, "")
    .replace(/^3D/, "");
  if (ANYWHERE.test(name)) return true;
  // "zh_TW" and "zh.big5" are zh.
  return locales.some((locale) => OF.get(locale.replace(/^([a-z][a-z])[^\n]*$/, "$1"))?.has(name));
};

/** The charsets of what looks like encoded words in one line. */
export const charsetsOfWords = (line: string): string[] => {
  const found: string[] = [];
  const encoding = /\?[^]\?/g;
  for (let at = line.indexOf("=?"); at >= 0; at = line.indexOf("=?", at)) {
    encoding.lastIndex = at + 3;
    const middle = encoding.exec(line);
    if (middle === null) break;
    const end = line.indexOf("?=", middle.index + 3);
    if (end < 0) break;
    found.push(line.slice(at + 2, middle.index));
    at = end + 2;
  }
  return found;
};
