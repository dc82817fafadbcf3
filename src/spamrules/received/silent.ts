// Hand-overs that say nothing of the path: on one machine, between mailing list programs, by servers that write no address. Looked for
// only when no reading found anything; skipping too many would make forged lines harmless, too few would make honest ones suspicious.
import { dismisses, type Draft, type Reading } from "./draft.ts";

/** Without these octets at its end. */
export const trimmedEnd = (text: string, octets: string): string => {
  let end = text.length;
  while (end > 0 && octets.includes(text[end - 1] ?? "")) end--;
  return text.slice(0, end);
};

/** Takes off what brackets an address, and shows with "!" what could break the text of relays apart. */
export const bareSender = (sender: string): string =>
  trimmedEnd(trimmedEnd(sender.replace(/^[\t-\r ]*<*/, ""), "\t\n\v\f\r "), ">").replace(
    UNSAFE,
    "!",
  );

/** What must not stand in the text of relays. */
export const UNSAFE = /[\t-\r \0#[\]()<>|]/g;

/** qmail-scanner retells the hop of the line below, with its sender. */
const qmailScanner: Reading = (line, draft: Draft) => {
  if (!line.includes(") with qmail-scanner")) return null;
  if (!/^[^ ]+ by [^ ]+ \([^\n]{0,100}\) with qmail-scanner/.test(line)) return null;
  draft.senderOfNext = draft.envfrom === null ? null : bareSender(draft.envfrom);
  return "skip";
};

/** Known by name wherever it stands. */
const lsmtp: Reading = (line) => (line.includes("(LSMTP for") ? "skip" : null);

/** For lines without their "from ". */
export const SILENT: readonly Reading[] = [
  // A user of the machine itself, by sendmail and by Exim.
  dismisses("{} ({/[^ @]+/}@{LOCALHOST}) by {} ("),
  dismisses("{} {} by {} with local-{/e?/}smtp "),
  dismisses("127.0.0.1 (AVG SMTP {} [{}])"),
  // A sender's address instead of a host.
  dismisses("{/[^ ][^ @]*@[^ ]+/} by {} "),
  dismisses("Unknown/Local ("),
  // From local to local.
  dismisses("{LOCALHOST} ({/(?:[^ ]+@)?/}{LOCALHOST}{/[)[]/}"),
  dismisses("{} ({/(?:[^ ]+@)?/}{LOCALHOST}) "),
  dismisses("{} ({/[^ ][^ @]*@[^ ]+/} [{LOCALHOST}]) "),
  // Courier's authenticated submission without address.
  dismisses("(AUTH: {}) by {} with "),
  dismisses("localhost (localhost [[UNIX: localhost]]) by "),
  // Within Amazon.
  dismisses("{}.amazon.com by {}.amazon.com with ESMTP (peer crosscheck: "),
  dismisses("{/[^.]+/} by {} with Novell_GroupWise"),
  // Hosts behind a Raptor firewall.
  dismisses("no.name.available by {} via smtpd (for "),
  qmailScanner,
  dismisses("{} by {} with local"),
  // Cyrus by a socket.
  dismisses("{} ([unix socket]) by {} (Cyrus v{/[0-9]*?\\.[0-9]*?\\.[0-9]*?/}) with LMTPA"),
  // Servers that write no address at all.
  dismisses("{} by {} {/(?:with|via|for|\\()/}"),
  dismisses("{} {/(?:(?:with|via|for) [^ ]+|\\(unverified\\)) by\\b/}"),
  dismisses("{} (unknown) by {} (SG) with {/\\b/}"),
  dismisses("{} ({} [local]) by {} (OpenSMTPD) with {/\\b/}"),
  lsmtp,
  dismisses("([{LOCALHOST}]) with MailEnable "),
  // Facebook, Gmail by its API, Sophos, Maropost.
  dismisses("facebook.com ({/[^)]+/}) by facebook.com with Thrift id {}{$}"),
  dismisses("{} named {} by gmailapi.google.com with HTTPREST{$}"),
  dismisses("{} id {}{$}"),
  dismisses("[<{...} (Jetsend"),
];
