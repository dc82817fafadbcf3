// Cases of our own for HTML::Parser's habits; test/real/spamrules/html.test.ts asks the real one about thousands more.
import { expect, it } from "vitest";
import { attributesOf } from "../../../src/spamrules/html/attributes.ts";
import { decodeEntities } from "../../../src/spamrules/html/entities.ts";
import { HtmlTokens } from "../../../src/spamrules/html/tokens.ts";

/** Events in short: `<name a=1>`, `</name>`, text in quotes, `!` before comments, `?` before declarations. */
function events(octets: string): string[] {
  const seen: string[] = [];
  const parser = new HtmlTokens({
    start: (name, all, tokens) => {
      const attributes = [...attributesOf(all, tokens, false)];
      seen.push(
        `<${[name, ...attributes.map(([key, value]) => `${key}=${value.octets}`)].join("|")}>`,
      );
    },
    end: (name) => seen.push(`</${name}>`),
    text: (raw, isLiteral) =>
      seen.push(JSON.stringify(isLiteral ? raw : decodeEntities(raw, false, true).octets)),
    comment: (text) => seen.push(`!${text}`),
    declaration: (text) => seen.push(`?${text}`),
    finish: () => seen.push("."),
  });
  parser.parse(octets);
  parser.finish();
  return seen;
}

it.each<[string, string[]]>([
  // The last word waits for the end, with the white space before it.
  ["one two", ['"one"', '" two"', "."]],
  ["<P Class=A class=b>x</P >", ["<p|class=A>", '"x"', "</p>", "."]],
  ["<a href = 'x' b=\"y\" c=z d>", ["<a|href=x|b=y|c=z|d=d>", "."]],
  ["<a href=>x", ["<a|href=>", '"x"', "."]],
  ['<a ="x" =y>', ['<a|="x"=y>', "."]],
  ["<a/href=x>", ["<a/href=x>", "."]],
  ["<_x><:y><1>", ["<_x>", "<:y>", '"<1>"', "."]],
  ["a < b <<c>", ['"a "', '"< b "', '"<"', "<c>", "."]],
  ["</></x></ y>", ["!</>", "</x>", "!</ y>", "."]],
  ["</a b='>'>x", ["</a>", '"x"', "."]],
  [
    "<!><!-- a -- ><!-->x--><!-x><!1>",
    ["!<!>", "!<!-- a -- >", "!<!-->x-->", "!<!-x>", "!<!1>", "."],
  ],
  ["<!-- a <b> c", ["!<!-- a <b>", '" c"', "."]],
  ["<!doctype html 'a>b' -- c > -- d>", ["?<!doctype html 'a>b' -- c > -- d>", "."]],
  ["<!doctype -x>y<!nothing 'a>b'>", ["!<!doctype -x>", '"y"', "!<!nothing 'a>", '"b\'>"', "."]],
  ["<?php a > b", ['" b"', "."]],
  ["x<a href=", ['"x"', "!<a href=", "."]],
  ["<script>a<b</b></SCRIPT\n>c", ["<script>", '"a<b</b>"', "</script>", '"c"', "."]],
  ["<title>a&amp;b<i>", ["<title>", '"a&b"', "</title>", "<i>", "."]],
  ["<textarea>a<i>&lt;", ["<textarea>", '"a<i><"', "."]],
  ["<xmp>a<i>&lt;", ["<xmp>", '"a<i>&lt;"', "."]],
  ["<plaintext>a</plaintext>", ["<plaintext>", '"a</plaintext>"', "."]],
  ["<![CDATA[a<b>&lt;]]>c", ['"a<b>&lt;"', '"c"', "."]],
  ["<![ ignore [a<b>]]>c", ['"c"', "."]],
  ["<![ignore[a<b>", []],
  ["<![include[a]<b>]]>c", ['"a]<b>"', '"c"', "."]],
  ["<![if mso]>a<![endif]>", ["!<![if mso]>", '"a"', "!<![endif]>", "."]],
  ["", ["."]],
])("cuts %j as HTML::Parser does", (octets, expected) => {
  expect(events(octets)).toEqual(expected);
});

it.each<[string, string]>([
  ["&amp;&ampx&AMP;&amp", "&&x&AMP;&"],
  ["&notit;&euro&euro;", "\xc2\xacit;&euro\xe2\x82\xac"],
  ["&#65;&#x42;&#67&#x44", "ABCD"],
  [
    "&#0;&#;&#x;&#1114112;&#x110000;&#99999999999999999999;",
    "&#0;&#;&#x;&#1114112;&#x110000;&#99999999999999999999;",
  ],
  ["&#xD83D;&#xDE00;", "\xf0\x9f\x98\x80"],
  ["&#xD83D; &#xDE00;", "\xef\xbf\xbd \xef\xbf\xbd"],
  ["&#65534;&#64976;", "&#65534;\xef\xbf\xbd"],
  ["&eacute;", "\xe9"],
  ["&eacute;&#8364;", "\xc3\xa9\xe2\x82\xac"],
])("decodes %j", (octets, expected) => {
  expect(decodeEntities(octets, false, true).octets).toBe(expected);
});

it("keeps names cut short in attributes", () => {
  expect(decodeEntities("a&copyb&copy=&lt;", false, false).octets).toBe("a&copyb\xa9=<");
});
