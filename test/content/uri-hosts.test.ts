// Where links lead, read as a browser reads them, from texts that try to hide it.
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { addHosts, noHosts } from "../../src/content/uri-hosts.ts";
import { readTree } from "../../src/content/tree.ts";
import { oneBuffer } from "../../src/engine/report.ts";
import { cpuClock } from "../fakes/cpu-clock.ts";

function hostsOf(text: string | Buffer, type = "text/html", charset = "utf-8") {
  const hosts = noHosts();
  const octets = typeof text === "string" ? Buffer.from(text) : text;
  addHosts({ path: "1", type, charset, octets }, hosts);
  return [...hosts.domains, ...hosts.addresses];
}

describe("links in HTML", () => {
  test.each([
    ['<a href="http://www.bad.example/x">', ["bad.example"]],
    ["<a href='https://a.b.bad.example:8080/'>", ["bad.example"]],
    ["<A HREF = https://bad.example/>", ["bad.example"]],
    ['<img src="//bad.example/x.gif">', ["bad.example"]],
    ['<a href="https:bad.example">', ["bad.example"]],
    ['<a href="https:\\\\bad.example\\x">', ["bad.example"]],
    ['<a href=" \n ht\ntp://b\tad.exam\r\nple/">', ["bad.example"]],
    ['<a href="&#104;ttp&colon;//b&#x61;d.example">', ["bad.example"]],
    ['<a href="http://b%61d.example">', ["bad.example"]],
    ['<a href="http://good.example@bad.example/">', ["bad.example"]],
    ['<a href="http://BÜCHER.example/">', ["xn--bcher-kva.example"]],
    ['<a href="http://bad。example/">', ["bad.example"]],
    ['<a href="http://bad.example./">', ["bad.example"]],
    ['<a href="http://3221226021/">', ["192.0.2.37"]],
    ['<a href="http://0xC0.0.2.37/">', ["192.0.2.37"]],
    ['<a href="http://[2001:db8::1]/">', ["2001:db8::1"]],
    ['<a href="http://shop.blogspot.com/">', ["shop.blogspot.com"]],
    ['<form action="http://bad.co.uk/x">', ["bad.co.uk"]],
    ['<a href="mailto:x@good.example">', []],
    ['<a href="/local">', []],
    ['<a href="http://localhost/">', []],
    ['<a href="javascript:void(0)">', []],
  ])("%s", (html, hosts) => {
    expect(hostsOf(html)).toEqual(hosts);
  });
});

describe("links in text", () => {
  test.each([
    ["see https://bad.example/path.", ["bad.example"]],
    ["(http://bad.example)", ["bad.example"]],
    ["www.bad.example, now", ["bad.example"]],
    ["WWW.Bad.Example", ["bad.example"]],
    ["ftp://bad.example", ["bad.example"]],
    ["http://192.0.2.1:81/x", ["192.0.2.1"]],
    ["http://[2001:db8::2]:81/x", ["2001:db8::2"]],
    ["http://a.example http://b.example www.c.example", ["a.example", "b.example", "c.example"]],
    ["e.g. not a link.example", []],
    ["http://", []],
    ["http://...", []],
  ])("%s", (text, hosts) => {
    expect(hostsOf(text, "text/plain")).toEqual(hosts);
  });

  test("another charset", () => {
    const text = Buffer.from("http://bad.example/", "utf16le");
    expect(hostsOf(text, "text/plain", "utf-16le")).toEqual(["bad.example"]);
  });
});

test("only so many hosts are kept, and it is said", () => {
  const hosts = noHosts();
  const octets = Buffer.from(
    Array.from({ length: 100 }, (_, i) => `http://h${i}.example`).join(" "),
  );
  addHosts({ path: "1", type: "text/plain", charset: "", octets }, hosts);
  expect([hosts.domains.size, hosts.more]).toEqual([30, true]);
});

test("no text makes it throw", () => {
  const bits = fc.constantFrom(
    "http://",
    "href=",
    '"',
    "&#x",
    ";",
    "[",
    "]",
    "%",
    "www.",
    "@",
    "\\",
    "é",
    "a.b",
    "<",
    " ",
  );
  fc.assert(
    fc.property(
      fc.array(fc.oneof(bits, fc.string({ maxLength: 5 })), { maxLength: 60 }),
      (parts) => {
        for (const host of hostsOf(parts.join(""))) expect(host).toMatch(/^[\x21-\x7e]+$/);
      },
    ),
    { numRuns: 1000 },
  );
});

test.each([
  ["href=", "href="],
  ["open quotes", 'href="'],
  ["schemes", "http://"],
  ["www", "www.a."],
  ["entities", "&#x41;"],
  ["one long host", "a"],
  ["dots", "www.."],
])("64 KiB of %s cost milliseconds", (_what, bit) => {
  const octets = Buffer.from(bit.repeat(Math.ceil(65_536 / bit.length)).slice(0, 65_536));
  const cpu = cpuClock();
  addHosts({ path: "1", type: "text/html", charset: "", octets }, noHosts());
  expect(cpu()).toBeLessThan(300);
});

describe("texts of a tree", () => {
  const mail = [
    'Content-Type: multipart/mixed; boundary="b"',
    "",
    "--b",
    'Content-Type: text/html; charset="utf-16le"',
    "Content-Transfer-Encoding: base64",
    "",
    Buffer.from("http://bad.example", "utf16le").toString("base64"),
    "--b",
    "Content-Type: application/pdf",
    "",
    "http://pdf.example",
    "--b",
    "",
    "x".repeat(100_000),
    "--b--",
    "",
  ].join("\r\n");
  const limits = { maxParts: 100, maxDepth: 10, maxHeaderBytes: 10_000 };

  test("are kept decoded and bounded when they are asked for", async () => {
    const { texts = [] } = await readTree(oneBuffer(Buffer.from(mail)), {
      ...limits,
      keepTexts: true,
    });
    expect(
      texts.map(({ path, type, charset, octets }) => [path, type, charset, octets.length]),
    ).toEqual([
      ["1/1", "text/html", "utf-16le", 36],
      ["1/3", "text/plain", "", 65_536],
    ]);
    const hosts = noHosts();
    for (const text of texts) addHosts(text, hosts);
    expect([...hosts.domains]).toEqual(["bad.example"]);
  });

  test("and are not there otherwise", async () => {
    expect(await readTree(oneBuffer(Buffer.from(mail)), limits)).not.toHaveProperty("texts");
  });
});
