// Header fields as Bayes reads them: which are left out, what is taken out of the others because it differs in every message, and the
// short names under which their words are counted. Called by tokens.ts.
import { addAddress } from "./words.ts";

/** One address of a field; see message/. */
export interface NamedAddress {
  readonly phrase: string | null;
  readonly address: string | null;
}

export interface FieldMeans {
  readonly ignored: ReadonlySet<string>;
  readonly addresses: (value: string) => readonly NamedAddress[];
}

/** Names, in lower case, that are never read: noise, lists, other filters, notes of mail programs. */
const SKIPPED = new Set(
  `sender x-sender delivered-to delivery-date envelope-to x-envelope-to x-mime-autoconverted x-converted-to-plain-text
  subject date x-list mailing-list x-mailing-list x-unsub x-unsubscribe x-mailman-version x-beenthere x-loop mail-followup-to
  x-egroups-return x-egroups-from x-mdmailing-list x-xemacs-list x-sympa-to
  x-mailscanner x-mailscanner-spamcheck x-spam x-spam-status x-spam-level x-spam-flag x-spam-report x-spam-hits x-spam-score
  x-spam-checker-version x-antispam x-rbl-warning x-mdaemon-deliver-to x-virus-scanned x-mass-check-id x-pyzor
  x-filtered-by x-scanned-by x-scanner x-ap-spam-score x-ap-spam-status x-ripe-spam-status x-smtpd
  spam-apparently-to x-spam-apparently-to spam x-perlmx-spam x-bogosity content-class thread-index thread-topic
  x-originalarrivaltime status x-status x-flags x-keywords replied forwarded lines content-length x-uid x-uidl x-imapbase
  x-vm-bookmark x-vm-pop-retrieved x-vm-imap-retrieved x-vm-labels x-vm-last-modified x-vm-summary-format x-vm-vheader
  x-vm-message-order x-gnus-mail-source xref`.split(/\s+/),
);
const SKIPPED_LIKE = [
  /^(?:x-)?list-(?:archive|help|id|owner|post|subscribe|unsubscribe|host|manager|admin|comment|name|url)$/,
  /^(?:x-)?(?:resent|original)-(?:from|to|date)$/,
  /^x-dcc-\S{2,25}-metrics$/,
  /^x-(?:spamcop|bugzilla)-./,
  /^x-vm-v\d-data$/,
];

const MESSAGE_ID = /^(?:|x-|resent-)message-id$/;
const ADDRESSES =
  /^(?:|x-|resent-)(?:return-path|from|to|cc|reply-to|errors-to|mail-followup-to|sender)$/;
/** Only that they are there could be told; and that is too short for a word. */
const PRESENCE =
  /^(?:x-face|x-(?:gnu-?pg|pgp|gpg)(?:-key)?-fingerprint|d(?:kim|omainkey)-signature|x-google-dkim-signature|arc-(?:message-signature|seal)|autocrypt)$/;

/** By the name as it is written: other spellings keep their names. */
const SHORT_NAMES: ReadonlyMap<string, string> = new Map([
  ["Message-Id", "*m"],
  ["Message-ID", "*M"],
  ["Received", "*r"],
  ["User-Agent", "*u"],
  ["References", "*f"],
  ["In-Reply-To", "*i"],
  ["From", "*F"],
  ["Reply-To", "*R"],
  ["Return-Path", "*p"],
  ["Return-path", "*rp"],
  ["X-Mailer", "*x"],
  ["X-Authentication-Warning", "*a"],
  ["Organization", "*o"],
  ["Organisation", "*o"],
  ["Content-Type", "*ct"],
  ["Content-Disposition", "*cd"],
  ["Content-Transfer-Encoding", "*ce"],
  ["x-spam-relays-trusted", "*RT"],
  ["x-spam-relays-untrusted", "*RU"],
]);

/** Fields that are counted once more, together. */
const GROUPS: readonly (readonly [group: string, names: RegExp])[] = [
  ["*MI", /^(?:in-reply-to|references|message-id)$/],
  ["*Ad", /^(?:from|to|cc)$/],
  ["*UA", /^(?:x-mailer|user-agent)$/],
];

/**
 * The values to cut into words, by the name that their words bear. `lines` are "Name: value\n", decoded and unfolded, in order;
 * `facts` are lines that the reading of the message added ("x-spam-relays-trusted: …").
 */
export function fieldTexts(
  lines: readonly string[],
  facts: readonly string[],
  means: FieldMeans,
): ReadonlyMap<string, string> {
  const received = lines.filter((line) => /^received:/i.test(line));
  const read = [
    ...lines.filter((line) => !isSkipped(nameOf(line))),
    ...facts,
    // The two hops nearest to the sender.
    ...received.slice(-2).reverse(),
  ];
  const pieces = new Map<string, string[]>();
  const add = (name: string, value: string): void => {
    const list = pieces.get(name);
    if (list === undefined) pieces.set(name, [value]);
    else list.push(value);
  };
  for (const line of read) {
    const name = nameOf(line);
    const lower = name.toLowerCase();
    if (!/[^\t-\r ]/.test(line) || means.ignored.has(lower)) continue;
    const value = telling(name, lower, line.slice(name.length + 1).replace(/\n$/, ""), means);
    for (const [group, names] of GROUPS) if (names.test(lower)) add(group, value);
    add(SHORT_NAMES.get(name) ?? name, value);
  }
  return new Map([...pieces].map(([name, values]) => [name, values.join(" ")]));
}

function nameOf(line: string): string {
  const colon = line.indexOf(":");
  return colon < 0 ? line : line.slice(0, colon);
}

function isSkipped(name: string): boolean {
  const lower = name.toLowerCase();
  return (
    lower === "received" || SKIPPED.has(lower) || SKIPPED_LIKE.some((like) => like.test(lower))
  );
}

function telling(name: string, lower: string, value: string, means: FieldMeans): string {
  if (MESSAGE_ID.test(lower)) return messageId(value);
  if (ADDRESSES.test(lower)) return addressWords(value, means);
  // These three are known by one spelling.
  if (name === "Received") return hop(value);
  if (name === "Content-Type") return contentType(value);
  if (name === "MIME-Version") return value.replace("1.0", "");
  if (PRESENCE.test(lower)) return "1";
  if (/^x-spam-relays-(?:external|internal|trusted|untrusted)$/.test(name))
    return value.replace(/ [a-z]+=/g, " ");
  return value;
}

function addressWords(value: string, { addresses }: FieldMeans): string {
  const words: string[] = [];
  for (const { phrase, address } of addresses(value)) {
    if (phrase !== null) for (const word of phrase.split(/[\t-\r ]+/)) words.push(`N*${word}`);
    if (address !== null) addAddress(address, words);
  }
  return words.join(" ");
}

/** Message ids of known programs, without what is new in each; the others cut at everything that is neither letter nor digit. */
function messageId(value: string): string {
  return value
    .replace(
      /<([0-9a-f]{4})[0-9a-f]{8}\$([0-9a-f]{4})[0-9a-f]{4}\$([0-9a-f]{8})@([^\t-\r ]+)>/g,
      " OEA$1 OEB$2 OEC$3 $4 ",
    )
    .replace(/<[A-Za-z0-9]{7}-[A-Za-z0-9]{6}-0[A-Za-z0-9]@/, "")
    .replace(/<20\d\d[01]\d[0123]\d[012]\d[012345]\d[012345]\d\.[A-F0-9]{10,12}@/g, "")
    .replace(/[^_A-Za-z0-9]/g, " ");
}

const SPACE = "[\\t-\\r ]";
const DATE = new RegExp(
  `(?:(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun),${SPACE})?[0-3\\t-\\r ]?[0-9]${SPACE}` +
    `(?:Jan|Feb|Ma[ry]|Apr|Ju[nl]|Aug|Sep|Oct|Nov|Dec)${SPACE}(?:19|20)?[0-9]{2}${SPACE}` +
    `[0-2][0-9](?::[0-5][0-9]){1,2}${SPACE}` +
    `(?:${SPACE}*\\(|\\)|${SPACE}*(?:[+-][0-9]{4})|${SPACE}*(?:UT|[A-Z]{2,3}T))*`,
  "g",
);

/** A Received field without queue ids and dates. IPv4 addresses stand for their /24 network, and once more in full. */
function hop(value: string): string {
  return value
    .replace(/[\t-\r ]with[\t-\r ]SMTP[\t-\r ]id[\t-\r ]g[\dA-Z]{10,12}[\t-\r ]/g, " ")
    .replace(/[\t-\r ]with[\t-\r ]ESMTP[\t-\r ]id[\t-\r ][\dA-F]{10,12}[\t-\r ]/g, " ")
    .replace(/\bid[\t-\r ][a-zA-Z0-9]{7,20}\b/g, " ")
    .replace(/\bid[\t-\r ][A-Za-z0-9]{7}-[A-Za-z0-9]{6}-0[A-Za-z0-9]/g, " ")
    .replace(DATE, "")
    .replace(/\b(\d{1,3}\.\d{1,3}\.\d{1,3})(\.\d{1,3})\b/g, "$1 ip*$1$2 ")
    .replace(/\b(?:with|from|for|SMTP|ESMTP)\b/g, " ");
}

/** The pattern of a boundary says something, its digits do not. */
function contentType(value: string): string {
  let boundary: string | null = null;
  const rest = value.replace(/boundary=["'](.*?)["']/gi, (_, text: string) => {
    boundary = text.replace(/[a-fA-F0-9]/g, "H").replace(/([-_.=]+)/g, " $1 ");
    return " ";
  });
  return (rest + (boundary ?? "")).replace(/\b(?:text|charset)\b/g, " ");
}
