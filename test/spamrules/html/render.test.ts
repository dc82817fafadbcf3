// What is shown of a page, what is hidden, and what rules ask about it.
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { HtmlFacts } from "../../../src/spamrules/html/facts.ts";
import { renderHtml } from "../../../src/spamrules/html/render.ts";
import { soup } from "./soup.ts";

const render = (octets: string, wide?: boolean): HtmlFacts =>
  renderHtml(octets, { decodedLength: octets.length, ...(wide === undefined ? {} : { wide }) });

describe("text", () => {
  it.each([
    ["a  \t\n b", "a b"],
    ["a <br/> b", "a\nb"],
    ["<p>a</p><p>b", "\n\na\n\n\n\nb"],
    ["<td>a</td><td>b", " a  b"],
    ["a&nbsp;&nbsp;b", "a b"],
    ["x<script>y</script><style>z</style><!-- c -->w", "xw"],
    ["<script>never closed <b>x", ""],
    ["<o:p>a</o:p><nosuch>b</nosuch>", "ab"],
    ["<title>t</title>u", "\n\nt\n\nu"],
    // The characters "Â" and no-break space, not the octets of a no-break space alone.
    ["x\xc3\x82\xc2\xa0y", "x y"],
    ["x\xc2\xa0y", "x\xc2\xa0y"],
  ])("of %j is %j", (octets, expected) => {
    expect(render(octets).text).toBe(expected);
  });

  it("stays Latin-1 in a part of ASCII until a wide character comes", () => {
    const narrow = render("caf&eacute;");
    expect([narrow.text, [...narrow.narrow]]).toEqual(["caf\xe9", ["text", "visible"]]);
    const wide = render("caf&eacute; <b>&euro;");
    expect([wide.text, wide.narrow.size]).toEqual(["caf\xc3\xa9 \xe2\x82\xac", 0]);
    expect(render("caf&eacute;", true).text).toBe("caf\xc3\xa9");
    expect(narrow.metrics.get("html_length")).toBe(4);
    expect(wide.metrics.get("html_length")).toBe(6);
  });

  it("ends where SpamAssassin's renderer dies", () => {
    const facts = render('a <b>b</b><p style="background: ;color:red">c');
    expect(facts.text).toBe("a b");
    expect([...facts.metrics.keys()].sort()).toEqual([
      "html",
      "html_length",
      "non_space_len",
      "ratio",
    ]);
    expect(facts.inside.size).toBe(0);
  });
});

describe("hidden text", () => {
  it.each([
    ['<font color="white">x', "x"],
    ['<font color="#FFFFFE">x', "x"],
    ['<font color="#ff">x', ""],
    ['<font color="nocolour">x', "x"],
    ['<font color="rgb(255,255,255)">x', "x"],
    ['<font color="rgb(100%,100%,100%)">x', "x"],
    ["<font size=1>x", "x"],
    ["<font size=-1>x", ""],
    ["<font size=-2>x", "x"],
    ["<small><small>x", "x"],
    ['<span style="display : None">x</span>y', "x"],
    ['<span style="DISPLAY:none">x', ""],
    ['<span style="visibility:hidden">x', "x"],
    ['<span style="color:white ! important">x', "x"],
    ['<span style="color:rgba(255, 255, 255, 0.5)">x', "x"],
    ['<span style="color:inherit">x', ""],
    ['<span style="color:transparent">x', "x"],
    ['<span style="color: ">x', "x"],
    ['<p style="background-color:#000">x', "x"],
    ['<p style="background:url(a b) no-repeat, black">x', "x"],
    // Read and then forgotten.
    ["<table bgcolor=black><tr><td>x", ""],
    ["<body text=white>x</body>y", "xy"],
    ["<td><font color=white>x<td>y", "x"],
    ["<tr><td><font color=white>x<tr>y", "x"],
    ["<div><font color=white>x</div>y", "x"],
    ["<font color=white>x</div>y", "xy"],
  ])("of %j is %j", (octets, expected) => {
    const facts = render(octets);
    expect(facts.invisible).toBe(expected);
    expect(facts.visible.replace(/\s/g, "")).toBe(
      facts.text.replace(/\s/g, "").replace(expected, ""),
    );
  });

  it("says why", () => {
    expect(render("<font color=white>x").metrics.get("font_low_contrast")).toBe(1);
    expect(render("<font color=nosuch>x").metrics.get("font_invalid_color")).toBe(1);
    expect(render("<font color=white> ").metrics.has("font_low_contrast")).toBe(false);
  });
});

describe("metrics", () => {
  it.each<[string, string, number]>([
    ["<img width=10 height=20><img width=50% height=x>", "image_area", 200 + 400 * 200],
    ["<font size=+4>x<font size=0>", "max_size", 7],
    ["<font size=+4>x<font size=0>", "min_size", 0],
    ["<a><nosuch></nosuch></b>", "bad_tag_ratio", 0.5],
    ["<a><nosuch></nosuch></b>", "non_element_ratio", 1 / 3],
    ["<a><nosuch></nosuch></b>", "closed_extra_ratio", 0.25],
    ["Via<b>gra</b> x<i> y", "obfuscation_ratio", 1 / 3],
    ["Via<b>gra</b> x<i> y<b>z</b>w", "backhair_count", 2],
    ["<font face=\"Arial, 'Times New Roman';\">", "font_face_bad", -1],
    ["<font face=Arial5x>", "font_face_bad", 1],
    ["<form action='MAILTO:x'>", "form_action_mailto", 1],
    ["<embed>", "embeds", 1],
    ["<b>a b</b>", "ratio", 0.7],
    ["<b>a b</b>", "non_space_len", 2],
    ["\xc3\xa9\xc3\xa9", "length", 2],
  ])("of %j: %s is %d", (octets, name, expected) => {
    expect(render(octets).metrics.get(name) ?? -1).toBeCloseTo(expected, 9);
  });

  it("counts tags that are open, and the doctype", () => {
    const { inside } = render("<!doctype html><b><b></b></i><o:p>");
    expect([...inside]).toEqual([
      ["!doctype", 0],
      ["b", 1],
      ["i", 0],
      ["o:p", 1],
    ]);
  });
});

describe("links", () => {
  const links = (octets: string): string[] =>
    render(octets).links.map(
      ({ uri, types, anchorTexts }) => `${uri} ${types.join("+")} [${anchorTexts.join("|")}]`,
    );

  it.each<[string, string[]]>([
    ["<a href=' http://h.example/ '>t<b>u</a>v", ["http://h.example/ a [tu]"]],
    [
      "<base href=http://h.example/a/b.html><a href=c?d#e>t",
      ["http://h.example/a/b.html base []", "http://h.example/a/c?d#e a []", "c?d#e  [t]"],
    ],
    [
      "<base href=http://h.example/a/><img src=../../x/./y>",
      ["http://h.example/a/ base []", "http://h.example/x/y img []"],
    ],
    ["<img src=//www.h.example>", ["http://www.h.example img []"]],
    ["<a>t</a><a href=x>u</a><a href=x>v<img></a>", ["  [t]", "x a [u|v<img>\n]"]],
    [
      "<td background=a><form action=b><iframe src=c><script src=d>",
      ["a td []", "b form []", "c iframe []"],
    ],
    [
      "<meta http-equiv=Refresh content='1; URL = http://r.example/;x'>",
      ["http://r.example/ meta []"],
    ],
    [
      "<a title/href=x><link href=\xef\xbb\xbfy data-saferedirecturl=z>",
      ["x a []", "y link []", "z link []"],
    ],
    ["<a href=mailto:a@b><img src=cid:x>", ["mailto:a@b a [<img>\n]", "cid:x img []"]],
  ])("of %j are %j", (octets, expected) => {
    expect(links(octets)).toEqual(expected);
  });

  it.each<[string, boolean, string[]]>([
    ["<a href='/\xc3\xa9'>\xc3\xbc</a>", true, ["/\xe9 a [\xfc]"]],
    ["<a href='/\xc3\xa9'>\xc3\xbc</a>", false, ["/\xc3\xa9 a [\xc3\xbc]"]],
    ["<a href='/&eacute;'>&uuml;</a>", false, ["/\xe9 a [\xfc]"]],
    [
      "<a href='/\xc3\xa9\xe2\x82\xac'>\xc3\xbc&euro;</a>",
      true,
      ["/\xc3\xa9\xe2\x82\xac a [\xc3\xbc\xe2\x82\xac]"],
    ],
  ])("of %j (wide: %s) are %j: Latin-1 where all characters fit", (octets, wide, expected) => {
    const found = render(octets, wide).links.map(
      ({ uri, types, anchorTexts }) => `${uri} ${types.join("+")} [${anchorTexts.join("|")}]`,
    );
    expect(found).toEqual(expected);
  });

  it("are cut when they are too long", () => {
    const facts = render(`<a href=${"x".repeat(9000)}>`);
    expect(facts.linkTruncated).toBe(true);
    expect(facts.links[0]?.uri.length).toBe(8192);
  });
});

describe("hostile pages", () => {
  it("never throw", () => {
    fc.assert(
      fc.property(fc.integer(), fc.boolean(), fc.uint8Array(), (seed, wide, bytes) => {
        render(soup(seed, 60, wide) + Buffer.from(bytes).toString("latin1"));
      }),
      { numRuns: 300 },
    );
  });

  const million = (piece: string) => (length: number) =>
    piece.repeat(Math.ceil(length / piece.length));
  it.each<[string, (length: number) => string]>([
    ...[
      "<",
      "<a ",
      "<!--",
      "&",
      "&#55357;&#56832;",
      "<title>",
      "<div>",
      "<![include[",
      "<p></q>",
    ].map((piece): [string, (length: number) => string] => [piece, million(piece)]),
    [
      "attributes",
      (length) => `<p ${Array.from({ length: length / 8 }, (_, at) => `a${at}=1`).join(" ")}>`,
    ],
    ["blanks in a style", (length) => `<p style="color: a${" ".repeat(length)}x">`],
    [
      "a long base",
      (length) => `<base href="http://h/${"a/".repeat(4000)}">${million("<a href=1>")(length)}`,
    ],
    ["dots", million(`<a href="${"x/./../".repeat(1000)}">`)],
    ["blanks in a face", (length) => `<font face="${" ".repeat(length)}1">`],
  ])("of %s take linear time", (_, make) => {
    const cpu = (length: number): number => {
      const octets = make(length);
      const before = process.cpuUsage();
      render(octets);
      const { user, system } = process.cpuUsage(before);
      return (user + system) / 1000;
    };
    cpu(60_000);
    expect(cpu(1_000_000)).toBeLessThan(20 * cpu(125_000) + 1000);
  });
});
