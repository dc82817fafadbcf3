import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { canonical } from "../../../src/spamrules/uri/canonical.ts";
import { compileFirstGroup } from "../../../src/spamrules/pattern/translate.ts";
import { boundariesFor } from "../../../src/spamrules/uri/domain.ts";
import { idnToAscii } from "../../../src/spamrules/uri/idn.ts";
import { decodePercent } from "../../../src/spamrules/uri/percent.ts";
import { bookWith } from "./finder.ts";

const { settings } = bookWith();
const redirector = compileFirstGroup({
  source: "^http://go\\.example\\.com/\\?u=(.*)$",
  flags: "i",
});
const habits = {
  redirectors: typeof redirector === "function" ? [redirector] : [],
  boundaries: boundariesFor(settings),
};
const forms = (uri: string): string[] => [...canonical(uri, habits)].slice(1).sort();

describe("other spellings of a URI", () => {
  it.each([
    ["http:example.com", ["http://example.com"]],
    ["http:\\\\example.com\\x", ["http://example.com/x"]],
    ["http://ex%61mple.com/%41%20", ["http://example.com/A%20"]],
    ["http://example.com?x=1", ["http://example.com/?x=1"]],
    ["http://example.com:80/x", ["http://example.com/x"]],
    ["http://example.com:443/x", []],
    ["https://example.com:443/x", ["https://example.com/x"]],
    ["http://www.shop.example@evil.example.org/", []],
    ["http://example.com/&#x41;&#46;", ["http://example.com/A."]],
    ["http://example.biz!!!/", ["http://example.biz/"]],
    ["http://foobar/", ["http://www.foobar.com/"]],
    ["http://localhost/", []],
    ["http://0x7f000001/", ["http://127.0.0.1/"]],
    ["http://1113343453/", ["http://66.92.69.221/"]],
    ["http://0300.0250.0x1.07/", ["http://192.168.1.7/"]],
    ["www.example.com", ["http://www.example.com"]],
    ["http://go.example.com/?u=example.org/x", ["example.org/x", "http://example.org/x"]],
    ["http://a.example.com/r/http://b.example.org/", ["http://b.example.org/"]],
    ["http://b\xc3\xbccher.de/", ["http://xn--bcher-kva.de/"]],
    ["mailto:user@example.com?subject=x", ["mailto:user@example.com"]],
    ["mailto:%20user@example.com", ["mailto:user@example.com"]],
    ['mailto:"U"%20<user@example.com>', ["mailto:user@example.com"]],
  ])("%s", (uri, wanted) => {
    expect(forms(uri)).toEqual(wanted);
  });

  it("keeps what is no address as it is", () => {
    for (const uri of ["", "#", "#top", "/image.gif", "?x"]) expect(forms(uri)).toEqual([]);
  });

  it("takes any octets", () => {
    const octets = fc.string({
      unit: fc.integer({ min: 0, max: 255 }).map((code) => String.fromCharCode(code)),
    });
    const pieces = fc.constantFrom(
      "http://",
      "@",
      "%41",
      "&#46;",
      ":80",
      "\\",
      "?",
      "mailto:",
      "<",
      ">",
      "0x",
      ".",
    );
    fc.assert(
      fc.property(fc.array(fc.oneof(octets, pieces), { maxLength: 20 }), (parts) => {
        for (const form of canonical(parts.join(""), habits)) boundariesFor(settings).ofUri(form);
      }),
    );
  });
});

describe("percent signs", () => {
  it.each([
    ["%41%61%7e", "Aa~"],
    ["%20%00%7f%ff", "%20%00%7f%ff"],
    ['a b"<>\xff', "a%20b%22%3c%3e%ff"],
    ["%2541", "%41"],
    ["100%", "100%25"],
  ])("%s", (text, decoded) => {
    expect(decodePercent(text)).toBe(decoded);
  });
});

describe("names in ACE", () => {
  it.each([
    ["Example.COM", "example.com"],
    ["FOO.b\xc3\xbccher.DE", "FOO.xn--bcher-kva.DE"],
    ["stra\xc3\x9fe.de", "strasse.de"],
    ["\xe4.de", "xn--4ca.de"],
    ["a\xe3\x80\x82com", "a.com"],
    ["\xf0\x9f\x98\x80.com", "\xf0\x9f\x98\x80.com"],
    ["\xff\xfe.com", "\xff\xfe.com"],
  ])("%s", (name, ascii) => {
    expect(idnToAscii(name)).toBe(ascii);
  });
});
