// One form for all the envelope senders that one correspondent uses: what changes from message to message or from retry to retry
// (BATV and SRS signatures, VERP, extensions, serial numbers) is taken out. For keys of greylisting only: the result is no
// address, and two persons may share one.
import { createHash } from "node:crypto";
import type { Address } from "./address.ts";

/** Characters of a key; what is longer ends in a hash of the whole. */
const MAX_KEY = 256;
/** Characters of a local part that are looked at. */
const MAX_LOCAL = 1024;

/** Lower case; "" for the null sender. Linear in the length of the address, at most MAX_KEY characters, never throws. */
export function senderKey(sender: Address | null): string {
  if (sender === null) return "";
  const local = sender.local.slice(0, MAX_LOCAL).toLowerCase();
  return bounded(`${steady(unsigned(local))}@${sender.domain}`);
}

/** The recipient as part of a key: lower case, at most MAX_KEY characters. */
export function recipientKey(recipient: Address): string {
  return bounded(`${recipient.local.toLowerCase()}@${recipient.domain}`);
}

function bounded(key: string): string {
  if (key.length <= MAX_KEY) return key;
  const hash = createHash("sha256").update(key).digest("base64url").slice(0, 22);
  return `${key.slice(0, MAX_KEY - 23).toWellFormed()}~${hash}`;
}

/** Without the signatures that a forwarder or the sender's own MTA put in front. Nested ones are taken off in turn. */
function unsigned(local: string): string {
  let rest = local;
  for (let depth = 0; depth < 4; depth++) {
    const inner = signedPart(rest);
    if (inner === null || inner === "") return rest;
    rest = inner;
  }
  return rest;
}

function signedPart(local: string): string | null {
  // BATV: prvs=0123456789=user, the older prvs=user/0123456789, Barracuda's btv1==hash==user, msprvs1=hash=user.
  if (local.startsWith("prvs=")) {
    const rest = local.slice(5);
    const slash = rest.lastIndexOf("/");
    if (slash > 0 && !rest.includes("=")) return rest.slice(0, slash);
    return after(rest, "=");
  }
  if (local.startsWith("btv1==")) return after(local.slice(6), "==");
  if (local.startsWith("msprvs1=")) return after(local.slice(8), "=");
  // SRS0=HHH=TT=domain=user and SRS1=HHH=forwarder==HHH=TT=domain=user, with "+" or "-" for the first "=".
  if (/^srs0[=+-]/.test(local)) {
    const [, , domain, ...user] = local.slice(5).split("=");
    return domain === undefined || user.length === 0 ? null : `${user.join("=")}#${domain}`;
  }
  if (/^srs1[=+-]/.test(local)) {
    const twice = local.slice(5).indexOf("==");
    return twice < 0 ? null : `srs0=${local.slice(5).slice(twice + 2)}`;
  }
  return null;
}

function after(text: string, mark: string): string | null {
  const at = text.indexOf(mark);
  return at < 0 ? null : text.slice(at + mark.length);
}

/** VERP and extensions cut off, serial numbers and tokens as "#". */
function steady(local: string): string {
  let text = local;
  // VERP writes the recipient as user=domain behind the last "+" or "-": list-bounces+joe=example.com.
  const verp = text.indexOf("=");
  if (verp > 0) {
    const cut = Math.max(text.lastIndexOf("+", verp), text.lastIndexOf("-", verp));
    if (cut > 0) text = `${text.slice(0, cut)}+#`;
  }
  const plus = text.indexOf("+");
  if (plus > 0) text = text.slice(0, plus);
  if (/\d/.test(text))
    text = text.replace(/[a-z0-9]+/g, (word) => (isToken(word) ? "#" : word.replace(/\d+/g, "#")));
  return text.includes("#") ? text.replace(/#(?:[-._=/#]*#)+/g, "#") : text;
}

/** A serial number or hash rather than a word with a digit in it. */
function isToken(word: string): boolean {
  if (!/\d/.test(word)) return false;
  return word.length >= 12 || /^\d+$/.test(word) || (word.length >= 4 && /^[0-9a-f]+$/.test(word));
}
