// Tag soup by the number of a seed: HTML as careless senders, spammers and nobody write it. For fuzzing, here and against the real parser.

/** Numbers from 0 to 1, the same for the same seed. */
function dice(seed: number): () => number {
  let state = (seed * 2654435761 + 12345) >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
}

const TAGS =
  "a p div span font td th tr table b i br img title script style textarea xmp plaintext iframe body html head h1 li hr pre small big basefont center form meta base link area embed object bgsound marquee listing blockquote o:p st1:City nosuch x-tab a/href P DIV Font".split(
    " ",
  );
const NAMES =
  "href src style color size face bgcolor background width height text action content http-equiv title/href x/src data-saferedirecturl alt checked".split(
    " ",
  );
const VALUES = [
  "http://www.example.com/a/b.html",
  "../x/./y?q#f",
  "//host.example/p",
  "www.example.org",
  "mailto:a@b.example",
  "  http://sp.example/ \n",
  "",
  "0",
  "#ffffff",
  "#FFF",
  "#ff",
  "#",
  "ffffff",
  "white",
  "nocolor",
  "rgb(1,2,3)",
  "rgb(10%, 20%,30%)",
  "rgb(99999999999999999999,0,0)",
  "+2",
  "-1",
  "1",
  " 7x",
  "color:white",
  "color: #fffffe; background-color:#000 !important",
  "background: red",
  "background: url(a b) no-repeat, 'x y' #00ff00 blue",
  "background:,",
  "BACKGROUND-COLOR : blue;COLOR:rgb(0, 0,300)",
  "background-color:transparent;color:transparent",
  "color:inherit;display : none",
  "display:NONE ;;",
  "visibility:hidden",
  "color: ;color:\n;a:b\nc",
  "color:rgba(,300,,)",
  "color:yellow ! important",
  "Arial, 'Times New Roman', sans-serif;",
  " a b",
  "Arial5,Verdana",
  "x_y",
  "100%",
  "40",
  "40px",
  "5; url=http://r.example/x;y",
  "refresh",
  "1;\nURL = foo",
  "mailto:x",
  "a&amp;b&copy;c&eacuted&euro;&#233;&#x20ac;&#55357;&#56832;",
  "&nbsp;&nbsp &#160;x",
];
const TEXTS = [
  "word",
  " ",
  "two words",
  "\n\n",
  "a_b",
  "Via",
  "gra",
  "x-y.",
  "\t\v\f",
  "]]>",
  "]",
  "]]",
  "&amp;",
  "&ampx",
  "&notin;",
  "&notinx",
  "&euro ",
  "&euro;",
  "&eacute;",
  "&nbsp;",
  "&nbsp",
  "&#160;",
  "&#xA0;",
  "&#x20AC;",
  "&#8364",
  "&#233;",
  "&#0;",
  "&#65534;",
  "&#65535",
  "&#1114112;",
  "&#x110000;",
  "&#99999999999;",
  "&#xD83D;",
  "&#xDE00;",
  "&#55357;&#56832;",
  "&#x;",
  "&#",
  "&",
  "&;",
  "&#xFDD0;",
  "&#x1fffe;",
  "&AMP;",
  "&_x",
  "<",
  ">",
  "< 3",
  "<3",
  "<>",
  "</>",
  "</ x>",
  "<br/>",
  "<br />",
  "<p/>",
  "<a/b />",
  '"',
  "'",
  "=",
  "-",
  "--",
  "\r\n",
  "\0",
  "\x7f",
];
const MARKS = [
  "<!-- c -->",
  "<!--c",
  "-->",
  "<!-->",
  "<!--->",
  "<!-- a -- b --\n >",
  "<!-x>",
  "<!>",
  "<!doctype html>",
  '<!DOCTYPE html PUBLIC "x>y" -- c > -- z>',
  "<!doctype -x>",
  "<!doctype 'x",
  "<!entity a>",
  "<!foo bar>",
  "<!1>",
  "<!",
  "<![if gte mso 9]>",
  "<![endif]>",
  "<![cdata[",
  "<![CDATA[ x ]]>",
  "<![include[",
  "<![ ignore [",
  "<![rcdata temp[",
  "<![foo[",
  "<![[",
  "<![ --c-- include [",
  "<![-",
  "<![ include",
  "<?xml x?>",
  "<?php a > b",
  "<? ",
  "</script>",
  "</style>",
  "</SCRIPT\n>",
  "</title >",
  "</textarea>",
  "</xmp>",
  "</iframe>",
  "</plaintext>",
  "</scrip",
  '</p "a>b">',
  "</a x='>'",
  "</",
];
const WIDE = [
  "\xc3\xa9",
  "\xc2\xa0",
  "\xe2\x80\x9c",
  "\xe2\x82\xac",
  "\xe2\x80\xa9",
  "\xc3\x82\xc2\xa0",
  "\xc2\x85",
  "\xf0\x9f\x98\x80",
  "\xd9\xa3",
  "<\xc3\xa9/>",
  "<b\xc2\xa0/>",
  "\xef\xbb\xbf",
];

/** At most `length` pieces. `isWide`: with characters beyond ASCII, as UTF-8. */
export function soup(seed: number, length: number, isWide: boolean): string {
  const next = dice(seed);
  const one = (list: readonly string[]): string => list[Math.floor(next() * list.length)] ?? "";
  const value = (): string => (isWide && next() < 0.15 ? one(VALUES) + one(WIDE) : one(VALUES));
  const attribute = (): string => {
    const name = next() < 0.1 ? one(TEXTS) : one(NAMES);
    const kind = next();
    if (kind < 0.4) return `${name}="${value()}"`;
    if (kind < 0.6) return `${name}='${value()}'`;
    if (kind < 0.75) return `${name}=${value()}`;
    if (kind < 0.85) return `${name} = ${one(VALUES).slice(0, 9)}`;
    if (kind < 0.9) return `${name}="${value()}`;
    return kind < 0.95 ? `${name}=` : name;
  };
  const tag = (): string => {
    let text = `<${one(TAGS)}`;
    for (let left = Math.floor(next() * 3.5); left > 0; left -= 1) {
      text += (next() < 0.95 ? " " : one(["\n", "/", "\t "])) + attribute();
    }
    return text + (next() < 0.93 ? ">" : one(["", " /", " >", "/>"]));
  };
  const pieces: string[] = [];
  for (let left = 1 + Math.floor(next() * length); left > 0; left -= 1) {
    const kind = next();
    if (kind < 0.35) pieces.push(tag());
    else if (kind < 0.5) pieces.push(`</${one(TAGS)}>`);
    else if (kind < 0.58) pieces.push(one(MARKS));
    else if (isWide && kind < 0.68) pieces.push(one(WIDE));
    else pieces.push(one(TEXTS));
  }
  const text = pieces.join("");
  // HTML::Parser reads beyond its buffer after a "]" at the very end of a section.
  return text.endsWith("]") ? `${text}.` : text;
}
