// The deep reading with its threads: what is handed over, what comes back, and what is left when a thread is late, dies or is not free.
import { mkdtempSync, readdirSync, readlinkSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createGzip, gzipSync } from "node:zlib";
import { afterAll, afterEach, describe, expect, it, vi } from "vitest";
import { DEFAULT_DEEP_LIMITS, type DeepLimits } from "../../src/content/budget.ts";
import { gzip } from "../../src/content/containers/gzip.ts";
import { deepReading, type DeepOptions, type DeepReading } from "../../src/content/deep.ts";
import { looksInto } from "../../src/content/looks-into.ts";
import { readTree } from "../../src/content/tree.ts";
import { oneBuffer } from "../../src/engine/report.ts";
import type { Body, Tree } from "../../src/mail/message.ts";
import { DEFAULT_WALK_LIMITS } from "../../src/mail/mime.ts";
import { spoolRoom } from "../../src/sys/spool.ts";
import { box, boxes, listed, mailWith, type BoxMember } from "./boxes.ts";

const dir = mkdtempSync(join(tmpdir(), "deep-"));
const open: DeepReading[] = [];
afterEach(async () => {
  await Promise.all(open.splice(0).map((one) => one.close()));
});
afterAll(() => rmSync(dir, { recursive: true }));

/** Files of the spool that this process holds open. */
function openFiles(): string[] {
  const links = readdirSync("/proc/self/fd").map((fd) => {
    try {
      return readlinkSync(`/proc/self/fd/${fd}`);
    } catch {
      return "";
    }
  });
  return links.filter((link) => link.startsWith(join(dir, "spool")));
}

interface Rig {
  readonly deep: DeepReading;
  readonly ended: string[];
  readonly read: (message: Buffer | Body, signal?: AbortSignal) => Promise<Tree>;
}

function rig(limits: Partial<DeepLimits> = {}, options: Partial<DeepOptions> = {}): Rig {
  const ended: string[] = [];
  const deep = deepReading({
    limits: { ...DEFAULT_DEEP_LIMITS, ...limits },
    walk: DEFAULT_WALK_LIMITS,
    directory: join(dir, "spool"),
    module: new URL("./deep-boxes.ts", import.meta.url),
    looks: looksInto([boxes, gzip]),
    onEnd: (how) => void ended.push(how),
    ...options,
  });
  open.push(deep);
  return {
    deep,
    ended,
    async read(message, signal) {
      const body = Buffer.isBuffer(message) ? oneBuffer(message) : message;
      return deep.deepen(await readTree(body), body, signal);
    },
  };
}

const boxed = (...members: readonly BoxMember[]): Buffer =>
  mailWith({ name: "a.box", octets: box(...members) });
const HELLO = boxed({ name: "hello.txt", text: "hello" });

describe("a message", () => {
  it("with nothing to look into makes no job and keeps its tree", async () => {
    const { deep, ended } = rig();
    const bodies = [
      Buffer.from("Subject: x\r\n\r\nplain text\r\n"),
      mailWith({ name: "a.png", octets: Buffer.from("89504e470d0a1a0a00", "hex") }),
      mailWith({ name: "a.txt", octets: Buffer.from("From: a\r\nTo: b\r\n\r\nlooks like mail") }),
    ].map(oneBuffer);
    for (const body of bodies) {
      const tree = await readTree(body);
      // Not even a promise.
      expect(deep.deepen(tree, body)).toBe(tree);
    }
    expect(ended).toEqual([]);
  });

  it("with containers gets their members", async () => {
    const { read, ended } = rig();
    const tree = await read(HELLO);
    expect(listed(tree)).toEqual(["1", "1/1  txt", "1/2 a.box ogg", "1/2/1 hello.txt txt"]);
    expect(tree).toMatchObject({ unread: null, overLimit: null, payloads: [] });
    expect(tree.parts[2]!.children).toEqual([tree.parts[3]]);
    expect(ended).toEqual(["done"]);
  });

  it("is read the same from a file, which stays open until the end", async () => {
    const { read, deep } = rig();
    const members = Array.from({ length: 200 }, (_, i) => ({
      name: `${i}`,
      text: "x".repeat(5000),
    }));
    const message = mailWith(
      { name: "a.box", octets: box(...members) },
      // Too large for memory once it is unpacked.
      { name: "big.box.gz", octets: gzipSync(box({ name: "big", text: "x".repeat(3_000_000) })) },
    );
    const writer = spoolRoom({ dir: join(dir, "spool"), perMessage: 1000 });
    await writer.sweep();
    const one = writer.create();
    await one.write(Buffer.from(message));
    const spool = await one.finish();
    expect(spool.bytes).toBeNull();
    const shallow = await readTree(spool);
    const reading = deep.deepen(shallow, spool);
    // As when the client leaves.
    spool.dispose();
    const tree = await reading;
    expect(spool.lendFile()).toBeNull();
    await vi.waitFor(() => expect(openFiles()).toEqual([]), 10_000);
    expect(tree.parts).toHaveLength(4 + 200 + 2);
    expect(listed(tree)).toEqual(listed(await read(message)));
    expect(readdirSync(join(dir, "spool"))).toEqual([]);
  });

  it("that is ambiguous gets the parts and octets that others see", async () => {
    const { read } = rig();
    const tree = await read(
      Buffer.from(
        "X-Other: OggS BOX\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\nhello\r\n",
      ),
    );
    expect(listed(tree)[1]).toBe("1+1 o ogg");
    expect(tree.payloads).toEqual([{ path: "1+1", octets: Buffer.from("OggS BOX") }]);
  });

  it("in which more is found than can be told says so", async () => {
    const { read } = rig({}, { notesBytes: 2000 });
    const members = Array.from({ length: 50 }, (_, i) => ({ name: `${i}.txt`, text: "x" }));
    const tree = await read(boxed(...members));
    expect(tree.parts.length).toBeLessThan(50);
    expect(tree.unread).toBe("more was found than there is room to tell");
  });

  it("that fails us is told as unread", async () => {
    const { read, ended } = rig();
    const tree = await read(
      Buffer.from("X-Other: throw\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\nhello\r\n"),
    );
    expect(tree.unread).toBe("the deep reading: readings failed");
    expect(ended).toEqual(["failed"]);
  });
});

describe("a format that never ends", () => {
  it("is killed at the deadline; what came before counts, and the next message is read meanwhile", async () => {
    const { read, ended } = rig({ ms: 1500 });
    const stuck = read(
      mailWith(
        { name: "a.box", octets: box({ name: "before.exe", text: "MZ\0" }, { do: "loop" }) },
        { name: "b.box", octets: box({ name: "never", text: "x" }) },
      ),
    );
    expect((await read(HELLO)).unread).toBeNull();
    const tree = await stuck;
    expect(listed(tree)).toEqual([
      "1",
      "1/1  txt",
      "1/2 a.box ogg container-too-slow",
      "1/2/1 before.exe exe,exe-ms",
      "1/3 b.box ogg",
    ]);
    expect(tree.unread).toBe("the deep reading took more than 2500 ms");
    expect(ended).toEqual(["done", "late"]);
    expect((await read(HELLO)).unread).toBeNull();
  });

  it("ends with the message's own time", async () => {
    const { read, ended } = rig();
    const gone = new AbortController();
    const stuck = read(boxed({ do: "loop" }), gone.signal);
    setTimeout(() => gone.abort(), 300);
    const tree = await stuck;
    expect(tree.parts[2]?.defects.length).toBeLessThanOrEqual(1);
    expect(tree.unread).toMatch(/ended while it ran/);
    expect(ended).toEqual(["aborted"]);
  });
});

describe("a thread that dies", () => {
  it("marks the part that it was in, and no other", async () => {
    const { read, ended } = rig();
    const tree = await read(
      mailWith(
        { name: "a.box", octets: box({ name: "good", text: "x" }) },
        { name: "b.box", octets: box({ name: "before", text: "x" }, { do: "exit" }) },
      ),
    );
    expect(listed(tree).slice(2)).toEqual([
      "1/2 a.box ogg",
      "1/2/1 good txt",
      "1/3 b.box ogg container-broken",
      "1/3/1 before txt",
    ]);
    expect(tree.unread).toBe("the deep reading: its thread ended");
    expect(ended).toEqual(["crashed"]);
    expect((await read(HELLO)).unread).toBeNull();
  });

  it("of memory is told so", async () => {
    const { read, ended } = rig();
    const tree = await read(boxed({ name: "before", text: "x" }, { do: "grow" }));
    expect(tree.parts[2]?.defects).toMatchObject([{ kind: "container-broken" }]);
    expect(tree.unread).toMatch(/more than 256 MiB of buffers/);
    expect(ended).toEqual(["crashed"]);
  });
});

describe("a pool that cannot serve", () => {
  it("leaves the tree unread, never silently", async () => {
    const { read, deep, ended } = rig({ ms: 200 }, { threads: 1, queue: 1 });
    const bodies = [boxed({ do: "loop" }), HELLO, HELLO].map(oneBuffer);
    const shallow = await Promise.all(bodies.map((body) => readTree(body)));
    const [busy, waits, refused] = await Promise.all(
      bodies.map(async (body, i) => deep.deepen(shallow[i]!, body)),
    );
    expect(busy!.unread).not.toBeNull();
    // As long as the killed thread needs, or not at all.
    expect(waits!.unread ?? "no thread came free").toMatch(/no thread came free/);
    expect(refused!.unread).toBe("the deep reading: 1 jobs wait already");
    expect(listed(refused!)).toEqual(["1", "1/1  txt", "1/2 a.box ogg"]);
    expect(ended).toContain("refused");
    await deep.close();
    expect((await read(HELLO)).unread).toMatch(/closed/);
  });
});

describe("a bomb", () => {
  it("of ten gigabytes of zeros ends at the quota, in little time and memory", async () => {
    const { read, ended } = rig({ ms: 60_000 });
    const bomb = await zeros(10e9);
    const message = mailWith({ name: "zeros.gz", octets: bomb });
    await read(HELLO);
    const before = process.memoryUsage.rss();
    const cpu = process.cpuUsage();
    let highest = before;
    const watch = setInterval(() => (highest = Math.max(highest, process.memoryUsage.rss())), 20);
    const reading = read(message);
    const meanwhile = await read(HELLO);
    const tree = await reading;
    clearInterval(watch);
    const { user, system } = process.cpuUsage(cpu);
    expect(meanwhile.unread).toBeNull();
    expect(tree.parts[2]?.defects).toMatchObject([{ kind: "container-too-large", class: "limit" }]);
    expect(tree.parts[3]).toMatchObject({ names: ["zeros"], sha256: "" });
    expect(tree.parts[3]!.size).toBeGreaterThan(250 * 1024 * 1024);
    expect(ended).toEqual(["done", "done", "done"]);
    // Both in this process; generous, since others work on this machine too.
    expect((user + system) / 1000).toBeLessThan(6000);
    expect((highest - before) / 2 ** 20).toBeLessThan(200);
  }, 120_000);
});

/** So many zeros, compressed. */
async function zeros(length: number): Promise<Buffer> {
  // A gzip file may hold several members, which are read as one: one of them is enough work.
  const part = 100e6;
  const out: Buffer[] = [];
  const stream = createGzip({ level: 9 });
  stream.on("data", (octets: Buffer) => out.push(octets));
  const done = new Promise((resolve) => stream.once("end", resolve));
  const chunk = Buffer.alloc(1e6);
  for (let i = 0; i < part / chunk.length; i++)
    if (!stream.write(chunk)) await new Promise((resolve) => stream.once("drain", resolve));
  stream.end();
  await done;
  const member = Buffer.concat(out);
  return Buffer.concat(Array.from({ length: length / part }, () => member));
}
