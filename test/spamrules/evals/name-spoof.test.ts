// Addresses in the display name of From: SpamAssassin's FromNameSpoof.
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { addressIn } from "../../../src/spamrules/evals/name-spoof.ts";
import type { Proofs } from "../../../src/spamrules/evals/eval.ts";
import { renderHtml } from "../../../src/spamrules/html/render.ts";
import { prepare, toolsOf } from "../../../src/spamrules/prepare.ts";
import { compileProgram } from "../../../src/spamrules/program.ts";
import { run } from "../../../src/spamrules/run.ts";
import { bookOf } from "./ask.ts";

const RULES = `loadplugin Mail::SpamAssassin::Plugin::FromNameSpoof
loadplugin Mail::SpamAssassin::Plugin::DKIM
header SPOOF eval:check_fromname_spoof()
header SPOOF_0 eval:check_fromname_spoof(0)
header SPOOF_2 eval:check_fromname_spoof(2)
header ADDRESS eval:check_fromname_different()
header DOMAIN eval:check_fromname_domain_differ()
header NAMED eval:check_fromname_contains_email()
header TO eval:check_fromname_equals_to()
header OWNER eval:check_fromname_owners_differ()
header REPLY eval:check_fromname_equals_replyto()
`;
const SIGNED = { result: "pass", domain: "bank.com", selector: "s", identity: null, bits: 2048 };

interface Told {
  readonly hits: readonly string[];
  readonly tags: ReadonlyMap<string, string>;
}

function told(from: string, { fields = "", cf = "", signed = false } = {}): Told {
  const book = bookOf(RULES + cf);
  const octets = Buffer.from(`From: ${from}\n${fields}\n\ntext\n`, "latin1");
  const subject = prepare(octets, { now: 0 }, toolsOf(book.settings, renderHtml));
  const proofs: Proofs = { spf: null, dkim: signed ? [SIGNED] : null, dmarc: null, arc: null };
  const program = compileProgram(book, { local: false, bayes: false });
  const { hits, tags } = run(program, subject, { proofs }).finish();
  return { hits: hits.map(({ rule }) => rule), tags };
}
const hits = (from: string, more?: Parameters<typeof told>[1]): string =>
  told(from, more).hits.join(" ");

describe("an address in the name of From", () => {
  it.each([
    ["nobody's", '"The Bank" <ceo@bank.com>', ""],
    ["its own", '"ceo@bank.com" <CEO@bank.com>', "NAMED"],
    ["another of the domain", '"ceo@bank.com" <info@bank.com>', "ADDRESS NAMED SPOOF_0"],
    [
      "the same name below another top-level name",
      '"ceo@bank.co.uk" <info@bank.com>',
      "ADDRESS DOMAIN NAMED SPOOF_0 SPOOF_2",
    ],
    [
      "another's",
      '"CEO <ceo@bank.com>" <evil@spam.org>',
      "ADDRESS DOMAIN NAMED OWNER SPOOF SPOOF_0 SPOOF_2",
    ],
    ["one in no domain", '"ceo@bank.nowhere" <evil@spam.org>', ""],
    ["one beside a From without a domain", '"ceo@bank.com" <evil>', ""],
    [
      "one with two @",
      '"ceo@x@bank.com" <evil@spam.org>',
      "ADDRESS DOMAIN NAMED OWNER SPOOF SPOOF_0 SPOOF_2",
    ],
  ])("%s", (_, from, wanted) => {
    expect(hits(from)).toBe(wanted);
  });

  it("is also that of the recipient, or of answers", () => {
    const fields = "To: x@y.com, me@mine.org\nReply-To: Me@Mine.org";
    expect(hits('"me@mine.org" <a@b.com>', { fields })).toMatch(/ OWNER REPLY .* TO$/);
    expect(hits('"Me@mine.org" <a@b.com>', { fields: "To: Me@mine.org" })).not.toMatch(/ TO/);
  });

  it("stands in tags when it is another's", () => {
    const { tags } = told('"CEO@mail.bank.com" <evil@spam.org>');
    expect(Object.fromEntries(tags)).toMatchObject({
      FNSFNAMEADDR: "ceo@mail.bank.com",
      FNSFNAMEDOMAIN: "bank.com",
      FNSFNAMEOWNER: "bank",
      FNSFADDRADDR: "evil@spam.org",
      FNSFADDRDOMAIN: "spam.org",
      FNSFADDROWNER: "spam",
    });
    expect(told('"evil@spam.org" <evil@spam.org>').tags.has("FNSFNAMEADDR")).toBe(false);
  });

  it("counts only if the name holds little else", () => {
    const name = (more: string): string => `"${more} ceo@bank.com" <evil@spam.org>`;
    // A blank counts for two.
    expect(hits(name("x".repeat(48)))).toMatch(/ SPOOF /);
    expect(hits(name("x".repeat(49)))).toBe("NAMED");
    expect(hits(name("x".repeat(49)), { cf: "fns_extrachars 51" })).toMatch(/ SPOOF /);
  });
});

describe("settings", () => {
  const from = '"ceo@bank.com" <info@bank.com>';

  it("fns_check says what must differ", () => {
    expect(hits(from, { cf: "fns_check 0" })).toMatch(/ SPOOF SPOOF_0$/);
    expect(hits(from, { cf: "fns_check 0\nfns_check 3" })).toMatch(/ SPOOF SPOOF_0$/);
    expect(hits('"a@bank.org" <a@bank.com>', { cf: "fns_check 2" })).toMatch(/ SPOOF /);
  });

  it("fns_add_addrlist makes one owner of several domains", () => {
    const names = '"me@mail.one.com" <you@two.org>';
    const cf = "fns_add_addrlist (Us) *@one.com *@TWO.org\n";
    expect(hits(names)).toMatch(/OWNER/);
    expect(hits(names, { cf })).not.toMatch(/OWNER/);
    expect(hits(names, { cf: `${cf}fns_remove_addrlist (us) *@two.org` })).toMatch(/OWNER/);
    expect(told(names, { cf }).tags.get("FNSFNAMEOWNER")).toBe("us");
  });

  it("mail with certain fields or signatures is left alone", () => {
    const spoof = '"ceo@bank.com" <evil@spam.org>';
    const cf = "fns_ignore_headers X-None List-Id\nfns_ignore_dkim Bank.com\n";
    expect(hits(spoof, { cf })).toMatch(/ SPOOF /);
    expect(hits(spoof, { cf, fields: "List-Id: <x>" })).toBe("");
    expect(hits(spoof, { cf, signed: true })).toBe("");
    expect(hits(spoof, { signed: true })).toMatch(/ SPOOF /);
  });
});

describe("addressIn", () => {
  it.each([
    ["!!bob@foo.com", "bob@foo.com"],
    ["'bob@foo.com' via list", "bob@foo.com"],
    ["bob@foo.com.", null],
    ["bob@foo.com- tim@foo.org", "tim@foo.org"],
    ["bob@foo..com", null],
    ["bob@foo.c", null],
    ["@foo.com", null],
    ["...@foo.com", null],
    ["b\xc3\xb6b@foo.com", "b@foo.com"],
  ])("%s", (text, found) => {
    expect(addressIn(text)).toBe(found);
  });

  it("is what SpamAssassin's pattern finds", () => {
    const pattern = /\b[\w.!#$%&'*+/=?^`{|}~-]+@\w[\w-]*\.\w(?=([\w.-]+))\1\b/;
    const letters = fc.constantFrom("a", "b", ".", "@", "-", "_", " ", "!", "\xe4");
    fc.assert(
      fc.property(fc.array(letters, { maxLength: 14 }), (some) => {
        const text = some.join("");
        expect(addressIn(text)).toBe(pattern.exec(text)?.[0] ?? null);
      }),
      { numRuns: 3000 },
    );
  });

  it("takes no longer the more there is", () => {
    const cost = (text: string): number => {
      const start = process.cpuUsage();
      for (let turn = 0; turn < 20; turn++) addressIn(text);
      const { user, system } = process.cpuUsage(start);
      return user + system + 2000;
    };
    cost("a.".repeat(2000));
    expect(cost("a.".repeat(100_000)) / cost("a.".repeat(10_000))).toBeLessThan(40);
    expect(cost("a.a@".repeat(50_000)) / cost("a.a@".repeat(5000))).toBeLessThan(40);
  });
});
