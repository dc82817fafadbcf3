// Release links: what stands behind "/release/" in them, signed with HMAC-SHA256 over action, entry, recipient and expiry. Pure;
// the digest makes them, linked-release.ts reads them.
import { createHmac, timingSafeEqual } from "node:crypto";
import { isMailId } from "../sys/ids.ts";

export interface LinkFacts {
  /** Mail id of the quarantine entry. */
  readonly id: string;
  /** Raw address of the one recipient that it releases to, as the entry has it. */
  readonly recipient: string;
  /** Whole seconds count. */
  readonly expires: Date;
}

/** Longer ones are not looked at; the longest recipient that fits has 500 octets. */
const MAX_TOKEN = 800;
const MAX_RECIPIENT = 500;
const FORM = /^([A-Za-z0-9_-]{12})\.([0-9a-z]{1,9})\.([A-Za-z0-9_-]{1,680})\.([A-Za-z0-9_-]{43})$/;

/** The token of a link, characters that need no escape in a URL; null for a recipient that is too long for one. */
export function signLink(key: Buffer, { id, recipient, expires }: LinkFacts): string | null {
  const octets = Buffer.from(recipient);
  if (octets.length === 0 || octets.length > MAX_RECIPIENT || octets.toString() !== recipient)
    return null;
  const until = Math.floor(expires.getTime() / 1000).toString(36);
  const text = `${id}.${until}.${octets.toString("base64url")}`;
  return `${text}.${macOf(key, text).toString("base64url")}`;
}

/** What the token says; null when it was not signed with this key. The caller looks at `expires`. */
export function readLink(key: Buffer, token: string): LinkFacts | null {
  if (token.length > MAX_TOKEN) return null;
  const [, id = "", until = "", recipient = "", mac = ""] = FORM.exec(token) ?? [];
  if (!isMailId(id)) return null;
  const given = Buffer.from(mac, "base64url");
  const wanted = macOf(key, `${id}.${until}.${recipient}`);
  if (given.length !== wanted.length || !timingSafeEqual(given, wanted)) return null;
  return {
    id,
    recipient: Buffer.from(recipient, "base64url").toString(),
    expires: new Date(Number.parseInt(until, 36) * 1000),
  };
}

/** None of the parts has a dot in it, so that no two links sign the same text; the first word is the action. */
function macOf(key: Buffer, text: string): Buffer {
  return createHmac("sha256", key).update(`postern-release-1.${text}`).digest();
}
