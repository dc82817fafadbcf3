// Hostile messages for fuzzing: pieces of MIME, of encoded files and random octets in any order and number, mostly small, some large.

const PIECES = [
  "\r\n",
  "\n",
  "\r",
  "\0",
  "\r\n\r\n",
  " ",
  "\t",
  "--",
  "--b\r\n",
  "\r\n--b\r\n",
  "\r\n--b--\r\n",
  "\r--b\r",
  "--bb\r\n\r\n",
  "\r\n--bjunk\r\n",
  "Content-Type: multipart/mixed; boundary=b\r\n",
  "Content-Type: multipart/mixed; boundary=bb; boundary*=''b\r\n\r\n",
  'Content-Type: "multipart/mixed"; boundary="b\r\n',
  "Content-Type: multipart/digest; boundary=\r\n\r\n",
  "Content-Type: message/rfc822\r\n\r\n",
  "Content-Type: message/x\r\n\r\n",
  "Content-Type: text/html; charset=utf-7\r\n",
  "Content-Type: text/plain; charset=utf-16\r\n",
  "Content-Type: text/plain; charset=utf-32be\r\n",
  "Content-Type : a/b (((\r\n",
  " Content-Type: a/b\r\n",
  'Content-Type\x80: a/b; name=(\\"=?utf-8?q?=41?=\r\n',
  "Content-Disposition: attachment; filename*0*=utf-7''%2b; filename*9=x\r\n",
  "Content-Transfer-Encoding: base64\r\n",
  "Content-Transfer-Encoding: quoted-printable\r\n",
  "Content-Transfer-Encoding: x-uuencode\r\n",
  "Content-Transfer-Encoding: base64 (\r\n\r\n",
  "garbage\r\n",
  "QUJDREVGR0g=",
  "=41=\r\n=4",
  "====",
  "+ADw-+AD4",
  "begin 644 x\r\n#86)C\r\n",
  "begin  y\r\n1MK7X\r\n",
  "begin-base64 644 z\r\nYWJj\r\n",
  "`\r\nend\r\n",
  "=ybegin line=128 size=3 name=a\r\n",
  "=ybegin part=1 total=2 line=128 size=3 name=a\r\n=ypart begin=1 end=2\r\n",
  "=yend size=3\r\n",
  "(This file must be converted with BinHex 4.0)\r\n\r\n:",
  '#3P0KEhNC5"`!:\r\n',
];

/** A generator of 32-bit numbers (mulberry32): the same for the same seed. */
export function numbers(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return (t ^ (t >>> 14)) >>> 0;
  };
}

/** The next message; one in 500 has about a MiB of one or two pieces repeated. */
export function hostileMail(next: () => number): Buffer {
  const piece = (): string => {
    if (next() % 8 > 0) return PIECES[next() % PIECES.length]!;
    return Array.from({ length: next() % 40 }, () => String.fromCharCode(next() & 255)).join("");
  };
  let text = Array.from({ length: 1 + (next() % 40) }, piece).join("");
  if (next() % 3 === 0) text = `Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n${text}`;
  if (next() % 4 === 0) {
    const coded = Buffer.from(text, "latin1").toString("base64");
    text = `Content-Type: message/rfc822\r\nContent-Transfer-Encoding: base64\r\n\r\n${coded}`;
  }
  if (next() % 500 === 0) {
    const unit = piece() + (next() % 2 === 0 ? piece() : "");
    if (unit !== "") text += unit.repeat(Math.ceil(1_000_000 / unit.length)) + piece();
  }
  return Buffer.from(text, "latin1");
}
