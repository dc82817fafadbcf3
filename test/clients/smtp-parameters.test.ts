import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { UNKNOWN_CLIENT } from "../../src/mail/message.ts";
import {
  NO_EXTENSIONS,
  parseExtensions,
  type Extensions,
} from "../../src/clients/smtp-extensions.ts";
import {
  isSendable,
  mailLine,
  rcptLine,
  xforwardLines,
} from "../../src/clients/smtp-parameters.ts";
import { copyOf, octets, rcpt } from "../fakes/copy.ts";
import { ALL_EXTENSIONS } from "../fakes/next-hop.ts";

const ALL: Extensions = parseExtensions({ code: 250, lines: ["x", ...ALL_EXTENSIONS] });
const body = octets("x".repeat(1234));
const everything = [
  "SIZE=99",
  "BODY=8BITMIME",
  "SMTPUTF8",
  "RET=HDRS",
  "ENVID=a+2Bb",
  "AUTH=<>",
  "HOLDFOR=60",
  "x",
];

describe("MAIL", () => {
  test.each<[string, readonly string[], Extensions, boolean, string]>([
    [
      "everything",
      everything,
      ALL,
      true,
      "MAIL FROM:<from@example.org> SIZE=1234 SMTPUTF8 BODY=8BITMIME RET=HDRS ENVID=a+2Bb",
    ],
    [
      "as written",
      ["ret=full", "Body=7bit", "envid=X"],
      ALL,
      false,
      "MAIL FROM:<from@example.org> SIZE=1234 ret=full Body=7bit envid=X",
    ],
    ["nothing came", [], ALL, false, "MAIL FROM:<from@example.org> SIZE=1234"],
    ["nothing offered", everything, NO_EXTENSIONS, false, "MAIL FROM:<from@example.org>"],
    [
      "no DSN",
      everything,
      { ...ALL, dsn: false },
      true,
      "MAIL FROM:<from@example.org> SIZE=1234 SMTPUTF8 BODY=8BITMIME",
    ],
    [
      "no 8BITMIME",
      everything,
      { ...ALL, eightBitMime: false },
      false,
      "MAIL FROM:<from@example.org> SIZE=1234 RET=HDRS ENVID=a+2Bb",
    ],
    [
      "broken values",
      ["RET=BOTH", "ENVID=", "ENVID=a b", "BODY=BINARYMIME", "RET"],
      ALL,
      false,
      "MAIL FROM:<from@example.org> SIZE=1234",
    ],
  ])("%s", (_, senderParams, offered, smtputf8, line) => {
    expect(mailLine(copyOf({ body, senderParams }), offered, smtputf8)).toBe(line);
  });
});

test.each<[readonly string[], Extensions, string]>([
  [
    ["NOTIFY=SUCCESS,FAILURE", "ORCPT=rfc822;a+2Bb@example.org"],
    ALL,
    " NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;a+2Bb@example.org",
  ],
  [["NOTIFY=NEVER", "ORCPT=rfc822;a@b"], { ...ALL, dsn: false }, ""],
  [["ORCPT=utf-8;\u00e4@b"], ALL, " ORCPT=utf-8;\u00e4@b"],
  [["ORCPT=utf-8;\u00e4@b"], { ...ALL, smtputf8: false }, ""],
  [["IGNOREQUOTA", "NOTIFY=A B", "ORCPT=a@b", "RRVS=x"], ALL, ""],
])("RCPT with %j", (params, offered, tail) => {
  expect(rcptLine(rcpt("a@example.net", ...params), offered)).toBe(
    `RCPT TO:<a@example.net>${tail}`,
  );
});

describe("XFORWARD", () => {
  const client = {
    ...UNKNOWN_CLIENT,
    address: "2001:db8::1",
    name: "mx.example",
    helo: "a b",
    source: "REMOTE" as const,
  };
  const given = new Map([
    ["ADDR", "IPV6:2001:db8::2"],
    ["IDENT", "4ABC"],
    ["ODD", "x"],
  ]);
  const offered = (...xforward: string[]): Extensions => ({ ...ALL, xforward });

  test.each([
    [
      "what came is passed on, not what we think",
      { client, xforward: given },
      offered("NAME", "ADDR", "IDENT"),
      false,
      ["XFORWARD NAME=[UNAVAILABLE] ADDR=IPV6:2001:db8::2 IDENT=4ABC"],
    ],
    [
      "built from the client when nothing came",
      { client, xforward: new Map() },
      offered("NAME", "ADDR", "HELO", "SOURCE"),
      false,
      ["XFORWARD NAME=mx.example ADDR=IPV6:2001:db8::1 HELO=a+20b SOURCE=REMOTE"],
    ],
    ["not offered", { client, xforward: given }, offered(), true, []],
    [
      "nothing known",
      { client: UNKNOWN_CLIENT, xforward: new Map() },
      offered("NAME", "ADDR"),
      false,
      [],
    ],
    [
      "nothing known, but something to forget",
      { client: UNKNOWN_CLIENT, xforward: new Map() },
      offered("NAME", "ADDR"),
      true,
      ["XFORWARD NAME=[UNAVAILABLE] ADDR=[UNAVAILABLE]"],
    ],
    [
      "an empty value",
      {
        client,
        xforward: new Map([
          ["NAME", ""],
          ["ADDR", "192.0.2.1"],
        ]),
      },
      offered("NAME", "ADDR"),
      false,
      ["XFORWARD NAME=[UNAVAILABLE] ADDR=192.0.2.1"],
    ],
  ] as const)("%s", (_, copy, extensions, overwrite, lines) => {
    expect(xforwardLines(copy, extensions, overwrite)).toEqual(lines);
  });

  test("any value: lines of at most 510 printable octets, values of at most 255", () => {
    fc.assert(
      fc.property(
        fc.string({ unit: "binary", maxLength: 400 }),
        fc.string({ maxLength: 400 }),
        (helo, name) => {
          const xforward = new Map([
            ["HELO", helo],
            ["NAME", name],
            ["IDENT", helo + name],
          ]);
          for (const line of xforwardLines({ client: UNKNOWN_CLIENT, xforward }, ALL, true)) {
            expect(line).toMatch(
              /^XFORWARD(?: [A-Z]+=(?:[\x21-\x2a\x2c-\x3c\x3e-\x7e]|\+[0-9A-F]{2})+)+$/,
            );
            expect(line.length).toBeLessThanOrEqual(510);
            for (const value of line.match(/=\S*/g) ?? [])
              expect(value.length).toBeLessThanOrEqual(256);
          }
        },
      ),
    );
  });
});

test("what can be sent never holds what ends a line or, outside quotes, the path", () => {
  const unit = fc.constantFrom(
    "a",
    "@",
    ".",
    '"',
    "\\",
    ">",
    "<",
    " ",
    "\r",
    "\n",
    "\0",
    "\u00e4",
    ":",
  );
  fc.assert(
    fc.property(fc.string({ unit, maxLength: 12 }), (raw) => {
      if (!isSendable(raw)) return;
      expect(raw).not.toMatch(/[\0-\x1f\x7f]/);
      let quoted = false;
      for (let i = 0; i < raw.length; i++) {
        if (quoted && raw[i] === "\\") i++;
        else if (raw[i] === '"') quoted = !quoted;
        else if (!quoted) expect(raw[i]).not.toMatch(/[<> ]/);
      }
      expect(quoted).toBe(false);
    }),
    { numRuns: 2000 },
  );
});
