// Whether a Received line says that the client had proved itself, and how: the name that SpamAssassin gives to the way, or "".
import { IP_SOURCE } from "./addresses.ts";

/** RFC 3848 and 6531 names, Exim's older one, and webmail. */
const BY_PROTOCOL = / with ((?:ES|L|UTF8S|UTF8L)MTPS?A|ASMTP|HTTP[SU]?)(?: |;|$)/i;

const GMAIL_ID =
  / by mx\.google\.com with ESMTPS id [a-z0-9]{1,4}sm[0-9]{2,9}[a-z]{3}\.[0-9]{1,3}\.[0-9]{4}\.(?:[0-6][0-9]\.){4}[0-6][0-9]/;

/** Gmail's own clients: known by the kind of id. */
const gmail = (line: string): string => {
  if (!line.includes(" by mx.google.com with ESMTPS id ") || !GMAIL_ID.test(line)) return "";
  const cipher = line.indexOf(" cipher=");
  if (cipher < 0 || line.lastIndexOf(")") < cipher) return "";
  const found = /\(version=([^ ]+) cipher=([^)]+)\)/.exec(line);
  return found === null ? "" : `GMail - transport=${found[1]} cipher=${found[2]}`;
};

const COURIER = /(?:\]\)|\)\]) \(AUTH: (LOGIN|PLAIN|DIGEST-MD5|CRAM-MD5) ([^ ]+)/g;

/** Courier: "(AUTH: PLAIN user, TLS: …) by". */
const courier = (line: string): string => {
  if (!line.startsWith("from ") || !line.includes(" (AUTH: ")) return "";
  const lastClosed = line.lastIndexOf(") by ");
  COURIER.lastIndex = "from ".length;
  for (let found = COURIER.exec(line); found !== null; found = COURIER.exec(line)) {
    const [whole, way = "", user = ""] = found;
    const end = found.index + whole.length;
    if (user.length > 1) {
      if (user.endsWith(")") && line.startsWith(" by ", end)) return way;
      if (user.endsWith(",") && line[end] === " " && lastClosed > end) return way;
    }
    COURIER.lastIndex = found.index + 2;
  }
  return "";
};

/** Where "] " and the like end that close the client's brackets, one remark between them allowed: the earliest, or -1. */
const clientClosed = (line: string): number => {
  let earliest = Infinity;
  for (const mark of ["]) ", ")] "]) {
    const at = line.indexOf(mark, "from ".length);
    if (at >= 0) earliest = Math.min(earliest, at + mark.length);
  }
  for (let last = "from ".length - 1; ;) {
    const at = line.indexOf(")", last + 1);
    if (at < 0 || at >= earliest) break;
    if (line.startsWith(") ", at + 1)) {
      if (line.slice(last + 1, at).includes("] (")) earliest = Math.min(earliest, at + 3);
    }
    last = at;
  }
  return earliest === Infinity ? -1 : earliest;
};

/** Sendmail, MDaemon and others: "authenticated" in brackets between the client's brackets and "by". */
const sendmail = (line: string): string => {
  if (!line.startsWith("from ") || !line.includes("authenticated")) return "";
  let at = clientClosed(line);
  if (at < 0) return "";
  for (const mark of ["(", "authenticated", ")", " by"]) {
    const next = line.indexOf(mark, at);
    if (next < 0) return "";
    at = next + mark.length;
  }
  return "Sendmail";
};

const GMX = new RegExp(
  `from [^ ]* \\((?:HELO|EHLO) [^ ]*\\) \\[${IP_SOURCE}\\] by (mail\\.gmx\\.(?:net|com)) \\([^)]+\\) with (ESMTP|SMTP)`,
);

/** GMX takes mail of its users by SMTP and does not say so. */
const gmx = (line: string): string => {
  const found = line.includes("] by mail.gmx.") ? GMX.exec(line) : null;
  return found === null ? "" : `GMX (${found[2]} / ${found[1]})`;
};

const CRITICAL_PATH = / \(\d{1,2}\.\d\.\d{3}(?:\.\d{1,3})?\) \(authenticated as (?=.)/g;

const criticalPath = (line: string): string => {
  const by = line.includes(" (authenticated as ") ? line.indexOf(") by ") : -1;
  if (by < 0) return "";
  CRITICAL_PATH.lastIndex = by + ") by ".length + 1;
  const found = CRITICAL_PATH.exec(line);
  if (found === null) return "";
  return line.includes(") id ", found.index + found[0].length + 1) ? "CriticalPath" : "";
};

/** Postfix with smtpd_sasl_authenticated_header; the name in brackets is mail_name. */
const postfix = (line: string): string => {
  if (!line.includes(") (Authenticated sender: ")) return "";
  const name = /\) \(Authenticated sender: [^ ]+\) by [^ ]+ \(([^)]+)\) with /.exec(line)?.[1];
  if (name === undefined) return "";
  return name === "Postfix" ? name : `Postfix (${name})`;
};

/** CommuniGate Pro, Exchange by WebDAV, and mailers that write "(via HTTP)". */
const others = (line: string): string => {
  if (/CommuniGate Pro (?:HTTP|SMTP|XIMSS|IMAP)/.test(line) && line.includes(" (account ")) {
    return "Communigate";
  }
  if (/ with Microsoft Exchange Server HTTP-DAV\b/.test(line)) return "HTTP-DAV";
  return (line.includes(" by ") && / \(via (HTTP[^\n]?)\)(?: |;|$)/i.exec(line)?.[1]) || "";
};

const WAYS = [gmail, courier, sendmail, gmx, criticalPath, postfix, others] as const;

/** How the client of this line proved itself; "" when the line does not say. Takes the line with its "from ". */
export const authOf = (line: string): string => {
  const protocol = line.includes(" by ") ? BY_PROTOCOL.exec(line)?.[1] : undefined;
  if (protocol !== undefined) return protocol;
  for (const way of WAYS) {
    const found = way(line);
    if (found !== "") return found;
  }
  return "";
};
