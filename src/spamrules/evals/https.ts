// SpamAssassin's HTTPSMismatch plugin: links whose text promises https to another domain than they lead to.
import { isIp } from "../received/addresses.ts";
import { type Boundaries, boundariesFor } from "../uri/domain.ts";
import type { HtmlFacts } from "../html/facts.ts";
import type { Evals } from "./eval.ts";

const HOST = /^https?:\/\/([^/:?#]+)/i;
const PROMISE = /https:\/\/([^\t-\r /:?#]+)/i;

/** The registered domain that a link leads to; null for none and for IP addresses. */
function targetOf(uri: string, boundaries: Boundaries): string | null {
  const host = HOST.exec(uri)?.[1];
  if (host === undefined || isIp(host)) return null;
  const domain = boundaries.trim(host);
  const registered = boundaries.ofUri(domain)?.domain;
  return registered !== undefined && boundaries.isValid(registered) ? domain : null;
}

/** The domain, or IP address, that a text promises; null for none. */
function promisedBy(text: string, boundaries: Boundaries): string | null {
  const host = PROMISE.exec(text)?.[1];
  if (host === undefined || isIp(host)) return host ?? null;
  const domain = boundaries.trim(host);
  return boundaries.isValid(domain) ? domain : null;
}

/** How many addresses have anchors, and whether one of their texts lies. */
function judge({ links }: HtmlFacts, boundaries: Boundaries): { count: number; lies: boolean } {
  let count = 0;
  let lies = false;
  for (const { uri, anchorTexts } of links) {
    const target = anchorTexts.length === 0 ? null : targetOf(uri, boundaries);
    if (target === null) continue;
    count += 1;
    lies ||= anchorTexts.some((text) => {
      const promised = promisedBy(text, boundaries);
      return promised !== null && promised !== target;
    });
  }
  return { count, lies };
}

export const HTTPS: Evals = {
  /** (MIN, MAX): only when so many addresses have anchors; MAX is one too many, and may be missing. */
  check_https_http_mismatch: ({ subject, book }, [min, max]) => {
    const boundaries = boundariesFor(book.settings);
    return subject.htmlParts.some((html) => {
      const { count, lies } = judge(html, boundaries);
      return lies && count >= (Number(min ?? 0) || 1) && (max === undefined || count < Number(max));
    });
  },
};
