// What SpamAssassin's HashBL plugin asks: hashes of addresses, links, pieces of the body, tags and attachments.
import { createHash } from "node:crypto";
import { lower } from "../message/octets.ts";
import { compileFirstGroup } from "../pattern/translate.ts";
import { isIp, isIpv4 } from "../received/addresses.ts";
import type { Rule, RuleBook, Settings } from "../rulebook.ts";
import type { MimePart, Subject } from "../subject.ts";
import { boundariesFor, isFqdn } from "../uri/domain.ts";
import { isActive, reversedIp, type AnswerTest, type Questions } from "./dns-question.ts";
import { hashedAddresses } from "./dns-hash-addresses.ts";
import { wordsOf } from "./settings.ts";

const MOST = 10;
const LOOPBACK: AnswerTest = { kind: "pattern", pattern: { source: "^127\\.", flags: "" } };
const BASE32 = "abcdefghijklmnopqrstuvwxyz234567";

/** "sha1/max=10/nodot" by name; without a value "1". */
export type Options = ReadonlyMap<string, string>;

export interface Inquiry {
  readonly book: RuleBook;
  readonly subject: Subject;
  readonly senders: readonly string[];
  readonly values: (tag: string) => readonly string[];
}

export function askByHashes(inquiry: Inquiry, scoreSet: number, questions: Questions): void {
  for (const rule of inquiry.book.rules.values()) {
    const { definition } = rule;
    if (definition.type !== "eval" || !definition.function.startsWith("check_hashbl_")) continue;
    if (isActive(rule, scoreSet))
      askOne(rule, definition.function, definition.args, inquiry, questions);
  }
}

function askOne(
  rule: Rule,
  name: string,
  [list, given = "", ...args]: readonly string[],
  inquiry: Inquiry,
  questions: Questions,
): void {
  if (list === undefined) return;
  const emails = name === "check_hashbl_emails";
  const options = optionsOf(
    given || (emails ? "sha1/notag/noquote/max=10/shuffle" : "sha1/max=10/shuffle"),
  );
  const hashed = name === "check_hashbl_attachments";
  const { settings } = inquiry.book;
  const ignored = new Set(wordsOf(settings, "hashbl_ignore").map(lower));
  const found = emails
    ? hashedAddresses(inquiry, options, args[0] ?? "", args[2])
    : textsOf(name, args, inquiry, options, ignored);
  const test = hashed || name === "check_hashbl_uris" ? args[0] : args[1];
  const [, zone = "", type = "A"] = /^(.*?)(?:\/(A|TXT))?$/i.exec(list) ?? [];
  const most = Number(options.get("max")) || MOST;
  for (const text of [...new Set(found)].slice(0, most)) {
    if (!hashed && ignored.has(lower(text))) continue;
    const hash = hashed ? text : hashOf(text, options);
    if (ignored.has(lower(hash))) continue;
    const ask = {
      rule: rule.name,
      types: ["A"],
      loopback: false,
      test: test ? ({ kind: "pattern", pattern: { source: test, flags: "" } } as const) : LOOPBACK,
      about: text,
    };
    questions.ask(`${hash}.${zone}`, type.toUpperCase(), [ask]);
  }
}

function optionsOf(text: string): Options {
  return new Map(
    lower(text)
      .split(/\s*\/\s*/)
      .map((part) => {
        const [name = "", value = "1"] = part.split("=");
        return [name, value] as const;
      }),
  );
}

function textsOf(
  name: string,
  args: readonly string[],
  inquiry: Inquiry,
  options: Options,
  ignored: ReadonlySet<string>,
): string[] {
  if (name === "check_hashbl_uris") return links(inquiry, options);
  if (name === "check_hashbl_bodyre") return bodyMatches(inquiry.subject, args[0] ?? "", options);
  if (name === "check_hashbl_tag") return tagValues(inquiry, args[0] ?? "", options);
  return name === "check_hashbl_attachments" ? attachments(inquiry.subject, options, ignored) : [];
}

function links({ book, subject }: Inquiry, options: Options): string[] {
  const skipped = book.settings.uridnsblSkipDomains;
  const found: string[] = [];
  for (const [uri, { hosts, types, cleaned }] of subject.uriDetails) {
    if (/^mailto:/i.test(uri) || !(types.has("a") || types.has("parsed"))) continue;
    if ([...hosts].some(([host, domain]) => skipped.has(host) || skipped.has(domain))) continue;
    found.push(...cleaned.map((form) => (options.has("case") ? form : lower(form))));
  }
  return found;
}

function bodyMatches(subject: Subject, source: string, options: Options): string[] {
  const pattern = source === "" ? null : compileFirstGroup({ source, flags: "s" });
  if (typeof pattern !== "function") return [];
  const found: string[] = [];
  for (const line of subject.body)
    for (const match of pattern(line)) {
      const text = options.has("case") ? (match ?? "") : lower(match ?? "");
      found.push(options.has("num") ? text.replace(/[^0-9]+/g, "") : text);
    }
  return found.filter((text) => text !== "");
}

function tagValues({ book, values }: Inquiry, tag: string, options: Options): string[] {
  const name = tag.replace(/^_(.+)_$/, "$1").toUpperCase();
  return values(name)
    .map((value) => tagValue(options.has("case") ? value : lower(value), book.settings, options))
    .filter((value) => value !== null);
}

function tagValue(value: string, settings: Settings, options: Options): string | null {
  const fqdn = options.has("fqdn") || options.has("trim");
  if (isIp(value)) {
    if (options.has("ipv4") && !isIpv4(value)) return null;
    if (options.has("ipv6") && isIpv4(value)) return null;
    return options.has("revip") ? reversedIp(value) : value;
  }
  if (options.has("ip") || options.has("ipv4") || options.has("ipv6")) return null;
  const boundaries = boundariesFor(settings);
  const valid = isFqdn(value);
  if (fqdn && !valid) return null;
  const domain = valid ? boundaries.trim(value) : null;
  const skipped = settings.uridnsblSkipDomains;
  if (domain !== null && (skipped.has(lower(value)) || skipped.has(lower(domain)))) return null;
  if ((options.has("tld") || options.has("trim")) && !boundaries.isValid(value)) return null;
  return options.has("trim") && domain !== null ? domain : value;
}

function attachments(subject: Subject, options: Options, ignored: ReadonlySet<string>): string[] {
  const least = Number(options.get("minsize")) || 0;
  const wanted = ({ children, decoded, type, name }: MimePart): boolean =>
    children.length === 0 &&
    decoded !== "" &&
    decoded.length >= least &&
    !ignored.has(lower(type)) &&
    !ignored.has(lower(name ?? ""));
  return subject.parts.filter(wanted).map(({ decoded }) => hashOf(decoded, options));
}

/** sha256 comes in base 32; without any of these the text stays as it is. */
function hashOf(text: string, options: Options): string {
  const octets = Buffer.from(text, "latin1");
  if (options.has("sha256")) return base32(createHash("sha256").update(octets).digest());
  const name = ["sha1", "md5"].find((word) => options.has(word));
  return name === undefined ? text : createHash(name).update(octets).digest("hex");
}

function base32(octets: Buffer): string {
  let out = "";
  let bits = 0;
  let held = 0;
  for (const octet of octets) {
    held = ((held << 8) | octet) & 0xffff;
    bits += 8;
    for (; bits >= 5; bits -= 5) out += BASE32.charAt((held >> (bits - 5)) & 31);
  }
  return bits > 0 ? out + BASE32.charAt((held << (5 - bits)) & 31) : out;
}
