import { describe, expect, it } from "vitest";
import { findIn, urisOf } from "./finder.ts";

describe("addresses in text", () => {
  it.each([
    ["see http://example.com/a?b=c.", "http://example.com/a?b=c"],
    ["(https://example.com/x) and", "https://example.com/x"],
    ["https://example.com/x_(y) and", "https://example.com/x_(y"],
    ["WWW2.Example.Com", "http://WWW2.Example.Com"],
    ["ftp.example.org/pub", "ftp://ftp.example.org/pub"],
    ["write to user@example.com, please", "mailto:user@example.com"],
    ["mailto:us%65r@example.com", "mailto:user@example.com"],
    ["<user=x.org@verp.example.net>", "mailto:user=x.org@verp.example.net"],
    ["buy at example.biz:8080/now today", "http://example.biz:8080/now"],
    ["example.com.", "http://example.com"],
    ["\x1b(Bhttp://shift.example.org/", "http://shift.example.org/"],
  ])("%s", (line, uri) => {
    expect(urisOf(line)).toEqual([uri]);
  });

  it.each([
    "example.zz is no host",
    "1.2.3.4.5",
    "readme.txt and a..com",
    "user@example.zz",
    "Vi@gra",
    "[cid:image001.png@01D4986E.example.com]",
    "http://",
    "mailto:user%40example.com",
    "xhttp:/example",
    "foo.com_bar",
    "-example.com",
    `http://example.com/${"x".repeat(2100)}`,
  ])("nothing in %s", (line) => {
    expect(urisOf(line)).toEqual([]);
  });

  it("takes out what a redirector leads to", () => {
    const line = "redirector_pattern m'^https?://go\\.example\\.com/r/(.*?)(?:;.*)?$'i";
    const { uris } = findIn({ body: ["http://GO.example.com/r/ex%61mple.org/x;y"] }, line);
    expect(uris).toContain("http://example.org/x");
  });

  it("tells what a mail program would not make a link of", () => {
    const { details } = findIn({ body: ["example.com http://example.org user@example.net"] });
    expect([...(details.get("http://example.com")?.types ?? [])]).toEqual([
      "parsed",
      "unlinked",
      "schemeless",
    ]);
    expect([...(details.get("http://example.org")?.types ?? [])]).toEqual(["parsed"]);
    expect([...(details.get("mailto:user@example.net")?.types ?? [])]).toEqual([
      "parsed",
      "schemeless",
    ]);
  });

  it("knows the registered domain of each host", () => {
    const { details } = findIn({
      body: ["http://a.b.shop.co.uk/ http://x.y.co.uk/ http://192.0.2.7/"],
    });
    expect([...details.values()].map(({ hosts }) => [...hosts])).toEqual([
      [["a.b.shop.co.uk", "b.shop.co.uk"]],
      [["x.y.co.uk", "y.co.uk"]],
      [["192.0.2.7", "192.0.2.7"]],
    ]);
  });
});

describe("addresses in HTML", () => {
  const link = (uri: string, anchorTexts: string[] = [], types = ["a"]) => ({
    uri,
    types,
    anchorTexts,
  });

  it("joins what the text and the HTML know of one address, each anchor text once", () => {
    const { details } = findIn({
      body: ["http://example.com/"],
      html: [
        { linkTruncated: false, links: [link("http://example.com/", ["here", "here", "there"])] },
      ],
    });
    const detail = details.get("http://example.com/");
    expect([...(detail?.types ?? [])]).toEqual(["parsed", "a"]);
    expect(detail?.anchorTexts).toEqual(["here", "there"]);
  });

  it("keeps links without a host, and those that only an anchor text knows", () => {
    const { uris, details } = findIn({
      html: [{ linkTruncated: false, links: [link("#top"), link("", ["x"], [])] }],
    });
    expect(uris).toEqual(["#top", ""]);
    expect([...(details.get("")?.types ?? [])]).toEqual(["parsed"]);
  });

  it("cuts what is too long", () => {
    const long = `http://example.com/${"x".repeat(9000)}`;
    const { uris, truncated } = findIn({ html: [{ linkTruncated: false, links: [link(long)] }] });
    expect(truncated).toBe(true);
    expect(uris.map(({ length }) => length)).toEqual([8192]);
  });
});

describe("signers", () => {
  const signatures = (): string[] => ["v=1; d=mail.example.com; s=x", "d = example.zz;"];

  it("are known by domain, and not shown to uri rules", () => {
    const { uris, details } = findIn({ signatures });
    expect(uris).toEqual([]);
    expect([...details.keys()]).toEqual(["domainkeys:mail.example.com"]);
  });

  it("are left alone when parse_dkim_uris is off", () => {
    expect(findIn({ signatures }, "parse_dkim_uris 0").details.size).toBe(0);
  });
});
