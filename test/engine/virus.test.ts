// Viruses through the whole app, over a fake clamd: what the client hears, what is written, counted and logged; and the clamd listener
// of the same app.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { inPieces, scanAt } from "../contract/clamd.ts";
import { EICAR, fakeClamd, type FakeClamd } from "../fakes/clamd.ts";
import { runningApp, type AppOptions, type RunningApp } from "../fakes/running-app.ts";

const dir = mkdtempSync(join(tmpdir(), "virus-"));
let clamd: FakeClamd;
let app: RunningApp | null = null;

beforeAll(async () => {
  clamd = await fakeClamd(join(dir, "clamd.sock"));
});
beforeEach(() => {
  clamd.mood = "ok";
});
afterEach(async () => {
  await app?.stop();
  app = null;
});
afterAll(async () => {
  await clamd.stop();
  rmSync(dir, { recursive: true });
});

const TOML = `
[delivery]
domains = ["example.com"]
unknown = "create"
[dns]
servers = "off"
[[listener]]
protocol = "clamd"
listen = "unix:DIR/scan.sock"
`;

const start = async (own: Partial<AppOptions> = {}, more = "") => {
  const toml = `${TOML}[clamd]\nendpoints = ["${clamd.endpoint}"]\ndeadline = "10s"\n${more}`;
  app = await runningApp({ toml, mode: "before-queue", ...own });
  return app;
};

const TEXT = "From: <sender@remote.example>\nMessage-ID: <1@x>\nSubject: hello\n\nhello\n";
const mail = (text = TEXT) => ({ to: ["user@example.com"], text });

const delivered = async (running: RunningApp) => {
  const files = (await running.files("state/mail")).filter((file) => file.includes("/new/"));
  return Promise.all(files.map((file) => running.read(file)));
};

const values = async (running: RunningApp, name: string) =>
  (await running.metrics.registry.getSingleMetricAsString(name))
    .split("\n")
    .filter((line) => !line.startsWith("#"));

describe("a message", () => {
  test("is scanned as it came, and says so", async () => {
    const running = await start();
    const before = clamd.scanned.length;
    expect((await running.send(mail()))[0]).toMatchObject({ code: 250 });
    expect(clamd.scanned.slice(before).map(String)).toEqual([TEXT.replaceAll("\n", "\r\n")]);
    expect((await delivered(running))[0]).toMatch(
      /^X-Virus-Scanned: postern at filter\.example\r?$/m,
    );
    expect(await values(running, "postern_virus_scans_total")).toEqual([
      'postern_virus_scans_total{result="clean"} 1',
    ]);
    expect(await values(running, "postern_clamd_healthy")).toEqual([
      `postern_clamd_healthy{endpoint="${clamd.endpoint}"} 1`,
    ]);
    const [age = ""] = await values(running, "postern_virus_database_age_seconds");
    const years = Number(age.split(" ").at(-1)) / (365.25 * 86_400);
    expect(years).toBeCloseTo((Date.now() - new Date(2025, 0, 2).getTime()) / 31_557_600_000, 1);
  });

  test("with a virus is refused and kept", async () => {
    const running = await start();
    clamd.mood = { says: "stream: Win.Test-1 FOUND" };
    expect((await running.send(mail()))[0]).toMatchObject({ code: 554 });
    expect(running.lines.join("\n")).toMatch(
      / Blocked INFECTED \(Win\.Test-1\) \{RejectedInbound,Quarantined\}, /,
    );
    expect(await delivered(running)).toEqual([]);
    const kept = await running.files("state/quarantine");
    expect(kept.filter((file) => file.includes("/virus-"))).toHaveLength(2);
  });

  test("that was not scanned waits at the client, and passes without a claim when policy says so", async () => {
    const running = await start();
    clamd.mood = "closes-late";
    const [reply] = await running.send(mail());
    expect(reply).toMatchObject({ kind: "tempfail", code: 451 });
    expect(running.says.join("\n")).toMatch(
      /check virus could not answer \(error: unix:\S+: closed without a reply\)/,
    );
    expect(await values(running, "postern_check_errors_total")).toEqual([
      'postern_check_errors_total{check="virus",reason="error"} 1',
    ]);
    expect(await running.files("state/quarantine")).toEqual([]);
    await running.stop();
    app = null;

    const lax = await start({ policy: "unchecked virus any any accept\n" });
    clamd.mood = "closes-late";
    expect((await lax.send(mail()))[0]).toMatchObject({ code: 250 });
    expect((await delivered(lax))[0]).not.toMatch(/X-Virus-Scanned/);
    expect(lax.lines.join("\n")).toMatch(/ Passed UNCHECKED \{/);
  });

  test("of a sender who is spared is not claimed to be scanned", async () => {
    const running = await start({
      rules: { "local.d/senders.rules": "allow sender@remote.example skip virus\n" },
    });
    clamd.mood = { says: "stream: Win.Test-1 FOUND" };
    expect((await running.send(mail()))[0]).toMatchObject({ code: 250 });
    expect((await delivered(running))[0]).not.toMatch(/X-Virus-Scanned/);
  });

  test("with a name that only gives points is tagged", async () => {
    const running = await start({ scores: "virus-score Heuristics.Phishing.* 6\n" });
    clamd.mood = { says: "stream: Heuristics.Phishing.Email FOUND" };
    expect((await running.send(mail()))[0]).toMatchObject({ code: 250 });
    const [text = ""] = await delivered(running);
    expect(text.replace(/\r?\n[ \t]+/g, " ")).toMatch(
      /^X-Spam-Status: Yes, score=6 .*tests=\[AV:Heuristics\.Phishing\.Email=6\]/m,
    );
    expect(text).toMatch(/^X-Virus-Scanned: /m);
  });

  test("larger than max_size: policy decides, or it goes on unscanned", async () => {
    const large = mail(`${TEXT}${"x".repeat(70)}\n`.repeat(40));
    const strict = await start({}, 'max_size = "2K"\noversize = "unchecked"\n');
    expect((await strict.send(large))[0]).toMatchObject({ code: 451 });
    expect((await strict.send(mail()))[0]).toMatchObject({ code: 250 });
    await strict.stop();
    app = null;
    const lax = await start({}, 'max_size = "2K"\n');
    expect((await lax.send(large))[0]).toMatchObject({ code: 250 });
    expect((await delivered(lax))[0]).not.toMatch(/X-Virus-Scanned/);
  });
});

test("without endpoints nothing is claimed", async () => {
  app = await runningApp({ toml: TOML, mode: "before-queue" });
  expect((await app.send(mail()))[0]).toMatchObject({ code: 250 });
  expect((await delivered(app))[0]).not.toMatch(/X-Virus-Scanned/);
});

describe("the clamd listener", () => {
  const scan = (running: RunningApp, ...texts: readonly string[]) =>
    scanAt(`unix:${running.dir}/scan.sock`, inPieces(...texts));
  const WITH_PROGRAM = [
    "From: <a@b.example>\nMIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=b\n\n",
    "--b\nContent-Type: text/plain\n\nhello\n",
    '--b\nContent-Type: application/octet-stream; name="invoice.pdf.exe"\n',
    "Content-Transfer-Encoding: base64\n\nTVqQAAMAAAAEAAAA\n--b--\n",
  ].join("");

  test("says what policy would do: nothing, a virus, a banned name; with LF and CRLF line ends", async () => {
    const running = await start();
    expect(await scan(running, TEXT)).toEqual({ kind: "clean" });
    expect(await scan(running, TEXT.replaceAll("\n", "\r\n"))).toEqual({ kind: "clean" });
    expect(await scan(running, TEXT, EICAR)).toEqual({
      kind: "infected",
      name: "Eicar-Test-Signature",
    });
    for (const text of [WITH_PROGRAM, WITH_PROGRAM.replaceAll("\n", "\r\n")])
      expect(await scan(running, text)).toMatchObject({
        kind: "infected",
        name: expect.stringMatching(/^Banned\.[\w.,/-]*,invoice\.pdf\.exe/) as string,
      });
    expect(await values(running, "postern_clamd_answers_total")).toEqual(
      expect.arrayContaining([
        'postern_clamd_answers_total{result="clean"} 2',
        'postern_clamd_answers_total{result="infected"} 3',
      ]),
    );
    // It keeps, delivers and logs no mail.
    expect(await running.files("state/quarantine")).toEqual([]);
    expect(running.lines).toEqual([]);
  });

  test("hands octets to clamd as they came", async () => {
    const running = await start();
    const before = clamd.scanned.length;
    const octets = "\x00\x01\nno message at all\r\rx\n";
    expect(await scan(running, octets)).toEqual({ kind: "clean" });
    expect(clamd.scanned.slice(before).map(String)).toContain(octets);
  });

  test("an error when clamd is away, OK only when policy accepts that", async () => {
    const running = await start();
    clamd.mood = "closes-late";
    expect(await scan(running, TEXT)).toEqual({
      kind: "error",
      why: `said "stream: UNCHECKED_VIRUS: ${clamd.endpoint}: closed without a reply ERROR"`.slice(
        0,
        126,
      ),
    });
    expect(await scan(running, WITH_PROGRAM)).toMatchObject({ kind: "infected" });
    await running.stop();
    app = null;
    const lax = await start({ policy: "unchecked virus any any accept\n" });
    clamd.mood = "closes-late";
    expect(await scan(lax, TEXT)).toEqual({ kind: "clean" });
  });
});
