import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { parseAddress } from "../../src/mail/address.ts";
import { recipientKey, senderKey } from "../../src/mail/sender-key.ts";
import { address } from "../fakes/message.ts";

describe("senderKey", () => {
  it.each([
    ["Joe@Example.ORG", "joe@example.org"],
    ["joe+lists@example.org", "joe@example.org"],
    // BATV
    ["prvs=5123abcdef=joe@example.org", "joe@example.org"],
    ["prvs=joe/5123abcdef@example.org", "joe@example.org"],
    ["btv1==18a62d93==joe@example.org", "joe@example.org"],
    ["msprvs1=17894xYzAbCdE=bounces-1234@example.org", "bounces-#@example.org"],
    // SRS
    ["SRS0=HHH=TT=orig.example=joe@fwd.example", "joe#orig.example@fwd.example"],
    ["srs0+aB1c=Z9=orig.example=joe@fwd.example", "joe#orig.example@fwd.example"],
    [
      "SRS1=KKK=fwd1.example==HHH=TT=orig.example=joe@fwd2.example",
      "joe#orig.example@fwd2.example",
    ],
    // VERP
    ["list-bounces+ann=example.com@lists.example", "list-bounces@lists.example"],
    ["bounce-4711-ann=example.com@news.example", "bounce-#@news.example"],
    ["owner-list-8123-ann=ex.com@l.example", "owner-list-#@l.example"],
    // serial numbers and tokens
    ["bounce-20261121-7@news.example", "bounce-#@news.example"],
    ["0100018c3f2a77b1-9a0c-000000@amazonses.com", "#@amazonses.com"],
    ["bounces.3f2a77b19a0c@news.example", "bounces.#@news.example"],
    ["bob2@example.org", "bob#@example.org"],
    ["deadbeef@example.org", "deadbeef@example.org"],
    ["prvs==@example.org", "prvs==@example.org"],
  ])("%s is %s", (raw, key) => {
    expect(senderKey(address(raw))).toBe(key);
  });

  it("has nothing for the null sender", () => {
    expect(senderKey(null)).toBe("");
  });

  it.each([
    ["prvs=5123abcdef=joe@example.org", "prvs=6124fedcba=joe@example.org"],
    ["b-1-ann=example.com@l.example", "b-2-ann=example.com@l.example"],
    ["010001-aa11bb22-000@ses.example", "010099-cc33dd44-000@ses.example"],
  ])("two messages of one correspondent have one key: %s %s", (one, other) => {
    expect(senderKey(address(one))).toBe(senderKey(address(other)));
  });

  it("never throws, is bounded, fast and keeps domains apart, whatever the address", () => {
    const part = fc.oneof(
      fc.string({ unit: "binary", maxLength: 60 }),
      fc.constantFrom(
        "prvs=",
        "btv1==",
        "SRS0=",
        "srs1=",
        "==",
        "=",
        "+",
        "-",
        "0123456789",
        "a".repeat(400),
      ),
    );
    const local = fc.array(part, { maxLength: 12 }).map((parts) => parts.join(""));
    fc.assert(
      fc.property(local, fc.domain(), (text, domain) => {
        const key = senderKey({ raw: "", local: text, domain });
        expect(key.length).toBeLessThanOrEqual(256);
        expect(key.isWellFormed() || !text.isWellFormed()).toBe(true);
        expect(key === senderKey({ raw: "", local: text, domain: `x${domain}` })).toBe(false);
        expect(recipientKey({ raw: "", local: text, domain }).length).toBeLessThanOrEqual(256);
      }),
    );
  });

  it("does not depend on digits of a serial number, the case, or an extension", () => {
    fc.assert(
      fc.property(
        fc.stringMatching(/^[a-z]{1,10}$/),
        fc.nat(),
        fc.nat(),
        fc.stringMatching(/^[a-z0-9]{0,8}$/),
        (word, a, b, extension) => {
          const key = (raw: string): string => senderKey(parseAddress(raw));
          expect(key(`${word}-${a}@x.example`)).toBe(
            key(`${word.toUpperCase()}-${b}+${extension}@X.example`),
          );
        },
      ),
    );
  });

  it("a long one ends in a hash of the whole", () => {
    const long = (end: string): string => `${"ab.".repeat(120)}${end}`;
    const one = senderKey({ raw: "", local: long("x"), domain: "example.org" });
    expect(one).toHaveLength(256);
    expect(one).not.toBe(senderKey({ raw: "", local: long("y"), domain: "example.org" }));
  });
});
