// The scorer in the whole path: asked last and once, not at all when its answer could change nothing, seen in header, log and
// metrics, and never in the way of mail. The scorer is a fake on a real socket.
import { afterEach, describe, expect, it } from "vitest";
import { fakeSpamd, reportOf, type FakeSpamd } from "../fakes/spamd.ts";
import { nextHop, type NextHopServer } from "../fakes/next-hop.ts";
import { runningApp, type AppOptions, type Mail, type RunningApp } from "../fakes/running-app.ts";

const GTUBE = "XJS*C4JDBQADN1.NSBN3*2IDNEN*GTUBE-STANDARD-ANTI-UBE-TEST-EMAIL*C.34X";
const EICAR = String.raw`X5O!P%@AP[4\PZX54(P^)7CC)7}$EICAR-STANDARD-ANTIVIRUS-TEST-FILE!$H+H*`;
const open: { stop(): Promise<void> }[] = [];
afterEach(async () => {
  for (const one of open.splice(0).reverse()) await one.stop();
});

interface World {
  readonly spamd: FakeSpamd;
  readonly next: NextHopServer;
  readonly running: RunningApp;
  send(text: string, more?: Partial<Mail>): Promise<string>;
}

async function world(more = "", options: Partial<AppOptions> = {}): Promise<World> {
  const spamd = await fakeSpamd();
  const next = await nextHop();
  open.push(spamd, { stop: () => next.close() });
  const running = await runningApp({
    toml: `[next_hop]\nrelay = "${next.address}"\n[delivery]\ndomains = ["ours.example"]\n[dns]\nservers = "off"\n[greylist]\nwhen = []\n[networks]\ninternal = ["10.0.0.0/8"]\n[spamd]\nendpoints = ["${spamd.name}"]\n${more}\n`,
    mode: "before-queue",
    ...options,
  });
  open.push(running);
  const send = async (text: string, over: Partial<Mail> = {}): Promise<string> => {
    const [reply] = await running.send({
      to: ["u@ours.example"],
      xforward: { ADDR: "192.0.2.5", NAME: "mx.remote.example", HELO: "mx.remote.example" },
      text: `From: <sender@remote.example>\nSubject: hello\nMessage-ID: <1@remote.example>\n\n${text}\n`,
      ...over,
    });
    return `${reply?.code} ${reply?.status} ${reply?.text}`;
  };
  return { spamd, next, running, send };
}

const header = (next: NextHopServer): readonly string[] =>
  (next.delivered.at(-1)?.body.toString("latin1").split("\r\n\r\n")[0] ?? "")
    .split(/\r\n(?![ \t])/)
    .filter((field) => field.startsWith("X-Spam"));
const metric = async ({ running }: World, name: string): Promise<string> =>
  (await running.metrics.registry.metrics())
    .split("\n")
    .filter((line) => line.startsWith(name))
    .join("\n");

describe("what spamd says", () => {
  it("stands in the header as amavis writes it", async () => {
    const w = await world();
    w.spamd.answer = () =>
      reportOf(
        [
          { name: "RCVD_ILLEGAL_IP", score: 1.3 },
          { name: "DRUGS_ERECTILE", score: 1.778 },
          { name: "MSGID_SHORT", score: 0.001 },
          { name: "SPF_PASS", score: -0.001 },
        ],
        { exact: true },
      );
    expect(await w.send("hello")).toMatch(/^250 /);
    expect(header(w.next)).toEqual([
      "X-Spam-Flag: NO",
      "X-Spam-Score: 3.078",
      "X-Spam-Level: ***",
      "X-Spam-Status: No, score=3.078 required=5 tests=[DRUGS_ERECTILE=1.778,\r\n" +
        " MSGID_SHORT=0.001, RCVD_ILLEGAL_IP=1.3, SPF_PASS=-0.001]\r\n" +
        " autolearn=no autolearn_force=no",
    ]);
    expect(w.running.lines[0]).toMatch(/Passed CLEAN .* Hits: 3\.078, /);
    expect(await metric(w, "postern_spam_scorings_total")).toContain('result="scored"} 1');
  });

  it("is not amavis' business of levels: ours decide, per recipient, and it is asked once", async () => {
    const w = await world("", {
      policy: 'for b@ours.example tag2=3 subject-tag="[SPAM] "\nfor c@ours.example tag=5',
    });
    w.spamd.answer = () => reportOf([{ name: "A", score: 4 }]);
    const to = ["a@ours.example", "b@ours.example", "c@ours.example"];
    expect(await w.send("hello", { to })).toMatch(/^250 /);
    expect(w.spamd.requests).toHaveLength(1);
    const copies = new Map(
      w.next.delivered.map((t) => [/<(.)@/.exec(t.rcpts[0] ?? "")?.[1], t.body.toString()]),
    );
    expect(copies.get("a")).toMatch(
      /^X-Spam-Status: No, score=4 required=5 tests=\[A=4\]\r\n autolearn=unavailable|^X-Spam-Status: No, score=4 required=5 tests=\[A=4\] autolearn=unavailable/m,
    );
    expect(copies.get("b")).toMatch(/^X-Spam-Flag: YES\r\n[^]*^Subject: \[SPAM\] hello\r$/m);
    expect(copies.get("c")).not.toContain("X-Spam");
  });

  it("rejects at the kill level; GTUBE is its to find", async () => {
    const w = await world();
    expect(await w.send(GTUBE)).toMatch(/^554 5\.7\.0 .* - spam$/);
    expect(w.next.delivered).toEqual([]);
    expect(w.running.lines[0]).toMatch(/Blocked SPAM .*quarantine: .* Hits: 1000, /);
    expect(w.spamd.requests).toHaveLength(1);
  });

  it("may be worth something else to the operator, under its own name only", async () => {
    const w = await world("", {
      scores: "score spamd:SPF_FAIL 7\nscore spamd:A -1\nscore SPF_PASS 50\n",
    });
    w.spamd.answer = () =>
      reportOf([
        { name: "SPF_FAIL", score: 0.9 },
        { name: "A", score: 3 },
        { name: "SPF_PASS", score: 0.1 },
      ]);
    await w.send("hello");
    expect(header(w.next)[3]).toContain("score=6.1 required=5 tests=[A=-1, SPF_FAIL=7,");
    expect(w.running.says.join("\n")).not.toContain("spamd:");
  });

  it("is not believed about who the sender is: its SPF_PASS is not ours", async () => {
    const w = await world("", { policy: "fate spammy any inbound discard keep if auth\n" });
    w.spamd.answer = () =>
      reportOf([
        { name: "SPF_PASS", score: -0.1 },
        { name: "A", score: 6 },
      ]);
    expect(await w.send("hello")).toMatch(/^250 2\.\d\.0 (?!.*discarded)/);
    expect(w.next.delivered).toHaveLength(1);
  });
});

it("a recipient whom an allow line spares the score reads nothing of it", async () => {
  const w = await world("", {
    rules: { "local.d/recipients.rules": 'allow a@ours.example "samples" skip spam\n' },
  });
  w.spamd.answer = () => reportOf([{ name: "A", score: 6 }]);
  await w.send("hello", { to: ["a@ours.example", "b@ours.example"] });
  const copies = new Map(
    w.next.delivered.map((t) => [/<(.)@/.exec(t.rcpts[0] ?? "")?.[1], t.body.toString()]),
  );
  expect(copies.get("a")).not.toContain("X-Spam");
  expect(copies.get("b")).toContain("X-Spam-Flag: YES");
});

describe("it is not asked", () => {
  it.each<[string, string, Partial<AppOptions>, Partial<Mail>]>([
    ["about a virus that is rejected", EICAR, {}, {}],
    ["about a virus that is discarded", EICAR, { mode: "after-queue" }, {}],
    [
      "about a virus of our own users",
      EICAR,
      {},
      { xforward: { ADDR: "10.0.0.1" }, to: ["x@else.example"] },
    ],
    [
      "when an allow line waives spam",
      "hello",
      { rules: { "local.d/senders.rules": "allow remote.example\n" } },
      {},
    ],
    [
      "when policy does nothing about points",
      "hello",
      { policy: "fate spam any any accept\nfate spammy any any accept\nlevel tag never\n" },
      {},
    ],
    [
      "about outbound mail when policy does nothing about its points",
      "hello",
      { policy: "fate spam any outbound accept\n" },
      { xforward: { ADDR: "10.0.0.1" }, to: ["x@else.example"] },
    ],
  ])("%s", async (_what, text, options, more) => {
    const w = await world("", options);
    await w.send(text, more);
    expect(w.spamd.requests).toEqual([]);
    expect(header(w.next)).toEqual([]);
    expect(w.running.lines).toHaveLength(1);
  });

  it.each<[string, Partial<AppOptions>, Partial<Mail>]>([
    [
      "outbound mail, which is stopped from the kill level on",
      {},
      { xforward: { ADDR: "10.0.0.1" }, to: ["x@else.example"] },
    ],
    [
      "one recipient of several who minds",
      { rules: { "local.d/recipients.rules": 'allow a@ours.example "samples" skip spam\n' } },
      { to: ["a@ours.example", "b@ours.example"] },
    ],
  ])("but it is about %s", async (_what, options, more) => {
    const w = await world("", options);
    await w.send("hello", more);
    expect(w.spamd.requests).toHaveLength(1);
  });

  it("but it is when its points could take back what others gave", async () => {
    const w = await world("", { scores: "score FAULTS 12\n" });
    w.spamd.answer = () => reportOf([{ name: "USER_IN_WELCOMELIST", score: -100 }]);
    const faulty =
      "From: <a@remote.example>\nSubject: x\nMessage-ID: <1@x>\nnot a field\n\nhello\n";
    expect(await w.send("", { text: faulty })).toMatch(/^250 /);
  });
});

describe("a scorer that does not answer", () => {
  it.each<[string, (spamd: FakeSpamd) => void, RegExp, string]>([
    ["is gone", (s) => void s.stop(), /ENOENT|ECONNREFUSED/, "unreachable"],
    ["is silent", (s) => (s.answer = () => null), /no answer within \d+ ms/, "silent"],
    [
      "talks nonsense",
      (s) => (s.answer = () => "HTTP/1.1 200 OK\r\n\r\n"),
      /none of spamd's/,
      "broken",
    ],
    [
      "goes in the middle",
      (s) => (s.answer = () => reportOf([]).slice(0, -9)),
      /closed in the middle/,
      "broken",
    ],
  ])(
    "one that %s: mail passes, visibly unchecked, and nothing is claimed",
    async (_what, hurt, why, result) => {
      const w = await world(`deadline = "300ms"`);
      hurt(w.spamd);
      expect(await w.send("hello")).toMatch(/^250 /);
      expect(header(w.next)).toEqual([]);
      expect(w.running.lines[0]).toMatch(/Passed UNCHECKED \{RelayedInbound\}.* Hits: -, /);
      expect(w.running.says.join("\n")).toMatch(why);
      expect(await metric(w, "postern_spam_scorings_total")).toContain(`result="${result}"} 1`);
      expect(await metric(w, "postern_check_errors_total")).toContain(
        'check="spam",reason="error"} 1',
      );
      expect(await metric(w, "postern_messages_total")).toContain('category="unchecked"');
    },
  );

  it("policy may want something else", async () => {
    const w = await world(`deadline = "300ms"`, { policy: "unchecked spam any any tempfail\n" });
    w.spamd.answer = () => null;
    expect(await w.send("hello")).toMatch(/^451 4\.7\.1 .*UNCHECKED: spam$/);
    expect(w.next.delivered).toEqual([]);
  });

  it("a message over max_size with skip passes unchecked", async () => {
    const w = await world(`max_size = "1K"\noversize = "skip"`);
    expect(await w.send("x\n".repeat(2000))).toMatch(/^250 /);
    expect(w.spamd.requests).toEqual([]);
    expect(header(w.next)).toEqual([]);
    expect(w.running.lines[0]).toMatch(/Passed UNCHECKED /);
  });
});

it("sends the envelope and the client's hop in front of the message", async () => {
  const w = await world();
  await w.send("hello");
  const [request] = w.spamd.requests;
  expect(request?.message).toMatch(
    /^Return-Path: <sender@remote\.example>\r\nX-Envelope-To: u@ours\.example\r\n/,
  );
  expect(request?.message).toMatch(
    /^Received: from mx\.remote\.example \(mx\.remote\.example \[192\.0\.2\.5\]\)\r\n by filter\.example \(postern\)/m,
  );
});

it("says how long each check took when it is asked to, in words that readers of amavis' log know", async () => {
  const w = await world("", { server: "log_timings = true" });
  await w.send("hello");
  expect(w.running.lines).toHaveLength(2);
  expect(w.running.lines[1]).toMatch(
    /^\(\d+-\d+\) size: \d+, TIMING \[total \d+ ms\] - access: [\d.]+ \(\d+%\), .*\bspam: [\d.]+ \(\d+%\)$/,
  );
});
