// The eval functions of SpamAssassin's HeaderEval plugin: those on single fields stand here, those on times and on the ways of big mail
// services in files of their own.
import { addressOf } from "./address-of.ts";
import { isUtf8 } from "node:buffer";
import { lower } from "../message/octets.ts";
import type { Subject } from "../subject.ts";
import { boundariesFor } from "../uri/domain.ts";
import { charsetsOfWords, fitsLocales } from "./charset-locales.ts";
import type { Eval, EvalContext, Evals } from "./eval.ts";
import { HEADER_DATES } from "./header-dates.ts";
import { HEADER_ORIGIN, isGated } from "./header-origin.ts";

const text = (subject: Subject, field: string): string => subject.get(field) ?? "";
const quoted = (name: string): string => name.replace(/[^A-Za-z0-9_]/g, "\\$&");

/** (field, share, count): at least so much of it, and so many octets, that should have been encoded. Good UTF-8 is none. */
const illegalChars: Eval = ({ subject }, [field = "", share = "0", count = "0"]) => {
  const name = field.endsWith(":raw") ? field : `${field}:raw`;
  const value = text(subject, name);
  if (!/[^\t-\r ]/.test(value)) return false;
  if (
    /[\x80-\xff]/.test(value) &&
    isUtf8(Buffer.from(value, "latin1")) &&
    !/[\0-\x08\x0b\x0c\x0e-\x1f]/.test(value)
  ) {
    return false;
  }
  let illegal = value.match(/[\0-\x08\x0b\x0c\x0e-\x1f\x7f-\xff]/g)?.length ?? 0;
  // A single cent, pound or registered sign in Subject is forgiven.
  if (lower(name) === "subject:raw" && value.match(/[\xa2\xa3\xae]/g)?.length === 1) illegal--;
  return illegal / value.length >= Number(share) && illegal >= Number(count);
};

/** Addresses for ToCc, and Bcc where those are few; repetitions in a row once. */
const FEW = 5;
const MANY = 256;
const addressees = (subject: Subject): string[] => {
  const found = [...subject.getAll("ToCc:addr")];
  if (found.length < FEW) found.push(...subject.getAll("Bcc:addr"));
  return found
    .filter((address, index) => lower(address) !== lower(found[index - 1] ?? ""))
    .slice(0, MANY);
};

interface Recipients {
  readonly sorted: boolean;
  /** Pairs whose names begin alike, or whose unlike hosts do, by all pairs. */
  readonly similar: number;
}

const similarity = (addresses: readonly string[]): number => {
  if (addresses.length < FEW) return 0;
  const users = addresses.map((address) => address.slice(0, 2));
  // An address without "@" moves the hosts behind it up.
  const hosts = addresses.flatMap((address) => /@([^\n]*)/.exec(address)?.[1] ?? []);
  let alike = 0;
  let pairs = 0;
  for (let i = 0; i < addresses.length; i++) {
    for (let j = i + 1; j < addresses.length; j++) {
      const a = hosts[i] ?? "";
      const b = hosts[j] ?? "";
      if (users[i] === users[j]) alike++;
      if (a !== b && a.slice(0, 2) === b.slice(0, 2)) alike++;
      pairs++;
    }
  }
  return alike / pairs;
};

const RECIPIENTS = Symbol("how recipients are listed");
const listing = (context: EvalContext): Recipients =>
  context.memo(RECIPIENTS, () => {
    const addresses = addressees(context.subject);
    const sorted = addresses.length >= 7 && addresses.join(",") === [...addresses].sort().join(",");
    return { sorted, similar: similarity(addresses) };
  });

/** Charsets that write other letters as capitals. */
const SHOUTING = /koi|jp|jis|euc|gb|big5|isoir|cp1251|windows-1251|georgianps|pt154|tis/i;

const allCaps: Eval = ({ subject }) => {
  const plain = text(subject, "Subject")
    .replace(/^[\t-\r ]+/, "")
    .replace(/[\t-\r ]+$/, "")
    .replace(/^(?:(?:Re|Fwd|Fw|Aw|Antwort|WG|SV|VB|VS|VL):[\t-\r ]*)+/i, "");
  if (!/[\t-\r ]/.test(plain) || plain.length < 10) return false;
  for (const [, charset = ""] of text(subject, "Subject:raw").matchAll(/=\?([-_a-z0-9]+)\?/gi)) {
    if (SHOUTING.test(charset)) return false;
  }
  return /[A-Z]/.test(plain) && !/[a-z]/.test(plain);
};

/** ("address"): To's address in Subject; ("user"): its name, where one is spoken to. */
const toInSubject: Eval = ({ subject }, [what]) => {
  const to = addressOf(subject, "To:addr");
  if (to === "") return false;
  const value = text(subject, "Subject");
  if (what === "address") return new RegExp(`\\b${quoted(to)}\\b`, "i").test(value);
  if (what !== "user") return false;
  const user = to.replace(/@[^\n]*/, "");
  if (!value.toLowerCase().includes(user.toLowerCase())) return false;
  const name = quoted(user);
  const end = "(?=\\n?$)";
  return new RegExp(
    `^(?:(?:re|fw):[\\t-\\r ]*(?:\\w+[\\t-\\r ]+)?${name}${end}|(?-i:${name})[\\t-\\r ]*[,:;!?-](?:${end}|[\\t-\\r ])` +
      `|${name}${end}|,[\\t-\\r ]*${name}[,:;!?-]${end})`,
    "i",
  ).test(value);
};

/** Something rewrote the id: Lyris, ezmlm, iPlanet and others do. */
const idNotUsable: Eval = (context) => {
  const { subject } = context;
  return (
    /<mailto:(?:leave-[^\t-\r ]+|[^\t-\r ]+-unsubscribe)@[^\t-\r ]+>\n?$/i.test(
      text(subject, "List-Unsubscribe"),
    ) ||
    isGated(context) ||
    /\/CWT\/DCE\)|iPlanet Messaging Server/.test(text(subject, "Received"))
  );
};

/** Fields in which "%A_" may stand. */
const FREE_FIELDS =
  /^(?:X-VMS-To|X-UIDL|X-Face|To|Cc|From|Subject|References|In-Reply-To|(?:X-|Resent-|X-Original-)?Message-Id):/i;

/** The name in an id of one kind of software is From's address. */
const nameInId: Eval = ({ subject }) => {
  const name = /<[A-Z]{28}\.([^>]+?)>/.exec(text(subject, "MESSAGEID"))?.[1];
  if (name === undefined) return false;
  return new RegExp(`"[^"]+"[\\t-\\r ]*<${quoted(name)}>`).test(text(subject, "From"));
};

/** The envelope's sender is made of the recipient's address, as bounces' are, but not by SRS. */
const recipientInSender: Eval = ({ subject, book }) => {
  const to = addressOf(subject, "To:addr");
  const from = addressOf(subject, "EnvelopeFrom:addr");
  if (from === "" || to === "" || /^SRS\d[=+-]/i.test(from)) return false;
  const [, user = "", host = ""] = /^([^@]+)@([^\n]+)$/.exec(to) ?? [];
  if (host === "") return false;
  const boundaries = boundariesFor(book.settings);
  const domain = boundaries.trim(host);
  if (!boundaries.isValid(domain)) return false;
  if (!from.toLowerCase().includes(domain.toLowerCase())) return false;
  return new RegExp(`\\b${quoted(domain)}[^\\n]${quoted(user)}@`, "i").test(from);
};

/** The last two labels of an address's host. */
const secondLevel = (address: string): string =>
  (/@([^@]*)$/.exec(address)?.[1] ?? "").replace(/^[^\n]+\.([^.]+\.[^.]+)$/, "$1");

const unequalDomains: Eval = ({ subject }) => {
  const from = secondLevel(addressOf(subject, "From:addr"));
  const sender = secondLevel(addressOf(subject, "EnvelopeFrom:addr"));
  return from !== "" && sender !== "" && lower(from) !== lower(sender);
};

/** Charsets of places whose mail the operator does not expect; "all", the default, expects all. */
const farawayCharset: Eval = ({ subject, book: { settings } }) =>
  !settings.okLocales.includes("all") &&
  ["From:raw", "Subject:raw"].some((field) =>
    subject
      .getAll(field)
      .flatMap((value) => value.split("\n"))
      .flatMap(charsetsOfWords)
      .some((charset) => !fitsLocales(charset, settings.okLocales)),
  );

export const HEADER: Evals = {
  ...HEADER_ORIGIN,
  ...HEADER_DATES,
  check_for_faraway_charset_in_headers: farawayCharset,
  /** Kept for old rules. */
  check_for_unique_subject_id: () => false,
  check_illegal_chars: illegalChars,
  /** Two that are missing match. */
  check_for_matching_env_and_hdr_from: ({ subject }) =>
    lower(addressOf(subject, "EnvelopeFrom:addr")) === lower(addressOf(subject, "From:addr")),
  sorted_recipients: (context) => listing(context).sorted,
  similar_recipients: (context, [least = "undef", less = "undef"]) => {
    const { similar } = listing(context);
    return (
      (least === "undef" || similar >= Number(least)) &&
      (less === "undef" || similar < Number(less))
    );
  },
  check_for_missing_to_header: ({ subject }) =>
    text(subject, "To") === "" && text(subject, "Apparently-To") === "",
  subject_is_all_caps: allCaps,
  check_for_to_in_subject: toInSubject,
  check_messageid_not_usable: idNotUsable,
  /** (field, least, most): different values of it. */
  check_header_count_range: ({ subject }, [field = "", least = "0", most = "0"]) => {
    const count = new Set(subject.getAll(field)).size;
    return count >= Number(least) && count <= Number(most);
  },
  /** A mail merge that did not happen: "%CUSTOM_" in a field where it has no business. */
  check_unresolved_template: ({ subject }) =>
    text(subject, "ALL")
      .split("\n")
      .some((line) => /%[A-Z][A-Z_-]/.test(line) && !FREE_FIELDS.test(line)),
  check_ratware_name_id: nameInId,
  check_ratware_envelope_from: recipientInSender,
  check_equal_from_domains: unequalDomains,
};
