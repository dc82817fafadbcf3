// dnsxl.rules: postscreen's syntax and what we added; mistakes are said with file and line.
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { compileRules } from "../../src/ruleset/compile.ts";
import { isError, replyFilter } from "../../src/ruleset/reply-filter.ts";

function compiled(text: string) {
  return compileRules(new Map([["dnsxl.rules", text]]), { modes: [], hasOutgoing: false });
}

function listOf(text: string) {
  const result = compiled(text);
  if ("errors" in result) throw new Error(JSON.stringify(result.errors));
  return result.ok.dnsxl;
}

describe("reply patterns", () => {
  test.each([
    ["127.0.0.2", ["127.0.0.2"], ["127.0.0.3", "127.0.1.2", "127.0.0.22"]],
    ["127.0.0.[2..11]", ["127.0.0.2", "127.0.0.11"], ["127.0.0.1", "127.0.0.12"]],
    ["127.0.[0..255].0", ["127.0.0.0", "127.0.255.0"], ["127.0.3.1"]],
    ["127.0.0.[18;19;20]", ["127.0.0.19"], ["127.0.0.21"]],
    ["127.[0;5].0.[1;2..4;9]", ["127.5.0.3", "127.0.0.9"], ["127.5.0.5", "127.1.0.2"]],
    [
      "127.[0..255].[0..255].[0..255]",
      ["127.0.0.1", "127.0.1.2"],
      ["127.255.255.254", "127.255.255.1", "127.0.1.255", "192.0.2.1"],
    ],
  ])("%s", (pattern, yes, no) => {
    const filter = replyFilter(pattern);
    if ("error" in filter) throw new Error(filter.error);
    expect(yes.filter((reply) => !filter.ok(reply))).toEqual([]);
    expect(no.filter((reply) => filter.ok(reply))).toEqual([]);
  });

  test.each([
    "127.0.0",
    "127.0.0.2.3",
    "127.0.0.256",
    "127.0.0.[]",
    "127.0.0.[5..2]",
    "127.0.0.[2..]",
    "10.0.0.1",
    "127.0.0.x",
    "127.0.0.[2",
    "",
  ])("%j is refused", (pattern) => {
    expect(replyFilter(pattern)).toHaveProperty("error");
  });

  test("no text makes it throw, no error counts", () => {
    fc.assert(
      fc.property(fc.stringMatching(/^[0-9.[\];]{0,40}$/), fc.ipV4(), (pattern, reply) => {
        const filter = replyFilter(pattern);
        if ("ok" in filter && isError(reply)) expect(filter.ok(reply)).toBe(false);
      }),
    );
  });
});

describe("lines", () => {
  test("a line of postscreen's manual is read as it stands", () => {
    const list = listOf(
      "list zen.spamhaus.org=127.0.0.[2..11]*3, bl.spamcop.net*2, list.dnswl.org=127.0.[0..255].0*-2,wl.mailspike.net=127.0.0.[18;19;20]*-2\nthreshold 3",
    );
    expect(list.sites.map(({ zone, weight, score }) => [zone, weight, score])).toEqual([
      ["zen.spamhaus.org", 3, 3],
      ["bl.spamcop.net", 2, 2],
      ["list.dnswl.org", -2, -2],
      ["wl.mailspike.net", -2, -2],
    ]);
    expect(list.threshold).toBe(3);
    expect(list.sites[1]?.counts("127.0.0.2")).toBe(true);
    for (const reply of ["127.0.0.1", "127.0.1.2", "127.255.255.254", "192.0.2.1"])
      expect(list.sites[1]?.counts(reply), reply).toBe(false);
    expect(list.sites[0]?.symbolOf("client")).toBe("RCVD_IN_ZEN_SPAMHAUS_ORG");
    expect(list.zones[0]).toEqual({
      zone: "zen.spamhaus.org",
      listed: "2.0.0.127",
      unlisted: "1.0.0.127",
    });
  });

  test("subjects, symbol, points, texts, test entries, exceptions", () => {
    const list = listOf(
      [
        'list DBL.test=127.0.1.[2..99]*3 for=helo,sender,uri test=dbltest.com "a bad name" "Your domain is listed"',
        "list bl.test for=client,received symbol=IN_BL score=0.5",
        "list other.test*0 test=no",
        "except w3.org",
      ].join("\n"),
    );
    const [names, addresses, other] = list.sites;
    expect(names).toMatchObject({
      zone: "dbl.test",
      text: "a bad name",
      say: "Your domain is listed",
    });
    expect([...(names?.subjects ?? [])]).toEqual(["helo", "sender", "uri"]);
    expect(names?.symbolOf("uri")).toBe("URI_IN_DBL_TEST");
    expect(addresses?.symbolOf("received")).toBe("IN_BL");
    expect([addresses?.score, addresses?.weight, other?.weight]).toEqual([0.5, 1, 0]);
    expect(list.zones).toEqual([
      { zone: "dbl.test", listed: "dbltest.com", unlisted: "invalid" },
      { zone: "bl.test", listed: "2.0.0.127", unlisted: "1.0.0.127" },
      { zone: "other.test", listed: null, unlisted: null },
    ]);
    expect([list.asks("uri"), list.asks("uri-ip"), list.asks("received")]).toEqual([
      true,
      false,
      true,
    ]);
    expect(["w3.org", "www.w3.org", "notw3.org"].map(list.excepted)).toEqual([true, true, false]);
    expect(list.threshold).toBe(1);
  });

  test.each([
    ["list bl.test=127.0.0.300", "reply pattern"],
    ["list bl.test*x", "no list"],
    ["list bl_.-", "no list"],
    ["list bl.test for=body", "cannot follow for=; possible here: client"],
    ["list bl.test for=recieved", 'did you mean "received"'],
    ["list bl.test symbol=lower", "no symbol"],
    ["list a.test, b.test symbol=X", "one list"],
    ["list bl.test score=many", "points"],
    ["threshold 0", "threshold"],
    ["threshold -1", "threshold"],
    ["except *.org", "no domain"],
    ["lst bl.test", 'did you mean "list"'],
  ])("%s", (line, message) => {
    const result = compiled(`# one\n${line}`);
    if (!("errors" in result)) throw new Error("it compiles");
    expect(result.errors[0]).toMatchObject({ file: "rules/dnsxl.rules", line: 2 });
    expect(result.errors[0]?.message).toContain(message);
  });

  test("too many sites are refused", () => {
    const many = Array.from({ length: 201 }, (_, i) => `list zone${i}.test`).join("\n");
    expect(compiled(many)).toHaveProperty("errors");
  });

  test("rules show has every line", () => {
    const result = compiled("list bl.test # why");
    if ("errors" in result) throw new Error("errors");
    expect(result.ok.show()).toEqual(["rules/dnsxl.rules:1  list bl.test # why"]);
  });
});
