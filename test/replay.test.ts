// The history of a running app, explained and replayed: the same rules change nothing, other rules exactly what they say.
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { history } from "../src/cli/history.ts";
import { rulesDiff } from "../src/cli/rules-diff.ts";
import { replayer } from "../src/replay.ts";
import { compileAll } from "../src/rules-live.ts";
import type { RuleSet } from "../src/ruleset/compile.ts";
import { readRules } from "../src/ruleset/source.ts";
import { historyReader, type HistoryReader } from "../src/state/history-read.ts";
import { runningApp, type RunningApp } from "./fakes/running-app.ts";

const GTUBE = "XJS*C4JDBQADN1.NSBN3*2IDNEN*GTUBE-STANDARD-ANTI-UBE-TEST-EMAIL*C.34X";
const LIMITS = { from: 0, to: Date.now() + 3_600_000 };
let running: RunningApp;
let reader: HistoryReader;

const mail = (name: string, body: string, more = ""): string =>
  `From: Ann <ann@remote.example>\nSubject: ${name}\nMessage-ID: <${name}@x>\n${more}\n${body}\n`;
const attached = (name: string, file: string): string =>
  mail(
    name,
    `--b\nContent-Type: text/plain\n\nx\n--b\nContent-Type: application/octet-stream; name="${file}"\n\nx\n--b--`,
    'MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary="b"\n',
  );

beforeAll(async () => {
  running = await runningApp({
    toml: '[next_hop]\nrelay = "local"\n[delivery]\ndomains = ["ours.example"]\nmail_root = "DIR/mail"\nunknown = "create"\n[networks]\ninternal = ["192.0.2.77"]',
    rules: {
      "local.d/senders.rules": "deny bad@remote.example\nallow good@remote.example skip spam\n",
    },
  });
  const to = ["a@ours.example"];
  await running.send({ to: ["a@ours.example", "b@ours.example"], text: mail("plain", "hello") });
  await running.send({ to, text: mail("gtube", GTUBE), xforward: { ADDR: "192.0.2.9" } });
  await running.send({ to, text: attached("exe", "run.exe") });
  await running.send({ to, text: attached("xyz", "notes.xyz") });
  await running.send({ to, from: "bad@remote.example", text: mail("denied", "hello") });
  await running.send({ to, from: "good@remote.example", text: mail("allowed", GTUBE) });
  await running.send({ to, from: null, text: mail("hostile\u001b[2J\u202e", "hello") });
  const file = join(running.dir, "state/history.db");
  const written = async (): Promise<number> =>
    (await running.metrics.history.get()).values[0]?.value ?? 0;
  for (let tries = 0; (await written()) < 7 && tries < 300; tries++)
    await new Promise((resolve) => setTimeout(resolve, 50));
  reader = historyReader(file);
});
afterAll(async () => {
  reader.close();
  await running.stop();
});

async function rules(more: Readonly<Record<string, string>> = {}): Promise<RuleSet> {
  const shipped = await readRules(new URL("../rules", import.meta.url).pathname);
  if ("errors" in shipped) throw new Error("the shipped rules do not load");
  const senders = "deny bad@remote.example\nallow good@remote.example skip spam\n";
  const source = new Map([
    ...shipped.ok,
    ["local.d/senders.rules", senders],
    ...Object.entries(more),
  ]);
  const compiled = compileAll(source, running.config);
  if ("errors" in compiled) throw new Error(compiled.errors.map((e) => e.message).join());
  return compiled.ok;
}

interface Change {
  readonly id: string;
  readonly before: string;
  readonly after: string;
  readonly rule: string | null;
  readonly unasked: readonly string[];
}

async function diff(more: Readonly<Record<string, string>>): Promise<ReadonlyMap<string, Change>> {
  let out = "";
  const next = replayer(await rules(more), await rules());
  const rows = reader.rows(LIMITS.from, LIMITS.to);
  const code = await rulesDiff({
    rows,
    replayer: next,
    limit: 100,
    json: true,
    out: (text) => (out += text),
  });
  const changes = out.split("\n").filter((line) => line !== "");
  expect(code).toBe(changes.length === 0 ? 0 : 1);
  return new Map(
    changes.map((line) => {
      const change = JSON.parse(line) as Change & { recipient: string };
      const [row] = reader.named(change.id, 1);
      const subject = row?.header.find(([name]) => name === "Subject")?.[1] ?? "";
      return [`${subject} ${change.recipient}`, change];
    }),
  );
}

describe("replaying the history", () => {
  it("under the same rules changes nothing", async () => {
    expect([...(await diff({})).keys()]).toEqual([]);
  });

  it("applies another policy, and names the line", async () => {
    const changes = await diff({
      "local.d/policy.rules": "fate spam after-queue inbound discard\n",
    });
    // A denied sender has the points of spam.
    expect(new Set(changes.keys())).toEqual(
      new Set(["gtube a@ours.example", "denied a@ours.example"]),
    );
    expect(changes.get("gtube a@ours.example")).toMatchObject({
      before: "tag, folder Junk",
      after: "discard",
      rule: "rules/local.d/policy.rules:1",
    });
  });

  it("applies other points", async () => {
    const changes = await diff({ "local.d/scores.rules": "score GTUBE 0.5\n" });
    expect([...changes.keys()]).toEqual(["gtube a@ours.example"]);
    expect(changes.get("gtube a@ours.example")?.after).toBe("accept");
  });

  it("asks lists and banned.rules again", async () => {
    const banned = await diff({ "local.d/banned.rules": 'deny *.xyz "no xyz"\nallow *.exe\n' });
    expect(new Set(banned.keys())).toEqual(new Set(["exe a@ours.example", "xyz a@ours.example"]));
    expect(banned.get("xyz a@ours.example")?.before).toBe("accept");
    const senders = await diff({ "local.d/senders.rules": "deny remote.example\n" });
    expect(new Set(senders.keys())).toContain("plain b@ours.example");
    expect(senders.get("plain a@ours.example")?.after).not.toBe("accept");
    const clients = await diff({ "local.d/clients.rules": "allow 192.0.2.9 skip spam\n" });
    expect([...clients.keys()]).toEqual(["gtube a@ours.example"]);
  });

  it("tells in plain words what changes and what no replay can know", async () => {
    let out = "";
    const code = await rulesDiff({
      rows: reader.rows(LIMITS.from, LIMITS.to),
      replayer: replayer(
        await rules({ "local.d/scores.rules": "score GTUBE 0.5\n" }),
        await rules(),
      ),
      limit: 50,
      json: false,
      out: (text) => (out += text),
    });
    expect(code).toBe(1);
    expect(out).toContain("7 messages to 8 recipients: 1 verdicts change");
    expect(out).toMatch(/tag, folder Junk \(spam\) -> accept \(clean\)/);
    expect(out).toContain("DNS lists, greylist");
  });
});

function run(...args: string[]): { code: number; out: string; err: string } {
  let [out, err] = ["", ""];
  const code = history(args, {
    reader,
    out: (text) => (out += text),
    err: (text) => (err += text),
    now: () => Date.now(),
  });
  return { code, out, err };
}

describe("postern history", () => {
  it("explains a verdict by Message-ID: what decided, where the rule stands, what was found", () => {
    const { code, out } = run("explain", "gtube@x");
    expect(code).toBe(0);
    expect(out).toMatch(
      /<a@ours\.example> tag, folder Junk: spam, score [\d.]+ because of GTUBE \(rules\/policy\.rules:\d+\)/,
    );
    expect(out).toMatch(/^ {4}GTUBE spam \d+/m);
    expect(out).toMatch(/client 192\.0\.2\.9/);
    expect(run("explain", "<exe@x>").out).toMatch(
      /part 1\/2 application\/octet-stream .* run\.exe/,
    );
  });

  it("lists what the filters let through, newest first", () => {
    expect(run("list").out.trim().split("\n")).toHaveLength(7);
    expect(run("list", "--symbol", "gtube").out.trim().split("\n")).toHaveLength(2);
    expect(run("list", "--sender", "BAD@remote.example").out).toMatch(/listed/);
    expect(run("list", "--sender", "<>").out.trim().split("\n")).toHaveLength(1);
    expect(run("list", "--recipient", "@ours.example", "--category", "spam").out).toMatch(
      /tag spam/,
    );
    expect(run("list", "--recipient", "c@ours.example")).toMatchObject({ code: 1, out: "" });
    expect(run("list", "--limit", "2").err).toMatch(/only the newest 2/);
  });

  it("keeps no body, and lets nothing of a message reach the terminal", () => {
    const json = run("list", "--json").out;
    expect(json).not.toContain("hello");
    expect(json).not.toContain(GTUBE);
    const forbidden = /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u202e]/;
    const [row] = [...reader.rows(LIMITS.from, LIMITS.to)].filter(({ sender }) => sender === null);
    for (const out of [json, run("explain", row?.mailId ?? "").out, run("explain", "\u001b").err])
      expect(out).not.toMatch(forbidden);
  });

  it.each([[["show"]], [["list", "x"]], [["list", "--days", "0"]], [["list", "--color"]], [[]]])(
    "%j makes no sense",
    (args) => {
      expect(run(...args).code).toBe(2);
    },
  );
});
