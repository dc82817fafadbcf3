// Real clamds behind real Postfix before the queue, hooked up by deploy/: what is found, what happens when clamd is away, frozen,
// killed, restarted, reloaded, cut off or fed too much, and that no message is lost or doubled by it.
import { createServer, connect, type Server } from "node:net";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { clamdContract } from "../contract/clamd.ts";
import { EICAR } from "../fakes/clamd.ts";
import { clamd, MARKER, MARKER_NAME, type Clamd } from "./lab/clamd.ts";
import { lab, until, type Lab } from "./lab/lab.ts";
import { have } from "./lab/peers.ts";
import { freePort } from "./lab/ports.ts";
import { worldWithPostern, type PosternWorld } from "./lab/world.ts";
import { zipped } from "./lab/zipped.ts";

const HOOKUP = { mta: "postfix", hookup: "before-queue", via: "smtp" } as const;
const lines = (...all: readonly string[]): Buffer =>
  Buffer.from(`${all.join("\r\n")}\r\n`, "latin1");
const head = (name: string): string[] => [
  `Message-ID: <lab-${name}@sender.example>`,
  "From: Ann Author <ann@sender.example>",
  `Subject: lab-${name}`,
  "MIME-Version: 1.0",
];
const base64 = (octets: Buffer): string =>
  octets.toString("base64").replace(/.{76}(?=.)/g, "$&\r\n");
const plain = (name: string, ...text: readonly string[]): Buffer =>
  lines(...head(name), "", ...text);
const attached = (file: string, octets: Buffer): string[] => [
  'Content-Type: multipart/mixed; boundary="=_lab"',
  "",
  "--=_lab",
  "Content-Type: text/plain",
  "",
  "see attached",
  "--=_lab",
  `Content-Type: application/octet-stream; name="${file}"`,
  "Content-Transfer-Encoding: base64",
  "",
  base64(octets),
  "--=_lab--",
];
const nested = (name: string, octets: Buffer): Buffer =>
  lines(
    ...head(name),
    "Content-Type: message/rfc822",
    "",
    ...head(`${name}-inner`),
    ...attached("a.zip", zipped("b.txt", octets)),
  );

const settings = (endpoints: readonly string[], more = ""): string =>
  `[greylist]\nwhen = []\n[clamd]\nendpoints = ${JSON.stringify(endpoints)}\ndeadline = "8s"\n${more}`;

interface Sent {
  readonly reply: string;
  readonly name: string;
  readonly ms: number;
}

interface Asking {
  /** The first line of the exposition that starts so. */
  readonly metric: (name: string) => Promise<string>;
  readonly send: (make: (name: string) => Buffer) => Promise<Sent>;
  /** The header of the message as it arrived. */
  readonly fields: (name: string) => Promise<string>;
}

/** Asks a running postern. */
function asking(world: () => PosternWorld): Asking {
  let count = 0;
  return {
    async metric(name) {
      const { httpPort } = world();
      const text = await (await fetch(`http://127.0.0.1:${httpPort}/metrics`)).text();
      return text.split("\n").find((line) => line.startsWith(name)) ?? "";
    },
    async send(
      make: (name: string) => Buffer,
    ): Promise<{ reply: string; name: string; ms: number }> {
      const name = `v${++count}`;
      const before = performance.now();
      const { reply } = await world().send(make(name));
      return { reply, name, ms: performance.now() - before };
    },
    async fields(name) {
      const { data } = await world().sink.find(`<lab-${name}@`);
      return data.toString("latin1").split("\r\n\r\n")[0] ?? "";
    },
  };
}

const SCANNED = /^X-Virus-Scanned: postern at mx\.example\.com\r?$/m;
const ready = have("root", "postfix", "clamd", "clamdscan", "users");

describe.skipIf(!ready)("clamd's own protocol", () => {
  let room: Lab;
  let scanner: Clamd;
  beforeAll(async () => {
    room = await lab("clamd");
    scanner = room.add(await clamd(room.dir));
  });
  afterAll(() => room?.cleanUp());
  clamdContract("1.4, unix", () => scanner.unix);
  clamdContract("1.4, node-clamav", () => scanner.tcp);
});

describe.skipIf(!ready)("one clamd behind Postfix, before the queue", () => {
  let room: Lab;
  let scanner: Clamd;
  let world: PosternWorld;
  const { metric, send, fields } = asking(() => world);

  beforeAll(async () => {
    room = await lab("virus");
    scanner = room.add(await clamd(room.dir, "clamd", ["StreamMaxLength 1M"]));
    world = await worldWithPostern(HOOKUP, { more: settings([scanner.unix]) });
  });
  afterAll(async () => {
    await world?.lab.cleanUp();
    await room?.cleanUp();
  });
  afterEach(async () => {
    // Every failure ends: mail flows, with the header.
    const name = await until(
      "mail to flow again",
      async () => {
        const sent = await send((name) => plain(name, "after all"));
        return sent.reply.startsWith("250 ") && sent.name;
      },
      20_000,
    );
    expect(await fields(name)).toMatch(SCANNED);
    expect(await metric("postern_clamd_healthy")).toMatch(/ 1$/);
  });

  const unscanned = async ({ reply, name }: Sent): Promise<string> => {
    expect(reply).toMatch(/^451 4\.7\.1 Temporary failure, id=\S+ - UNCHECKED/);
    expect(world.copies(name)).toEqual([]);
    return world.logLine(name);
  };

  test("doctor finds it, and says what it cannot know", async () => {
    const { stdout } = await world.postern.command("doctor");
    expect(stdout).toMatch(/^warning {2}clamd unix:\S+ answers: ClamAV 1\.\S+, without a daily/m);
    expect(stdout).toMatch(/StreamMaxLength cannot be asked/);
    expect(world.postern.log()).toMatch(/viruses: clamd at unix:/);
  });

  test("a virus is refused: in base64, in a zip in a message in the message, in plain sight", async () => {
    const ways = [
      (name: string) => lines(...head(name), ...attached("eicar.com.txt", Buffer.from(EICAR))),
      (name: string) => nested(name, Buffer.from(EICAR)),
    ];
    for (const way of ways) {
      const { reply, name } = await send(way);
      expect(reply).toMatch(/^554 5\.7\.0 Reject, id=/);
      expect(await world.logLine(name)).toMatch(
        / Blocked INFECTED \(Eicar-Test-Signature[^)]*\) \{RejectedInbound,Quarantined\}, /,
      );
      expect(world.copies(name)).toEqual([]);
    }
    // Only clamd knows this one.
    for (const way of [
      (name: string) => plain(name, MARKER),
      (name: string) => nested(name, Buffer.from(MARKER)),
    ]) {
      const { name } = await send(way);
      expect(await world.logLine(name)).toContain(` Blocked INFECTED (${MARKER_NAME}`);
    }
    expect(await metric('postern_virus_scans_total{result="infected"}')).toMatch(/ [4-9]$/);
  });

  test("more than StreamMaxLength waits, and says why", async () => {
    const octets = Buffer.alloc(1_500_000, "0123456789abcdef");
    const sent = await send((name) => lines(...head(name), ...attached("large.bin", octets)));
    await unscanned(sent);
    expect(world.postern.log()).toMatch(
      /check virus could not answer \(error: unix:\S+: (?:said "INSTREAM size limit exceeded|ECONNRESET|EPIPE)/,
    );
    expect(await metric('postern_check_errors_total{check="virus",reason="error"}')).toMatch(
      / [1-9]/,
    );
  });

  test("frozen: the first message waits for the deadline, the next ones for nothing", async () => {
    scanner.freeze();
    try {
      const first = await send((name) => plain(name, "x"));
      await unscanned(first);
      expect(first.ms).toBeGreaterThan(7_000);
      expect(first.ms).toBeLessThan(15_000);
      const next = await send((name) => plain(name, "x"));
      await unscanned(next);
      expect(next.ms).toBeLessThan(3_000);
      expect(await metric("postern_clamd_healthy")).toMatch(/ 0$/);
      expect(world.postern.log()).toMatch(/clamd unix:\S+ does not answer \(no answer to PING\)/);
    } finally {
      scanner.thaw();
    }
    await until("clamd to be known again", () => world.postern.log().includes("answers again"));
  });

  test("killed: 4xx at once; mail flows again without a restart of ours", async () => {
    await scanner.kill();
    const sent = await send((name) => plain(name, "x"));
    await unscanned(sent);
    expect(sent.ms).toBeLessThan(3_000);
    const { stdout, code } = await world.postern.command("doctor");
    expect(code).toBe(1);
    expect(stdout).toMatch(/^wrong {4}clamd unix:\S+: \w+: is it running/m);
    await scanner.start();
  });

  test("reload under load: nobody notices", async () => {
    const names: string[] = [];
    let on = true;
    const load = Promise.all(
      [1, 2, 3].map(async () => {
        while (on) {
          const { reply, name } = await send((name) => plain(name, "reload"));
          expect(reply).toMatch(/^250 /);
          names.push(name);
        }
      }),
    );
    await scanner.reload();
    on = false;
    await load;
    await world.settled();
    expect(names.length).toBeGreaterThan(0);
    for (const name of names) expect(world.copies(name)).toHaveLength(1);
  });

  test("killed and restarted under load: each message is delivered once or was refused for now", async () => {
    const sent: Sent[] = [];
    let on = true;
    const load = Promise.all(
      [1, 2, 3, 4].map(async () => {
        while (on) sent.push(await send((name) => plain(name, "kill")));
      }),
    );
    await until("some mail", () => sent.length > 5);
    await scanner.kill();
    await until("a refusal", () => sent.some(({ reply }) => reply.startsWith("4")));
    await scanner.start();
    const before = sent.length;
    await until("mail again", () => sent.slice(before).some(({ reply }) => reply.startsWith("2")));
    on = false;
    await load;
    await world.settled();
    for (const { reply, name } of sent) {
      expect(reply).toMatch(/^(?:250 |451 4\.7\.1 )/);
      expect([name, world.copies(name).length]).toEqual([name, reply.startsWith("2") ? 1 : 0]);
    }
  });
});

describe.skipIf(!ready)("two clamds, the second over TCP (node-clamav)", () => {
  let room: Lab;
  let first: Clamd;
  let second: Clamd;
  let world: PosternWorld;
  const { metric, send, fields } = asking(() => world);

  beforeAll(async () => {
    room = await lab("virus-two");
    first = room.add(await clamd(room.dir, "first"));
    second = room.add(await clamd(room.dir, "second"));
    world = await worldWithPostern(HOOKUP, { more: settings([first.unix, second.tcp]) });
  });
  afterAll(async () => {
    await world?.lab.cleanUp();
    await room?.cleanUp();
  });

  const passes = async (): Promise<number> => {
    const { reply, name, ms } = await send((name) => plain(name, "hello"));
    expect(reply).toMatch(/^250 /);
    expect(await fields(name)).toMatch(SCANNED);
    return ms;
  };
  const finds = async (): Promise<void> => {
    const { reply, name } = await send((name) => nested(name, Buffer.from(MARKER)));
    expect(reply).toMatch(/^554 /);
    expect(await world.logLine(name)).toContain(` Blocked INFECTED (${MARKER_NAME}`);
  };
  const known = (scanner: string, up: 0 | 1) =>
    until(`${scanner} to be known`, async () =>
      (await metric(`postern_clamd_healthy{endpoint="${scanner}"}`)).endsWith(` ${up}`),
    );

  test("both up", async () => {
    await passes();
    await finds();
  });

  test("the first one killed: no message is put off, and it is used again", async () => {
    await first.kill();
    await passes();
    await finds();
    await known(first.unix, 0);
    await first.start();
    await known(first.unix, 1);
    await passes();
  });

  test("the first one frozen: one message is a little late, the next ones are not", async () => {
    first.freeze();
    try {
      expect(await passes()).toBeLessThan(8_000);
      await finds();
      expect(await passes()).toBeLessThan(3_000);
    } finally {
      first.thaw();
    }
    await known(first.unix, 1);
  });

  test("both away: 4xx at once that names both; then the second one alone, over TCP", async () => {
    await first.kill();
    await second.kill();
    const { reply, name, ms } = await send((name) => plain(name, "hello"));
    expect(reply).toMatch(/^451 /);
    expect(ms).toBeLessThan(3_000);
    await world.logLine(name);
    expect(world.postern.log()).toMatch(
      /check virus could not answer \(error: unix:\S+: \w+; tcp:\S+: ECONNREFUSED\)/,
    );
    await second.start();
    await known(second.tcp, 1);
    await passes();
    await finds();
  });
});

describe.skipIf(!ready)("a clamd that is cut off in the middle of a message", () => {
  let room: Lab;
  let scanner: Clamd;
  let cutter: Server;
  let world: PosternWorld;
  /** Octets after which the connection to clamd ends; Infinity lets all pass. */
  let cutAfter = Infinity;
  const { send, fields } = asking(() => world);

  beforeAll(async () => {
    room = await lab("virus-cut");
    scanner = room.add(await clamd(room.dir));
    // node-clamav closes its side behind the last octet.
    cutter = createServer({ allowHalfOpen: true }, (socket) => {
      const there = connect({ path: scanner.unix.slice(5), allowHalfOpen: true });
      let octets = 0;
      socket.on("data", (piece: Buffer) => {
        octets += piece.length;
        if (octets <= cutAfter) return void there.write(piece);
        socket.destroy();
        there.destroy();
      });
      there.on("data", (piece: Buffer) => socket.write(piece));
      socket.on("end", () => there.end());
      there.on("end", () => socket.end());
      for (const one of [socket, there]) one.on("error", () => {});
      socket.on("close", () => there.destroy());
    });
    const port = await freePort();
    await new Promise<void>((resolve) => cutter.listen(port, "127.0.0.1", resolve));
    world = await worldWithPostern(HOOKUP, { more: settings([`tcp:127.0.0.1:${port}`]) });
  });
  afterAll(async () => {
    await world?.lab.cleanUp();
    await new Promise((resolve) => cutter.close(resolve));
    await room?.cleanUp();
  });

  test("4xx, and the next message is scanned as ever", async () => {
    const octets = Buffer.alloc(400_000, "0123456789abcdef");
    cutAfter = 100_000;
    const cut = await send((name) => lines(...head(name), ...attached("large.bin", octets)));
    expect(cut.reply).toMatch(/^451 4\.7\.1 /);
    expect(world.copies(cut.name)).toEqual([]);
    cutAfter = Infinity;
    const whole = await send((name) => lines(...head(name), ...attached("large.bin", octets)));
    expect(whole.reply).toMatch(/^250 /);
    expect(await fields(whole.name)).toMatch(SCANNED);
  });
});
