// Readings for Received lines by their shape, in SpamAssassin's order: the first that fits wins, so that the order is part of what
// they say. Behind them come the hand-overs that say nothing (silent.ts). All of them see the line without its "from ".
import { IP_SOURCE } from "./addresses.ts";
import { dismisses, finds, reads, type Draft, type Reading } from "./draft.ts";
import { remarks } from "./exim.ts";
import { qmail } from "./qmail.ts";

/** Sendmail puts what an ident server said before the name. */
const identBeforeName = (draft: Draft): void => {
  for (const pattern of [/^IDENT:([^@]*)@/, /^([^@]*)@/]) {
    const found = pattern.exec(draft.rdns);
    if (found === null) continue;
    draft.rdns = draft.rdns.slice(found[0].length);
    draft.ident = found[1] ?? "";
  }
};

/** What ident says comes with its "@". */
const identWithAt = (draft: Draft): void => {
  draft.ident = draft.ident.replace(/@$/, "");
};

/** Courier's word for a name server that did not answer: nothing is known. */
const softError = (draft: Draft): void => {
  draft.lookedUp = draft.rdns !== "softdnserr";
  if (!draft.lookedUp) draft.rdns = "";
};

const ADDRESS_FIRST = new RegExp(`^(${IP_SOURCE}) `);

/** Hotmail's web service: "by" is enough for it, even without an address. */
const hotmail: Reading = (line, draft) => {
  const by = line.includes(".hotmail.msn.com ") && /by ([^ ]+\.hotmail\.msn\.com) /.exec(line)?.[1];
  if (by === false || by === undefined) return null;
  draft.by = by;
  draft.ip = ADDRESS_FIRST.exec(line)?.[1] ?? draft.ip;
  return "enough";
};

const REMARKED = new RegExp(`^\\[(${IP_SOURCE})\\] \\(([^)]+)\\) by ([^ ]+) `);

/** Nemesis and others that write like Exim. */
const remarked: Reading = (line, draft) => {
  const found = REMARKED.exec(line);
  if (found === null) return null;
  [, draft.ip = "", , draft.by = ""] = found;
  remarks(draft, found[2] ?? "");
  return "enough";
};

const sendmailLike = reads("{helo} ({rdns} [{ip}]{....}) by {by} (", {
  lookedUp: true,
  then: identBeforeName,
});

/** Sendmail. qmail-ldap writes likewise and means something else. */
const sendmail: Reading = (line, draft) =>
  line.includes(" (qmail-") && / by [^ ]+ \(qmail-[^ ]+\) with /.test(line)
    ? null
    : sendmailLike(line, draft);

/** fetchmail, getmail: what came before is no path that the message took to us. */
const fetcher: Reading = (line, draft) => {
  if (!line.includes("with POP3") && !line.includes("with IMAP")) return null;
  draft.fetched = true;
  return "skip";
};

/** Tried before all others, marked ones included: webmail that names its user's address. */
export const WEBMAIL: readonly Reading[] = [
  // SquirrelMail and NaSMail: an address at most 80 octets before "by".
  finds("{ip}{/\\b(?![.-])[^\\n]{10,80}/}by {by} with HTTP", {
    and: / \((?:SquirrelMail|NaSMail) authenticated user /,
  }),
  // AOL.
  finds("{ip} by {by} ({IP}) with HTTP (WebMailUI)", { marked: "aol.com" }),
];

const KNOWN: readonly Reading[] = [
  // IMP: a number for HELO, the address behind it.
  reads("{ip} ([{IP}]) by {by}", { and: /\bwith HTTP\b/ }),
  sendmail,
  // Exchange 5.5.
  reads("{helo} ({rdns} [{ip}]) by {by} with {} (", { lookedUp: true }),
  // Exim that does not say so.
  reads("{rdns} ([{ip}] helo={helo}) by {by} with "),
  // attbi.com, without and with a name.
  reads("{helo} (<unknown{*}>[{ip}]) by {by} "),
  reads("{helo} ({/(?<rdns>[^ ][^ .]*\\.[^ ]+)/}[{ip}]) by {by} ", { lookedUp: true }),
  // Sendmail with ident and no name.
  reads("{helo} (<<{ident*}@[{ip}]>>{....}) by {by} (", { lookedUp: true }),
  hotmail,
  // qpsmtpd.
  reads("{rdns} ({HELO} {helo*}) ({ip}) by {by} (qpsmtpd/{}) with {/(?:ESMTP|SMTP)/}"),
  // Zimbra by LMTP.
  reads("{rdns} (LHLO {helo*}) ({ip}) by {by} with LMTP"),
  // GMX.
  reads("{rdns} ({HELO} {helo*}) [{ip}] by {by} ({/[^)]+/}) with {/(?:ESMTP|SMTP)/}"),
  // The Raptor firewall.
  reads("{helo} ([{ip}]) by {by} via smtpd (for {}) with SMTP("),
];

const COMMON: readonly Reading[] = [
  qmail,
  // A webmail that names its user.
  reads("{} ( [{ip}]){...} by {by} "),
  reads("({helo} [{ip}]) by {by} "),
  // MessageWall and many others that trust nothing but the address.
  reads("[{ip}] by {by} "),
  reads("({[}{ip}{]}) by {by} "),
  // MDaemon, two ages of it.
  reads("{helo} [{ip}] by {by} [{IP}] with ", { lookedUp: true }),
  reads("{helo} [({ip})] by {by} ({IP}) "),
  // Sendmail without a name.
  reads("{helo} ([{ip}]) by {by} (", { lookedUp: true }),
  // Sendmail, Courier and others, with whatever between address and "by".
  reads("{helo} ({rdns} [{ip}]){...} by {/(?<by>[^ ]+)\\b/}", { then: softError }),
  // Exim 3 and others, a port behind the address.
  reads("{helo} ([{ip}{/(?:[.:]\\d+)?/}]){...} by {by} ", { lookedUp: true }),
];

const RARE: readonly Reading[] = [
  fetcher,
  // qmail's kin, with and without HELO; qmail leaves HELO out when it is the name.
  reads("{rdns} ({HELO} {/(?<helo>[^)]*)/}) (<<{/(?<ident>[^ ]*@)?/}{[}{ip}{]}>>){....} by {by} ", {
    lookedUp: true,
    then: identWithAt,
  }),
  reads("{host} (<<{/(?<ident>[^ ]*@)?/}{[}{ip}{]}>>){....} by {by} ", {
    lookedUp: true,
    then: identWithAt,
  }),
  // smap and its HELO.
  reads("{rdns}({ip}) by {by} via smap ", { marked: " via smap ", lookedUp: true }),
  reads("{rdns}({ip}, {HELO} {helo*}) by {by} via smap ", { marked: " via smap ", lookedUp: true }),
  // InterScan and SMTPL.
  reads("{ip} by {by} ({/(?:SMTPL|InterScan)\\b/}"),
];

const RAREST: readonly Reading[] = [
  // Batches are no hop.
  dismisses("{} by {} with BSMTP", " with BSMTP"),
  reads("{helo} ({rdns} [{ip}]) by {by} with ", { lookedUp: true }),
  // Yahoo with a login.
  reads("{rdns} ({HELO} {helo*}) (<<{/(?:(?<ident>[^ ]+)@)?/}{ip}>>{...}) by {by} with ", {
    lookedUp: true,
  }),
  // CommuniGate Pro, by account or with a name that it verified.
  reads("[{ip}] ({/(?:account [^ ]+ )?/}{HELO} {helo*}) by {by} ("),
  reads("{host} ([{ip}] verified) by {by} (", { marked: " (CommuniGate Pro", lookedUp: true }),
  // IronPort and others; a name that begins with a digit would be an address.
  reads("{/(?<helo>[^\\d][^ ]+)/} ({ip}) by {by} "),
  // Content Technologies' relay writes no address.
  dismisses("{} ({}) by {} (Content Technologies ", " (Content Technologies "),
  reads("{helo} ([{ip}] [{}]) by {by} with "),
  // Tumbleweed.
  reads("{ip} by {by} with "),
  reads("{helo} ({rdns}[{ip}]) by {by} ", { lookedUp: true }),
  // F-Secure, with a port.
  reads("[{ip}]{} ({HELO} {helo*}) by {by} "),
  // Altavista.
  reads("{ip} ({HELO} {helo*}) by {by} "),
  // IMail.
  reads("{helo} [{ip}] by {by} "),
  // csmap.
  reads("{rdns}({ip}) by {by} "),
  reads("{helo} (unverified [{ip}]) by {by} "),
  // Webmail behind a proxy.
  reads("{ip} ({/[A-Za-z][^)]+/}) by {by} with "),
  remarked,
  reads("{rdns} ({/(?:[^ ]+@)?/}{ip}) by {by} with "),
  // Obtuse's smtpd.
  reads('{rdns}({ip}){/(?:, claiming to be "(?<helo>[^ ]+)")?/} via {} by {by},', {
    then: (draft) => {
      if (draft.rdns !== "UNKNOWN") draft.lookedUp = true;
    },
  }),
  // Yahoo's SMTP with a login.
  reads("{helo} ({}@{ip} with login) by {/(?<by>[^ ]+\\.yahoo\\.com)/} with SMTP"),
  // Made by trust.ts of X-Originating-IP and the like.
  reads("X-Originating-IP: {ip}{$}", {
    then: (draft) => {
      draft.by = "";
    },
  }),
];

export const GENERAL: readonly Reading[] = [...KNOWN, ...COMMON, ...RARE, ...RAREST];
