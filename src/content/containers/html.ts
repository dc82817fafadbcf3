// HTML and SVG files that carry other files past a filter ("smuggling"): data: URIs, and base64 in the strings of scripts, which save it
// under a name when the page is opened. A payload of a script is a member only when its first octets are a program's, an archive's or a
// document's: pages are full of strings that look like base64. Bodies of mail are not looked into: nothing runs there.
import { kindsOf } from "../magic.ts";
import type { Format, Member, Report } from "./format.ts";
import { narrow, payloads } from "./html-payload.ts";
import type { Payload } from "./html-payload.ts";
import type { Octets } from "./octets.ts";

const MAX_PAYLOADS = 1_500;
const MAX_NAMES = 16;
const WINDOW = 64 * 1024;
/** What the patterns below match at most. */
const OVERLAP = 512;
const HARMLESS: ReadonlySet<string> = new Set(
  "dat txt png gif jpg tif riff ogg mp3 flac mp4 avi wasm lzma gz Z arj cpio".split(" "),
);

const SCRIPT = /<script\b|<[^<>]{1,200}\son[a-z]{3,20}\s{0,4}=|javascript:/i;
/** What says under which name something is saved, and strings that are names of dangerous files. */
const SAVED_AS = [
  /\bdownload["'`]?\s{0,8}[=:,]\s{0,8}["'`]([^"'`<>\r\n]{1,200})["'`]/gi,
  /\b(?:saveAs|msSave(?:OrOpen)?Blob|File)\s{0,8}\([^;"'`]{1,80},\s{0,8}["'`]([^"'`<>\r\n]{1,200})["'`]/g,
  /["'`]([^"'`<>/\\\r\n]{1,100}\.(?:exe|scr|com|pif|bat|cmd|msi|vbs|vbe|jse|wsf|hta|lnk|iso|img|vhdx?|zip|7z|rar|cab|ps1|one|docm|xlsm|xll|jar))["'`]/gi,
];

export const html: Format = {
  name: "html",
  kinds: [],
  extensions: ["html", "htm", "xhtml", "xht", "shtml", "hta", "svg"],
  *members(file, report) {
    const page = narrow(file);
    const names = look(page, report);
    let found = 0;
    for (const payload of payloads(page)) {
      const [kind = "dat"] = kindsOf(payload.start);
      const telling = !HARMLESS.has(kind);
      if (payload.type === null && !telling) continue;
      if (++found > MAX_PAYLOADS) {
        report.defect("container-too-many-members", `more than ${MAX_PAYLOADS} payloads`);
        return;
      }
      if (telling) report.attribute("EMBEDDED");
      yield member(payload, telling ? names : []);
    }
  },
};

function member({ type, octets }: Payload, names: readonly string[]): Member {
  return { names, what: "file", ...(type === null || type === "" ? {} : { type }), octets };
}

/** Says whether there are scripts; gives the names under which the page saves something. */
function look(page: Octets, report: Report): string[] {
  const names = new Set<string>();
  for (let at = 0; at < page.size; at += WINDOW) {
    const text = page.read(at, WINDOW + OVERLAP).toString("latin1");
    if (SCRIPT.test(text)) report.attribute("JAVASCRIPT");
    for (const pattern of SAVED_AS) {
      for (const [, name = ""] of text.matchAll(pattern))
        if (names.size < MAX_NAMES) names.add(name);
    }
  }
  return [...names].map((name) => Buffer.from(name, "latin1").toString("utf8"));
}
