// The policy service behind real MTAs, both from deploy/: Postfix's check_policy_service (XCLIENT pretends clients and logins)
// and Exim's ${readsocket}, with the product and with answers that take their time.
import { mkdir, writeFile } from "node:fs/promises";
import type { AddressInfo } from "node:net";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { PolicyRequest } from "../../src/mail/policy-request.ts";
import type { Listener } from "../../src/servers/listener.ts";
import { policyServer, POLICY_DEFAULTS } from "../../src/servers/policy.ts";
import { exim, type Exim } from "./lab/exim.ts";
import { inject } from "./lab/inject.ts";
import { lab, until, type Lab } from "./lab/lab.ts";
import { have } from "./lab/peers.ts";
import { freePorts } from "./lab/ports.ts";
import { postern, type Postern } from "./lab/postern.ts";
import { postfix, type Postfix } from "./lab/postfix.ts";
import { ORDINARY } from "./lab/samples.ts";
import { sink, type Sink } from "./lab/sink.ts";

const USERS = "user@example.com:{PLAIN}x::::::\nother@example.com:{PLAIN}x::::::\n";

const RULES = {
  "clients.rules":
    'deny 192.0.2.66 "log" "Blocked, call us"\ndeny 127.0.0.66 "log" "Blocked, call us"',
  "limits.rules":
    'limit login 2 messages per 1h defer "stolen?" "Too many messages"\nlimit sender 2 recipients per 1h for flood@sender.example reject',
};

const toml = (policyPort: number, httpPort: number, dir: string): string => `
[server]
hostname = "mx.example.com"
state_dir = "${dir}/postern/state"
rules_dir = "${dir}/postern/rules"
[[listener]]
protocol = "policy"
listen = "127.0.0.1:${policyPort}"
[[listener]]
protocol = "http"
listen = "127.0.0.1:${httpPort}"
[next_hop]
relay = "smtp:127.0.0.1:1"
[delivery]
domains = ["example.com"]
users = "users"
[dns]
servers = "off"
`;

const NO_GREYLIST = "[greylist]\nwhen = []\n";

interface World {
  readonly room: Lab;
  readonly end: Sink;
  readonly postern: Postern;
  readonly policyPort: number;
  readonly httpPort: number;
}

async function world(name: string, more = NO_GREYLIST): Promise<World> {
  const room = await lab(name);
  const end = room.add(await sink());
  const [policyPort = 0, httpPort = 0] = await freePorts(2);
  await mkdir(`${room.dir}/postern`, { recursive: true });
  await writeFile(`${room.dir}/postern/users`, USERS, { mode: 0o600 });
  const running = room.add(
    await postern({
      dir: room.dir,
      file: null,
      more: toml(policyPort, httpPort, room.dir) + more,
      rules: RULES,
    }),
  );
  return { room, end, postern: running, policyPort, httpPort };
}

const metricsOf = async ({ httpPort }: World): Promise<string> =>
  (await fetch(`http://127.0.0.1:${httpPort}/metrics`)).text();

const logged = (at: World, line: RegExp) =>
  until(`a log line ${line.source}`, () => line.test(at.postern.log()), 5000);

describe.skipIf(!have("root", "postfix"))("Postfix asks at RCPT", () => {
  let at: World;
  let mta: Postfix;
  beforeAll(async () => {
    at = await world("policy-postfix");
    mta = at.room.add(
      await postfix({
        dir: at.room.dir,
        nextHop: at.end.port,
        hookup: "none",
        policyPort: at.policyPort,
      }),
    );
  });
  afterAll(() => at?.room.cleanUp());

  const send = (
    xclient: Record<string, string>,
    to: readonly string[] = ["user@example.com"],
    from = "ann@sender.example",
  ) =>
    inject({
      port: mta.smtpPort,
      from,
      to,
      data: ORDINARY.raw,
      xclient: { ADDR: "192.0.2.7", NAME: "mx.sender.example", ...xclient },
    });

  test("an ordinary message passes", async () => {
    expect((await send({})).reply).toMatch(/^250 /);
  });

  test("a denied client reads the operator's text, and the log has a line", async () => {
    expect((await send({ ADDR: "192.0.2.66" })).reply).toMatch(/^554 5\.7\.1 .*Blocked, call us$/);
    await logged(
      at,
      /^policy: action=reject, reason=client 192\.0\.2\.66: log, state=RCPT, .*client_address=192\.0\.2\.66, sender=ann@sender\.example, recipient=user@example\.com$/m,
    );
  });

  test("an unknown recipient is refused, the known one beside it taken", async () => {
    const { rcpt } = await send({}, ["nobody@example.com", "user@example.com"]);
    expect(rcpt[0]).toMatch(/^554 5\.1\.1 /);
    expect(rcpt[1]).toMatch(/^250 /);
  });

  test("another domain is Postfix's business", async () => {
    expect((await send({}, ["x@elsewhere.example"])).reply).toMatch(/^(?:454|554) .*[Rr]elay/);
  });

  test("a stolen account is stopped after its limit, also for mail to the outside", async () => {
    // mynetworks, so that Postfix relays; a real submission would have permit_sasl_authenticated.
    const own = { ADDR: "127.0.0.5" };
    const login = { ...own, LOGIN: "bob" };
    const outside = ["x@elsewhere.example", "y@elsewhere.example", "z@elsewhere.example"];
    expect((await send(login, outside)).reply).toMatch(/^250 /);
    expect((await send(login, ["user@example.com"])).reply).toMatch(/^250 /);
    expect((await send(login, outside)).reply).toMatch(/^450 4\.7\.1 .*Too many messages$/);
    expect((await send({ ...own, LOGIN: "eve" }, outside)).reply).toMatch(/^250 /);
    await logged(
      at,
      /^\(!\)limit: login bob passed 2 messages per 1h: stolen\? \(rules\/local\.d\/limits\.rules:1\)$/m,
    );
  });

  test("recipients of a sender count once each, asked twice or not", async () => {
    const from = "flood@sender.example";
    expect((await send({}, ["user@example.com", "other@example.com"], from)).reply).toMatch(
      /^250 /,
    );
    expect((await send({}, ["user@example.com"], from)).reply).toMatch(
      /^554 5\.7\.1 .*limit passed$/,
    );
  });

  test("answers are counted; no address is in a label", async () => {
    const text = await metricsOf(at);
    expect(text).toMatch(/^postern_policy_total\{state="RCPT",action="REJECT"\} [1-9]/m);
    expect(text).toMatch(/^postern_policy_total\{state="DATA",action="DUNNO"\} [1-9]/m);
    expect(text).not.toMatch(/sender\.example/);
  });

  test("without postern mail flows", async () => {
    await at.postern.stop();
    expect((await send({ ADDR: "192.0.2.66" })).reply).toMatch(/^250 /);
    await at.postern.start();
    expect((await send({ ADDR: "192.0.2.66" })).reply).toMatch(/^554 /);
  });
});

/** Long enough for a retry that is too early on a busy machine. */
const DELAY_S = 4;
const GREYLIST = `[greylist]
when = "always"
delay = "${DELAY_S}s"
auto_whitelist = 5
auto_whitelist_every = "1ms"
`;
const GREY = /^45[01] 4\.7\.1 .*Greylisted, please come back in (\d+) seconds/;
const delayOver = () => new Promise((resolve) => setTimeout(resolve, DELAY_S * 1000 + 200));

describe.skipIf(!have("root", "postfix"))("Postfix and greylisting", () => {
  let at: World;
  let mta: Postfix;
  beforeAll(async () => {
    at = await world("greylist-postfix", GREYLIST);
    mta = at.room.add(
      await postfix({
        dir: at.room.dir,
        nextHop: at.end.port,
        hookup: "none",
        policyPort: at.policyPort,
      }),
    );
  });
  afterAll(() => at?.room.cleanUp());

  const send = async (from: string, client = "192.0.2.7", more: Record<string, string> = {}) =>
    (
      await inject({
        port: mta.smtpPort,
        from,
        to: ["user@example.com"],
        data: ORDINARY.raw,
        xclient: { ADDR: client, NAME: "[UNAVAILABLE]", ...more },
      })
    ).reply;

  test("first try 450, early retry 450 with the seconds missing, after the delay accepted", async () => {
    const first = GREY.exec(await send("ann@sender.example"));
    expect(first?.[1]).toBe(String(DELAY_S));
    await new Promise((resolve) => setTimeout(resolve, 1100));
    const early = GREY.exec(await send("ann@sender.example"));
    expect(Number(early?.[1])).toBeLessThan(DELAY_S);
    expect(Number(early?.[1])).toBeGreaterThan(0);
    await delayOver();
    expect(await send("ann@sender.example")).toMatch(/^250 /);
    expect(await send("ann@sender.example")).toMatch(/^250 /);
    const caught = await at.end.find("X-Greylist: delayed ");
    expect(caught.data.toString("latin1")).toMatch(
      /^X-Greylist: delayed \d+ seconds by postern at mx\.example\.com; /m,
    );
    for (const words of ["reason=new", "reason=early-retry \\(\\ds missing\\)", "delay=\\d+"])
      await logged(at, new RegExp(`${words}, client_name=unknown, client_address=192\\.0\\.2\\.7`));
  });

  test("after five accepted triplets of a client a new one passes, the fifth still waits", async () => {
    const client = "198.51.100.7";
    const names = ["a", "b", "c", "d"].map((name) => `${name}@pool.example`);
    for (const from of names) expect(await send(from, client)).toMatch(GREY);
    await delayOver();
    for (const from of names) expect(await send(from, client)).toMatch(/^250 /);
    expect(await send("e@pool.example", client)).toMatch(GREY);
    await delayOver();
    expect(await send("e@pool.example", client)).toMatch(/^250 /);
    expect(await send("f@pool.example", client)).toMatch(/^250 /);
    expect(await send("f@pool.example", "203.0.113.7")).toMatch(GREY);
  });

  test("our own users never wait", async () => {
    expect(await send("new@sender.example", "192.0.2.99", { LOGIN: "bob" })).toMatch(/^250 /);
  });

  test("a bounce is not refused at RCPT, where other servers try our addresses", async () => {
    const said = await inject({
      port: mta.smtpPort,
      from: "",
      to: ["user@example.com"],
      data: ORDINARY.raw,
      xclient: { ADDR: "192.0.2.98", NAME: "[UNAVAILABLE]" },
    });
    expect(said.rcpt[0]).toMatch(/^250 /);
    expect(said.reply).toMatch(GREY);
  });
});

describe.skipIf(!have("root", "exim"))("Exim and greylisting", () => {
  let at: World;
  let mta: Exim;
  beforeAll(async () => {
    at = await world("greylist-exim", GREYLIST);
    mta = at.room.add(
      await exim({
        dir: at.room.dir,
        nextHop: at.end.port,
        hookup: "none",
        policyPort: at.policyPort,
      }),
    );
  });
  afterAll(() => at?.room.cleanUp());

  test("first try 451, early retry 451 with the seconds missing, after the delay accepted", async () => {
    const send = async () =>
      (
        await inject({
          port: mta.smtpPort,
          from: "ann@sender.example",
          to: ["user@example.com"],
          data: ORDINARY.raw,
          localAddress: "127.0.0.9",
        })
      ).reply;
    expect(GREY.exec(await send())?.[1]).toBe(String(DELAY_S));
    await new Promise((resolve) => setTimeout(resolve, 1100));
    expect(Number(GREY.exec(await send())?.[1])).toBeLessThan(DELAY_S);
    await delayOver();
    expect(await send()).toMatch(/^250 /);
    expect((await at.end.find("X-Greylist: delayed ")).from).toBe("ann@sender.example");
  });

  test("a bounce is not refused at RCPT but waits at DATA; one for several recipients does not", async () => {
    const send = (to: readonly string[]) =>
      inject({
        port: mta.smtpPort,
        from: "",
        to,
        data: ORDINARY.raw,
        localAddress: "127.0.0.98",
      });
    const first = await send(["user@example.com"]);
    expect(first.rcpt).toEqual([expect.stringMatching(/^250 /)]);
    expect(GREY.exec(first.reply)?.[1]).toBe(String(DELAY_S));
    await logged(at, /action=greylist, reason=new, .*client_address=127\.0\.0\.98, sender=, /);
    expect((await send(["user@example.com", "other@example.com"])).reply).toMatch(/^250 /);
    await delayOver();
    expect((await send(["user@example.com"])).reply).toMatch(/^250 /);
    const caught = await until("the delayed bounce", () =>
      at.end.caught.find(
        ({ from, to, data }) =>
          from === "" && to.length === 1 && data.includes("X-Greylist: delayed "),
      ),
    );
    expect(caught.to).toEqual(["user@example.com"]);
  });
});

describe.skipIf(!have("root", "exim"))("Exim asks at RCPT", () => {
  let at: World;
  let mta: Exim;
  beforeAll(async () => {
    at = await world("policy-exim");
    mta = at.room.add(
      await exim({
        dir: at.room.dir,
        nextHop: at.end.port,
        hookup: "none",
        policyPort: at.policyPort,
      }),
    );
  });
  afterAll(() => at?.room.cleanUp());

  const send = (client: string, to: readonly string[] = ["user@example.com"]) =>
    inject({
      port: mta.smtpPort,
      from: "ann@sender.example",
      to,
      data: ORDINARY.raw,
      localAddress: client,
    });

  test("passes, refuses a denied client and an unknown recipient", async () => {
    expect((await send("127.0.0.9")).reply).toMatch(/^250 /);
    expect((await send("127.0.0.66")).reply).toMatch(/^550 5\.7\.1 Blocked, call us$/);
    expect((await send("127.0.0.9", ["nobody@example.com"])).reply).toMatch(/^550 5\.1\.1 /);
  });

  test("without postern mail flows", async () => {
    await at.postern.stop();
    expect((await send("127.0.0.66")).reply).toMatch(/^250 /);
    await at.postern.start();
  });
});

describe.skipIf(!have("root", "exim"))("Exim and answers that take 300 ms", () => {
  let room: Lab;
  let end: Sink;
  let mta: Exim;
  let server: Listener;
  const asked: PolicyRequest[] = [];
  const errors: unknown[] = [];
  beforeAll(async () => {
    room = await lab("policy-slow");
    end = room.add(await sink());
    server = policyServer({
      ...POLICY_DEFAULTS,
      name: "policy:slow",
      allow: () => true,
      onError: (error) => errors.push(error),
      answer: async (request) => {
        asked.push(request);
        await new Promise((resolve) => setTimeout(resolve, 300));
        const text = request.get("recipient") ?? "";
        if (text.startsWith("defer")) return { word: "DEFER_IF_PERMIT", text: "4.7.1 Greylisted" };
        if (text.startsWith("hint")) return { word: "PREPEND", text: "X-RBL-Warning: listed" };
        return { word: "DUNNO", text: "" };
      },
    });
    const { port } = (await server.listen({ host: "127.0.0.1", port: 0 })) as AddressInfo;
    mta = room.add(
      await exim({ dir: room.dir, nextHop: end.port, hookup: "none", policyPort: port }),
    );
  });
  afterAll(async () => {
    await room?.cleanUp();
    await server?.close(0);
  });

  const send = (to: readonly string[]) =>
    inject({ port: mta.smtpPort, from: "", to, data: ORDINARY.raw, localAddress: "127.0.0.9" });

  test("are waited for: 451, and a header line", async () => {
    expect((await send(["defer@example.com"])).reply).toMatch(/^451 4\.7\.1 Greylisted$/);
    expect((await send(["hint@example.com", "a@example.com"])).reply).toMatch(/^250 /);
    expect((await end.find("X-RBL-Warning: listed")).to).toEqual(
      expect.arrayContaining(["hint@example.com"]),
    );
  });

  test("all attributes come, one instance for all recipients of a message", () => {
    const [first, second, third] = asked;
    expect(Object.fromEntries(second ?? [])).toMatchObject({
      protocol_state: "RCPT",
      protocol_name: "ESMTP",
      helo_name: "client.example.org",
      client_address: "127.0.0.9",
      sender: "",
      recipient: "hint@example.com",
      sasl_username: "",
      policy_context: "inbound",
    });
    expect(second?.get("instance")).toMatch(/^\d+\.\d+$/);
    expect(third?.get("instance")).toBe(second?.get("instance"));
    expect(first?.get("instance")).not.toBe(second?.get("instance"));
    expect(errors).toEqual([]);
  });
});
