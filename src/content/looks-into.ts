// Which parts are looked into, and as what: by their content first, by their extension where a format says so, mail by its type and
// name. Asked on the event loop whether a message needs the deep reading at all, and by expand.ts for each part and member.
import type { Format } from "./containers/format.ts";
import { FORMATS } from "./containers/index.ts";

/** What is known of a part or member when it is asked about. */
export interface Outside {
  readonly type: string;
  readonly names: readonly string[];
  readonly kinds: readonly string[];
}

/** Formats of one thing that a part may be: the first that reads it counts ("exe" may be any of several self-extracting archives). */
export interface Candidates {
  readonly formats: readonly Format[];
  /** False: only the extension says so, against the content. What none of them can read was never of that format. */
  readonly sure: boolean;
}

export interface LooksInto {
  /** True when a part of a message is worth reading on. */
  wants(part: Outside): boolean;
  /** What to read it as; [] for most parts. */
  formats(part: Outside): readonly Candidates[];
  /** True when it is a whole message, by its type or name; by its first octets too, where they are given. */
  mail(part: Outside, start?: Buffer): boolean;
}

/** What the magic says of octets that it does not know. Of pages too only files are looked into: in a body of mail nothing runs. */
const UNTELLING: ReadonlySet<string> = new Set(["dat", "txt", "html", "hta"]);
const MAIL_TYPES: ReadonlySet<string> = new Set([
  "message/rfc822",
  "message/global",
  "message/news",
]);
const MAIL_EXTENSIONS: ReadonlySet<string> = new Set(["eml", "mht", "mhtml", "nws"]);
/** Fields with which stored mail begins. */
const MAIL_START =
  /^(?:from [^\r\n]{1,200}\r?\n)?(?:return-path|received|delivered-to|x-[a-z-]{1,40}|mime-version|message-id|content-type|date|subject|from|to):[^\r\n]{0,2000}\r?\n(?:[ \t][^\r\n]{0,2000}\r?\n){0,20}[!-9;-~]{1,40}:/i;

/** Over these formats; a test brings its own. */
export function looksInto(all: readonly Format[] = FORMATS): LooksInto {
  const byKind = new Map<string, Format[]>();
  const byExtension = new Map<string, Format[]>();
  for (const format of all) {
    for (const kind of format.kinds) enter(byKind, kind, format);
    for (const extension of format.extensions ?? []) enter(byExtension, extension, format);
  }
  const formats = (part: Outside): Candidates[] => {
    const found: Candidates[] = [];
    const add = (some: readonly Format[] | undefined, sure: boolean): void => {
      const isNew = (format: Format): boolean => !found.some((one) => one.formats.includes(format));
      if (some?.some(isNew) === true) found.push({ formats: some, sure });
    };
    for (const kind of part.kinds) add(byKind.get(kind), true);
    if (byExtension.size === 0 || part.kinds.length === 0) return found;
    // Readers that go by the extension open a zip file behind a picture.
    const sure = UNTELLING.has(part.kinds[0]!);
    for (const name of part.names) add(byExtension.get(extensionOf(name)), sure);
    return found;
  };
  const mail = (part: Outside, start?: Buffer): boolean => {
    // A multipart, a message that was split, and what is empty have no kinds.
    if (part.kinds.length === 0) return false;
    if (MAIL_TYPES.has(part.type)) return true;
    if (part.names.some((name) => MAIL_EXTENSIONS.has(extensionOf(name)))) return true;
    if (start === undefined || !part.kinds.includes("txt")) return false;
    return MAIL_START.test(start.toString("latin1", 0, 4096));
  };
  return { formats, mail, wants: (part) => formats(part).length > 0 || mail(part) };
}

function enter(table: Map<string, Format[]>, key: string, format: Format): void {
  const some = table.get(key);
  if (some === undefined) table.set(key, [format]);
  else some.push(format);
}

/** Lower case, without the dot; "" when there is none. */
export function extensionOf(name: string): string {
  const dot = name.lastIndexOf(".");
  return dot < 0 || name.length - dot > 20 ? "" : name.slice(dot + 1).toLowerCase();
}
