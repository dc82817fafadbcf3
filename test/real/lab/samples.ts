// The messages that each hookup must carry or stop. `raw` is what the client sends, CRLF throughout; `name` is also in the
// Subject (as lab-NAME), by which a sink finds it. Strings that scanners look for are put together here, so that no
// file of the repository is taken for malware itself.

export type Expected = "pass" | "virus" | "banned" | "spam";

export interface Sample {
  readonly name: string;
  readonly expect: Expected;
  readonly raw: Buffer;
}

const EICAR = [
  "X5O!P%@AP[4\\PZX54(P^)7CC)7}",
  "$EICAR-STANDARD-ANTIVIRUS",
  "-TEST-FILE!$H+H*",
].join("");
const GTUBE = ["XJS*C4JDBQADN1.NSBN3*2IDNEN", "*GTUBE-STANDARD-ANTI-UBE-TEST", "-EMAIL*C.34X"].join(
  "",
);
/** The first bytes of a Windows program: DOS header with the PE offset at 0x3c, and the PE header there. */
const PROGRAM = Buffer.concat([
  Buffer.from("MZ\x90\0\x03\0\0\0\x04\0\0\0\xff\xff\0\0", "latin1"),
  Buffer.alloc(44),
  Buffer.from([0x80, 0, 0, 0]),
  Buffer.alloc(64),
  Buffer.from("PE\0\0L\x01", "latin1"),
  Buffer.alloc(256),
]);

const head = (name: string) => [
  `Message-ID: <lab-${name}@sender.example>`,
  "Date: Tue, 02 Jan 2024 03:04:05 +0100",
  "From: Ann Author <ann@sender.example>",
  "To: user@example.com",
  `Subject: lab-${name}`,
  "MIME-Version: 1.0",
];

const bytes = (...lines: string[]): Buffer => Buffer.from(`${lines.join("\r\n")}\r\n`, "latin1");

function plain(name: string, ...body: string[]): Buffer {
  return bytes(...head(name), "Content-Type: text/plain; charset=us-ascii", "", ...body);
}

/** A text part and one attachment with the header lines given. */
function attached(name: string, lines: readonly string[], content: Buffer): Buffer {
  const base64 = content.toString("base64").replace(/.{76}(?=.)/g, "$&\r\n");
  return bytes(
    ...head(name),
    'Content-Type: multipart/mixed; boundary="=_lab"',
    "",
    "--=_lab",
    "Content-Type: text/plain; charset=us-ascii",
    "",
    "See the attached file.",
    "--=_lab",
    ...lines,
    "Content-Transfer-Encoding: base64",
    "",
    base64,
    "--=_lab--",
  );
}

/** Everything that an MTA or a filter is tempted to tidy: folds, tabs, odd spacing, 8-bit, dots, blank lines at the end. */
function ordinary(name: string): Buffer {
  return bytes(
    "Received: from origin.sender.example (origin.sender.example [198.51.100.4])",
    "\tby   relay.sender.example  with ESMTPS id abc123;",
    "  Tue,  2 Jan 2024 03:04:04 +0100",
    "X-Odd-Case-HEADER:no space after the colon",
    "x-empty-value: ",
    "X-Fold: a",
    " \tb",
    "\t  c ; trailing blanks   ",
    "Subject: lab-" + name,
    "\t=?utf-8?q?gr=C3=BC=C3=9Fe?=",
    " second fold",
    `Message-ID: <lab-${name}@sender.example>`,
    "Date: Tue, 02 Jan 2024 03:04:05 +0100",
    'From: "Ann \\"the\\" Author" <ann@sender.example>',
    "To: user@example.com,",
    "\tOther <other@elsewhere.example>",
    "X-Dup: one",
    "X-Dup: two",
    "MIME-Version: 1.0 (produced by a lab)",
    'Content-Type: multipart/mixed;\r\n\tboundary="=_out;er"',
    "",
    "A preamble.",
    "--=_out;er",
    'Content-Type: multipart/alternative; boundary="=_in"',
    "",
    "--=_in",
    "Content-Type: text/plain; charset=iso-8859-1",
    "Content-Transfer-Encoding: 8bit",
    "",
    "Gr\xfc\xdfe, trailing blanks   ",
    ".",
    "..two dots",
    "From here on",
    "--=_in",
    "Content-Type: text/html; charset=utf-8",
    "Content-Transfer-Encoding: quoted-printable",
    "",
    "<p>Gr=C3=BC=C3=9Fe</p>=20",
    "--=_in--",
    "--=_out;er",
    "Content-Type: message/rfc822",
    "",
    "From: x@y.example",
    "Subject: inside",
    "",
    "nested",
    "--=_out;er",
    'Content-Type: image/png; name="dot.png"',
    "Content-Transfer-Encoding: base64",
    "",
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==",
    "--=_out;er--",
    "An epilogue.",
    "",
    "",
  );
}

/** A text line of `length` bytes, far beyond the 998 of RFC 5322 2.1.1. */
export function longLine(name: string, length: number): Buffer {
  return plain(name, "before", "long ".repeat(Math.ceil(length / 5)).slice(0, length), "after");
}

export const GTUBE_SAMPLE: Sample = { name: "gtube", expect: "spam", raw: plain("gtube", GTUBE) };
export const ORDINARY: Sample = { name: "ordinary", expect: "pass", raw: ordinary("ordinary") };

/** All of them. Forged fields are a case of their own: see `forged`. */
export const SAMPLES: readonly Sample[] = [
  ORDINARY,
  { name: "plain", expect: "pass", raw: plain("plain", "Hello.", "", "-- ", "Ann") },
  { name: "long-line", expect: "pass", raw: longLine("long-line", 5000) },
  {
    name: "eicar",
    expect: "virus",
    raw: attached("eicar", ["Content-Type: text/plain; name=test.txt"], Buffer.from(EICAR)),
  },
  GTUBE_SAMPLE,
  {
    name: "double-extension",
    expect: "banned",
    raw: attached(
      "double-extension",
      [
        "Content-Type: application/octet-stream",
        'Content-Disposition: attachment; filename="invoice.pdf.exe"',
      ],
      PROGRAM,
    ),
  },
  {
    name: "rfc2231-split",
    expect: "banned",
    raw: attached(
      "rfc2231-split",
      [
        "Content-Type: application/octet-stream",
        "Content-Disposition: attachment;",
        " filename*0*=utf-8''inv%6fice.s;",
        ' filename*1="c";',
        " filename*2=r",
      ],
      Buffer.from("harmless content"),
    ),
  },
  {
    name: "encoded-word",
    expect: "banned",
    raw: attached(
      "encoded-word",
      [
        'Content-Type: application/octet-stream; name="=?utf-8?B?' +
          Buffer.from("rechnung.vbs").toString("base64") +
          '?="',
      ],
      Buffer.from("harmless content"),
    ),
  },
  {
    name: "renamed-program",
    expect: "banned",
    raw: attached(
      "renamed-program",
      [
        "Content-Type: text/plain; name=readme.txt",
        "Content-Disposition: attachment; filename=readme.txt",
      ],
      PROGRAM,
    ),
  },
];

/** Names of the fields that `forged` carries and that no inbound copy may keep. */
export const FORGED_FIELDS: readonly string[] = [
  "X-Spam-Status",
  "X-Spam-Flag",
  "X-Quarantine-ID",
  "X-Amavis-Alert",
];

/** A message that claims to have been judged already. */
export function forged(name: string): Buffer {
  return bytes(
    "X-Spam-Status: No, score=-100 required=5",
    "X-Spam-Flag: NO",
    ...head(name),
    "X-Quarantine-ID: <forged>",
    "X-Amavis-Alert: nothing to see",
    "X-Kept: yes",
    "",
    "Trust me.",
  );
}

/**
 * What stands in front of and inside `received` beside `sent`: the fields that were added on the way, or null when any byte
 * of what was sent is missing, changed or in another place. Only whole fields may have been put in, and only in front.
 */
export function addedFields(sent: Buffer, received: Buffer): readonly string[] | null {
  if (!received.subarray(received.length - sent.length).equals(sent)) return null;
  const front = received.toString("latin1", 0, received.length - sent.length);
  const fields = front.match(/^[!-9;-~]+:[^\r\n]*\r\n(?:[ \t][^\r\n]*\r\n)*/gm) ?? [];
  return fields.join("") === front ? fields : null;
}
