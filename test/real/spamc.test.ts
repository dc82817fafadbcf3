// Our spamd listener asked by those who ask spamd: real spamc, Exim's spam condition in both of its dialects, and octet by octet beside a
// real spamd with the same rules.
import { spawn } from "node:child_process";
import { connect } from "node:net";
import { hostname } from "node:os";
import { deflateSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { parseEndpoint, type Endpoint } from "../../src/clients/endpoint.ts";
import { exim, type Exim } from "./lab/exim.ts";
import { inject } from "./lab/inject.ts";
import { lab, type Lab } from "./lab/lab.ts";
import { have } from "./lab/peers.ts";
import { freePorts } from "./lab/ports.ts";
import { postern, type Postern } from "./lab/postern.ts";
import { GTUBE_SAMPLE } from "./lab/samples.ts";
import { sink, type Sink } from "./lab/sink.ts";
import { spamd, type Spamd } from "./lab/spamd.ts";

/** Rules that say little of what this machine is, so that two scorers see the same at any hour. */
const MORE = `use_bayes 0
body LAB_OFFER /one (?:fine|small) offer/i
describe LAB_OFFER A description that is long enough to be wrapped behind the first of its lines
score LAB_OFFER 7.125
body LAB_AGAIN /again/
tflags LAB_AGAIN multiple maxhits=3
score LAB_AGAIN 0.5
header LAB_CAFE Subject =~ /caf\\xc3\\xa9/
score LAB_CAFE -0.25
`;
const MARKED = `report_safe 0
rewrite_header Subject [SPAM _SCORE(00)_]
rewrite_header From seen by _VERSION_
add_header all Points "_SCORE_ of _REQD_ _TESTSSCORES(; )_"
add_header spam Bar _STARS(+)_
report_contact postmaster at example
`;

const LETTERS: Readonly<Record<string, string>> = {
  ordinary: `Received: from a.example (a.example [192.0.2.1]) by b.example with ESMTP id 1;\n Sat, 21 Nov 2026 10:00:00 +0000\nFrom: Ann <ann@a.example>\nTo: bob@b.example\nSubject: the minutes\nDate: Sat, 21 Nov 2026 10:00:00 +0000\nMessage-ID: <20261121100000.1234@a.example>\n\nDear Bob,\n\nhere are the minutes.\n`,
  spam: `Return-Path: <x@a.example>\n with more\nX-Spam-Status: forged\n\tand folded\nFrom: x@a.example\nTo: bob@b.example\nSubject: caf\xc3\xa9\nDate: Sat, 21 Nov 2026 10:00:00 +0000\nMessage-ID: <1.2@a.example>\n\nOne fine offer, again and again and again and again.\n\n${"Some more words for the preview. ".repeat(20)}\n`,
  "spam with CRLF": `From: x@a.example\r\nTo: bob@b.example\r\nSubject: =?utf-8?q?caf=C3=A9?=\r\nContent-Type: text/html\r\n\r\n<p>one small offer</p>\r\n`,
  "no subject": `From: x@a.example\nTo: bob@b.example\nMessage-ID: <2.3@a.example>\n\none fine offer\n`,
  mbox: `From x@a.example Sat Nov 21 10:00:00 2026\nFrom: x@a.example\nSubject: again\n\nagain\n`,
  gtube: GTUBE_SAMPLE.raw.toString("latin1"),
  empty: "",
};
const METHODS = [
  ["CHECK", "1.2"],
  ["SYMBOLS", "1.2"],
  ["SYMBOLS", "1.5"],
  ["REPORT", "1.2"],
  ["REPORT", "1.5"],
  ["REPORT_IFSPAM", "1.5"],
  ["PROCESS", "1.5"],
  ["PROCESS", "1.2"],
  ["PROCESS", "1.1"],
  ["HEADERS", "1.5"],
] as const;

/** All that is answered until the connection is closed. */
function ask(at: Endpoint["at"], octets: Buffer): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(at as { path: string });
    const heard: Buffer[] = [];
    socket.on("data", (piece: Buffer) => heard.push(piece));
    // Who closes before it has read all resets the connection; what it said before counts.
    socket.on("error", (error: NodeJS.ErrnoException) => {
      if (error.code !== "ECONNRESET" && error.code !== "EPIPE") reject(error);
    });
    socket.on("close", () => resolve(Buffer.concat(heard).toString("latin1")));
    socket.end(octets);
  });
}

const request = (method: string, version: string, letter: string): Buffer =>
  Buffer.from(
    `${method} SPAMC/${version}\r\nUser: nobody\r\nContent-length: ${letter.length}\r\n\r\n${letter}`,
    "latin1",
  );

const ROW = /^[\t ]*(?:\* {1,2})?-?\d+(?:\.\d)? [A-Z][A-Z0-9_]+ /;
const ROW_GOES_ON = /^(?:\t\* {6}| {20,})\S/;

/** Without what no two runs have in common, not even of spamd: the time, a boundary's random digits, the order of a report's rows. */
function settled(words: string): string {
  const plain = words
    .replace(/----------=_[0-9A-F.]+/g, "BOUNDARY")
    .replace(/\d\d:\d\d:\d\d [+-]\d{4}/g, "TIME");
  const lines: string[] = [];
  let rows: string[] = [];
  for (const line of [...plain.split("\n"), ""]) {
    if (ROW.test(line)) rows.push(line);
    else if (rows.length > 0 && ROW_GOES_ON.test(line)) rows.push(`${rows.pop() ?? ""}\n${line}`);
    else {
      lines.push(...rows.sort(), line);
      rows = [];
    }
  }
  return lines.join("\n");
}

function spamc(
  port: number,
  args: readonly string[],
  letter: string,
): Promise<{ code: number; out: string }> {
  return new Promise((resolve) => {
    const child = spawn("/usr/bin/spamc", ["-d", "127.0.0.1", "-p", String(port), ...args]);
    let out = "";
    child.stdout.on("data", (piece: Buffer) => (out += piece.toString("latin1")));
    child.on("close", (code) => resolve({ code: code ?? -1, out }));
    child.stdin.on("error", () => undefined); // it may end without reading
    child.stdin.end(Buffer.from(letter, "latin1"));
  });
}

const portOf = ({ name }: Spamd): number => Number(/:(\d+)$/.exec(name)?.[1]);

describe.skipIf(!have("spamd"))("our spamd beside SpamAssassin's", () => {
  describe.each([
    ["as it comes", ""],
    ["that marks header fields", MARKED],
    ["that wraps as text", "report_safe 2\nreport_safe_copy_headers Received X-Other\n"],
  ])("%s", (_what, more) => {
    let room: Lab;
    let theirs: Spamd;
    let port = 0;
    const ours = (): Endpoint["at"] => ({ host: "127.0.0.1", port });

    beforeAll(async () => {
      room = await lab("spamc");
      theirs = room.add(await spamd(room.dir, { where: "tcp", children: 1, more: MORE + more }));
      [port = 0] = await freePorts(1);
      const toml = `[server]\nhostname = "${hostname()}"\nstate_dir = "state"\nrules_dir = "rules"\n[[listener]]\nprotocol = "spamd"\nlisten = "127.0.0.1:${port}"\n[spam]\nrule_dirs = ["/usr/share/spamassassin", "${theirs.configDir}"]\n[dns]\nservers = "off"\n`;
      room.add(await postern({ dir: room.dir, file: null, more: toml }));
    });
    afterAll(() => room?.cleanUp());
    const both = async (octets: Buffer): Promise<[string, string]> => {
      const at = parseEndpoint(theirs.name)?.at ?? { path: "" };
      return [settled(await ask(ours(), octets)), settled(await ask(at, octets))];
    };

    describe.each(Object.entries(LETTERS))("a letter: %s", (_name, letter) => {
      test.each(METHODS)("%s SPAMC/%s", async (method, version) => {
        const [our, their] = await both(request(method, version, letter));
        expect(our).toBe(their);
        expect(their).toMatch(/^SPAMD\/1\.[01] 0 EX_OK\r\n/);
      });
    });

    if (more !== "") return;
    const spam = LETTERS["spam"] ?? "";
    const packed = deflateSync(Buffer.from(spam, "latin1"));
    test.each<[string, Buffer]>([
      [
        "compressed",
        Buffer.concat([
          Buffer.from(
            `SYMBOLS SPAMC/1.5\r\nCompress: zlib\r\nContent-length: ${packed.length}\r\n\r\n`,
          ),
          packed,
        ]),
      ],
      [
        "compressed, without a length",
        Buffer.concat([Buffer.from("SYMBOLS SPAMC/1.5\r\nCompress: zlib\r\n\r\n"), packed]),
      ],
      [
        "compressed, cut",
        Buffer.concat([
          Buffer.from("SYMBOLS SPAMC/1.5\r\nCompress: zlib\r\nContent-length: 20\r\n\r\n"),
          packed.subarray(0, 20),
        ]),
      ],
      ["1.0, without headers", Buffer.from(`PROCESS SPAMC/1.0\r\n${spam}`, "latin1")],
      ...[
        "PING SPAMC/1.2\r\n",
        "PING SPAMC/1.5\r\n\r\n",
        "SKIP SPAMC/1.2\r\n",
        "HELLO\r\n",
        "",
        "CHECK SPAMC/1.2\r\nContent-length: x\r\n\r\n",
        "CHECK SPAMC/1.2\r\nhello\r\n\r\n",
        "CHECK SPAMC/1.2\r\nUser: a",
        "CHECK SPAMC/1.2\r\nContent-length: 100\r\n\r\nSubject: x\r\n\r\nshort",
        "CHECK SPAMC/1.2\r\nContent-length: 3\r\n\r\nSubject: x\r\n\r\nlong\r\n",
        "CHECK SPAMC/1.2\r\ncontent-length: 3\r\n\r\nSubject: y\r\n\r\nz\r\n",
        "CHECK SPAMC/1.2\r\nCompress: bz\r\n\r\n",
        `CHECK SPAMC/1.2\r\n${"A: b\r\n".repeat(300)}\r\n`,
        "TELL SPAMC/1.5\r\nContent-length: 3\r\nSet: local\r\n\r\nabc",
      ].map((text): [string, Buffer] => [JSON.stringify(text).slice(0, 70), Buffer.from(text)]),
    ])("in any form: %s", async (_what, octets) => {
      const [our, their] = await both(octets);
      expect(our).toBe(their);
    });

    test.each([
      ["-c"],
      ["-y"],
      ["-R"],
      ["-r"],
      ["-E", "-c"],
      ["-x", "-y"],
      ["--headers"],
      [],
      ["-z", "-y"],
      ["-K"],
    ])("spamc %s %s", async (...args) => {
      for (const letter of [spam, LETTERS["ordinary"] ?? ""]) {
        const our = await spamc(port, args, letter);
        const their = await spamc(portOf(theirs), args, letter);
        expect({ ...our, out: settled(our.out) }).toEqual({ ...their, out: settled(their.out) });
      }
    });

    test("spamc --learntype is refused as by spamd without --allow-tell", async () => {
      const our = await spamc(port, ["-x", "-L", "spam"], spam);
      expect(our).toEqual(await spamc(portOf(theirs), ["-x", "-L", "spam"], spam));
      expect(our.code).not.toBe(0);
    });
  });
});

describe.skipIf(!have("root", "exim", "spamd"))("Exim's spam condition", () => {
  let room: Lab;
  let end: Sink;
  let judge: Postern;
  let port = 0;
  const mtas: Record<string, Exim> = {};

  beforeAll(async () => {
    room = await lab("exim-spam");
    end = room.add(await sink());
    const theirs = room.add(await spamd(room.dir, { where: "tcp", children: 1, more: MORE }));
    [port = 0] = await freePorts(1);
    const toml = `[server]\nhostname = "${hostname()}"\nstate_dir = "state"\nrules_dir = "rules"\n[[listener]]\nprotocol = "spamd"\nlisten = "127.0.0.1:${port}"\n[spam]\nrule_dirs = ["/usr/share/spamassassin", "${theirs.configDir}"]\n[dns]\nservers = "off"\n[delivery]\ndomains = ["example.com"]\n`;
    judge = room.add(await postern({ dir: room.dir, file: null, more: toml }));
    for (const [name, spamAddress] of [
      ["ours", `127.0.0.1 ${port}`],
      ["theirs", `127.0.0.1 ${portOf(theirs)}`],
      ["rspamd", `127.0.0.1 ${port} variant=rspamd`],
    ] as const) {
      const part = await lab(`exim-${name}`);
      room.add({ stop: () => part.cleanUp() });
      mtas[name] = part.add(
        await exim({ dir: part.dir, nextHop: end.port, hookup: "none", spamAddress }),
      );
    }
  });
  afterAll(() => room?.cleanUp());

  let sent = 0;
  const send = async (by: string, text: string): Promise<{ reply: string; fields: string }> => {
    const id = `lab-exim-${++sent}@a.example`;
    const data = Buffer.from(`Message-ID: <${id}>\r\n${text.replace(/\r?\n/g, "\r\n")}`, "latin1");
    const mta = mtas[by];
    if (mta === undefined) throw new Error(by);
    const { reply } = await inject({
      port: mta.smtpPort,
      from: "ann@sender.example",
      to: ["user@example.com"],
      data,
    });
    if (!reply.startsWith("250")) return { reply, fields: "" };
    const caught = await end.find(`<${id}>`);
    const head = caught.data.toString("latin1").split("\r\n\r\n")[0] ?? "";
    return {
      reply: "250",
      fields: head.slice(head.indexOf("X-Spam-Score")).replaceAll("\r\n", "\n"),
    };
  };
  const text = (body: string): string =>
    `From: x@a.example\nTo: user@example.com\nSubject: hello\nDate: Sat, 21 Nov 2026 10:00:00 +0000\n\n${body}\n`;

  test.each([["one fine offer, again"], ["good morning"]])(
    "SpamAssassin's dialect: %s",
    async (body) => {
      const [our, their] = [await send("ours", text(body)), await send("theirs", text(body))];
      expect(settled(our.fields)).toBe(settled(their.fields));
      expect(our.reply).toBe("250");
      expect(our.fields).toMatch(/^X-Spam-Score: -?\d+\.\d \(/);
    },
  );

  test("rspamd's dialect: the verdict of all checks is the action", async () => {
    const gtube = GTUBE_SAMPLE.raw.toString("latin1").split("\r\n\r\n")[1] ?? "";
    expect((await send("rspamd", text(gtube))).reply).toMatch(
      /^550 This message was refused as spam/,
    );
    const fine = await send("rspamd", text("good morning"));
    expect(fine.reply).toBe("250");
    expect(fine.fields).toContain("Action: ");
    const program = `From: x@a.example\nSubject: run\nMIME-Version: 1.0\nContent-Type: application/octet-stream; name="invoice.exe"\n\nMZ\n`;
    expect((await send("rspamd", program)).reply).toMatch(/^550 /);
    expect(judge.log()).not.toMatch(/Error|no score/);
  });
});
