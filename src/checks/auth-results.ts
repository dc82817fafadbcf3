// Results of sender authentication as one text each, in the grammar of Authentication-Results (RFC 8601 2.2): the detail of a
// finding of the auth check. verdict/edits.ts joins them to the header field; access.ts and the greylist read the domains back.
import type { Finding } from "../verdict/finding.ts";

/** Domains that a message was proven to come from; empty when nothing was. */
export interface Proven {
  readonly spf: readonly string[];
  readonly dkim: readonly string[];
  readonly dmarc: readonly string[];
}

const MAX_VALUE = 255;
const TOKEN = /^[A-Za-z0-9!#$&'*+.^_`{|}~%-]+$/;
/** What detailOf() writes for a pass; a comment holds no parenthesis, so that nothing in it can look like a property. */
const PASS =
  /^(spf|dkim|dmarc)=pass(?: \([^()]*\))? (?:smtp\.mailfrom|smtp\.helo|header\.d|header\.from)=([a-z0-9._-]+)(?= |$)/;

/** "dkim=pass (comment) header.d=example.org header.s=s1"; values and comment may come from a message. */
export function detailOf(
  method: string,
  result: string,
  comment: string | null,
  properties: readonly (readonly [name: string, value: string])[],
): string {
  const parts = [`${method}=${result}`];
  if (comment !== null && comment !== "") parts.push(`(${commentText(comment)})`);
  for (const [name, value] of properties) if (value !== "") parts.push(`${name}=${pvalue(value)}`);
  return parts.join(" ");
}

/** Which domains the findings of the auth check prove. An SPF pass of a range that everybody is in proves nothing. */
export function provenBy(findings: readonly Finding[]): Proven {
  const proven = { spf: [] as string[], dkim: [] as string[], dmarc: [] as string[] };
  for (const { check, detail } of findings) {
    if (check !== "auth") continue;
    const [, method, domain] = PASS.exec(detail) ?? [];
    if (domain === undefined || detail.startsWith(`spf=pass (${WIDE})`)) continue;
    if (method === "spf" || method === "dkim" || method === "dmarc") proven[method].push(domain);
  }
  return proven;
}

/** The comment of an SPF pass that says nothing; see SpfOutcome.wide. */
export const WIDE = "everybody passes";

function commentText(text: string): string {
  return text
    .slice(0, 100)
    .replace(/[^\x20-\x7e]/g, "?")
    .replace(/[()\\]/g, "_");
}

function pvalue(text: string): string {
  const value = text.slice(0, MAX_VALUE).replace(/[^\x21-\x7e]/g, "_");
  return TOKEN.test(value) ? value : `"${value.replace(/["\\]/g, "_")}"`;
}
