// The whole path of a message through a real app: listener, judge, apply, reports, memory of retries. Next hops are scripted.
import { parseNextHop } from "../../src/clients/next-hop.ts";
import { smtpDestination } from "../../src/clients/smtp.ts";
import { afterEach, describe, expect, it } from "vitest";
import { nextHop, type NextHopServer } from "../fakes/next-hop.ts";
import { runningApp, type AppOptions, type RunningApp } from "../fakes/running-app.ts";

const GTUBE = "XJS*C4JDBQADN1.NSBN3*2IDNEN*GTUBE-STANDARD-ANTI-UBE-TEST-EMAIL*C.34X";
const EICAR = String.raw`X5O!P%@AP[4\PZX54(P^)7CC)7}$EICAR-STANDARD-ANTIVIRUS-TEST-FILE!$H+H*`;
const mail = (body: string, more = ""): string =>
  `From: <sender@remote.example>\nTo: <a@ours.example>\nSubject: hello\nMessage-ID: <1@remote.example>\n${more}\n${body}\n`;

const open: { stop(): Promise<void> }[] = [];
afterEach(async () => {
  for (const one of open.splice(0).reverse()) await one.stop();
});

async function hop(options: Parameters<typeof nextHop>[0] = {}): Promise<NextHopServer> {
  const server = await nextHop(options);
  open.push({ stop: () => server.close() });
  return server;
}

async function app(
  next: NextHopServer,
  options: Partial<AppOptions> = {},
  outgoing?: NextHopServer,
): Promise<RunningApp> {
  const running = await runningApp({
    toml: `[next_hop]\nrelay = "${next.address}"\n[outgoing]\nrelay = "${(outgoing ?? next).address}"\n[delivery]\ndomains = ["ours.example"]\n[limits]\nbudget_after_queue = "2s"\n`,
    ...options,
  });
  open.push(running);
  return running;
}

const to = (server: NextHopServer): string[] =>
  server.delivered.flatMap((t) => t.rcpts.map((line) => /<(.*?)>/.exec(line)?.[1] ?? ""));
const FIVE = ["a", "b", "c", "d", "e"].map((name) => `${name}@ours.example`);

const FIVE_POLICIES = [
  "for a@ours.example spam=accept spammy=accept",
  'for b@ours.example spam="tag folder=Junk" subject-tag="[SPAM] "',
  'for c@ours.example spam="discard keep"',
  "for d@ours.example spam=reject",
].join("\n");

describe("a message too large for memory", () => {
  const large = Buffer.alloc(900_000, "0123456789abcdef").toString("base64");
  const text = (last: string): string =>
    mail(
      `--b\n\ntext\n--b\nContent-Transfer-Encoding: base64\n\n${large.replace(/.{76}/g, "$&\n")}\n--b\n${last}\n--b--`,
      "Content-Type: multipart/mixed; boundary=b\n",
    );

  it("arrives octet by octet", async () => {
    const next = await hop();
    const running = await app(next);
    const content = text("\n.the end");
    const [reply] = await running.send({ to: [FIVE[0] ?? ""], text: content });
    expect(reply?.code).toBe(250);
    const sent = content.slice(content.indexOf("--b")).trimEnd().replaceAll("\n", "\r\n");
    expect(next.delivered[0]?.body.toString("latin1").trimEnd().endsWith(sent)).toBe(true);
  });

  it("is judged by what its last part holds", async () => {
    const next = await hop();
    const running = await app(next, { mode: "before-queue" });
    const [reply] = await running.send({ to: [FIVE[0] ?? ""], text: text(`\n${EICAR}`) });
    expect(reply?.code).toBe(554);
    expect(next.delivered).toEqual([]);
  });
});

describe("one message to five recipients with five policies", () => {
  it("gives five replies over LMTP, and two copies with their own headers", async () => {
    const next = await hop();
    const running = await app(next, {
      policy: `${FIVE_POLICIES}\nfor e@ours.example spam=tempfail`,
    });
    const replies = await running.send({ protocol: "lmtp", to: FIVE, text: mail(GTUBE) });
    expect(replies.map((reply) => [reply.code, reply.status])).toEqual([
      [250, "2.0.0"],
      [250, "2.0.0"],
      [250, "2.7.0"],
      [554, "5.7.0"],
      [451, "4.7.1"],
    ]);
    expect(to(next).sort()).toEqual(["a@ours.example", "b@ours.example"]);
    const copies = new Map(
      next.delivered.map((t) => [/<(.)@/.exec(t.rcpts[0] ?? "")?.[1], t.body.toString()]),
    );
    expect(copies.get("a")).toMatch(/^X-Spam-Flag: YES\r\n/m);
    expect(copies.get("a")).toMatch(/^Subject: hello\r\n/m);
    expect(copies.get("b")).toMatch(/^Subject: \[SPAM\] hello\r\n/m);
    expect(
      running.lines.map((line) =>
        line
          .replace(/^\(.*?\) /, "")
          .split(" ", 2)
          .join(" "),
      ),
    ).toEqual(["Passed SPAM", "Blocked SPAM"]);
    expect((await running.files("state/quarantine")).filter((f) => f.endsWith(".gz"))).toHaveLength(
      1,
    );
  });

  it("collapses to one reply over SMTP, with the hidden reject kept in quarantine and nobody bounced", async () => {
    const next = await hop();
    const running = await app(next, { policy: FIVE_POLICIES });
    const replies = await running.send({ to: FIVE.slice(0, 4), text: mail(GTUBE) });
    expect(replies[0]).toMatchObject({ code: 250 });
    expect(replies[0]?.text).toMatch(/queued as .*, but 1 DISCARD, 1 REJECT/);
    expect(to(next).sort()).toEqual(["a@ours.example", "b@ours.example"]);
    expect((await running.files("state/quarantine")).filter((f) => f.endsWith(".gz"))).toHaveLength(
      1,
    );
  });

  it("tempfails all over SMTP when one recipient's fate is tempfail, and hands nothing on", async () => {
    const next = await hop();
    const running = await app(next, {
      policy: `${FIVE_POLICIES}\nfor e@ours.example spam=tempfail`,
    });
    const replies = await running.send({ to: FIVE, text: mail(GTUBE) });
    expect(replies[0]).toMatchObject({ code: 451 });
    expect(next.delivered).toEqual([]);
    expect(await running.files("state/quarantine")).toEqual([]);
  });
});

describe("retries double nothing", () => {
  it("over SMTP one recipient that must wait keeps the message from all, over LMTP only from itself", async () => {
    const next = await hop({
      rcpt: (line) => (line.includes("<c@") ? "451 4.2.1 busy" : "250 2.1.5 Ok"),
    });
    const running = await app(next);
    expect((await running.send({ to: FIVE, text: mail("hello") }))[0]?.code).toBe(451);
    expect(next.delivered).toEqual([]);
    const replies = await running.send({ protocol: "lmtp", to: FIVE, text: mail("hello") });
    expect(replies.map((reply) => reply.code)).toEqual([250, 250, 451, 250, 250]);
    expect(to(next)).toHaveLength(4);
  });

  it.each(["smtp", "lmtp"] as const)(
    "one of five next-hop recipients answers 451 ten times (%s)",
    async (protocol) => {
      let refusals = 0;
      const next = await hop({
        rcpt: (line) =>
          line.includes("<c@") && refusals++ < 10 ? "451 4.2.1 busy" : "250 2.1.5 Ok",
      });
      const running = await app(next);
      let waiting = FIVE;
      let tries = 0;
      while (waiting.length > 0 && tries++ < 20) {
        const replies = await running.send({ protocol, to: waiting, text: mail("hello") });
        const failed = (i: number): boolean =>
          (protocol === "smtp" ? replies[0] : replies[i])?.kind === "tempfail";
        waiting = waiting.filter((_, i) => failed(i));
      }
      expect(tries).toBe(11);
      expect(to(next).sort()).toEqual(FIVE);
    },
  );

  it("skips a cluster that was handed on when another cluster's dot failed", async () => {
    let dots = 0;
    const next = await hop({
      dot: (_line, t) =>
        t.rcpts[0]?.includes("<b@") && dots++ < 3 ? "451 4.3.0 disk" : "250 2.0.0 Ok: queued as X",
    });
    const running = await app(next, {
      policy: 'for b@ours.example subject-tag="[SPAM] " spam=tag\nfor a@ours.example spam=tag',
    });
    const kinds: string[] = [];
    for (let i = 0; i < 4; i++)
      kinds.push((await running.send({ to: FIVE.slice(0, 2), text: mail(GTUBE) }))[0]?.kind ?? "");
    expect(kinds).toEqual(["tempfail", "tempfail", "tempfail", "ok"]);
    expect(to(next).sort()).toEqual(["a@ours.example", "b@ours.example"]);
  });
});

describe("reports of our own", () => {
  it("bounces to the sender when the fate says so, through [outgoing]", async () => {
    const next = await hop();
    const out = await hop();
    const running = await app(
      next,
      {
        policy: "for a@ours.example banned=bounce",
        toml: `[next_hop]\nrelay = "${next.address}"\n[outgoing]\nrelay = "${out.address}"\n[delivery]\ndomains = ["ours.example"]\n[networks]\ninternal = ["192.0.2.0/24"]\n`,
      },
      out,
    );
    const text = mail("MZ", 'Content-Type: application/octet-stream; name="x.exe"\n');
    const xforward = { ADDR: "192.0.2.1" };
    const [reply] = await running.send({ to: ["a@ours.example"], text, xforward });
    expect(reply).toMatchObject({ code: 250, status: "2.5.0" });
    expect(next.delivered).toEqual([]);
    expect(to(out)).toEqual(["sender@remote.example"]);
    expect(out.delivered[0]?.mail).toMatch(/^MAIL FROM:<>/);
    const dsn = out.delivered[0]?.body.toString() ?? "";
    expect(dsn).toMatch(/^Content-Type: multipart\/report; report-type=delivery-status/m);
    expect(dsn).toMatch(/^Final-Recipient: rfc822; a@ours\.example\r$/m);
    expect(running.lines[0]).toMatch(/Blocked BANNED \(.*\) \{BouncedInternal\}/);
  });

  it.each([
    ["the null sender", null, ""],
    ["a list", "x@remote.example", "List-Id: <l.example>\n"],
    ["somebody whose address anybody could have used", "x@remote.example", ""],
  ])("never bounces to %s", async (_name, from, header) => {
    const next = await hop();
    const running = await app(next, { policy: "for a@ours.example banned=bounce" });
    const text = mail("MZ", `${header}Content-Type: application/octet-stream; name="x.exe"\n`);
    expect((await running.send({ from, to: ["a@ours.example"], text }))[0]?.code).toBe(250);
    expect(next.delivered).toEqual([]);
    expect(running.lines[0]).toMatch(/\{NoBounceInbound\}/);
  });

  it("reports a 5xx of the next hop that the 250 for others hides", async () => {
    const next = await hop({
      rcpt: (line) => (line.includes("<b@") ? "550 5.1.1 no such user" : "250 2.1.5 Ok"),
    });
    const out = await hop();
    const running = await app(next, {}, out);
    expect((await running.send({ to: FIVE.slice(0, 2), text: mail("hi") }))[0]?.code).toBe(250);
    expect(to(out)).toEqual(["sender@remote.example"]);
    expect(out.delivered[0]?.body.toString()).toMatch(
      /^Final-Recipient: rfc822; b@ours\.example\r$/m,
    );
  });

  it("hands a 5xx for everybody to the client and reports nothing", async () => {
    const next = await hop({ rcpt: "550 5.1.1 no such user" });
    const running = await app(next);
    expect((await running.send({ to: FIVE, text: mail("hi") }))[0]).toMatchObject({
      code: 550,
      status: "5.1.1",
    });
    expect(next.delivered).toEqual([]);
  });

  it("keeps the message at the client while the report cannot be sent, and delivers once", async () => {
    let down = true;
    const next = await hop({
      rcpt: (line) => (line.includes("<b@") ? "550 5.1.1 no such user" : "250 2.1.5 Ok"),
    });
    const out = await hop({ mail: () => (down ? "451 4.3.0 later" : "250 2.1.0 Ok") });
    const running = await app(next, {}, out);
    expect((await running.send({ to: FIVE.slice(0, 2), text: mail("hi") }))[0]?.code).toBe(451);
    down = false;
    expect((await running.send({ to: FIVE.slice(0, 2), text: mail("hi") }))[0]?.code).toBe(250);
    expect(to(next)).toEqual(["a@ours.example"]);
    expect(to(out)).toEqual(["sender@remote.example"]);
  });
});

describe("deadlines and dead next hops", () => {
  it.each([
    ["hangs before the greeting", { greeting: null }],
    ["hangs after DATA", { data: null }],
    ["closes after DATA", { data: { raw: "", close: true } }],
    ["talks garbage", { mail: { raw: "\x00\xffgarbage\r\n", close: false } }],
  ])("answers 451 within the budget when the next hop %s", async (_name, script) => {
    const next = await hop(script);
    const running = await app(next);
    const start = Date.now();
    expect((await running.send({ to: ["a@ours.example"], text: mail("hi") }))[0]?.code).toBe(451);
    expect(Date.now() - start).toBeLessThan(6000);
    expect(running.lines[0]).toMatch(/Blocked MTA-BLOCKED \{TempFailedInbound\}/);
  });

  it("refuses loops", async () => {
    const next = await hop();
    const running = await app(next);
    const received = "Received: from a by b; Sat, 21 Nov 2026 01:03:48 +0000\n".repeat(101);
    expect(
      (await running.send({ to: ["a@ours.example"], text: received + mail("hi") }))[0],
    ).toMatchObject({ code: 554, status: "5.4.6" });
  });
});

describe("what is stopped is kept and found", () => {
  it("but not when the answer becomes a 4xx after all: the retry will bring it again", async () => {
    let down = true;
    const next = await hop({ dot: () => (down ? "451 4.3.0 disk" : "250 2.0.0 Ok: queued as X") });
    const running = await app(next, { policy: FIVE_POLICIES });
    const gz = async () =>
      (await running.files("state/quarantine")).filter((file) => file.endsWith(".gz"));
    const both = { to: ["a@ours.example", "c@ours.example"], text: mail(GTUBE) };
    expect((await running.send(both))[0]?.code).toBe(451);
    expect(await gz()).toEqual([]);
    down = false;
    expect((await running.send(both))[0]?.code).toBe(250);
    expect(await gz()).toHaveLength(1);
  });

  it.each(["after-queue", "before-queue"] as const)("EICAR, %s", async (mode) => {
    const next = await hop();
    const running = await app(next, { mode });
    const [reply] = await running.send({
      to: ["a@ours.example"],
      text: mail(EICAR),
      xforward: { ADDR: "192.0.2.7", PORT: "4711", IDENT: "4ABC" },
    });
    expect(reply?.code).toBe(mode === "before-queue" ? 554 : 250);
    expect(reply?.text).toContain("INFECTED: Eicar-Test-Signature");
    expect(running.lines[0]).toMatch(
      /^\(\d+-\d+\) Blocked INFECTED \(Eicar-Test-Signature\) \{(Rejected|Discarded)Inbound,Quarantined\}, \[192\.0\.2\.7\]:4711 .*quarantine: .\/virus-.*Queue-ID: 4ABC/,
    );
    const kept = await running.files("state/quarantine");
    expect(kept.filter((f) => f.endsWith(".gz"))).toHaveLength(1);
  });
});

describe("DSN", () => {
  it.each([
    ["is offered when the next hop offers it", ["PIPELINING", "DSN"], true],
    ["is not offered when the next hop does not", ["PIPELINING"], false],
  ])("%s", async (_name, extensions, offered) => {
    const next = await hop({ extensions });
    const running = await app(next);
    // One message makes sure that the next hop was asked.
    await running.send({ to: ["a@ours.example"], text: mail("hi") });
    const nextHop = parseNextHop(`smtp:unix:${running.dir}/filter.sock`);
    if (nextHop === null) throw new Error("no next hop");
    const client = smtpDestination({ nextHop, hostname: "client.example" });
    const { extensions: ours } = await client.probe(AbortSignal.timeout(5000));
    await client.close();
    expect(ours.includes("DSN")).toBe(offered);
  });
});

describe("metrics", () => {
  it("count messages and leave nothing in flight", async () => {
    const next = await hop();
    const running = await app(next);
    await running.send({ to: ["a@ours.example"], text: mail("hi") });
    const page = await running.metrics.registry.metrics();
    expect(page).toContain(
      'postern_messages_total{direction="Inbound",category="clean",disposition="accept"} 1',
    );
    expect(page).toMatch(/^postern_in_flight 0$/m);
    expect(page).not.toContain("ours.example");
  });
});
