// The spamd listener and clients that mean it no good: what they hold, how long, and that others are served meanwhile.
import { mkdtempSync, rmSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { deflateSync } from "node:zlib";
import fc from "fast-check";
import { afterAll, afterEach, describe, expect, test } from "vitest";
import type { Listener } from "../../src/servers/listener.ts";
import { spamdServer, SPAMD_DEFAULTS, type SpamdServerOptions } from "../../src/servers/spamd.ts";
import { spoolRoom } from "../../src/sys/spool.ts";

const dir = mkdtempSync(join(tmpdir(), "spamd-server-"));
let count = 0;
const running: Listener[] = [];

afterEach(async () => {
  for (const one of running.splice(0)) await one.close(0);
});
afterAll(() => rmSync(dir, { recursive: true, force: true }));

interface Started {
  readonly path: string;
  readonly listener: Listener;
  readonly errors: unknown[];
  readonly sizes: number[];
  /** Places for messages that are taken. */
  readonly inside: () => number;
}

async function started(own: Partial<SpamdServerOptions> = {}): Promise<Started> {
  const [errors, sizes]: [unknown[], number[]] = [[], []];
  let inside = 0;
  const listener = spamdServer({
    ...SPAMD_DEFAULTS,
    spool: spoolRoom({ dir }),
    admit: async () => {
      inside++;
      let left = false;
      const leave = (): void => {
        if (!left) inside--;
        left = true;
      };
      return { grow: () => true, leave };
    },
    score: async (octets) => {
      sizes.push(octets.size);
      return { spam: false, total: 1, required: 5, rules: ["A"], report: "r", mail: null };
    },
    judge: async () => ({ failed: "no" }),
    tell: null,
    maxBytes: 1_000_000,
    allow: () => true,
    onError: (error) => errors.push(error),
    ...own,
  });
  running.push(listener);
  const path = join(dir, `${++count}.sock`);
  await listener.listen({ path });
  return { path, listener, errors, sizes, inside: () => inside };
}

/** All that is answered until the connection is closed; without `end` our side stays open. */
function ask(path: string, octets: string | Buffer, end = true): Promise<string> {
  return new Promise((resolve) => {
    const socket = connect(path);
    let heard = "";
    socket.on("data", (piece: Buffer) => (heard += piece.toString("latin1")));
    socket.on("error", () => {});
    socket.on("close", () => resolve(heard));
    const bytes = typeof octets === "string" ? Buffer.from(octets, "latin1") : octets;
    if (end) socket.end(bytes);
    else socket.write(bytes);
  });
}

const check = (body: string, more = ""): string =>
  `CHECK SPAMC/1.5\r\nContent-length: ${body.length}\r\n${more}\r\n${body}`;
const compressed = (packed: Buffer, method = "CHECK"): Buffer =>
  Buffer.concat([
    Buffer.from(
      `${method} SPAMC/1.5\r\nCompress: zlib\r\nContent-length: ${packed.length}\r\n\r\n`,
    ),
    packed,
  ]);

describe("a client of spamd that lies", () => {
  test.each([
    [
      "a length beyond any bound",
      "CHECK SPAMC/1.5\r\nContent-length: 1073741824\r\n\r\nx",
      /^SPAMD\/1\.0 69 .*more than 1000000 octets/,
    ],
    [
      "a length of 400 digits",
      `CHECK SPAMC/1.5\r\nContent-length: ${"9".repeat(400)}\r\n\r\nx`,
      /^SPAMD\/1\.0 69 /,
    ],
    ["a negative length", "CHECK SPAMC/1.5\r\nContent-length: -1\r\n\r\nx", /^SPAMD\/1\.0 76 /],
    [
      "a length too long",
      "CHECK SPAMC/1.5\r\nContent-length: 9\r\n\r\nx",
      /76 .*Expected 9 bytes, got 1 bytes/,
    ],
    [
      "a length too short",
      "CHECK SPAMC/1.5\r\nContent-length: 1\r\n\r\nxyz",
      /76 .*Expected 1 bytes, got 3 bytes/,
    ],
    [
      "more octets than may be",
      `CHECK SPAMC/1.5\r\n\r\n${"x".repeat(1_500_000)}`,
      /69 .*more than 1000000 octets/,
    ],
    ["no command", "\r\n\r\n", /^SPAMD\/1\.0 76 /],
    ["no end of a line", "x".repeat(100_000), /^SPAMD\/1\.0 76 /],
    ["no end of headers", `CHECK SPAMC/1.5\r\n${"X: y\r\n".repeat(10_000)}`, /too many headers/],
    [
      "headers of a megabyte",
      `CHECK RSPAMC/1.3\r\n${`X: ${"y".repeat(8000)}\r\n`.repeat(130)}`,
      /too many headers/,
    ],
    [
      "TELL without leave",
      "TELL SPAMC/1.5\r\nMessage-class: spam\r\nSet: local\r\n\r\nx",
      /69 .*not enabled/,
    ],
    [
      "a packed message without a length",
      "CHECK SPAMC/1.5\r\nCompress: zlib\r\n\r\nx",
      /69 .*requires Content-length/,
    ],
    ["another packing", "CHECK SPAMC/1.5\r\nCompress: gzip\r\nContent-length: 1\r\n\r\nx", /76 /],
  ])("%s", async (_what, words, answer) => {
    const at = await started();
    expect(await ask(at.path, words)).toMatch(answer);
    expect(at.sizes).toEqual([]);
    expect(at.inside()).toBe(0);
    expect(at.errors).toEqual([]);
  });

  test("a packed bomb ends at the bound, and nothing is left of it", async () => {
    const at = await started();
    const bomb = deflateSync(Buffer.alloc(200_000_000));
    expect(await ask(at.path, compressed(bomb))).toMatch(
      /^SPAMD\/1\.0 69 .*more than 1000000 octets/,
    );
    expect([at.inside(), at.sizes]).toEqual([0, []]);
  });

  test.each([
    [
      "cut short",
      (packed: Buffer) => packed.subarray(0, packed.length - 20),
      /69 .*end of zlib stream/,
    ],
    ["not packed at all", () => Buffer.from("x".repeat(50_000)), /69 .*end of zlib stream/],
    // Exactly as spamd: what follows the stream is not looked at.
    [
      "followed by a lot",
      (packed: Buffer) => Buffer.concat([packed, Buffer.alloc(900_000, 1)]),
      /0 EX_OK/,
    ],
  ])("a packed message that is %s", async (_what, harmed, answer) => {
    const at = await started();
    const words = compressed(harmed(deflateSync(Buffer.from("a: b\n\nc\n".repeat(1000)))));
    expect(await ask(at.path, words)).toMatch(answer);
    expect(at.inside()).toBe(0);
  });

  test("what it says is never a line of its own in the answer", async () => {
    const at = await started();
    const said = await ask(at.path, "HELLO\rSPAMD/1.5 0 EX_OK\r\n\r\n");
    expect(said.split("\n")).toHaveLength(2);
    expect(said).toMatch(/^SPAMD\/1\.0 76 /);
  });

  test("any octets get an answer or an end, and leave nothing behind", async () => {
    const at = await started({ idleMs: 2000 });
    const word = fc.constantFrom(
      ..."CHECK|PROCESS|TELL|PING|SKIP| SPAMC/1.5| RSPAMC/1.3|\r\n|\n|\r\n\r\n|Content-length: |Compress: zlib|5|-|User: x|Set: local|\0|x".split(
        "|",
      ),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(word, { maxLength: 20 }), async (words) => {
        const said = await ask(at.path, words.join(""));
        expect(said).toMatch(/^(?:$|R?SPAMD\/1\.\d \d+ )/);
        expect(at.inside()).toBe(0);
      }),
      { numRuns: 150 },
    );
    expect(at.errors).toEqual([]);
  });
});

describe("a place among the messages in flight", () => {
  /** One that has room for so many octets. */
  const places = (
    most: number,
  ): Pick<SpamdServerOptions, "admit"> & {
    readonly announced: number[];
    readonly grown: number[];
    inside: number;
  } => {
    const state = {
      announced: [] as number[],
      grown: [] as number[],
      inside: 0,
      admit: async (octets: number) => {
        state.announced.push(octets);
        state.inside++;
        let left = false;
        return {
          grow: (size: number): boolean => {
            state.grown.push(size);
            return size <= most;
          },
          leave: (): void => {
            if (!left) state.inside--;
            left = true;
          },
        };
      },
    };
    return state;
  };

  test("is asked for with what is announced, and for each octet that comes", async () => {
    const room = places(2000);
    const at = await started(room);
    expect(await ask(at.path, check("x".repeat(1500)))).toMatch(/0 EX_OK/);
    expect(await ask(at.path, `CHECK SPAMC/1.5\r\n\r\n${"x".repeat(3000)}`)).toMatch(
      /^SPAMD\/1\.0 69 .*too many messages at once/,
    );
    expect(room.announced).toEqual([1500, 0]);
    expect(room.grown.at(-1)).toBeGreaterThan(2000);
    expect([at.sizes, room.inside]).toEqual([[1500], 0]);
  });

  test("holds a packed message twice, as it came and inflated", async () => {
    const packed = compressed(deflateSync(Buffer.alloc(900_000, "Subject: x\n")));
    const room = places(300_000);
    const at = await started(room);
    expect(await ask(at.path, packed)).toMatch(/^SPAMD\/1\.0 69 .*too many messages at once/);
    expect([at.sizes, room.inside]).toEqual([[], 0]);
    expect(room.grown.at(-1)).toBeLessThan(400_000);
  });

  test("is kept until the client has taken the answer", async () => {
    const mail = Buffer.alloc(30_000_000, "m");
    const room = places(1e9);
    const at = await started({
      admit: room.admit,
      score: async () => ({ spam: false, total: 1, required: 5, rules: [], report: null, mail }),
    });
    const socket = connect(at.path);
    socket.on("error", () => {});
    socket.pause();
    socket.write("PROCESS SPAMC/1.5\r\nContent-length: 1\r\n\r\nx");
    await expect.poll(() => room.grown.length).toBe(1);
    await sleep(500);
    expect(room.inside).toBe(1);
    socket.resume();
    await expect.poll(() => room.inside, { timeout: 10_000 }).toBe(0);
    socket.destroy();
  });
});

describe("a client of spamd that takes its time", () => {
  /** Says an octet of `text` again and again until it is cut off; gives what it heard. */
  async function drip(path: string, start: string, text: string): Promise<string> {
    const socket = connect(path);
    let heard = "";
    let isOpen = true;
    socket.on("error", () => {});
    socket.on("data", (piece: Buffer) => (heard += piece.toString("latin1")));
    socket.on("close", () => (isOpen = false));
    socket.write(start);
    while (isOpen && !socket.destroyed) {
      socket.write(text);
      await sleep(20);
    }
    return heard;
  }

  test.each([
    ["before the command", "", "x", /79 Timeout/],
    ["among the headers", "CHECK SPAMC/1.5\r\n", "x", /79 Timeout/],
    ["in the message", "CHECK SPAMC/1.5\r\n\r\n", "x", /^$/],
  ])("is cut off %s, however often it says an octet", async (_where, start, text, answer) => {
    const at = await started({ idleMs: 300, messageMs: 600 });
    const slow = drip(at.path, start, text);
    await sleep(100);
    // Others are served meanwhile.
    expect(await ask(at.path, check("x"))).toMatch(/0 EX_OK/);
    expect(await slow).toMatch(answer);
    expect([at.inside(), at.listener.connections]).toEqual([0, 0]);
  });

  test("gets all of an answer that it reads slowly", async () => {
    const mail = Buffer.alloc(30_000_000, "m");
    const at = await started({
      score: async () => ({ spam: false, total: 1, required: 5, rules: [], report: null, mail }),
    });
    const socket = connect(at.path);
    socket.on("error", () => {});
    socket.end("PROCESS SPAMC/1.5\r\nContent-length: 1\r\n\r\nx");
    let size = 0;
    socket.pause();
    await sleep(3000);
    socket.on("data", (piece: Buffer) => (size += piece.length));
    socket.resume();
    await new Promise((resolve) => socket.once("close", resolve));
    expect(size).toBeGreaterThan(mail.length);
  });

  test("is not waited for when it reads nothing at all", async () => {
    const mail = Buffer.alloc(30_000_000, "m");
    const at = await started({
      idleMs: 300,
      score: async () => ({ spam: false, total: 1, required: 5, rules: [], report: null, mail }),
    });
    const socket: Socket = connect(at.path);
    socket.on("error", () => {});
    socket.pause();
    socket.write("PROCESS SPAMC/1.5\r\nContent-length: 1\r\n\r\nx");
    await expect.poll(() => at.listener.connections, { timeout: 10_000 }).toBe(1);
    await expect.poll(() => at.listener.connections, { timeout: 10_000 }).toBe(0);
    socket.destroy();
  });

  test("more connections than may be are closed, the others served", async () => {
    const at = await started({ maxConnections: 20, idleMs: 3000 });
    const idle = Array.from({ length: 50 }, () => connect(at.path).on("error", () => {}));
    await expect.poll(() => idle.filter((one) => one.closed).length).toBe(30);
    for (const one of idle) one.destroy();
    await expect.poll(() => at.listener.connections).toBe(0);
    expect(await ask(at.path, "PING SPAMC/1.2\r\n")).toBe("SPAMD/1.5 0 PONG\r\n");
  });
});
