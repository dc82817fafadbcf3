// Random messages that hide a file: MIME trees of any depth, in which fields, boundaries, names and encodings are bent in ways that some
// mail program takes and another does not. Built so that at least one reader sees the file.
import fc from "fast-check";
import { binhex, uuencode, xxencode, yencode } from "./encoders.ts";

export interface HiddenMail {
  readonly message: Buffer;
  /** The octets that are hidden. */
  readonly payload: Buffer;
  /** What was done, for a counterexample. */
  readonly tricks: readonly string[];
}

/** Draws; each draw can shrink. */
interface Dice {
  pick<T>(all: readonly T[]): T;
  /** True about once in `n` draws. */
  once(n: number): boolean;
  trick(name: string): void;
}

interface Part {
  readonly fields: readonly string[];
  readonly body: string;
}

/** `mutated`: octets are damaged at random as well, so that perhaps no reader sees the file. */
export function hiddenMail(mutated: boolean): fc.Arbitrary<HiddenMail> {
  return fc
    .tuple(fc.infiniteStream(fc.nat(0x7fffffff)), fc.uint8Array({ minLength: 9, maxLength: 90 }))
    .map(([stream, octets]) => {
      const tricks: string[] = [];
      const draw = (): number => stream.next().value as number;
      const dice: Dice = {
        pick: (all) => all[draw() % all.length]!,
        once: (n) => draw() % n === 0,
        trick: (name) => void tricks.push(name),
      };
      const payload = dice.once(2)
        ? Buffer.concat([Buffer.from("MZ\0"), octets])
        : Buffer.from(`MZ${Buffer.from(octets).toString("hex")}`);
      const text = render(wrapped(dice, leaf(dice, payload), 0), true);
      const message = Buffer.from(text, "latin1");
      return { message: mutated ? damaged(dice, message) : message, payload, tricks };
    });
}

function wrapped(dice: Dice, part: Part, depth: number): Part {
  if (depth > 3) return part;
  switch (dice.pick(["stop", "multipart", "multipart", "message", "multipart"])) {
    case "multipart":
      return wrapped(dice, multipart(dice, part, depth), depth + 1);
    case "message":
      return wrapped(dice, message(dice, part), depth + 1);
    default:
      return part;
  }
}

function render({ fields, body }: Part, top = false): string {
  const all = top ? [...fields, "From: a@example.org", "MIME-Version: 1.0"] : fields;
  return `${all.join("\r\n")}${all.length > 0 ? "\r\n" : ""}\r\n${body}`;
}

const TYPES = [
  "application/octet-stream",
  "text/plain",
  "image/png",
  "application/pdf",
  "text/html; charset=utf-8",
];

function leaf(dice: Dice, payload: Buffer): Part {
  const type = dice.pick(TYPES);
  const name = dice.pick(["", "; name=a.dat", '; name="a b.dat"', "; name*=utf-8''a.dat"]);
  const coded = encoded(dice, payload);
  const fields = [`Content-Type: ${type}${name}`, ...coded.fields];
  return { fields: bent(dice, dice.once(3) ? fields.reverse() : fields), body: coded.body };
}

function encoded(dice: Dice, payload: Buffer): Part {
  const text = payload[2] !== 0;
  const way = dice.pick(["base64", "base64", "base64", "qp", "text", "plain"]);
  if (way === "base64") return base64(dice, payload);
  if (way === "qp") return quoted(dice, payload);
  if (way === "plain" && text) {
    const encoding = dice.pick(["", "7bit", "8bit", "binary", "8-bit", "7BIT (x)", "none"]);
    return {
      fields: encoding === "" ? [] : [`Content-Transfer-Encoding: ${encoding}`],
      body: payload.toString("latin1"),
    };
  }
  const encode = dice.pick([uuencode, xxencode, yencode, hex]);
  dice.trick(encode.name);
  const before = dice.pick(["", "Hello.\r\n", "\r\nbegin\r\n", "= (This\r\n"]);
  return { fields: [], body: before + encode("a.dat", payload) };
}

const hex = (name: string, data: Uint8Array): string => binhex(name, data, new Uint8Array());

function base64(dice: Dice, payload: Buffer): Part {
  let coded = payload.toString("base64");
  const bend = dice.pick(["none", "none", "junk", "pieces", "tail", "bare", "url"]);
  if (bend !== "none") dice.trick(`base64 ${bend}`);
  const width = dice.pick([76, 60, 4, 7, 990]);
  if (bend === "pieces") {
    const cut = 1 + (payload.length >> 1);
    coded = payload.subarray(0, cut).toString("base64") + payload.subarray(cut).toString("base64");
  }
  if (bend === "tail") coded += "=\r\n" + Buffer.from("more").toString("base64");
  if (bend === "bare") coded = coded.replace(/=+$/, "");
  if (bend === "url") coded = payload.toString("base64url");
  if (bend === "junk")
    coded = coded.replace(/.{9}/g, `$&${dice.pick(["*", "!", ".", " ", "\t", "%"])}`);
  const value = dice.pick([
    "base64",
    "BASE64",
    "Base64 ",
    "base64;",
    "base64 (x)",
    "(x) base64",
    '"base64"',
    "base-64",
    "x-b64",
    "=?us-ascii?Q?base64?=",
  ]);
  if (value.trim().toLowerCase() !== "base64") dice.trick(value);
  const lines = coded.replace(new RegExp(`[^\r\n]{${width}}`, "g"), "$&\r\n");
  return { fields: [`Content-Transfer-Encoding: ${value}`], body: lines };
}

function quoted(dice: Dice, payload: Buffer): Part {
  let body = "";
  let column = 0;
  const gap = dice.pick(["", "", " ", "\t "]);
  for (const octet of payload) {
    const plain = octet > 0x20 && octet < 0x7f && octet !== 0x3d && !dice.once(3);
    const digits = octet.toString(16).padStart(2, "0");
    const code = plain
      ? String.fromCharCode(octet)
      : `=${dice.once(2) ? digits : digits.toUpperCase()}`;
    body += code;
    column += code.length;
    if (column > 60) {
      body += `=${gap}\r\n`;
      column = 0;
    }
  }
  const value = dice.pick(["quoted-printable", "Quoted-Printable", "quoted-printable;", "qp"]);
  return { fields: [`Content-Transfer-Encoding: ${value}`], body };
}

/** Fields as some readers take them and others do not. */
function bent(dice: Dice, fields: readonly string[]): string[] {
  const out = [...fields];
  switch (
    dice.pick(["none", "none", "none", "repeat", "space", "indent", "garbage", "case", "fold"])
  ) {
    case "repeat": {
      const decoy = dice.pick([
        "Content-Type: text/plain",
        "Content-Type: application/zip; name=a.zip",
        "Content-Transfer-Encoding: 7bit",
        "Content-Transfer-Encoding: base64",
        "Content-Transfer-Encoding: quoted-printable",
      ]);
      // Of a field that is not there already, no reader takes another.
      const [name = ""] = decoy.split(":");
      if (!out.some((field) => field.startsWith(name))) break;
      dice.trick(`repeat ${decoy}`);
      if (dice.once(2)) out.push(decoy);
      else out.unshift(decoy);
      break;
    }
    case "space":
      dice.trick("space before the colon");
      return out.map((field) => field.replace(":", " :"));
    case "indent":
      dice.trick("indented first field");
      if (out.length > 0) out[0] = ` ${out[0]}`;
      break;
    case "garbage": {
      const junk = dice.pick(["garbage", " ", "\t", ": x", "--", "X\x80: y", "no field at all"]);
      dice.trick(`garbage "${junk}"`);
      if (dice.once(2)) out.push(junk);
      else out.unshift(junk);
      break;
    }
    case "case":
      return out.map((field) => field.replace(/^[^:]*/, (name) => name.toUpperCase()));
    case "fold":
      return out.map((field) => field.replace(/[:;] ?/g, "$&\r\n\t"));
    default:
  }
  return out;
}

const BOUNDARIES = ["b", "bb", "b--", "=_x", "()", "b b", "----=_Part_0.1", "bbb"];

function multipart(dice: Dice, part: Part, depth: number): Part {
  const boundary = dice.pick(BOUNDARIES);
  const other = dice.pick(["z", `${boundary}y`, "b"]);
  const plain = `"${boundary}"`;
  const [how, parameter] = dice.pick<readonly [string, string]>([
    ["", `boundary=${plain}`],
    ["", `boundary=${plain}`],
    ["", `charset=x; BOUNDARY=${plain}`],
    ["two boundaries", `boundary=${plain}; boundary=${other}`],
    ["two boundaries, the last counts", `boundary=${other}; boundary=${plain}`],
    ["RFC 2231", `boundary*=us-ascii''${encodeURIComponent(boundary)}`],
    [
      "plain and RFC 2231",
      `boundary=${other}; boundary*=us-ascii''${encodeURIComponent(boundary)}`,
    ],
    ["in pieces", `boundary*0="${boundary.slice(0, 1)}"; boundary*1="${boundary.slice(1)}"`],
    ["comment", `boundary=(x)${plain}`],
    ["no semicolon", ` boundary=${plain}`],
    ["junk behind", `boundary=${plain}x`],
    ["no boundary", "charset=x"],
    ["another boundary", "boundary=never"],
    ["open quote", `boundary="${boundary}`],
  ]);
  if (how !== "") dice.trick(`boundary: ${how}`);
  const type = dice.pick([
    "multipart/mixed",
    "multipart/mixed",
    "Multipart/Related",
    "multipart/x",
    "multipart / mixed",
    '"multipart/mixed"',
    "multipart/(x)mixed",
    "multipart",
  ]);
  const fields = [`Content-Type: ${type}; ${parameter}`];
  const body = delimited(dice, boundary, part);
  if (dice.once(9)) {
    dice.trick("encoded multipart");
    fields.push("Content-Transfer-Encoding: base64");
    return {
      fields: bent(dice, fields),
      body: wrap(Buffer.from(body, "latin1").toString("base64")),
    };
  }
  return { fields: depth === 0 || dice.once(2) ? bent(dice, fields) : fields, body };
}

const wrap = (coded: string): string => coded.replace(/.{76}/g, "$&\r\n");

function delimited(dice: Dice, boundary: string, part: Part): string {
  const line = `--${boundary}`;
  const decoy = `${line}\r\nContent-Type: text/plain\r\n\r\nHello.\r\n`;
  const bend = dice.pick([
    "none",
    "none",
    "white",
    "junk",
    "end before",
    "no end",
    "cut",
    "decoys",
  ]);
  if (bend !== "none") dice.trick(`delimiter ${bend}`);
  const before = dice.pick(["", "preamble\r\n", decoy, decoy]);
  const opening = bend === "white" ? `${line} \t` : bend === "junk" ? `${line}junk` : line;
  const first =
    bend === "end before"
      ? `${decoy}${line}--\r\n\r\n`
      : bend === "cut"
        ? `${line}\r\nX: y\r\n`
        : "";
  const after = bend === "no end" ? "" : `\r\n${line}--\r\n`;
  const more = bend === "decoys" ? `\r\n${decoy.repeat(3)}` : "";
  return `${before}${first}${opening}\r\n${render(part)}${more}${after}${after === "" ? "" : dice.pick(["", "epilogue\r\n"])}`;
}

function message(dice: Dice, part: Part): Part {
  const type = dice.pick([
    "message/rfc822",
    "message/rfc822",
    "MESSAGE/RFC822",
    "message/news",
    "message/x-mail",
  ]);
  const inner = render({ ...part, fields: [...part.fields, "Subject: inner"] });
  if (!dice.once(4)) return { fields: [`Content-Type: ${type}`], body: inner };
  dice.trick("encoded message");
  const bare = dice.once(3) ? inner.replace(/\r\n/g, "\r") : inner;
  const nul = dice.once(4) ? bare.replace(/e/, "\0e") : bare;
  return {
    fields: bent(dice, [`Content-Type: ${type}`, "Content-Transfer-Encoding: base64"]),
    body: wrap(Buffer.from(nul, "latin1").toString("base64")),
  };
}

function damaged(dice: Dice, message: Buffer): Buffer {
  let text = message.toString("latin1");
  for (let i = 0; i < 3; i++) {
    const at = dice.pick(Array.from({ length: 97 }, (_, n) => Math.floor((n * text.length) / 97)));
    const change = dice.pick([
      "\r\n",
      "--b",
      " ",
      '"',
      ";",
      "=",
      "(",
      ")",
      "\t",
      ":",
      "--",
      "\\",
      "delete",
      "double",
    ]);
    if (change === "delete") text = text.slice(0, at) + text.slice(at + 1 + (i % 3));
    else if (change === "double") text = text.slice(0, at) + text.slice(Math.max(0, at - 40));
    else text = text.slice(0, at) + change + text.slice(at);
  }
  return Buffer.from(text.replace(/\r?\n|\r(?!\n)/g, "\r\n"), "latin1");
}
