// The policy service on a unix socket, as deploy/ describes it: postern runs as its unit's user, the directory as tmpfiles.d makes
// it, Postfix' smtpd chrooted and not, Exim. Nobody else on the machine may ask.
import { stat } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { exim, type Exim } from "./lab/exim.ts";
import { inject } from "./lab/inject.ts";
import { lab, type Lab } from "./lab/lab.ts";
import { have } from "./lab/peers.ts";
import { postern, type Postern } from "./lab/postern.ts";
import { postfix, type Postfix } from "./lab/postfix.ts";
import { ORDINARY } from "./lab/samples.ts";
import { sink, type Sink } from "./lab/sink.ts";
import { as } from "./lab/unit.ts";

const toml = (dir: string, socket: string): string => `
[server]
hostname = "mx.example.com"
state_dir = "${dir}/postern/state"
rules_dir = "${dir}/postern/rules"
[[listener]]
protocol = "policy"
listen = "unix:${socket}"
[next_hop]
relay = "smtp:127.0.0.1:1"
[delivery]
domains = ["example.com"]
[dns]
servers = "off"
[greylist]
when = []
`;
const RULES = {
  "clients.rules":
    'deny 192.0.2.66 "log" "Blocked, call us"\ndeny 127.0.0.66 "log" "Blocked, call us"',
};

const judge = (room: Lab, socketDir: string): Promise<Postern> =>
  postern({
    dir: room.dir,
    file: null,
    unit: "postern",
    more: toml(room.dir, join(socketDir, "policy.sock")),
    rules: RULES,
  });

/** Whether a user of this machine can connect. */
async function mayAsk(user: string, socket: string): Promise<boolean> {
  const script = `require("net").connect(process.argv[1]).on("connect",()=>process.exit(0)).on("error",()=>process.exit(1))`;
  return (await as(user, process.execPath, "-e", script, socket)).code === 0;
}

describe.skipIf(!have("root", "users", "postfix")).each([
  ["chrooted", true],
  ["not chrooted", false],
])("Postfix, smtpd %s, asks a unix socket", (_, chroot) => {
  let room: Lab;
  let end: Sink;
  let mta: Postfix;
  let service: Postern;
  beforeAll(async () => {
    room = await lab("policy-socket");
    end = room.add(await sink());
    const { dir } = room;
    mta = room.add(
      await postfix({ dir, nextHop: end.port, hookup: "none", policyPort: "socket", chroot }),
    );
    service = room.add(await judge(room, mta.socketDir));
  });
  afterAll(() => room?.cleanUp());

  const send = (client: string) =>
    inject({
      port: mta.smtpPort,
      from: "ann@sender.example",
      to: ["user@example.com"],
      data: ORDINARY.raw,
      xclient: { ADDR: client, NAME: "mx.sender.example" },
    });

  test("a denied client reads the operator's text, another one passes", async () => {
    expect((await send("192.0.2.66")).reply).toMatch(/^554 5\.7\.1 .*Blocked, call us$/);
    expect((await send("192.0.2.7")).reply).toMatch(/^250 /);
    expect(await mta.log()).not.toMatch(/problem talking to server|warning: connect to/);
  });

  test("the socket is Postfix's and nobody else's", async () => {
    const socket = join(mta.socketDir, "policy.sock");
    expect(((await stat(socket)).mode & 0o777).toString(8)).toBe("660");
    expect(await mayAsk("postfix", socket)).toBe(true);
    expect(await mayAsk("nobody", socket)).toBe(false);
  });

  test("without postern mail flows, and it is asked again when it is back", async () => {
    await service.stop();
    expect((await send("192.0.2.66")).reply).toMatch(/^250 /);
    await service.start();
    expect((await send("192.0.2.66")).reply).toMatch(/^554 /);
  });
});

describe.skipIf(!have("root", "users", "exim"))("Exim asks a unix socket", () => {
  let room: Lab;
  let mta: Exim;
  let service: Postern;
  beforeAll(async () => {
    room = await lab("policy-socket-exim");
    const end = room.add(await sink());
    const { dir } = room;
    mta = room.add(await exim({ dir, nextHop: end.port, hookup: "none", policyPort: "socket" }));
    service = room.add(await judge(room, mta.socketDir));
  });
  afterAll(() => room?.cleanUp());

  const send = (localAddress: string) =>
    inject({
      port: mta.smtpPort,
      from: "ann@sender.example",
      to: ["user@example.com"],
      data: ORDINARY.raw,
      localAddress,
    });

  test("a denied client reads the operator's text, another one passes", async () => {
    expect((await send("127.0.0.66")).reply).toMatch(/^550 5\.7\.1 Blocked, call us$/);
    expect((await send("127.0.0.9")).reply).toMatch(/^250 /);
  });

  test("the socket is Exim's and nobody else's; without postern mail flows", async () => {
    const socket = join(mta.socketDir, "policy.sock");
    expect(await mayAsk("Debian-exim", socket)).toBe(true);
    expect(await mayAsk("nobody", socket)).toBe(false);
    await service.stop();
    expect((await send("127.0.0.66")).reply).toMatch(/^250 /);
    await service.start();
  });
});
