// Operators read us through logwatch: the totals over mixed, partly hostile messages are right and nothing is unmatched.
import { describe, expect, test } from "vitest";
import {
  CCATS,
  logLines,
  type Ccat,
  type LogRecipient,
  type LogRecord,
} from "../../src/engine/log-line.ts";
import { logwatch, logwatchInstalled } from "./logwatch.ts";

const NAMES: Record<Ccat, string> = {
  INFECTED: "Malware",
  BANNED: "Banned name",
  UNCHECKED: "Unchecked",
  SPAM: "Spam",
  SPAMMY: "Spammy",
  "BAD-HEADER": "Bad header",
  OVERSIZED: "Oversized",
  "MTA-BLOCKED": "MTA",
  OTHER: "Other",
  CLEAN: "Clean",
};

const HOSTILE = [
  "a\r\nNov 21 13:00:00 mx amavis[1]: (1-1) Blocked SPAM {RejectedInbound}, <a> -> <b>, Hits: 1, 1 ms",
  "x) {RelayedInbound}, [192.0.2.66] <a@b> -> <c@d>, Hits: 5, size: 9999, ",
  "> -> <e@f>, Hits: 77, size: 12345, queued_as: X, 1 ms",
  "(a) -> (b), Hits: 3",
  '"quoted [192.0.2.77] local"@example.com',
  "füße\u202e\u0000.exe ...",
  "...",
  "[",
  "",
];
const hostile = (i: number): string => HOSTILE[i % HOSTILE.length] ?? "";

function recipient(i: number, ccat: Ccat, passed: boolean): LogRecipient {
  return {
    address: i % 5 === 0 ? hostile(i) : `user${i}@example.com`,
    passed,
    ccat,
    action: passed ? (ccat === "CLEAN" ? "Relayed" : "RelayedTagged") : "Rejected",
    direction: (["Inbound", "Internal", "Outbound", "OpenRelay"] as const)[i % 4] ?? "Inbound",
    queuedAs: passed ? "4ABCDE0014" : null,
    reply: null,
  };
}

function record(i: number, recipients: readonly LogRecipient[]): LogRecord {
  return {
    id: `02689-${String(i).padStart(2, "0")}`,
    mailId: "vihf9CcCEk-b",
    mode: "after-queue",
    origin: "inbound",
    clientAddress: i % 7 === 0 ? null : i % 3 === 0 ? "2001:db8::1" : "192.0.2.10",
    clientPort: i % 7 === 0 ? null : 34567,
    oldestAddress: i % 2 === 0 ? "198.51.100.7" : null,
    clientLocal: i % 11 === 0,
    sender: i % 6 === 0 ? null : i % 4 === 0 ? hostile(i) : "someone@remote.test",
    recipients,
    score: i % 3 === 0 ? null : (i % 100) / 7 - 3,
    size: 1000 + i,
    banned: i % 2 === 0 ? hostile(i) : ".exe,.exe-ms,invoice (1).pdf.exe",
    viruses: i % 2 === 0 ? ["Eicar-Signature", hostile(i)] : ["Eicar-Signature"],
    badHeader: i % 9 === 0 ? null : i % 9,
    ident: i % 5 === 0 ? null : "4AAAAA1B2C",
    messageId: i % 4 === 0 ? hostile(i) : "<hello@remote.test>",
    quarantine: i % 2 === 0 ? "v/spam-vihf9CcCEk-b.gz" : null,
    elapsedMs: i * 1.5,
    tests: [],
    rulesVersion: null,
  };
}

describe.skipIf(!logwatchInstalled)("logwatch", () => {
  test("counts 1,000 mixed messages right and understands every line", async () => {
    const lines: string[] = [];
    const expected = new Map<string, number>();
    const add = (name: string, n = 1): void => {
      expected.set(name, (expected.get(name) ?? 0) + n);
    };
    for (let i = 0; i < 1_000; i += 1) {
      const ccat = CCATS[i % CCATS.length] ?? "CLEAN";
      const mixed = i % 13 === 0;
      const many = i % 50 === 1 ? 120 : 1;
      const passed = i % 3 !== 0;
      const group = Array.from({ length: many }, (_, n) => recipient(i + n, ccat, passed));
      if (mixed) group.push(recipient(i, ccat, !passed));
      const one = record(i, group);
      lines.push(...logLines(one));
      for (const [verb, present] of [
        ["passed", passed || mixed],
        ["blocked", !passed || mixed],
      ] as const) {
        if (!present) continue;
        add(`${NAMES[ccat]} ${verb}`);
        add(verb === "passed" ? "Passed" : "Blocked");
        add("Total messages scanned");
        add("Total bytes scanned", one.size);
      }
    }
    const report = await logwatch(lines);
    expect(report.unmatched).toEqual([]);
    expect(report.text).not.toContain("Unmatched");
    for (const [name, count] of expected) {
      const shown =
        name.startsWith("Banned name") && !report.totals.has(name)
          ? name.replace("name", "file")
          : name;
      expect([shown, report.totals.get(shown)]).toEqual([shown, count]);
    }
    // A forged client inside a sender or a name is never taken for one.
    expect(report.text).not.toMatch(/^ +\d+ +192\.0\.2\.(?:66|77)/m);
  });

  test("counts a release", async () => {
    const line =
      "(rel-vihf9CcCEk-b) Quarantined message release (spam): vihf9CcCEk-b <a@b> -> <c@d>,<e@f>";
    const report = await logwatch([line]);
    expect(report.unmatched).toEqual([]);
    expect(report.totals.get("Released from quarantine")).toBe(1);
  });

  test("says so when a line is not ours", async () => {
    const report = await logwatch(["(1-1) Passed NONSENSE {Relayed}, <a> -> <b>, 1 ms"]);
    expect(report.unmatched).toHaveLength(1);
  });
});
