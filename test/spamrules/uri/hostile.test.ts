// Megabytes made to be slow. Time is compared with that for a part of the same text, so that a busy machine does not matter.
import { describe, expect, it } from "vitest";
import type { HtmlLink } from "../../../src/spamrules/html/facts.ts";
import { uriFinder } from "../../../src/spamrules/uri/find.ts";
import { bookWith } from "./finder.ts";

const finder = uriFinder(bookWith("redirector_pattern /^http:.*?url=(.*)/i").settings);

function cpu(work: () => void): number {
  const start = process.cpuUsage();
  work();
  const { user, system } = process.cpuUsage(start);
  return (user + system) / 1000;
}

const find = (body: string[], links: HtmlLink[] = []): void => {
  finder.find({ body, html: [{ linkTruncated: false, links }], signatures: () => [] });
};

describe("hostile text", () => {
  it.each([
    "http://",
    "www.",
    "a@",
    "a,",
    "mailto:",
    "a.com/",
    ".com",
    "@",
    "a.b-c_",
    "\x1b(B",
    "http://a.com/?url=",
    "%20",
    "<",
  ])("of %j alone takes linear time", (unit) => {
    const of = (octets: number): string => unit.repeat(Math.ceil(octets / unit.length));
    find([of(50_000)]);
    const small = cpu(() => find([of(250_000)]));
    const large = cpu(() => find([of(1_000_000)]));
    expect(large).toBeLessThan(12 * small + 200);
  });

  it("of 50,000 links takes linear time", () => {
    const links = (count: number): HtmlLink[] =>
      Array.from({ length: count }, (_, at) => ({
        uri: `http://h${at}.example.com/?url=http://x${at}.example.org/`,
        types: ["a"],
        anchorTexts: ["x"],
      }));
    find([], links(5000));
    const small = cpu(() => find([], links(12_500)));
    const large = cpu(() => find([], links(50_000)));
    expect(large).toBeLessThan(12 * small + 200);
  });

  it("of links made for a stock redirector is given up before it takes seconds", () => {
    const book = bookWith(
      String.raw`redirector_pattern /^http:\/\/.+\.gov\/(?:.*\/)?externalLink\.jhtml\?.*url=(.*?)(?:&.*)?$/i`,
    );
    const link = (at: number, uri: string): HtmlLink => ({
      uri: `http://h${at}.gov/${uri}`,
      types: ["a"],
      anchorTexts: [],
    });
    const slow = ".gov/externalLink.jhtml?".repeat(330);
    const links = Array.from({ length: 125 }, (_, at) => link(at, slow));
    const time = cpu(() =>
      uriFinder(book.settings).find({
        body: [],
        html: [{ linkTruncated: false, links }],
        signatures: () => [],
      }),
    );
    expect(time).toBeLessThan(10_000); // 45,000 without a bound
    const honest = link(0, "externalLink.jhtml?x=1&url=inner.example.org");
    const found = uriFinder(book.settings).find({
      body: [],
      html: [{ linkTruncated: false, links: [honest] }],
      signatures: () => [],
    });
    expect(found.uris).toContain("http://inner.example.org");
  });

  it("of addresses within addresses is unwrapped so far and no further", () => {
    const uri = "http://a.com/".repeat(600);
    expect(cpu(() => find([], [{ uri, types: ["a"], anchorTexts: [] }]))).toBeLessThan(1000);
  });
});
