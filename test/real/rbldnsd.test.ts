// DNS lists as an operator has them: a real rbldnsd, lines in local.d/dnsxl.rules, clients known by XFORWARD and by the policy
// service. A list that refuses us stops nothing and is seen; one that falls silent costs one budget and is seen too.
import { connect } from "node:net";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { inject } from "./lab/inject.ts";
import { lab, until, type Lab } from "./lab/lab.ts";
import { have } from "./lab/peers.ts";
import { freePort, freePorts } from "./lab/ports.ts";
import { postern, type Postern } from "./lab/postern.ts";
import { rbldnsd, type Rbldnsd } from "./lab/rbldnsd.ts";
import { sink, type Sink } from "./lab/sink.ts";

const RULES = `
list bl.test=127.0.0.[2..11]*3 for=client,received "" "Your address is listed"
list wl.test=127.0.0.2*-3
list broken.test*9
list names.test=127.0.1.2*3 for=sender,uri
threshold 3
`;

describe.skipIf(!have("rbldnsd"))("DNS lists from a real rbldnsd", () => {
  let room: Lab;
  let lists: Rbldnsd;
  let end: Sink;
  let filter: Postern;
  let [filterPort, policyPort, httpPort] = [0, 0, 0];
  let count = 0;

  beforeAll(async () => {
    room = await lab("rbldnsd");
    lists = room.add(await rbldnsd(room.dir));
    end = room.add(await sink());
    [filterPort = 0, policyPort = 0, httpPort = 0] = await freePorts(3);
    filter = room.add(
      await postern({
        dir: room.dir,
        file: null,
        more: `
[server]
state_dir = "state"
rules_dir = "rules"
[[listener]]
protocol = "smtp"
listen = "127.0.0.1:${filterPort}"
mode = "before-queue"
[[listener]]
protocol = "policy"
listen = "127.0.0.1:${policyPort}"
[[listener]]
protocol = "http"
listen = "127.0.0.1:${httpPort}"
[next_hop]
relay = "smtp:127.0.0.1:${end.port}"
[delivery]
domains = ["example.com"]
[networks]
internal = ["198.51.100.200"]
[dns]
servers = ["${lists.address}"]
budget = "1s"
timeout = "400ms"
[greylist]
when = []
`,
        rules: {
          "dnsxl.rules": RULES,
          "policy.rules": "fate listed before-queue inbound reject\n",
        },
      }),
    );
  });
  afterAll(() => room.cleanUp());

  const send = async (
    client: string,
    own: { readonly from?: string; readonly text?: string } = {},
  ): Promise<{ reply: string; fields: readonly string[]; ms: number }> => {
    const name = `lab-${++count}`;
    const text = `From: <ann@sender.example>\r\nMessage-ID: <${name}@x>\r\nSubject: hello\r\n\r\n${own.text ?? "hello"}\r\n`;
    const before = performance.now();
    const { reply } = await inject({
      port: filterPort,
      from: own.from ?? "ann@sender.example",
      to: ["user@example.com"],
      data: Buffer.from(text),
      xforward: { ADDR: client, NAME: "mx.sender.example", HELO: "mx.sender.example" },
    });
    const ms = performance.now() - before;
    const caught = reply.startsWith("250") ? await end.find(`<${name}@x>`) : null;
    const head = caught?.data.toString("latin1").split("\r\n\r\n")[0] ?? "";
    return { reply, fields: head.replace(/\r\n[ \t]+/g, " ").split("\r\n"), ms };
  };
  const metric = async (name: string): Promise<string> =>
    (await (await fetch(`http://127.0.0.1:${httpPort}/metrics`)).text())
      .split("\n")
      .filter((line) => line.startsWith(name))
      .join("\n");
  const policy = (
    attributes: Readonly<Record<string, string>>,
    port = policyPort,
  ): Promise<string> =>
    new Promise((resolve, reject) => {
      const socket = connect(port, "127.0.0.1");
      let answer = "";
      socket.on("error", reject);
      socket.on("data", (piece: Buffer) => {
        answer += piece.toString();
        if (!answer.includes("\n\n")) return;
        socket.destroy();
        resolve(answer.trim());
      });
      const all = {
        request: "smtpd_access_policy",
        protocol_state: "RCPT",
        protocol_name: "ESMTP",
        helo_name: "mx.sender.example",
        sender: "ann@sender.example",
        recipient: "user@example.com",
        instance: `lab.${++count}`,
        ...attributes,
      };
      const lines = Object.entries(all).map(([key, value]) => `${key}=${value}\n`);
      socket.write(`${lines.join("")}\n`);
    });

  test("a client that no list knows passes, without a warning, visibly not checked by the broken list", async () => {
    const { reply, fields } = await send("192.0.2.99");
    expect(reply).toMatch(/^250 /);
    expect(fields.filter((field) => field.startsWith("X-RBL-Warning"))).toEqual([]);
    expect(await metric('postern_dnsxl_total{zone="broken.test"')).toMatch(/result="skipped"} \d/);
  });

  test("a listed client is refused with the operator's text", async () => {
    const { reply } = await send("198.51.100.7");
    expect(reply).toMatch(/^5.*Your address is listed/);
    expect(await metric('postern_dnsxl_total{zone="bl.test",result="listed"}')).toMatch(/ [1-9]/);
  });

  test("one that an allow list vouches for passes with the warning and what the list says", async () => {
    const { reply, fields } = await send("192.0.2.7");
    expect(reply).toMatch(/^250 /);
    expect(fields.filter((field) => field.startsWith("X-RBL-Warning"))).toEqual([
      "X-RBL-Warning: 192.0.2.7 is listed by bl.test (127.0.0.2): listed by bl.test, see https://bl.test/192.0.2.7",
    ]);
  });

  test("the sender's domain and links in the text", async () => {
    expect((await send("192.0.2.99", { from: "a@mail.bad.example" })).reply).toMatch(/^5/);
    expect((await send("192.0.2.99", { text: "see http://www.bad.example/x" })).reply).toMatch(
      /^5/,
    );
    expect((await send("192.0.2.99", { text: "see http://good.example/x" })).reply).toMatch(/^250/);
  });

  test("our own users are never asked about", async () => {
    expect((await send("198.51.100.200")).reply).toMatch(/^250 /);
  });

  test("the policy service knows the same", async () => {
    expect(await policy({ client_address: "192.0.2.99" })).toBe("action=DUNNO");
    expect(await policy({ client_address: "198.51.100.7" })).toBe(
      "action=REJECT 5.7.1 Your address is listed",
    );
    expect(await policy({ client_address: "198.51.100.7", sasl_username: "ann" })).toBe(
      "action=DUNNO",
    );
  });

  test("a listed client is greylisted where the operator wants that; a hit that is outweighed is none", async () => {
    const port = await freePort();
    room.add(
      await postern({
        dir: room.dir,
        name: "greylisting",
        file: null,
        more: `
[server]
state_dir = "state"
rules_dir = "rules"
[[listener]]
protocol = "policy"
listen = "127.0.0.1:${port}"
[next_hop]
relay = "smtp:127.0.0.1:${end.port}"
[delivery]
domains = ["example.com"]
[dns]
servers = ["${lists.address}"]
[greylist]
when = ["dnsxl"]
`,
        rules: { "dnsxl.rules": RULES },
      }),
    );
    expect(await policy({ client_address: "192.0.2.99" }, port)).toBe("action=DUNNO");
    expect(await policy({ client_address: "198.51.100.7" }, port)).toBe(
      "action=DEFER_IF_PERMIT 4.7.1 Greylisted, please come back in 300 seconds",
    );
    expect(await policy({ client_address: "192.0.2.7" }, port)).toMatch(
      /^action=PREPEND X-RBL-Warning: 192\.0\.2\.7 is listed by bl\.test /,
    );
  });

  test("the broken list is seen in metrics, log and doctor", async () => {
    const healthy = await metric("postern_dnsxl_zone_healthy");
    expect(healthy).toContain('postern_dnsxl_zone_healthy{zone="broken.test"} 0');
    expect(healthy).toContain('postern_dnsxl_zone_healthy{zone="bl.test"} 1');
    expect(healthy).toContain('postern_dnsxl_zone_healthy{zone="names.test"} 1');
    expect(
      filter.log().match(/DNS list broken\.test refuses us \(127\.255\.255\.254\)/g),
    ).toHaveLength(1);
    const { code, stdout } = await filter.command("doctor");
    expect(code).toBe(1);
    expect(stdout).toMatch(/^wrong {4}DNS list broken\.test refuses us \(127\.255\.255\.254\)/m);
    expect(stdout).toMatch(/^ok {7}DNS list bl\.test is in order$/m);
  });

  test("a frozen server: mail flows within the budget, visibly unchecked, and soon without waiting", async () => {
    lists.freeze();
    try {
      const first = await send("203.0.113.200");
      expect(first.reply).toMatch(/^250 /);
      expect(first.ms).toBeLessThan(3000);
      expect(await metric('postern_dnsxl_total{zone="bl.test",result="failed"}')).toMatch(/ [1-9]/);
      for (let i = 0; i < 5; i++) await send(`203.0.113.${i + 1}`);
      const resting = await send("203.0.113.210");
      expect(resting.reply).toMatch(/^250 /);
      expect(resting.ms).toBeLessThan(500);
      expect(await metric("postern_dnsxl_zone_healthy")).toContain(
        'postern_dnsxl_zone_healthy{zone="bl.test"} 0',
      );
      expect(filter.log()).toContain("DNS list bl.test does not answer");
    } finally {
      lists.thaw();
    }
    await until(
      "the list to be asked again",
      async () => (await metric("postern_dnsxl_zone_healthy")).includes('zone="bl.test"} 1'),
      60_000,
    );
    expect((await send("198.51.100.9")).reply).toMatch(/^5/);
  });
});
