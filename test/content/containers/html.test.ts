import { describe, expect, test } from "vitest";
import { html } from "../../../src/content/containers/html.ts";
import { readMembers } from "./read-members.ts";

const EXE = Buffer.concat([
  Buffer.from("MZ"),
  Buffer.alloc(300, "\xfb\xff\xbf\0", "latin1"),
  Buffer.alloc(9),
]);
const PLAIN = EXE.toString("latin1");
const BASE64 = EXE.toString("base64");
const read = (body: string): ReturnType<typeof readMembers> =>
  readMembers(html, Buffer.from(`<html><body>${body}</body></html>`, "latin1"));
const lines = BASE64.match(/.{1,60}/g)!;

describe("a program is found", () => {
  test.each<[string, string]>([
    ["in a data: URI", `<a href="data:application/x-msdownload;base64,${BASE64}">x</a>`],
    ["in one without a type", `<a href='data:;base64,${BASE64}'>x</a>`],
    ["in one with parameters", `<a href=data:a/b;charset=utf-8;BASE64,${BASE64}>x</a>`],
    ["in one with line ends", `<a href="data:a/b;base64,${lines.join("\r\n  ")}">x</a>`],
    [
      "in one with escapes",
      `<a href="data:a/b;base64,${lines.map((line) => line.replaceAll("A", "%41")).join("%0a")}">x</a>`,
    ],
    [
      "in one without base64",
      `<a href="data:a/b,${[...EXE].map((o) => `%${o.toString(16).padStart(2, "0")}`).join("")}">`,
    ],
    ["in a string", `<script>var a = atob("${BASE64}");</script>`],
    ["in a string with line ends", `<script>var a = "${lines.join("\\n")}";</script>`],
    ["in a string of several lines", `<script>var a = \`${lines.join("\n")}\`;</script>`],
    [
      "in strings that are joined",
      `<script>x('${BASE64.slice(0, 100)}'\n + "${BASE64.slice(100)}")</script>`,
    ],
    ["in the URL alphabet", `<script>x("${EXE.toString("base64url")}")</script>`],
    ["in an attribute", `<p id=x data-blob="${BASE64}">`],
  ])("%s", async (_where, body) => {
    const found = await read(body);
    expect(found.members.map(({ text }) => text)).toEqual([PLAIN]);
    expect(found.said).toContain("EMBEDDED");
  });

  test("in a page of UTF-16", async () => {
    const page = Buffer.from(`\ufeff<html><a href="data:a/b;base64,${BASE64}">`, "utf16le");
    for (const bytes of [page, Buffer.from(page).swap16()]) {
      expect((await readMembers(html, bytes)).members).toMatchObject([{ text: PLAIN }]);
    }
  });

  test("wherever it stands", async () => {
    for (const before of [65_000, 65_400, 65_536, 66_000, 131_000]) {
      const { members } = await read(`${" ".repeat(before)}<script>x("${BASE64}")</script>`);
      expect(members).toMatchObject([{ text: PLAIN }]);
    }
  });
});

describe("is saved under the name", () => {
  test.each<[string, string[]]>([
    ['<a download="r.exe" href=', ["r.exe"]],
    ["<script>a.download = 'r.iso';</script>", ["r.iso"]],
    ['<script>a.setAttribute("download", "r.zip")</script>', ["r.zip"]],
    ["<script>saveAs(new Blob([x]), 'r')</script>", ["r"]],
    ["<script>window.navigator.msSaveOrOpenBlob(b, `r.hta`)</script>", ["r.hta"]],
    ['<script>var name = "rechnung.img"; a.download = name</script>', ["rechnung.img"]],
    ['<script src="a/b.js"></script><p>"x.txt"', []],
  ])("%s", async (body, names) => {
    const { members } = await read(`${body}<script>x("${BASE64}")</script>`);
    expect(members.map((member) => member.names)).toEqual([names]);
  });
});

describe("harmless pages", () => {
  test.each<[string, string, string[]]>([
    ["text", "<p>Hello</p>", []],
    ["a long word that is no file", `<p>${"a".repeat(500)}</p>`, []],
    ["a script", "<script>x()</script>", ["JAVASCRIPT"]],
    ["a handler", '<img src=x onerror="x()">', ["JAVASCRIPT"]],
    ["an address that runs", '<a href="javascript:x()">', ["JAVASCRIPT"]],
    ["prose about data: and one, two", "<p>data: one, data:two, on = off</p>", []],
  ])("%s", async (_what, body, said) => {
    const found = await read(body);
    expect(found.said).toEqual(said);
    expect(found.members.filter(({ text }) => text !== "")).toEqual([]);
  });

  test("pictures are members without a name and without a word", async () => {
    const png = Buffer.concat([Buffer.from("89504e470d0a1a0a", "hex"), Buffer.alloc(99)]);
    const found = await read(
      `<a download="x.exe"></a><img src="data:image/png;base64,${png.toString("base64")}">`,
    );
    expect(found.said).toEqual([]);
    expect(found.members).toMatchObject([{ names: [], text: png.toString("latin1") }]);
  });
});

test.each<[string, string]>([
  ["runs", `${"a".repeat(64)} `.repeat(100_000)],
  ["nearly runs", `${"a".repeat(39)} `.repeat(100_000)],
  ["one run", "a".repeat(5_000_000)],
  ["joined strings", `"${"a".repeat(64)}" + `.repeat(50_000)],
  ["quotes", '"+'.repeat(2_000_000)],
  ["tags that do not end", "<a on".repeat(1_000_000)],
  ["downloads", 'download="'.repeat(300_000)],
  ["data URIs", "data:a/b;base64,".repeat(300_000)],
])("time is linear: %s", async (_what, body) => {
  const started = process.cpuUsage();
  await readMembers(html, Buffer.from(body), 100);
  expect(process.cpuUsage(started).user).toBeLessThan(4e6);
});
