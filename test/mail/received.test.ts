import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { parseReceived } from "../../src/mail/received.ts";
import { canonicalIp, networks } from "../../src/mail/ip.ts";

describe("parseReceived", () => {
  it.each([
    [
      "Postfix",
      "from helo.example (mail.example.org [192.0.2.7])\r\n\tby mx.example.com (Postfix) with ESMTPS id 4ABC\r\n\tfor <u@example.com>; Sat, 21 Nov 2026 01:03:48 +0000 (UTC)",
      {
        address: "192.0.2.7",
        helo: "helo.example",
        name: "mail.example.org",
        by: "mx.example.com",
        protocol: "ESMTPS",
        id: "4ABC",
      },
    ],
    [
      "Postfix, unknown, IPv6",
      "from h (unknown [IPv6:2001:DB8::1])\r\n\tby mx.example.com (Postfix) with ESMTP id 4ABC;",
      { address: "2001:db8::1", helo: "h", name: null, by: "mx.example.com" },
    ],
    [
      "Postfix, sendmail",
      "by mx.example.com (Postfix, from userid 0)\r\n\tid 4DEF; Sat, 21 Nov 2026 01:03:48 +0000 (UTC)",
      { from: null, address: null, by: "mx.example.com", bySendmail: true, id: "4DEF" },
    ],
    [
      "Exim, no name",
      "from [192.0.2.1] (port=34567 helo=foo.example)\n\tby mx.example.com with esmtp (Exim 4.96)\n\t(envelope-from <a@b>)\n\tid 1abc-0000-1\n\tfor u@example.com; Sat",
      {
        address: "192.0.2.1",
        port: 34567,
        helo: "foo.example",
        name: null,
        by: "mx.example.com",
        protocol: "ESMTP",
        id: "1abc-0000-1",
      },
    ],
    [
      "Exim, verified name",
      "from mail.example.org ([192.0.2.1] helo=foo.example) by mx.example.com with esmtpsa (TLS1.3) (Exim 4.96) id 1abc; Sat",
      { address: "192.0.2.1", helo: "foo.example", name: "mail.example.org", protocol: "ESMTPSA" },
    ],
    [
      "Exim, local",
      "from root by mx.example.com with local (Exim 4.96) id 1abc; Sat",
      { address: null, protocol: "LOCAL", from: "root" },
    ],
    [
      "an address in the wrong place",
      "from a (x) by mx (y [192.0.2.9])",
      { address: null, by: "mx" },
    ],
    ["nothing", "", { from: null, by: null, protocol: null }],
  ])("%s", (_name, value, expected) => {
    expect(parseReceived(value)).toMatchObject(expected);
  });

  it("never throws", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary", maxLength: 300 }), (text) => {
        parseReceived(text);
        parseReceived(`from ${text} by ${text}`);
      }),
    );
  });
});

describe("ip", () => {
  it.each([
    ["192.0.2.1", "192.0.2.1"],
    ["[192.0.2.1]", "192.0.2.1"],
    ["[IPv6:2001:DB8::1]", "2001:db8::1"],
    ["::ffff:192.0.2.1", "192.0.2.1"],
    ["2001:0db8:0:0::0001", "2001:db8::1"],
    ["unknown", null],
    ["1.2.3", null],
    ["fe80::1%eth0", null],
  ])("canonicalIp(%s)", (text, expected) => {
    expect(canonicalIp(text)).toBe(expected);
  });

  it("knows its members", () => {
    const set = networks(["127.0.0.0/8", "2001:db8::/32", "198.51.100.7"]);
    expect(
      [
        "127.9.9.9",
        "::ffff:127.0.0.1",
        "2001:db8:1::2",
        "198.51.100.7",
        "198.51.100.8",
        "::1",
        "junk",
      ].map((ip) => set.has(ip)),
    ).toEqual([true, true, true, true, false, false, false]);
    expect(set.has(null)).toBe(false);
  });
});
