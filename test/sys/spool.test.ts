import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readlinkSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import {
  spoolRoom,
  type SpoolOptions,
  type SpoolRoom,
  type SpoolWriter,
} from "../../src/sys/spool.ts";
import type { Spool } from "../../src/sys/spooled.ts";

let dir: string;

beforeEach(() => {
  dir = join(mkdtempSync(join(tmpdir(), "spool-")), "spool");
});

afterEach(() => rmSync(join(dir, ".."), { recursive: true }));

async function made(options: Partial<SpoolOptions> = {}): Promise<SpoolRoom> {
  const room = spoolRoom({ dir, ...options });
  await room.sweep();
  return room;
}

async function filled(room: SpoolRoom, pieces: readonly Buffer[]): Promise<Spool> {
  const writer = room.create();
  for (const piece of pieces) await writer.write(piece);
  return writer.finish();
}

/** The descriptor of its file, not held. */
function descriptorOf(spool: Spool): number | null {
  const lent = spool.lendFile();
  lent?.release();
  return lent?.descriptor ?? null;
}

function isSpoolFile(fd: number | null): boolean {
  try {
    return readlinkSync(`/proc/self/fd/${fd}`).includes(dir);
  } catch {
    return false; // Closed, and the number not given away yet.
  }
}

async function text(spool: Spool): Promise<Buffer> {
  const pieces: Buffer[] = [];
  for await (const piece of spool.open()) pieces.push(piece);
  return Buffer.concat(pieces);
}

describe("spool", () => {
  test("keeps a small message in memory, without a copy", async () => {
    const room = await made();
    const piece = Buffer.alloc(4096, 1);
    const spool = await filled(room, [piece]);
    expect(spool.bytes).toEqual([piece]);
    expect(spool.bytes![0]).toBe(piece);
    expect(spool.lendFile()).toBeNull();
    expect(room.held).toBe(4096);
    spool.dispose();
    spool.dispose();
    expect(room.held).toBe(0);
    expect(() => spool.bytes).toThrow(/disposed/);
  });

  test("moves a large one to a file without a name, readable by several at once", async () => {
    const room = await made({ perMessage: 1000 });
    const content = Buffer.alloc(1_000_000, "0123456789abcdef\n");
    const pieces = Array.from({ length: 100 }, (_, i) =>
      content.subarray(i * 10_000, (i + 1) * 10_000),
    );
    const spool = await filled(room, pieces);
    expect(readdirSync(dir)).toEqual([]);
    expect(spool.size).toBe(content.length);
    expect(spool.bytes).toBeNull();
    const fd = descriptorOf(spool);
    expect(fd).toBeGreaterThan(2);
    expect(room.held).toBe(0);
    const [a, b] = await Promise.all([text(spool), text(spool)]);
    expect(a.equals(content) && b.equals(content)).toBe(true);
    expect((await text(spool)).equals(content)).toBe(true);
    expect(isSpoolFile(fd)).toBe(true);
    spool.dispose();
    await expect(text(spool)).rejects.toThrow(/disposed/);
    await vi.waitFor(() => expect(isSpoolFile(fd)).toBe(false), 10_000);
  });

  test("a file that is lent stays open until it is released, whoever disposes", async () => {
    const room = await made({ perMessage: 0 });
    const spool = await filled(room, [Buffer.alloc(300_000, 7)]);
    const [one, two] = [spool.lendFile()!, spool.lendFile()!];
    spool.dispose();
    expect(spool.lendFile()).toBeNull();
    one.release();
    one.release();
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(isSpoolFile(two.descriptor)).toBe(true);
    two.release();
    await vi.waitFor(() => expect(isSpoolFile(two.descriptor)).toBe(false), 10_000);
  });

  test("a read under way when the spool is disposed of ends, the next fails", async () => {
    const room = await made({ perMessage: 0 });
    const spool = await filled(room, [Buffer.alloc(300_000, 7)]);
    const fd = descriptorOf(spool);
    const reader = spool.open()[Symbol.asyncIterator]();
    const first = reader.next();
    spool.dispose();
    expect((await first).value).toEqual(Buffer.alloc(128 * 1024, 7));
    await expect(reader.next()).rejects.toThrow(/disposed/);
    await vi.waitFor(() => expect(isSpoolFile(fd)).toBe(false), 10_000);
  });

  test("lends one buffer to each of several readers, slow ones too", async () => {
    const room = await made({ perMessage: 0 });
    const content = Buffer.from(Array.from({ length: 700_000 }, (_, i) => (i * 7) >> 8));
    const spool = await filled(room, [Buffer.from(content)]);
    const buffers = new Set<ArrayBufferLike>();
    const slow = async (turns: number): Promise<Buffer> => {
      const pieces: Buffer[] = [];
      for await (const piece of spool.lend()) {
        for (let i = 0; i < turns; i++) await new Promise(setImmediate);
        buffers.add(piece.buffer);
        pieces.push(Buffer.from(piece));
      }
      return Buffer.concat(pieces);
    };
    const read = await Promise.all([slow(0), slow(1), slow(5)]);
    expect(read.map((one) => one.equals(content))).toEqual([true, true, true]);
    expect(buffers.size).toBe(3);
    spool.dispose();
    await expect(slow(0)).rejects.toThrow(/disposed/);
  });

  test("a lent read under way when the spool is disposed of ends, the next fails", async () => {
    const room = await made({ perMessage: 0 });
    const spool = await filled(room, [Buffer.alloc(300_000, 7)]);
    const fd = descriptorOf(spool);
    const reader = spool.lend()[Symbol.asyncIterator]();
    const first = reader.next();
    spool.dispose();
    expect((await first).value).toEqual(Buffer.alloc(128 * 1024, 7));
    await expect(reader.next()).rejects.toThrow(/disposed/);
    await vi.waitFor(() => expect(isSpoolFile(fd)).toBe(false), 10_000);
  });

  test("a reader that leaves early harms no other", async () => {
    const room = await made({ perMessage: 0 });
    const spool = await filled(room, [Buffer.alloc(300_000, 7)]);
    const leaving = spool.lend()[Symbol.asyncIterator]();
    await leaving.next();
    await leaving.return?.();
    expect((await text(spool)).equals(Buffer.alloc(300_000, 7))).toBe(true);
    spool.dispose();
  });

  test("memory of all messages together is bounded", async () => {
    const room = await made({ perMessage: 1000, inAll: 2500 });
    const spools: Spool[] = [];
    for (let i = 0; i < 4; i++) spools.push(await filled(room, [Buffer.alloc(1000)]));
    expect(spools.map((spool) => spool.bytes !== null)).toEqual([true, true, false, false]);
    expect(room.held).toBe(2000);
    for (const spool of spools) spool.dispose();
    expect(room.held).toBe(0);
  });

  test("tells the writer to wait, and holds little meanwhile", async () => {
    const room = await made();
    const writer = room.create();
    let waits = 0;
    let peak = 0;
    for (let i = 0; i < 500; i++) {
      const wait = writer.write(Buffer.alloc(65_536, i));
      peak = Math.max(peak, room.held);
      if (wait !== undefined) {
        waits++;
        await wait;
      }
    }
    const spool = await writer.finish();
    expect(spool.size).toBe(500 * 65_536);
    expect(waits).toBeGreaterThan(50);
    expect(peak).toBeLessThanOrEqual(768 * 1024);
    const content = await text(spool);
    for (let i = 0; i < 500; i++) expect(content[i * 65_536 + 1]).toBe(i & 255);
    spool.dispose();
  });

  test("gives back the memory of whole buffers, and leaves alone what others may share", async () => {
    const room = await made({ perMessage: 0 });
    const writer = room.create();
    const whole = Buffer.alloc(65_536, 1);
    const shared = Buffer.alloc(65_536, 2);
    await writer.write(whole);
    await writer.write(shared.subarray(0, 65_535));
    const spool = await writer.finish();
    expect(whole.length).toBe(0);
    expect(shared.every((octet) => octet === 2)).toBe(true);
    const content = Buffer.concat([Buffer.alloc(65_536, 1), Buffer.alloc(65_535, 2)]);
    expect((await text(spool)).equals(content)).toBe(true);
    spool.dispose();
  });

  test("single octets cost no Buffer each", async () => {
    const room = await made();
    const spool = await filled(
      room,
      Array.from({ length: 20_000 }, (_, i) => Buffer.of(i & 255)),
    );
    expect(spool.bytes!.length).toBeLessThanOrEqual(2);
    expect(
      (await text(spool)).equals(Buffer.from(Array.from({ length: 20_000 }, (_, i) => i & 255))),
    ).toBe(true);
    spool.dispose();
  });

  test("what went in comes out, whatever the pieces", async () => {
    const room = await made({ perMessage: 5000 });
    const sizes = fc.array(
      fc.oneof(fc.nat(20), fc.integer({ min: 900, max: 1100 }), fc.nat(20_000)),
      { maxLength: 30 },
    );
    await fc.assert(
      fc.asyncProperty(sizes, fc.boolean(), async (lengths, waiting) => {
        let next = 0;
        const pieces = lengths.map((length) =>
          Buffer.from(Array.from({ length }, () => next++ & 255)),
        );
        const writer = room.create();
        for (const piece of pieces) {
          const wait = writer.write(Buffer.from(piece));
          if (waiting) await wait;
        }
        const spool = await writer.finish();
        expect(spool.size).toBe(next);
        expect((await text(spool)).equals(Buffer.concat(pieces))).toBe(true);
        spool.dispose();
        expect(room.held).toBe(0);
      }),
      { numRuns: 60 },
    );
  });

  test("shows all octets in order to a tap, however slow, before it is finished", async () => {
    const room = await made({ perMessage: 5000 });
    const seen: Buffer[] = [];
    let inside = 0;
    const writer = room.create({
      async write(octets) {
        expect(++inside).toBe(1);
        const before = Buffer.from(octets);
        await new Promise(setImmediate);
        expect(octets.equals(before)).toBe(true);
        seen.push(before);
        inside--;
      },
    });
    const pieces = Array.from({ length: 60 }, (_, i) => Buffer.alloc(i * 700, i));
    const content = Buffer.concat(pieces);
    let held = 0;
    for (const piece of pieces) {
      await writer.write(piece);
      held = Math.max(held, room.held);
    }
    const spool = await writer.finish();
    expect(Buffer.concat(seen).equals(content)).toBe(true);
    expect((await text(spool)).equals(content)).toBe(true);
    expect(held).toBeLessThan(512 * 1024);
    spool.dispose();
  });

  test("shows nothing of a message that stays in memory, and no more of one that is given up", async () => {
    const room = await made({ perMessage: 5000 });
    const seen: number[] = [];
    let large: SpoolWriter | null = null;
    const tap = {
      async write(octets: Buffer): Promise<void> {
        seen.push(octets.length);
        await new Promise(setImmediate);
        large?.discard();
      },
    };
    const small = room.create(tap);
    await small.write(Buffer.alloc(5000));
    (await small.finish()).dispose();
    expect(seen).toEqual([]);
    large = room.create(tap);
    const first = large.write(Buffer.alloc(300_001));
    const second = large.write(Buffer.alloc(300_002));
    await first;
    await second;
    expect(seen).toEqual([300_001]);
    expect(room.held).toBe(0);
  });

  test("an error of the disk reaches the writer, once and again, and discard frees", async () => {
    const room = spoolRoom({ dir, perMessage: 10 });
    const writer = room.create();
    const wait = writer.write(Buffer.alloc(1_000_000));
    await expect(wait).rejects.toThrow(/ENOENT/);
    await expect(writer.write(Buffer.alloc(1))).rejects.toThrow(/ENOENT/);
    await expect(writer.finish()).rejects.toThrow(/ENOENT/);
    writer.discard();
    expect(room.held).toBe(0);
    expect(writer.write(Buffer.alloc(1))).toBeUndefined();
  });

  test("an error behind the writer's back is told at the end", async () => {
    const room = spoolRoom({ dir, perMessage: 10 });
    const writer = room.create();
    expect(writer.write(Buffer.alloc(11))).toBeUndefined();
    await expect(writer.finish()).rejects.toThrow(/ENOENT/);
    writer.discard();
    expect(room.held).toBe(0);
  });

  test("discard at any time frees memory and file", async () => {
    const room = await made({ perMessage: 10 });
    const writer = room.create();
    const wait = writer.write(Buffer.alloc(1_000_000));
    writer.discard();
    writer.discard();
    await wait;
    expect(room.held).toBe(0);
    expect(readdirSync(dir)).toEqual([]);
  });

  test("sweep makes the directory private and removes our leftovers only", async () => {
    mkdirSync(dir, { recursive: true });
    chmodSync(dir, 0o755);
    writeFileSync(join(dir, "123-0.spool"), "left");
    writeFileSync(join(dir, "README"), "not ours");
    expect(await spoolRoom({ dir }).sweep()).toBe(1);
    expect(readdirSync(dir)).toEqual(["README"]);
    expect(statSync(dir).mode & 0o777).toBe(0o700);
  });

  test("another process may sweep at any moment", async () => {
    const room = await made({ perMessage: 0 });
    let over = false;
    const sweeping = (async () => {
      while (!over) await spoolRoom({ dir }).sweep();
    })();
    for (let i = 0; i < 200; i++) {
      const spool = await filled(room, [Buffer.from(`message ${i}`)]);
      expect((await text(spool)).toString()).toBe(`message ${i}`);
      spool.dispose();
    }
    over = true;
    await sweeping;
  });

  test("a leftover with our next name does not stop a message", async () => {
    const room = await made({ perMessage: 0 });
    writeFileSync(join(dir, `${process.pid}-0.spool`), "left");
    const spool = await filled(room, [Buffer.from("x")]);
    expect((await text(spool)).toString()).toBe("x");
    expect(existsSync(join(dir, `${process.pid}-0.spool`))).toBe(true);
    spool.dispose();
  });
});
