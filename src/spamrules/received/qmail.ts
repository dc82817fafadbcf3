// Reads what qmail and its relatives write: name, HELO unless it is the name, ident@ if there was one, address, in brackets or not.
import { IP_SOURCE } from "./addresses.ts";
import { reads, type Reading } from "./draft.ts";

const START = new RegExp(
  `^[^ ]+(?: \\((?:HELO|EHLO) [^ ]*\\))? \\((?:[^ ]+@)?\\[?${IP_SOURCE}\\]?\\)(?: \\(envelope-sender <[^ ]+>\\))? by [^ ]+(?= )`,
);

/** Behind " with ", at a word: what qmail speaks. sendmail puts an id there. */
const SPOKEN = / (?:SMTP|QMQP)(?! id )/g;

/** Where " with" begins: at once behind "by NAME", or behind anything in brackets. -1 without one. */
const withAt = (line: string, from: number): number => {
  if (line.startsWith(" with ", from)) return from;
  if (!line.startsWith(" (", from)) return -1;
  const at = line.indexOf(") with ", from + 3);
  return at < 0 ? -1 : at + 1;
};

/** Whether a line is qmail's. The protocol is never ESMTP, so that look-alikes stay out. */
const isQmail = (line: string): boolean => {
  const start = START.exec(line);
  if (start === null) return false;
  const at = withAt(line, start[0].length);
  if (at < 0) return false;
  SPOKEN.lastIndex = at + " with".length;
  return SPOKEN.test(line);
};

const SENDER = "{/(?: \\(envelope-sender <[^ ]+>\\))?/}";
const HELO = "{HELO} {/(?<helo>[^ ()]*)/}";

const PARTS: readonly Reading[] = [
  reads(`{rdns} (${HELO}) ({ident*}@{[}{ip}{]})${SENDER} by {by}`),
  reads(`{rdns} (${HELO}) ({[}{ip}{]})${SENDER} by {by}`),
  reads(`{host} ({ident*}@{[}{ip}{]})${SENDER} by {by}`),
  reads(`{host} ({[}{ip}{]})${SENDER} by {by}`),
];

/** tcpserver tells qmail the name: "unknown" may mean that it did not ask. A HELO with brackets in it leaves the hop without an address. */
export const qmail: Reading = (line, draft) => {
  if (!line.includes(" with ") || !isQmail(line)) return null;
  PARTS.some((part) => part(line, draft) === "enough");
  if (draft.rdns === "unknown") draft.rdns = "";
  else draft.lookedUp = true;
  return "enough";
};
