// Lists of addresses, hosts and subjects.
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { addressList, like } from "../../../src/spamrules/evals/address-list.ts";
import { ask, hop } from "./ask.ts";

const FROM = "From: Joe <Joe@Mail.Example.org>";

it.each([
  ["check_from_in_welcomelist", "welcomelist_from joe@mail.example.org", true],
  ["check_from_in_whitelist", "whitelist_from *@*.example.org", true],
  ["check_from_in_welcomelist", "welcomelist_from *@example.org", false],
  ["check_from_in_blocklist", "blocklist_from j?e@*", true],
  ["check_from_in_list(FRIENDS)", "enlist_addrlist (FRIENDS) *@*.example.org", true],
  ["check_from_in_list(NOBODY)", "enlist_addrlist (FRIENDS) *@*.example.org", false],
  ["check_replyto_in_list(FRIENDS)", "enlist_addrlist (FRIENDS) *@reply.example", true],
  ["check_to_in_list(FRIENDS)", "enlist_addrlist (FRIENDS) ann@*", true],
  ["check_to_in_welcomelist", "welcomelist_to ann@example.com", true],
  ["check_to_in_more_spam", "more_spam_to delivered@*", true],
  ["check_to_in_all_spam", "all_spam_to relayed@example.com", true],
  ["check_to_in_all_spam", "all_spam_to nobody@example.com", false],
  ["check_to_in_blocklist", "blocklist_to *@example.com", true],
  ["check_subject_in_welcomelist", "welcomelist_subject [Team ?]", true],
  ["check_subject_in_blocklist", "blocklist_subject cheap*pills", false],
])("%s with %s: %s", (call, cf, expected) => {
  const fields = [
    hop("192.0.2.1", { more: "with ESMTP id 1 for <relayed@example.com>" }),
    FROM,
    "Reply-To: x@reply.example",
    "To: ann@example.com",
    "Delivered-To: delivered@example.com",
    "Subject: Re: [TEAM A] pills, cheap",
  ];
  expect(ask(call, { fields, cf })).toBe(expected);
});

describe("by relay", () => {
  const fields = [hop("192.0.2.1", { rdns: "mx.example.org" }), FROM];

  it.each([
    ["example.org", "welcome"],
    ["ample.org", "forged"],
    ["[192.0.2.1]", "welcome"],
    ["[192.0.2.0/24]", "welcome"],
    ["[192.0.2]", "welcome"],
    ["[198.51.100.1]", "forged"],
  ])("%s: %s", (domain, expected) => {
    const cf = `welcomelist_from_rcvd *@*.example.org ${domain}`;
    expect(ask("check_from_in_welcomelist", { fields, cf })).toBe(expected === "welcome");
    expect(ask("check_forged_in_welcomelist", { fields, cf })).toBe(expected === "forged");
    const byDefault = `def_${cf}`;
    expect(ask("check_from_in_default_welcomelist", { fields, cf: byDefault })).toBe(
      expected === "welcome",
    );
    expect(ask("check_forged_in_default_welcomelist", { fields, cf: byDefault })).toBe(
      expected === "forged",
    );
  });

  it("calls nobody a forger who may use any relay", () => {
    const cf =
      "welcomelist_from_rcvd *@*.example.org other.example\nwelcomelist_allows_relays joe@*";
    expect(ask("check_forged_in_welcomelist", { fields, cf })).toBe(false);
  });

  it("compares the envelope's domain with the relay's", () => {
    const sent = (sender: string, rdns: string): boolean =>
      ask("check_mailfrom_matches_rcvd", {
        fields: [hop("192.0.2.1", { rdns, more: `(envelope-from <${sender}>) with ESMTP id 1` })],
      });
    expect(sent("joe@a.shop.co.uk", "mx.b.shop.co.uk")).toBe(true);
    expect(sent("joe@a.shop.co.uk", "mx.other.co.uk")).toBe(false);
    expect(sent("joe@a.shop.co.uk", "unknown")).toBe(false);
  });
});

it("looks hosts up by their nearest listed name", () => {
  const about = {
    fields: [FROM],
    body: "see http://www.shop.example.com/ or http://ok.shop.example.org/\n",
    cf: "enlist_uri_host (BAD) example.com\nenlist_uri_host (FINE) !shop.example.org example.org\nblocklist_uri_host www.shop.example.com",
  };
  expect(ask("check_uri_host_listed(BAD)", about)).toBe(true);
  expect(ask("check_uri_host_listed(FINE)", about)).toBe(false);
  expect(ask("check_uri_host_in_blacklist", about)).toBe(true);
  expect(ask("check_uri_host_in_welcomelist", about)).toBe(false);
});

it("compares patterns as a regular expression would", () => {
  const made = (letters: string): fc.Arbitrary<string> =>
    fc.string({ unit: fc.constantFrom(...letters), maxLength: 8 });
  fc.assert(
    fc.property(made("ab*?"), made("ab?\n"), (glob, text) => {
      const source = glob.replace(/\?/g, "[^\\n]").replace(/\*+/g, "[^\\n]*");
      expect(like(glob, text)).toBe(new RegExp(`^${source}(?![^])`).test(text));
    }),
    { numRuns: 2000 },
  );
});

it("finds in a list what one of its patterns is like", () => {
  const glob = fc.string({ unit: fc.constantFrom(..."ab@*?"), maxLength: 6 });
  const text = fc.string({ unit: fc.constantFrom(..."ab@\n"), maxLength: 8 });
  fc.assert(
    fc.property(fc.array(glob, { maxLength: 5 }), text, (globs, one) => {
      expect(addressList(globs)(one)).toBe(globs.some((each) => like(each, one)));
    }),
    { numRuns: 2000 },
  );
});
