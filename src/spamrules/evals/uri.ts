// SpamAssassin's URIEval plugin, and the test behind `uri_detail` rules.
import { boundariesFor } from "../uri/domain.ts";
import type { UriDetail } from "../uri/detail.ts";
import type { EvalContext, Evals } from "./eval.ts";

const REDIRECTION = /^https?:\/\/([^/:?]+).+?(https?:\/{0,2}?([^/:?]+).*)$/is;
const IP_LINK = /^https?:\/*(?:[^@/]+@)?\d+\.\d+\.\d+\.\d+/i;
const IP_TEXT = /^https:\/*(?:[^@/]+@)?\d+\.\d+\.\d+\.\d+/i;
/** Addresses within one address that are looked at. */
const MOST_UNWRAPPED = 50;

/** A URI within a URI that leads to another domain. */
function redirects({ subject, book }: EvalContext): boolean {
  const boundaries = boundariesFor(book.settings);
  const placeOf = (host: string): string => boundaries.ofUri(host)?.domain ?? host;
  for (const uri of subject.uris) {
    let rest = uri;
    for (let depth = 0; depth < MOST_UNWRAPPED; depth += 1) {
      const match = REDIRECTION.exec(rest);
      if (!match) break;
      const [, from = "", inner = "", to = ""] = match;
      if (placeOf(from) !== placeOf(to)) return true;
      rest = inner;
    }
  }
  return false;
}

/** A link to an IP address whose text promises https to a name. */
function promisesHttps({ subject }: EvalContext): boolean {
  return subject.htmlParts.some(({ links }) =>
    links.some(
      ({ uri, anchorTexts }) =>
        IP_LINK.test(uri) &&
        anchorTexts.some((text) => !IP_TEXT.test(text) && /https:/i.test(text)),
    ),
  );
}

export const URI: Evals = {
  check_for_http_redirector: redirects,
  check_https_ip_mismatch: promisesHttps,
  check_uri_truncated: ({ subject }) => subject.uriTruncated,
};

/** One test of a `uri_detail` rule; `matches` knows the pattern. */
export interface DetailTest {
  readonly key: string;
  readonly negated: boolean;
  matches(text: string): boolean;
}

/**
 * Whether any address meets all tests of a `uri_detail` rule. Of several tests of one key the last counts. A negated test is met by one
 * text that does not match, not by the lack of matches; without texts nothing is met.
 */
export function meetsDetail(
  details: ReadonlyMap<string, UriDetail>,
  tests: readonly DetailTest[],
): boolean {
  const byKey = [...new Map(tests.map((test) => [test.key, test])).values()];
  for (const [uri, detail] of details)
    if (
      byKey.every((test) =>
        textsOf(uri, detail, test.key).some((text) => test.matches(text) !== test.negated),
      )
    )
      return true;
  return false;
}

function textsOf(uri: string, detail: UriDetail, key: string): readonly string[] {
  switch (key) {
    case "raw":
      return [uri];
    case "type":
      return [...detail.types];
    case "cleaned":
      return detail.cleaned;
    case "text":
      return detail.anchorTexts;
    case "domain":
      return [...new Set(detail.hosts.values())];
    case "host":
      return [...detail.hosts.keys()];
    default:
      return [];
  }
}
