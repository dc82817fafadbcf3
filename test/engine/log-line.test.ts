// amavis' log grammar to the letter, and no text of a message that could break out of it.
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { logJson } from "../../src/engine/log-json.ts";
import {
  actionsOf,
  gravest,
  logLines,
  type LogRecipient,
  type LogRecord,
} from "../../src/engine/log-line.ts";
import { logAddress, logReason, logText } from "../../src/engine/log-text.ts";

const RECIPIENT: LogRecipient = {
  address: "user@example.com",
  passed: true,
  ccat: "CLEAN",
  action: "Relayed",
  direction: "Inbound",
  queuedAs: "4ABCDE0014",
  reply: null,
};
const RECORD: LogRecord = {
  id: "02689-01",
  mailId: "vihf9CcCEk-b",
  mode: "after-queue",
  origin: "inbound",
  clientAddress: "192.0.2.10",
  clientPort: 34567,
  oldestAddress: "192.0.2.10",
  clientLocal: false,
  sender: "someone@remote.test",
  recipients: [RECIPIENT],
  score: 1.3,
  size: 397,
  banned: null,
  viruses: [],
  badHeader: null,
  ident: "4AAAAA1B2C",
  messageId: "<hello@remote.test>",
  quarantine: null,
  elapsedMs: 305,
  tests: [],
  rulesVersion: "abc",
};
const blocked = (over: Partial<LogRecipient>): LogRecipient => ({
  ...RECIPIENT,
  passed: false,
  queuedAs: null,
  ...over,
});
const TRACE = "[192.0.2.10]:34567 [192.0.2.10] <someone@remote.test> -> <user@example.com>";
const IDS = "Queue-ID: 4AAAAA1B2C, Message-ID: <hello@remote.test>, mail_id: vihf9CcCEk-b";

test.each<[string, Partial<LogRecord>, string]>([
  [
    "clean",
    {},
    `Passed CLEAN {RelayedInbound}, ${TRACE}, ${IDS}, Hits: 1.3, size: 397, queued_as: 4ABCDE0014, 305 ms`,
  ],
  [
    "spam rejected",
    {
      recipients: [blocked({ ccat: "SPAM", action: "Rejected" })],
      quarantine: "v/spam-vihf9CcCEk-b.gz",
      score: 1001.3,
    },
    `Blocked SPAM {RejectedInbound,Quarantined}, ${TRACE}, quarantine: v/spam-vihf9CcCEk-b.gz, ${IDS}, Hits: 1001.3, size: 397, 305 ms`,
  ],
  [
    "virus",
    {
      recipients: [blocked({ ccat: "INFECTED", action: "Discarded" })],
      viruses: ["Eicar-Signature"],
      score: null,
    },
    `Blocked INFECTED (Eicar-Signature) {DiscardedInbound}, ${TRACE}, ${IDS}, Hits: -, size: 397, 305 ms`,
  ],
  [
    "banned",
    {
      recipients: [blocked({ ccat: "BANNED", action: "Bounced" })],
      banned: ".exe,.exe-ms,invoice.pdf.exe",
      score: null,
    },
    `Blocked BANNED (.exe,.exe-ms,invoice.pdf.exe) {BouncedInbound}, ${TRACE}, ${IDS}, Hits: -, size: 397, 305 ms`,
  ],
  [
    "bad header",
    { recipients: [{ ...RECIPIENT, ccat: "BAD-HEADER" }], badHeader: 2 },
    `Passed BAD-HEADER-2 {RelayedInbound}, ${TRACE}, ${IDS}, Hits: 1.3, size: 397, queued_as: 4ABCDE0014, 305 ms`,
  ],
  [
    "next hop down, nothing known",
    {
      recipients: [blocked({ ccat: "MTA-BLOCKED", action: "TempFailed", direction: "OpenRelay" })],
      clientAddress: null,
      oldestAddress: null,
      clientPort: null,
      sender: null,
      ident: null,
      messageId: null,
    },
    `Blocked MTA-BLOCKED {TempFailedOpenRelay}, <> -> <user@example.com>, mail_id: vihf9CcCEk-b, Hits: 1.3, size: 397, 305 ms`,
  ],
  [
    "our own user, IPv6",
    {
      clientLocal: true,
      clientAddress: "2001:db8::1",
      oldestAddress: null,
      recipients: [{ ...RECIPIENT, direction: "Outbound" }],
    },
    `Passed CLEAN {RelayedOutbound}, LOCAL [2001:db8::1]:34567 <someone@remote.test> -> <user@example.com>, ${IDS}, Hits: 1.3, size: 397, queued_as: 4ABCDE0014, 305 ms`,
  ],
])("%s", (_, over, line) => {
  expect(logLines({ ...RECORD, ...over })).toEqual([`(02689-01) ${line}`]);
});

test("a split message has one Passed and one Blocked line with the same actions", () => {
  const recipients = [
    {
      ...RECIPIENT,
      ccat: "SPAM" as const,
      action: "RelayedTagged" as const,
      address: "lover@example.com",
    },
    blocked({ ccat: "SPAM", action: "NoBounce" }),
    blocked({ ccat: "SPAM", action: "NoBounce", address: "c@example.com" }),
  ];
  const lines = logLines({ ...RECORD, recipients, quarantine: "v/spam-x.gz" });
  expect(lines).toHaveLength(2);
  expect(lines[0]).toContain("Passed SPAM {NoBounceInbound,RelayedTaggedInbound,Quarantined}, ");
  expect(lines[0]).toContain("-> <lover@example.com>, ");
  expect(lines[1]).toContain("Blocked SPAM {NoBounceInbound,RelayedTaggedInbound,Quarantined}, ");
  expect(lines[1]).toContain("-> <user@example.com>,<c@example.com>, ");
});

test("no recipients, no line", () => {
  expect(logLines({ ...RECORD, recipients: [] })).toEqual([]);
});

test("a long line is split at 980 characters and can be joined again", () => {
  const recipients = Array.from({ length: 300 }, (_, i) => ({
    ...RECIPIENT,
    address: `user${i}@example.com`,
  }));
  const lines = logLines({ ...RECORD, recipients });
  const [first = "", ...more] = lines;
  expect(lines.length).toBeGreaterThan(5);
  expect(lines.slice(0, -1).every((line) => line.length === 980 && line.endsWith("..."))).toBe(
    true,
  );
  expect(more.every((line) => line.startsWith("(02689-01) ..."))).toBe(true);
  const joined = [first, ...more.map((line) => line.slice("(02689-01) ...".length))]
    .map((line, i) => (i === lines.length - 1 ? line : line.slice(0, -3)))
    .join("");
  expect(joined).toContain("<user0@example.com>,<user1@example.com>");
  expect(joined.endsWith(", 305 ms")).toBe(true);
});

test("whatever a message holds, every line is short printable ASCII and keeps its grammar", () => {
  const text = fc.oneof(
    fc.string({ unit: "binary" }),
    fc.string({
      unit: fc.constantFrom(
        "<",
        ">",
        " -> ",
        "{",
        "}",
        ")",
        "(",
        ", ",
        "[",
        "\r",
        "\n",
        "Hits: 9",
        "\\",
        "...",
      ),
    }),
  );
  fc.assert(
    fc.property(
      text,
      text,
      text,
      text,
      fc.array(text, { maxLength: 3 }),
      fc.boolean(),
      (a, b, c, d, names, passed) => {
        const recipients = [
          { ...RECIPIENT, passed, address: a, queuedAs: d, ccat: "BANNED" as const },
          { ...RECIPIENT, passed: false, address: b, ccat: "INFECTED" as const },
        ];
        const record = {
          ...RECORD,
          sender: c,
          banned: d,
          viruses: names,
          messageId: a,
          ident: b,
          quarantine: c,
          recipients,
        };
        const lines = logLines(record);
        for (const line of lines) {
          expect(line).toMatch(/^[\x20-\x7e]{1,980}$/);
          expect(line.startsWith("(02689-01) ")).toBe(true);
        }
        const starts = lines.filter((line) => !line.startsWith("(02689-01) ..."));
        expect(starts.length).toBeLessThanOrEqual(2);
        const whole = lines.join("").replaceAll("...(02689-01) ...", "");
        expect(whole.match(/> -> </g)?.length).toBe(starts.length);
        expect(whole.match(/ \{/g)?.length).toBe(starts.length);
        JSON.stringify(logJson(record));
      },
    ),
  );
});

describe("text", () => {
  test.each([
    ["a\\b", "a\\x5Cb"],
    ["é\r\n", "\\xC3\\xA9\\x0D\\x0A"],
    ["<{}>", "\\x3C\\x7B\\x7D\\x3E"],
    ["a b(1).exe", "a b(1).exe"],
    ["\ud800", "\\xEF\\xBF\\xBD"],
  ])("%j", (from, to) => {
    expect(logText(from)).toBe(to);
  });
  test("an address keeps its literal only", () => {
    expect(logAddress("a@[192.0.2.1]")).toBe("<a@[192.0.2.1]>");
    expect(logAddress('"[192.0.2.1]"@b')).toBe('<"\\x5B192.0.2.1]"@b>');
    expect(logAddress(null)).toBe("<>");
  });
  test("a reason cannot close its bracket", () => {
    expect(logReason("a (1).exe")).toBe("a (1).exe");
    expect(logReason("a), b) ")).toBe("a\\x29, b\\x29 ");
  });
});

test("JSON tells the same facts", () => {
  expect(logJson({ ...RECORD, quarantine: "v/x.gz" })).toMatchObject({
    log_id: "02689-01",
    mail_id: "vihf9CcCEk-b",
    mail_from: "someone@remote.test",
    client_ip: "192.0.2.10",
    actions: "RelayedInbound,Quarantined",
    ccat: "CLEAN",
    recipients: [{ rcpt_to: "user@example.com", action: "RelayedInbound", passed: true }],
  });
  expect(actionsOf(RECORD)).toBe("RelayedInbound");
  expect(gravest([RECIPIENT, blocked({ ccat: "SPAM" })])).toBe("SPAM");
});
