// The clamd listener in dialogues over a unix socket and loopback: with our own clients, node-clamav among them, and by hand.
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { connect, type AddressInfo, type NetConnectOpts, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import type { ScanReply } from "../../src/clients/clamd-reply.ts";
import { clamdServer, CLAMD_DEFAULTS, type ClamdServerOptions } from "../../src/servers/clamd.ts";
import type { Listener } from "../../src/servers/listener.ts";
import { spoolRoom, type SpoolRoom } from "../../src/sys/spool.ts";
import type { Spool } from "../../src/sys/spooled.ts";
import { clamdContract } from "../contract/clamd.ts";
import { EICAR } from "../fakes/clamd.ts";

const dir = mkdtempSync(join(tmpdir(), "clamd-server-"));
let count = 0;
let running: Listener[] = [];

afterEach(async () => {
  for (const one of running) await one.close(0);
  running = [];
});

async function octetsOf(spool: Spool): Promise<Buffer> {
  const pieces: Buffer[] = [];
  for await (const piece of spool.open()) pieces.push(piece);
  return Buffer.concat(pieces);
}

const finds = async (spool: Spool): Promise<ScanReply> =>
  (await octetsOf(spool)).includes(EICAR)
    ? { kind: "infected", name: "Eicar-Test-Signature" }
    : { kind: "clean" };

interface Started {
  readonly listener: Listener;
  readonly room: SpoolRoom;
  readonly errors: string[];
  readonly left: () => number;
  readonly endpoint: string;
  readonly where: NetConnectOpts;
}

async function started(own: Partial<ClamdServerOptions> = {}, unix = true): Promise<Started> {
  const room = spoolRoom({ dir });
  const errors: string[] = [];
  let inside = 0;
  const listener = clamdServer({
    ...CLAMD_DEFAULTS,
    spool: room,
    admit: async () => {
      inside++;
      let left = false;
      const leave = (): void => {
        if (!left) inside--;
        left = true;
      };
      return { grow: () => true, leave };
    },
    scan: finds,
    maxBytes: 10_000_000,
    allow: () => true,
    onError: (error) => errors.push((error as Error).message),
    ...own,
  });
  running.push(listener);
  const path = join(dir, `${++count}.sock`);
  if (unix) await listener.listen({ path });
  else await listener.listen({ port: 0, host: "127.0.0.1" });
  const port = unix ? 0 : (listener.server.address() as AddressInfo).port;
  return {
    listener,
    room,
    errors,
    left: () => inside,
    endpoint: unix ? `unix:${path}` : `tcp:127.0.0.1:${port}`,
    where: unix ? { path } : { port, host: "127.0.0.1" },
  };
}

/** once() would reject at a reset, which is a way of closing. */
const closed = (socket: Socket) =>
  new Promise<void>((resolve) => socket.once("close", () => resolve()));

/** Says all of it and hears all that comes until the server closes. */
async function talk({ where }: Started, ...says: readonly (string | Buffer)[]): Promise<string> {
  const socket = connect({ ...where, allowHalfOpen: true } as NetConnectOpts);
  let heard = "";
  socket.on("data", (piece: Buffer) => (heard += piece.toString("latin1")));
  socket.on("end", () => socket.end());
  socket.on("error", () => {});
  for (const text of says) socket.write(text);
  await closed(socket);
  return heard;
}

const chunk = (octets: Buffer | string): Buffer => {
  const data = Buffer.from(octets);
  const length = Buffer.alloc(4);
  length.writeUInt32BE(data.length);
  return Buffer.concat([length, data]);
};
const END = Buffer.alloc(4);

describe.each(["unix", "tcp"])("over %s", (kind) => {
  let one: Started;
  beforeAll(async () => {
    one = await started({}, kind === "unix");
    running = [];
  });
  afterAll(() => one.listener.close(0));
  clamdContract("of our own", () => one.endpoint);
});

describe("by hand", () => {
  test.each([
    ["zPING\0", "PONG\0"],
    ["nPING\n", "PONG\n"],
    ["PING\r\n", "PONG\n"],
    ["zVERSION\0", "postern\0"],
    ["zSCAN /etc/passwd\0", "SCAN is not served here, use INSTREAM. ERROR\0"],
    ["nCONTSCAN /etc\n", "CONTSCAN is not served here, use INSTREAM. ERROR\n"],
    ["zFILDES\0", "FILDES is not served here, use INSTREAM. ERROR\0"],
    ["zSHUTDOWN\0", "UNKNOWN COMMAND\0"],
    ["zRELOAD\0", "UNKNOWN COMMAND\0"],
    ["GET / HTTP/1.1\r\n", "UNKNOWN COMMAND\n"],
    // One command a connection: the second is not answered.
    ["zPING\0zPING\0", "PONG\0"],
  ])("%j", async (said, heard) => {
    expect(await talk(await started(), said)).toBe(heard);
  });

  test("a command without end", async () => {
    expect(await talk(await started(), `z${"x".repeat(5000)}`)).toBe("Command too long\n");
  });

  test("a session numbers its answers and goes on", async () => {
    const one = await started();
    const said = [
      "zIDSESSION\0zPING\0zINSTREAM\0",
      chunk(EICAR),
      END,
      "zINSTREAM\0",
      chunk("clean"),
      END,
      "zVERSION\0zEND\0",
    ];
    expect(await talk(one, ...said)).toBe(
      "1: PONG\0" + "2: stream: Eicar-Test-Signature FOUND\0" + "3: stream: OK\0" + "4: postern\0",
    );
    expect(one.left()).toBe(0);
  });

  test("the octets arrive as they were, in memory and in a file", async () => {
    const seen: Buffer[] = [];
    const one = await started({
      scan: async (spool) => {
        seen.push(await octetsOf(spool));
        return { kind: "clean" };
      },
    });
    const large = Buffer.alloc(700_000, "0123456789\n\0\r");
    expect(await talk(one, "zINSTREAM\0", chunk("a\nb\0"), chunk("c"), END)).toBe("stream: OK\0");
    const halves = [chunk(large.subarray(0, 300_001)), chunk(large.subarray(300_001)), END];
    expect(await talk(one, "nINSTREAM\n", ...halves)).toBe("stream: OK\n");
    expect(seen.map((octets) => octets.equals(large) || octets.toString())).toEqual([
      "a\nb\0c",
      true,
    ]);
    expect(one.room.held).toBe(0);
  });

  test("too large: said while it comes, and nothing of it stays", async () => {
    const one = await started({ maxBytes: 1000 });
    const much = Array.from({ length: 50 }, () => chunk(Buffer.alloc(20_000)));
    expect(await talk(one, "zINSTREAM\0", ...much)).toBe("INSTREAM size limit exceeded. ERROR\0");
    expect([one.room.held, one.left()]).toEqual([0, 0]);
    expect(await talk(one, "zINSTREAM\0", chunk(Buffer.alloc(1000)), END)).toBe("stream: OK\0");
  });

  test("a verdict that cannot be had is an error on one line, never OK", async () => {
    const why = "clamd\0 is\n down";
    const late = await started({ scan: async () => ({ kind: "error", why }) });
    expect(await talk(late, "zINSTREAM\0", chunk("x"), END)).toBe(
      "stream: clamd? is? down ERROR\0",
    );
    const broken = await started({ scan: () => Promise.reject(new Error("a fault of ours")) });
    expect(await talk(broken, "zINSTREAM\0", chunk("x"), END)).toBe(
      "INSTREAM: no verdict. ERROR\0",
    );
    expect(broken.errors).toEqual(["a fault of ours"]);
    expect(broken.left()).toBe(0);
  });

  test("no place: an error, and no spool is opened", async () => {
    const one = await started({ admit: async () => null });
    expect(await talk(one, "zINSTREAM\0", chunk("x"), END)).toBe(
      "Too many streams at once. ERROR\0",
    );
  });

  test("a client that stops in the middle is closed, its place is free again", async () => {
    const one = await started({ idleMs: 100 });
    expect(await talk(one, "zINSTREAM\0", chunk("x"))).toBe("");
    expect(await talk(one, "zPI")).toBe("");
    await expect.poll(() => one.listener.connections).toBe(0);
    expect([one.left(), one.room.held]).toEqual([0, 0]);
    expect(one.errors).toEqual([]);
  });

  test("a client that only ever sends a little is cut off at the stream's deadline", async () => {
    const one = await started({ idleMs: 5_000, streamMs: 200 });
    const socket = connect(one.where);
    socket.on("error", () => {});
    socket.write("zINSTREAM\0");
    const drip = setInterval(() => socket.write(chunk("x")), 10);
    await closed(socket);
    clearInterval(drip);
    await expect.poll(() => [one.left(), one.room.held]).toEqual([0, 0]);
  });

  test("a client that only ever sends a little of a command is cut off too", async () => {
    const one = await started({ idleMs: 5_000, streamMs: 200 });
    const socket = connect(one.where);
    socket.on("error", () => {});
    let dripped = 0;
    const drip = setInterval(() => dripped++ < 60 && socket.write("z"), 50);
    await closed(socket);
    clearInterval(drip);
    expect(dripped).toBeLessThan(60);
  });

  test("a session lasts as long as its commands come in time", async () => {
    const one = await started({ idleMs: 30_000, streamMs: 1500 });
    const socket = connect(one.where);
    socket.on("error", () => {});
    let said = "";
    socket.on("data", (piece: Buffer) => (said += piece.toString("latin1")));
    socket.write("zIDSESSION\0");
    for (let n = 1; n <= 6; n++) {
      await new Promise((resolve) => setTimeout(resolve, 300));
      socket.write("zPING\0");
      await expect.poll(() => said).toContain(`${n}: PONG\0`);
    }
    socket.destroy();
  });

  test("a slow verdict is waited for, however idle the connection is", async () => {
    const one = await started({
      idleMs: 50,
      scan: () => new Promise((resolve) => setTimeout(resolve, 300, { kind: "clean" })),
    });
    expect(await talk(one, "zINSTREAM\0", chunk("x"), END)).toBe("stream: OK\0");
  });

  test("who is not allowed is closed without a word; so is one too many", async () => {
    const shut = await started({ allow: () => false }, false);
    expect(await talk(shut, "zPING\0")).toBe("");
    const one = await started({ maxConnections: 1 });
    const first = connect(one.where);
    first.on("error", () => {});
    await once(first, "connect");
    await expect.poll(() => one.listener.connections).toBe(1);
    expect(await talk(one, "zPING\0")).toBe("");
    first.destroy();
    await expect.poll(() => one.listener.connections).toBe(0);
    expect(await talk(one, "zPING\0")).toBe("PONG\0");
  });

  test("while another process takes over, who has just connected may still ask", async () => {
    const one = await started();
    const socket = connect({ ...one.where, allowHalfOpen: true } as NetConnectOpts);
    let heard = "";
    socket.on("data", (piece: Buffer) => (heard += piece.toString("latin1")));
    socket.on("end", () => socket.end());
    socket.on("error", () => {});
    await once(socket, "connect");
    await expect.poll(() => one.listener.connections).toBe(1);
    const over = one.listener.close(10_000, 10_000);
    socket.write("zPING\0");
    await closed(socket);
    expect(heard).toBe("PONG\0");
    await over;
  });

  test("stopping lets a verdict out and cuts off who only waits", async () => {
    let decide: (reply: ScanReply) => void = () => {};
    const one = await started({ scan: () => new Promise((resolve) => (decide = resolve)) });
    const idle = talk(one, "");
    const busy = talk(one, "zIDSESSION\0zINSTREAM\0", chunk("x"), END);
    await expect.poll(() => one.left()).toBe(1);
    await new Promise((resolve) => setTimeout(resolve, 50));
    const closed = one.listener.close(10_000);
    decide({ kind: "clean" });
    expect(await busy).toBe("1: stream: OK\0");
    expect(await idle).toBe("");
    await closed;
  });
});

test("the directory is gone: told, and the client hears an error", async () => {
  const room = spoolRoom({ dir: join(dir, "missing") });
  const one = await started({ spool: room });
  const much = Array.from({ length: 40 }, () => chunk(Buffer.alloc(20_000)));
  expect(await talk(one, "zINSTREAM\0", ...much, END)).toMatch(
    /^INSTREAM: (?:Can't write to temporary file|no verdict)\. ERROR\0$/,
  );
  expect(one.errors.join()).toMatch(/ENOENT/);
  rmSync(dir, { recursive: true });
});
