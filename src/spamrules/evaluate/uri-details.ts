// `uri_detail` rules: several patterns, all of which have to fit one address. Used by run.ts.
import type { Definition } from "../rulebook.ts";
import type { UriDetail } from "../uri/detail.ts";
import type { Matcher } from "./matcher.ts";

type Details = Extract<Definition, { type: "uri_detail" }>;

/** Whether there is an address that every test of the rule fits; its text, or null. Of two tests for one key the last counts. */
export function fittingUri(
  { rule, patterns }: Matcher,
  uris: ReadonlyMap<string, UriDetail>,
): string | null {
  const tests = new Map<string, (text: string) => boolean>();
  (rule.definition as Details).tests.forEach(({ key, negated }, at) => {
    const pattern = patterns[at]!.test();
    tests.set(key, (text) => pattern.test(text) !== negated);
  });
  for (const [raw, detail] of uris) {
    const fits = [...tests].every(([key, test]) => {
      for (const text of textsOf(raw, detail, key)) if (test(text)) return true;
      return false;
    });
    if (fits) return raw;
  }
  return null;
}

function textsOf(raw: string, detail: UriDetail, key: string): Iterable<string> {
  switch (key) {
    case "raw":
      return [raw];
    case "type":
      return detail.types;
    case "cleaned":
      return detail.cleaned;
    case "text":
      return detail.anchorTexts;
    case "domain":
      return new Set(detail.hosts.values());
    case "host":
      return detail.hosts.keys();
    default:
      return [];
  }
}
