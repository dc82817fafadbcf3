import { expect, it, test } from "vitest";
import { compileRules } from "../../src/ruleset/compile.ts";

function compiled(text: string) {
  return compileRules(new Map([["dkim.rules", text]]), { modes: [], hasOutgoing: false });
}

function files(text: string, domain: string): string {
  const result = compiled(text);
  if ("errors" in result) throw new Error(JSON.stringify(result.errors));
  return result.ok.dkim
    .keysFor(domain)
    .map((key) => `${key.selector}._domainkey.${key.domain} ${key.file}`)
    .join(", ");
}

const S1 = "s1._domainkey.example.com example.com.s1.pem";
test.each([
  ["sign example.com selector=s1", "example.com", S1],
  ["sign example.com selector=s1", "sub.example.com", ""],
  ["sign .example.com selector=s1", "example.com", S1],
  ["sign .example.com selector=s1", "a.b.example.com", S1],
  ["sign .example.com selector=s1", "notexample.com", ""],
  ["sign Example.COM selector=S1", "example.com", S1],
  ["sign a.example.com .b.example.com selector=s1 domain=example.com", "x.b.example.com", S1],
  ["sign example.com selector=s1 key=old.pem", "example.com", "s1._domainkey.example.com old.pem"],
  [
    "sign example.com selector=s1,e1",
    "example.com",
    `${S1}, e1._domainkey.example.com example.com.e1.pem`,
  ],
  ["sign example.com selector=s2\nsign .example.com selector=s1", "x.example.com", S1],
  ["sign .example.com selector=s1\nsign x.example.com selector=s2", "x.example.com", S1],
])("%j for %s: %s", (text, domain, expected) => {
  expect(files(text, domain)).toBe(expected);
});

test.each([
  ["sign example.com", /selector= is missing/],
  ["sign example.com selector=a,b key=x.pem", /several selectors/],
  ["sign example.com selector=a,b,c,d,e", /more than 4/],
  ["sign example.com selector=a/b", /no selector/],
  ["sign example.com selector=s1 key=../../etc/passwd", /must be the name of a file/],
  ["sign a.example b.example selector=s1", /need domain=/],
  ["sign example.com selector=s1 domain=example.net", /prove nothing/],
  ["sign user@example.com selector=s1", /is no domain/],
  ["sigh example.com selector=s1", /did you mean "sign"/],
])("%j is an error", (text, expected) => {
  const result = compiled(text);
  expect("errors" in result ? result.errors[0]?.message : "").toMatch(expected);
});

it("names every key once", () => {
  const result = compiled(
    "sign .a.example selector=s\nsign a.example selector=s\nsign b.example selector=s",
  );
  if ("errors" in result) throw new Error("must compile");
  expect(result.ok.dkim.keys.map(({ file }) => file)).toEqual([
    "a.example.s.pem",
    "b.example.s.pem",
  ]);
});
