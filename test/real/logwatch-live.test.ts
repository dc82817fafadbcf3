// What logwatch makes of the log of a running server: 1,000 mixed and partly hostile messages, before and after the queue; its
// totals are those of what was sent, and it understands every line.
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { inject } from "./lab/inject.ts";
import { lab, until, type Lab } from "./lab/lab.ts";
import { freePorts } from "./lab/ports.ts";
import { postern, type Postern } from "./lab/postern.ts";
import { sink } from "./lab/sink.ts";
import { logwatch, logwatchInstalled } from "./logwatch.ts";

const MESSAGES = 1000;
const EICAR = "X5O!P%@AP[4\\PZX54(P^)7CC)7}$EICAR-" + "STANDARD-ANTIVIRUS-TEST-FILE!$H+H*";
const GTUBE = "XJS*C4JDBQADN1.NSBN3*2IDNEN*" + "GTUBE-STANDARD-ANTI-UBE-TEST-EMAIL*C.34X";

/** Logwatch's names of amavis' words. */
const NAMES: Readonly<Record<string, string>> = {
  INFECTED: "Malware",
  BANNED: "Banned name",
  SPAM: "Spam",
  SPAMMY: "Spammy",
  "BAD-HEADER": "Bad header",
  "MTA-BLOCKED": "MTA",
  CLEAN: "Clean",
};

type Mode = "before" | "after" | "outbound";

interface Kind {
  readonly name: string;
  readonly to: readonly string[];
  readonly from?: string;
  readonly lmtp?: boolean;
  readonly fields?: readonly string[];
  readonly body?: string;
  /** First digit of the (first failing) reply and the log lines, "Passed CLEAN RelayedInbound", per mode. */
  readonly before?: readonly [reply: string, ...lines: string[]];
  readonly after?: readonly [reply: string, ...lines: string[]];
  readonly outbound?: readonly [reply: string, ...lines: string[]];
}

const banned = (
  name: string,
  disposition: string,
  declared = "application/octet-stream",
): Kind => ({
  name,
  to: ["user@ours.example"],
  fields: [`Content-Type: ${declared}`, `Content-Disposition: attachment; ${disposition}`],
  before: ["5", "Blocked BANNED RejectedInbound,Quarantined"],
  after: ["2", "Blocked BANNED DiscardedInbound,Quarantined"],
});

const bannedByExtension = (suffix: string): string =>
  `filename*=utf-8''${[...Buffer.from(`x${suffix}`)].map((octet) => `%${octet.toString(16).padStart(2, "0")}`).join("")}`;

const KINDS: readonly Kind[] = [
  {
    name: "clean",
    to: ["user@ours.example"],
    before: ["2", "Passed CLEAN RelayedInbound"],
    after: ["2", "Passed CLEAN RelayedInbound"],
    outbound: ["2", "Passed CLEAN RelayedInternal"],
  },
  {
    name: "clean to several",
    to: ["user@ours.example", "x@elsewhere.example", "second@ours.example"],
    before: ["2", "Passed CLEAN RelayedInbound,RelayedOpenRelay"],
    after: ["2", "Passed CLEAN RelayedInbound,RelayedOpenRelay"],
    outbound: ["2", "Passed CLEAN RelayedInternal,RelayedOutbound"],
  },
  {
    name: "clean to many",
    to: Array.from({ length: 90 }, (_, i) => `${"long".repeat(5)}-${i}@ours.example`),
    before: ["2", "Passed CLEAN RelayedInbound"],
    after: ["2", "Passed CLEAN RelayedInbound"],
  },
  {
    name: "null sender",
    from: "",
    to: ["user@ours.example"],
    before: ["2", "Passed CLEAN RelayedInbound"],
    after: ["2", "Passed CLEAN RelayedInbound"],
  },
  {
    name: "quoted addresses",
    from: '"a) -> <b>, Hits: 99, [192.0.2.77]"@sender.example',
    to: ['"x [192.0.2.66] {RelayedInbound}, y"@ours.example'],
    before: ["2", "Passed CLEAN RelayedInbound"],
    after: ["2", "Passed CLEAN RelayedInbound"],
  },
  {
    name: "spam at tag2",
    to: ["user@ours.example"],
    body: GTUBE,
    before: ["2", "Passed SPAMMY RelayedTaggedInbound"],
    after: ["2", "Passed SPAMMY RelayedTaggedInbound"],
  },
  {
    name: "spam at kill",
    to: ["strict@ours.example"],
    body: GTUBE,
    before: ["5", "Blocked SPAM RejectedInbound,Quarantined"],
    after: ["2", "Passed SPAM RelayedTaggedInbound"],
  },
  {
    name: "spam, two verdicts",
    to: ["user@ours.example", "strict@ours.example"],
    body: GTUBE,
    before: [
      "2",
      "Passed SPAMMY RejectedInbound,RelayedTaggedInbound,Quarantined",
      "Blocked SPAM RejectedInbound,RelayedTaggedInbound,Quarantined",
    ],
    after: ["2", "Passed SPAM RelayedTaggedInbound"],
  },
  {
    name: "virus",
    to: ["user@ours.example", "second@ours.example"],
    body: EICAR,
    before: ["5", "Blocked INFECTED RejectedInbound,Quarantined"],
    after: ["2", "Blocked INFECTED DiscardedInbound,Quarantined"],
  },
  banned("double extension", 'filename="invoice.pdf.exe"'),
  banned("closing parenthesis", 'filename="a), [192.0.2.66] <x> -> <y>, Hits: 1 (b.exe"'),
  banned("braces and quotes", 'filename="{RelayedInbound}, \\"q\\" \'s\'.vbs"'),
  banned(
    "encoded newline",
    bannedByExtension("\r\nNov 21 13:00:00 mx amavis[1]: (1-1) Passed.exe"),
  ),
  banned("right to left", bannedByExtension("\u202egpj.exe")),
  banned("UTF-8", bannedByExtension(" für Käufer (1).scr")),
  banned("encoded word", `filename="=?utf-8?B?${Buffer.from("a)}, b.js").toString("base64")}?="`),
  banned("long", `filename="${"very) long} ".repeat(40)}.bat"`),
  banned("declared type", "filename=x.txt", "application/x-msdownload"),
  {
    ...banned("banned, two verdicts", 'filename="a) -> (b.exe"'),
    to: ["user@ours.example", "lenient@ours.example"],
    before: [
      "2",
      "Passed BANNED RejectedInbound,RelayedInbound,Quarantined",
      "Blocked BANNED RejectedInbound,RelayedInbound,Quarantined",
    ],
    after: [
      "2",
      "Passed BANNED DiscardedInbound,RelayedInbound,Quarantined",
      "Blocked BANNED DiscardedInbound,RelayedInbound,Quarantined",
    ],
  },
  {
    name: "next hop: 451 at RCPT",
    to: ["busy@ours.example"],
    before: ["4", "Blocked MTA-BLOCKED TempFailedInbound"],
    after: ["4", "Blocked MTA-BLOCKED TempFailedInbound"],
  },
  {
    name: "next hop: 550 at RCPT",
    to: ["gone@ours.example"],
    before: ["5", "Blocked MTA-BLOCKED RejectedInbound"],
    after: ["5", "Blocked MTA-BLOCKED RejectedInbound"],
  },
  {
    name: "next hop: 554 at the dot",
    to: ["user@ours.example"],
    body: "refuse at the dot",
    before: ["5", "Blocked MTA-BLOCKED RejectedInbound"],
    after: ["5", "Blocked MTA-BLOCKED RejectedInbound"],
  },
  {
    name: "next hop: 452 at the dot",
    to: ["user@ours.example"],
    body: "defer at the dot",
    before: ["4", "Blocked MTA-BLOCKED TempFailedInbound"],
    after: ["4", "Blocked MTA-BLOCKED TempFailedInbound"],
  },
  {
    name: "one of two unknown",
    to: ["user@ours.example", "gone@ours.example"],
    before: [
      "2",
      "Passed CLEAN RejectedInbound,RelayedInbound",
      "Blocked MTA-BLOCKED RejectedInbound,RelayedInbound",
    ],
    after: [
      "2",
      "Passed CLEAN RejectedInbound,RelayedInbound",
      "Blocked MTA-BLOCKED RejectedInbound,RelayedInbound",
    ],
  },
  {
    name: "one of two busy, LMTP",
    lmtp: true,
    to: ["user@ours.example", "busy@ours.example"],
    after: [
      "4",
      "Passed CLEAN RelayedInbound,TempFailedInbound",
      "Blocked MTA-BLOCKED RelayedInbound,TempFailedInbound",
    ],
  },
  {
    name: "malformed",
    to: ["user@ours.example"],
    fields: ["Content-Type: text/plain", "Content-Type: text/html"],
    before: ["2", "Passed BAD-HEADER RelayedTaggedInbound"],
    after: ["2", "Passed BAD-HEADER RelayedTaggedInbound"],
  },
];

const HOSTILE = [
  "plain",
  "x) {RelayedInbound}, [192.0.2.66] <a@b> -> <c@d>, Hits: 5, size: 9999, ",
  "> -> <e@f>, Hits: 77, size: 12345, queued_as: X, 1 ms",
  "=?utf-8?Q?a=0D=0ANov_21_13:00:00_mx_amavis[1]:_(1-1)_Blocked_SPAM_{X}?=",
  "Grüße \u202e 🙂",
  '"quoted" \\ "half',
  "...",
  "",
];
const hostile = (i: number): string => HOSTILE[i % HOSTILE.length] ?? "";

function raw(kind: Kind, i: number): Buffer {
  const head = [
    `Message-ID: <${hostile(i)}${i}@sender.example>`,
    "Date: Tue, 02 Jan 2024 03:04:05 +0100",
    "From: Ann <ann@sender.example>",
    "To: user@ours.example",
    `Subject: ${hostile(i >> 1)} ${i}`,
    "MIME-Version: 1.0",
    ...(kind.fields ?? ["Content-Type: text/plain; charset=utf-8"]),
  ];
  return Buffer.from(`${head.join("\r\n")}\r\n\r\n${kind.body ?? "Hello."}\r\n`);
}

describe.skipIf(!logwatchInstalled)("logwatch over a running server", () => {
  let room: Lab;
  let filter: Postern;
  const ports = new Map<Mode, number>();

  beforeAll(async () => {
    room = await lab("logwatch");
    const next = room.add(
      await sink(0, {
        rcpt: (address) =>
          address.startsWith("busy@")
            ? "451 4.2.1 busy (try) {again}, <later>"
            : address.startsWith("gone@")
              ? "550 5.1.1 no such user <gone>, {really}"
              : undefined,
        data: ({ data }) =>
          data.includes("\r\n\r\nrefuse at the dot")
            ? "554 5.6.0 no"
            : data.includes("\r\n\r\ndefer at the dot")
              ? "452 4.3.1 full"
              : undefined,
      }),
    );
    const [before = 0, after = 0, outbound = 0] = await freePorts(3);
    ports.set("before", before).set("after", after).set("outbound", outbound);
    const listener = (port: number, more: string): string =>
      `[[listener]]\nprotocol = "smtp"\nlisten = "127.0.0.1:${port}"\n${more}\n`;
    filter = room.add(
      await postern({
        dir: room.dir,
        file: null,
        more:
          listener(before, 'mode = "before-queue"\ngreylist = false') +
          listener(after, 'mode = "after-queue"') +
          listener(outbound, 'origin = "outbound"') +
          `[server]\nhostname = "mx.ours.example"\nstate_dir = "state"\nworkers = 2\n` +
          `[next_hop]\nrelay = "smtp:127.0.0.1:${next.port}"\n[delivery]\ndomains = ["ours.example"]\n`,
        rules: {
          "scores.rules": "score GTUBE 7\n",
          "policy.rules":
            'for strict@ours.example kill=6\nfor lenient@ours.example banned="accept"\n',
        },
      }),
    );
  });
  afterAll(() => room?.cleanUp());

  test("its totals are those of what was sent, nothing is unmatched", async () => {
    const modes: readonly Mode[] = ["before", "after", "before", "after", "outbound"];
    const expected = new Map<string, number>();
    const lines = new Map<string, number>();
    const wrong: string[] = [];
    const count = (map: Map<string, number>, name: string, n = 1): void =>
      void map.set(name, (map.get(name) ?? 0) + n);
    const jobs: { kind: Kind; mode: Mode; i: number }[] = [];
    for (let i = 0; jobs.length < MESSAGES; i++) {
      const kind = KINDS[i % KINDS.length];
      const mode = modes[Math.floor(i / KINDS.length) % modes.length];
      if (kind !== undefined && mode !== undefined && kind[mode] !== undefined)
        jobs.push({ kind, mode, i });
    }
    const work = async (): Promise<void> => {
      for (let job = jobs.pop(); job !== undefined; job = jobs.pop()) {
        const { kind, mode, i } = job;
        const data = raw(kind, i);
        const [digit = "", ...logged] = kind[mode] ?? [];
        const { reply } = await inject({
          port: ports.get(mode) ?? 0,
          from: kind.from ?? "ann@sender.example",
          to: kind.to,
          data,
          lmtp: kind.lmtp === true,
          xforward: { ADDR: "192.0.2.10", PORT: String(1024 + i), NAME: "mx.sender.example" },
        });
        if (!reply.startsWith(digit)) wrong.push(`${kind.name}, ${mode}: ${reply}`);
        for (const line of logged) {
          const [verb = "", ccat = ""] = line.split(" ");
          count(lines, line);
          count(expected, `${NAMES[ccat] ?? ccat} ${verb.toLowerCase()}`);
          count(expected, verb);
          count(expected, "Total messages scanned");
          count(expected, "Total bytes scanned", data.length);
        }
      }
    };
    await Promise.all(Array.from({ length: 8 }, work));
    expect(wrong).toEqual([]);

    const due = expected.get("Total messages scanned") ?? 0;
    const written = await until("all log lines", () => {
      const all = filter.stdout().split("\n").filter(Boolean);
      return all.filter((line) => VERDICT.test(line)).length >= due && all;
    });
    const seen = new Map<string, number>();
    for (const line of written) {
      const [, verb = "", ccat = "", actions = ""] = VERDICT.exec(line) ?? [];
      if (verb !== "") count(seen, `${verb} ${ccat} ${actions}`);
    }
    expect(Object.fromEntries([...seen].sort())).toEqual(Object.fromEntries([...lines].sort()));

    const report = await logwatch(written);
    expect(report.unmatched).toEqual([]);
    expect(report.text).not.toContain("Unmatched");
    for (const [name, total] of expected) {
      const shown = report.totals.has(name) ? name : name.replace("Banned name", "Banned file");
      expect([shown, report.totals.get(shown)]).toEqual([shown, total]);
    }
    // A client that a sender, a recipient or a name pretends is never taken for one.
    expect(report.text).not.toMatch(/^ +\d+ +192\.0\.2\.(?:66|77)/m);
  });
});

const VERDICT = /^\(\S+\) (Passed|Blocked) ([A-Z-]+?)(?:-\d)?(?: \(.*?\))? \{([^}]*)\}, /;
