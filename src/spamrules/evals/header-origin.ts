// Eval functions of SpamAssassin's HeaderEval plugin that ask whether a message from a big mail service came by that service's own ways.
import { addressOf } from "./address-of.ts";
import { IP_SOURCE } from "../received/addresses.ts";
import { oneBlank } from "../message/octets.ts";
import type { Subject } from "../subject.ts";
import type { EvalContext, Evals } from "./eval.ts";

type Test = (context: EvalContext) => boolean;

const IP = new RegExp(IP_SOURCE);

/** Patterns of Received lines, with IP for an address; all of them meet lines with single blanks for white space, so that [^ ] is a word. */
const line = (source: string): RegExp => new RegExp(source.replaceAll("IP", () => IP_SOURCE));

const received = (subject: Subject): string => subject.get("Received") ?? "";

const FLAT = Symbol("Received in one line");

const flatReceived = (context: EvalContext): string =>
  context.memo(FLAT, () => oneBlank(received(context.subject)));

const says = (subject: Subject, field: string, pattern: RegExp): boolean =>
  pattern.test(subject.get(field) ?? "");

/** Mailing list software that takes Received fields away: ezmlm and MSN groups; or none is there. The forgery tests cannot tell then. */
export const isGated: Test = ({ subject }) => {
  const lines = subject.get("Received");
  if (lines === undefined) return true;
  return (
    (says(subject, "Mailing-List", /^contact [^\t-\r ]+@[^\t-\r ]+; run by ezmlm$/m) &&
      says(subject, "Delivered-To", /^mailing list [^\t-\r ]+@[^\t-\r ]/m) &&
      /qmail \d+ invoked (?:from network|by [^\n]{3,20})\); \d+ [^\n]{3} \d/.test(lines)) ||
    /from groups\.msn\.com \([^\t-\r ]+\.msn\.com /.test(lines)
  );
};

/** AOL's relays have names of one kind, which forgers like. */
const fakeAol: Test = (context) => {
  const lines = flatReceived(context);
  return (
    / rly-[a-z][a-z]\d\d\./i.test(lines) &&
    !/\/AOL-\d+\.\d+\.\d+\)/.test(lines) &&
    !/ESMTP id (?:RELAY|MAILRELAY|MAILIN)/.test(lines)
  );
};

const quoted = (text: string): string => text.replace(/[^A-Za-z0-9_]/g, "\\$&");

/** Mail that MSN's groups send out for their lists. */
const isMsnGroup: Test = ({ subject }) => {
  const list = /<([^\t-\r ]+)@groups\.msn\.com>/i.exec(subject.get("To") ?? "")?.[1];
  if (list === undefined) return false;
  const server = /from mail pickup service by (p\d\d\.groups\.msn\.com)\b/.exec(received(subject));
  if (server === null) return false;
  const id = subject.get("Message-Id") ?? "";
  if (/^notifications$/.test(list)) {
    return new RegExp(`^<[^\\t-\\r ]+@${quoted(server[1] ?? "")}>`).test(id);
  }
  const name = quoted(list);
  return (
    new RegExp(`^<${name}-[^\\t-\\r ]+@groups\\.msn\\.com>`).test(id) &&
    new RegExp(`${name}-bounce@groups\\.msn\\.com`).test(addressOf(subject, "EnvelopeFrom:addr"))
  );
};

/** Ways that mail takes which Hotmail really sent: with the field that Hotmail adds on that way. */
const HOTMAIL_WAYS: readonly (readonly [by: "ip" | "organisation", RegExp])[] = [
  ["ip", line("from (?:[^ ]*\\.)?hotmail.com \\([^ ]+\\.hotmail(?:\\.msn)?\\.com[ )]")],
  [
    "organisation",
    line(
      "from [^ ]*\\.outbound\\.protection\\.outlook\\.com \\([^ ]+\\.outbound\\.protection\\.outlook\\.com[ )]",
    ),
  ],
  ["organisation", line("from [^ ]*\\.(?:eur|nam)prd\\d+\\.prod\\.outlook\\.com \\(IP\\)")],
  ["ip", line("from [^ ]*\\.hotmail.com \\(\\[IP\\][ ):]")],
  ["ip", line("from [^ ]+ by [^ ]+\\.hotmail(?:\\.msn)?\\.com with HTTP;")],
  ["ip", line("from \\[66\\.218.[^ ]+\\] by [^ ]+\\.yahoo\\.com")],
];

/** Whether a client called itself something that holds hotmail.com: by a word behind "from" or HELO, or behind "helo=" in one. */
const saysHotmail = (lines: string): boolean => {
  if (!lines.includes("hotmail.com")) return false;
  let introduced = false;
  for (const word of lines.split(" ")) {
    if (word.includes("hotmail.com")) {
      const set = word.indexOf("helo=");
      const names = word.slice(introduced ? 0 : set < 0 ? word.length : set + "helo=".length);
      if (/hotmail\.com\b/.test(names)) return true;
    }
    introduced = word.endsWith("from") || word.endsWith("HELO");
  }
  return false;
};

type Hotmail = "forged" | "absent" | "fine";
const HOTMAIL = Symbol("Hotmail's part in a message");

/** "forged": a hop says it is Hotmail and is not; "absent": From says Hotmail and no hop does. */
const hotmail = (context: EvalContext): Hotmail =>
  context.memo(HOTMAIL, () => {
    const { subject } = context;
    const lines = flatReceived(context);
    if (lines.includes("from mail pickup service by hotmail.com with Microsoft SMTPSVC;")) {
      return "fine";
    }
    if (isMsnGroup(context) || isGated(context)) {
      return "fine";
    }
    const has = {
      ip: says(subject, "X-Originating-Ip", IP),
      organisation: says(subject, "X-OriginatorOrg", /hotmail\.com|msonline-outlook/),
    };
    if (HOTMAIL_WAYS.some(([by, way]) => has[by] && way.test(lines))) return "fine";
    if (saysHotmail(lines)) return "forged";
    return /\bhotmail\.com$/i.test(addressOf(subject, "From:addr")) ? "absent" : "fine";
  });

const eudoramail: Test = (context) => {
  const { subject } = context;
  if (!/\beudoramail\.com$/i.test(addressOf(subject, "From:addr"))) return false;
  if (isGated(context)) return false;
  return !(/by [^ ]*whowhere.com;/.test(flatReceived(context)) && says(subject, "X-Sender-Ip", IP));
};

const YAHOO_WAYS = [
  line("by web[^ ]+\\.mail[^ ]*\\.yahoo\\.com via HTTP"),
  line("by sonic[^ ]+\\.consmr\\.mail[^ ]*\\.yahoo\\.com with HTTP"),
  line("by smtp[^ ]+\\.yahoo\\.com with SMTP"),
  line("from \\[IP\\] by [^ ]+\\.(?:groups|scd|dcn)\\.yahoo\\.com with NNFMP"),
  line(
    "by \\w+\\.\\w+\\.yahoo\\.com \\(\\d+\\.\\d+\\.\\d+/\\d+\\.\\d+\\.\\d+\\)(?: with ESMTP)? id \\w",
  ),
];

/** Bounces from Yahoo: by names that our own servers looked up, or the first beyond them. */
const fromYahooHost = ({ relays }: Subject): boolean =>
  / rdns=[^\t-\r ]+\.yahoo\.com /.test(relays.text("trusted")) ||
  /^[^\]]+ rdns=[^\t-\r ]+\.yahoo\.com /.test(relays.text("untrusted"));

const yahoo: Test = (context) => {
  const { subject } = context;
  const from = addressOf(subject, "From:addr");
  if (!/\byahoo\.com$/i.test(from)) return false;
  const resent =
    (subject.get("Resent-From") ?? "") !== "" && (subject.get("Resent-To") ?? "") !== "";
  const relayed = resent ? (subject.get("X-Received") ?? "") : "";
  const lines = relayed === "" ? flatReceived(context) : oneBlank(relayed);
  if (isGated(context) || fromYahooHost(subject)) return false;
  if (/\bmailer\d+\.bulk\.scd\.yahoo\.com\b/.test(lines) && /@reply\.yahoo\.com$/i.test(from)) {
    return false;
  }
  return !YAHOO_WAYS.some((way) => way.test(lines));
};

/** Whether one line holds matches of all patterns, one behind the other. */
const inOrder = (text: string, patterns: readonly RegExp[]): boolean =>
  text.split("\n").some((one) => {
    let at = 0;
    return patterns.every((pattern) => {
      pattern.lastIndex = at;
      const found = pattern.exec(one);
      at = pattern.lastIndex;
      return found !== null;
    });
  });

const JUNO_HOP = [
  /from/g,
  /\b(?:juno|untd)\.com/g,
  new RegExp(`[[(]${IP_SOURCE}[\\])]`, "g"),
  /by/g,
];
const JUNO_BY_MAILCOM = [/from/g, /\bmail\.com/g, new RegExp(`\\[${IP_SOURCE}\\]`, "g"), /by/g];
const JUNO_BY_WEB = line("from (webmail[^\\t-\\r ]+\\.untd\\.com) \\(\\1 \\[IP\\]\\) by");

/** Juno's newer mail names the client's address; the older came by mail.com or its own webmail. */
const juno: Test = (context) => {
  const { subject } = context;
  if (!/\bjuno\.com$/i.test(addressOf(subject, "From:addr"))) return false;
  if (isGated(context)) return false;
  const lines = received(subject);
  const mailer = subject.get("X-Mailer") ?? "";
  const origin = subject.get("X-Originating-IP") ?? "";
  if (origin !== "") {
    const hop = inOrder(lines, JUNO_HOP) || / cookie\.(?:juno|untd)\.com /.test(lines);
    return !hop || !mailer.includes("Juno ");
  }
  if (inOrder(lines, JUNO_BY_MAILCOM)) return !/\bmail\.com/.test(mailer) || !IP.test(origin);
  if (JUNO_BY_WEB.test(lines)) return !/^Webmail Version \d/.test(mailer) || !IP.test(origin);
  return true;
};

/** So long are Gmail's own fields at least. */
const GMAIL_FIELD = 60;

const gmail: Test = ({ subject }) => {
  if (!/\bgmail\.com$/i.test(addressOf(subject, "From:addr"))) return false;
  const relayed = subject.get("X-Received") ?? "";
  if (/by 10\.[^\t-\r ]+ with SMTP id [^\t-\r ]/.test(relayed)) return false;
  if (/by 2002:a\d\d:\w+:[^\t-\r ]+ with SMTP id [^\t-\r ]/.test(relayed)) return false;
  if (/by smtp\.googlemail\.com with ESMTPSA id [^\t-\r ]/.test(received(subject))) return false;
  return ["X-Gm-Message-State", "X-Google-Smtp-Source"].some(
    (field) => (subject.get(field) ?? "").length < GMAIL_FIELD,
  );
};

/** A gateway of one spammer: "from HOST by gw05 with ESMTP; DATE" as the last of several lines. */
const gw05: Test = ({ subject }) => {
  const by =
    /\nfrom[\t-\r ][^\t-\r ]+[\t-\r ]by[\t-\r ]([^\t-\r ]+)[\t-\r ]with[\t-\r ]ESMTP;[\t-\r ]+[^\t-\r ]{3},[\t-\r ]+\d+[\t-\r ]+[^\t-\r ]{3}[\t-\r ]+\d{4}[\t-\r ]+\d\d:\d\d:\d\d[\t-\r ]+[-+]*\d{4}\n$/.exec(
      received(subject),
    )?.[1];
  return by !== undefined && !by.includes(".");
};

export const HEADER_ORIGIN: Evals = {
  gated_through_received_hdr_remover: isGated,
  check_for_fake_aol_relay_in_rcvd: fakeAol,
  check_for_msn_groups_headers: isMsnGroup,
  check_for_forged_hotmail_received_headers: (context) => hotmail(context) === "forged",
  check_for_no_hotmail_received_headers: (context) => hotmail(context) === "absent",
  check_for_forged_eudoramail_received_headers: eudoramail,
  check_for_forged_yahoo_received_headers: yahoo,
  check_for_forged_juno_received_headers: juno,
  check_for_forged_gmail_received_headers: gmail,
  check_for_forged_gw05_received_headers: gw05,
};
