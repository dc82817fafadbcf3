// Notices through a real app: who is told what, by which way, and what is never told. Next hops are scripted.
import { connect } from "node:net";
import { join } from "node:path";
import { simpleParser } from "mailparser";
import { afterEach, describe, expect, it } from "vitest";
import { noticeRate } from "../../src/engine/notice-rate.ts";
import { nextHop, type NextHopServer, type Received } from "../fakes/next-hop.ts";
import { runningApp, type AppOptions, type RunningApp } from "../fakes/running-app.ts";

const EICAR = String.raw`X5O!P%@AP[4\PZX54(P^)7CC)7}$EICAR-STANDARD-ANTIVIRUS-TEST-FILE!$H+H*`;
const GTUBE = "XJS*C4JDBQADN1.NSBN3*2IDNEN*GTUBE-STANDARD-ANTI-UBE-TEST-EMAIL*C.34X";
const mail = (body: string, more = "", subject = "hello"): string =>
  `From: <sender@remote.example>\nTo: <a@ours.example>\nSubject: ${subject}\nMessage-ID: <1@remote.example>\n${more}\n${body}\n`;
const BANNED = mail(
  "MZ secret body",
  'Content-Type: application/octet-stream; name="invoice.exe"\n',
);

const open: { stop(): Promise<void> }[] = [];
afterEach(async () => {
  for (const one of open.splice(0).reverse()) await one.stop();
});

async function hop(options: Parameters<typeof nextHop>[0] = {}): Promise<NextHopServer> {
  const server = await nextHop(options);
  open.push({ stop: () => server.close() });
  return server;
}

async function app(next: NextHopServer, options: Partial<AppOptions> = {}): Promise<RunningApp> {
  const running = await runningApp({
    toml: `[next_hop]\nrelay = "${next.address}"\n[delivery]\ndomains = ["ours.example"]\n`,
    ...options,
  });
  open.push(running);
  return running;
}

const rcpt = ({ rcpts }: Received): string => /<(.*?)>/.exec(rcpts[0] ?? "")?.[1] ?? "";
async function told(next: NextHopServer, count = 1): Promise<readonly Received[]> {
  await next.until(() => next.delivered.length >= count);
  return next.delivered;
}

async function counted(running: RunningApp): Promise<Record<string, number>> {
  const { values } = await running.metrics.notices.get();
  return Object.fromEntries(values.map((v) => [`${v.labels.kind} ${v.labels.result}`, v.value]));
}

/** Resolves when the app has stopped, and with it every notice is sent or given up. */
async function stopped(running: RunningApp): Promise<void> {
  open.splice(open.indexOf(running), 1);
  await running.stop();
}

describe("a notice to the postmaster", () => {
  it("says what was stopped, for whom, from where, and how to look at it", async () => {
    const next = await hop();
    const running = await app(next);
    const [reply] = await running.send({
      to: ["a@ours.example", "b@ours.example"],
      text: mail(EICAR, "", "=?UTF-8?Q?Gr=C3=BC=C3=9Fe_=22x=22?="),
      xforward: { ADDR: "192.0.2.7", NAME: "evil.example", HELO: "evil", IDENT: "4ABC" },
    });
    expect(reply?.code).toBe(250);
    const [notice] = await told(next);
    expect(notice?.mail).toMatch(/^MAIL FROM:<>/);
    expect(rcpt(notice!)).toBe("postmaster@ours.example");
    const read = await simpleParser(notice!.body);
    expect(read.headers.get("auto-submitted")).toBe("auto-generated");
    expect(read.from?.value[0]?.address).toBe("postmaster@filter.example");
    expect(read.subject).toBe("VIRUS in mail from <sender@remote.example>");
    const id = /-([A-Za-z0-9_-]{12})\.gz$/.exec(
      (await running.files("state/quarantine")).find((file) => file.endsWith(".gz")) ?? "",
    )?.[1];
    expect(read.text).toContain("because:     INFECTED: Eicar-Test-Signature\n");
    expect(read.text).toContain("sender:      <sender@remote.example>\n");
    expect(read.text).toContain("recipient:   <a@ours.example> discarded\n");
    expect(read.text).toContain("recipient:   <b@ours.example> discarded\n");
    expect(read.text).toContain("client:      [192.0.2.7] evil.example (HELO evil)\n");
    expect(read.text).toContain("queue id:    4ABC\n");
    expect(read.text).toContain('subject:     "Grüße \\"x\\""\n');
    expect(read.text).toContain(`postern quarantine show ${id}\n`);
    expect(read.text).toContain(`postern quarantine release ${id}\n`);
    expect(notice!.body.toString()).not.toContain("X5O!P%");
    await stopped(running);
    expect(next.delivered).toHaveLength(1);
    expect(await counted(running)).toEqual({ "postmaster sent": 1 });
  });

  it("comes once for a message that its client brings again and again", async () => {
    const next = await hop();
    const running = await app(next, {
      policy: "fate spam any inbound tempfail notice=postmaster",
    });
    const again = { to: ["a@ours.example"], text: mail(GTUBE) };
    for (let i = 0; i < 3; i++) expect((await running.send(again))[0]?.code).toBe(451);
    const [notice] = await told(next);
    expect((await simpleParser(notice!.body)).text).toContain("No copy was kept.");
    await stopped(running);
    expect(await counted(running)).toEqual({ "postmaster sent": 1 });
  });

  it("comes neither for a message that goes on nor for one that a retry brings again", async () => {
    const next = await hop({
      rcpt: (line) => (line.includes("later") ? "451 4.2.0 Later" : "250 2.1.5 Ok"),
    });
    const running = await app(next, {
      policy:
        "fate banned any inbound discard keep notice=postmaster,recipient\nfor later@ours.example banned=accept",
    });
    const [reply] = await running.send({
      to: ["a@ours.example", "later@ours.example"],
      text: BANNED,
    });
    expect(reply?.code).toBe(451);
    await running.send({ to: ["a@ours.example"], text: mail("hi") });
    await stopped(running);
    expect(next.delivered.map(rcpt)).toEqual(["a@ours.example"]);
    expect(await counted(running)).toEqual({});
  });
});

describe("a notice to a recipient", () => {
  it("says that something was held and whom to ask, and nothing of what it was", async () => {
    const next = await hop();
    const running = await app(next);
    await running.send({ to: ["a@ours.example", "b@ours.example"], text: BANNED });
    const notices = await told(next, 2);
    expect(notices.map(rcpt).sort()).toEqual(["a@ours.example", "b@ours.example"]);
    const read = await simpleParser(notices[0]!.body);
    expect(read.subject).toBe("A message to you from <sender@remote.example> was held");
    expect(read.text).toContain("because it has an attachment of a kind that is not let through.");
    expect(read.text).toContain('subject:     "hello"\n');
    expect(read.text).toContain("ask <postmaster@ours.example>");
    expect(notices[0]!.body.toString()).not.toMatch(/secret|invoice/);
  });

  it("is never sent for a virus unless policy says so", async () => {
    const next = await hop();
    const running = await app(next);
    await running.send({ to: ["a@ours.example"], text: mail(EICAR) });
    const asked = await app(next, {
      policy: "fate virus any inbound discard keep notice=recipient",
    });
    await asked.send({ to: ["a@ours.example"], text: mail(EICAR) });
    await stopped(running);
    await stopped(asked);
    expect(next.delivered.map(rcpt).sort()).toEqual(["a@ours.example", "postmaster@ours.example"]);
  });

  it("is not sent to recipients of others", async () => {
    const next = await hop();
    const running = await app(next, {
      policy: "fate banned any any discard keep notice=recipient",
    });
    await running.send({ to: ["a@theirs.example"], text: BANNED });
    await stopped(running);
    expect(next.delivered).toHaveLength(0);
    expect(await counted(running)).toEqual({ "recipient suppressed": 1 });
  });

  it.each([
    ["line ends and quotes", 'a"\\\r\n b', '"a\\"\\\\ b"'],
    ["an encoded line end", "=?UTF-8?B?YQ0KQmNjOiB4QHk=?=", '"a??Bcc: x@y"'],
    ["a turn of direction", "=?UTF-8?B?4oCuZXhl?=", '"?exe"'],
    ["more than fits", "x".repeat(900), `"${"x".repeat(200)}"`],
  ])("escapes a subject with %s", async (_name, subject, shown) => {
    const next = await hop();
    const running = await app(next);
    await running.send({
      to: ["a@ours.example"],
      text: BANNED.replace("hello", () => subject),
    });
    const read = await simpleParser((await told(next))[0]!.body);
    expect(read.text).toContain(`subject:     ${shown}\n`);
    expect(read.bcc).toBeUndefined();
  });
});

describe("bounds", () => {
  it("tells nobody about automatic mail with the null sender", async () => {
    const next = await hop();
    const running = await app(next);
    for (const body of [EICAR, EICAR]) {
      await running.send({
        from: null,
        to: ["a@ours.example"],
        text: mail(body, "Auto-Submitted: auto-generated\n"),
      });
    }
    await running.send({ from: null, to: ["a@ours.example"], text: mail(EICAR) });
    await stopped(running);
    expect(next.delivered.map(rcpt)).toEqual(["postmaster@ours.example"]);
    expect(await counted(running)).toEqual({ "postmaster sent": 1, "postmaster suppressed": 2 });
  });

  it("leaves out what comes too fast", async () => {
    const next = await hop();
    const running = await app(next);
    for (let i = 0; i < 4; i++)
      await running.send({ to: ["a@ours.example"], text: mail(EICAR, `X-Count: ${i}\n`) });
    await stopped(running);
    expect(next.delivered).toHaveLength(1);
    expect(await counted(running)).toEqual({ "postmaster sent": 1, "postmaster limited": 3 });
  });

  it("answers the client although the notice has nowhere to go", async () => {
    const next = await hop({ protocol: "lmtp" });
    const running = await app(next, {
      toml: `[next_hop]\nrelay = "${next.address}"\n`,
    });
    for (const to of ["a@ours.example", "b@ours.example"])
      expect((await running.send({ to: [to], text: mail(EICAR) }))[0]?.code).toBe(250);
    await stopped(running);
    expect(running.says.filter((line) => line.includes("notice:"))).toEqual([
      expect.stringContaining("no way to send notices to <postmaster@filter.example>"),
    ]);
    expect(await counted(running)).toEqual({ "postmaster no_route": 2 });
  });

  it.each([
    ["refuses", { mail: "550 5.7.1 No" }],
    ["is gone", { greeting: { raw: "", close: true } }],
  ])("answers the client although the relay %s, and logs it", async (_name, script) => {
    const next = await hop(script);
    const running = await app(next);
    expect((await running.send({ to: ["a@ours.example"], text: mail(EICAR) }))[0]?.code).toBe(250);
    await stopped(running);
    expect(running.says.join("\n")).toMatch(
      /notice: \(\d+-\d+\) to <postmaster@ours\.example> was not taken: /,
    );
    expect(await counted(running)).toEqual({ "postmaster failed": 1 });
  });

  it("answers at once and stops in time although the relay hangs", async () => {
    const next = await hop({ greeting: null });
    const running = await app(next, {
      toml: `[next_hop]\nrelay = "${next.address}"\n[delivery]\ndomains = ["ours.example"]\n[limits]\nstop_deadline = "1s"\n`,
    });
    const start = Date.now();
    expect((await running.send({ to: ["a@ours.example"], text: mail(EICAR) }))[0]?.code).toBe(250);
    expect(Date.now() - start).toBeLessThan(8000);
    await stopped(running);
    expect(Date.now() - start).toBeLessThan(15_000);
  });

  it("goes through our own delivery where there is no relay", async () => {
    const next = await hop();
    const running = await app(next, {
      toml: `[next_hop]\nrelay = "local"\n[delivery]\ndomains = ["ours.example"]\nmail_root = "DIR/mail"\nunknown = "create"\n`,
    });
    await running.send({ to: ["a@ours.example"], text: BANNED });
    await stopped(running);
    expect(await counted(running)).toEqual({ "recipient sent": 1 });
  });
});

describe("a limit of limits.rules", () => {
  it("is told to the postmaster once an hour, with the shipped line for logins", async () => {
    const next = await hop();
    const running = await app(next, {
      toml: `[next_hop]\nrelay = "${next.address}"\n[delivery]\ndomains = ["ours.example"]\n[dns]\nservers = "off"\n[[listener]]\nprotocol = "policy"\nlisten = "unix:DIR/policy.sock"\n`,
    });
    const requests = Array.from(
      { length: 510 },
      (_, i) =>
        `request=smtpd_access_policy\nprotocol_state=RCPT\nsasl_username=bob\nsender=bob@ours.example\nclient_address=192.0.2.7\nrecipient=r${i}@remote.example\ninstance=1\n\n`,
    );
    const socket = connect({ path: join(running.dir, "policy.sock"), allowHalfOpen: true });
    socket.end(requests.join(""));
    let answers = "";
    for await (const piece of socket) answers += String(piece);
    expect(answers).toBe("action=DUNNO\n\n".repeat(510));
    const [notice] = await told(next);
    expect(rcpt(notice!)).toBe("postmaster@ours.example");
    const read = await simpleParser(notice!.body);
    expect(read.subject).toMatch(/^LIMIT passed: login bob passed 500 recipients per 1h/);
    expect(read.text).toContain("goes on");
    await stopped(running);
    expect(await counted(running)).toEqual({ "postmaster sent": 1 });
  });
});

describe("the rate", () => {
  it("admits one per key and interval, and says how many it refused", () => {
    const rate = noticeRate({ everyMs: 60_000, perHour: 60 });
    expect(rate.admit("postmaster a", 0)).toBe(0);
    expect(rate.admit("postmaster a", 59_999)).toBeNull();
    expect(rate.admit("postmaster b", 59_999)).toBe(0);
    expect(rate.admit("postmaster a", 59_999)).toBeNull();
    expect(rate.admit("postmaster a", 60_000)).toBe(2);
    expect(rate.admit("postmaster a", 120_000)).toBe(0);
  });

  it("admits so many in any hour, whatever the keys", () => {
    const rate = noticeRate({ everyMs: 60_000, perHour: 3 });
    const admitted = [0, 1_000_000, 2_000_000, 3_000_000, 3_599_999, 3_600_000, 4_000_000].filter(
      (now) => rate.admit(`recipient ${now}`, now) !== null,
    );
    expect(admitted).toEqual([0, 1_000_000, 2_000_000, 3_600_000]);
  });
});
