import { spawnSync } from "node:child_process";
import { afterEach, describe, expect, it } from "vitest";
import { threads, type Ended, type Threads, type ThreadsOptions } from "../../src/sys/threads.ts";

const MODULE = new URL("./threads-jobs.ts", import.meta.url);
const PATIENT = { deadlineMs: 15_000 };
const open: Threads[] = [];

function pool(options: Partial<ThreadsOptions> = {}): Threads {
  const made = threads({ module: MODULE, ...options });
  open.push(made);
  return made;
}

afterEach(async () => {
  await Promise.all(open.splice(0).map((one) => one.close()));
});

describe("jobs", () => {
  it("come back with their value, and threads are used again", async () => {
    const one = pool({ threads: 1 });
    expect(one.running).toBe(0);
    const ran = await one.run({ do: "echo", value: { a: [1, "é"] } }, PATIENT);
    expect(ran).toMatchObject({ ended: "done", why: "", value: { a: [1, "é"] }, sent: [] });
    const ids = [];
    for (let i = 0; i < 3; i++) ids.push((await one.run({ do: "id" }, PATIENT)).value);
    expect(new Set(ids).size).toBe(1);
  });

  it("fail alone when they throw", async () => {
    const one = pool({ threads: 1 });
    const before = await one.run({ do: "id" }, PATIENT);
    expect(await one.run({ do: "throw" }, PATIENT)).toMatchObject({
      ended: "failed",
      why: "thrown on purpose",
      value: undefined,
    });
    expect((await one.run({ do: "id" }, PATIENT)).value).toBe(before.value);
  });

  it("reject when they cannot be sent, and the thread stays", async () => {
    const one = pool({ threads: 1 });
    await expect(one.run({ do: () => 1 }, PATIENT)).rejects.toThrow(/clone/);
    expect((await one.run({ do: "echo", value: 1 }, PATIENT)).value).toBe(1);
  });

  it("get what was transferred and send back without a copy", async () => {
    const one = pool();
    const octets = new Uint8Array([1, 2, 3]).buffer;
    const there = await one.run({ do: "echo", value: octets }, { ...PATIENT, transfer: [octets] });
    expect(octets.byteLength).toBe(0);
    expect(new Uint8Array(there.value as ArrayBuffer)).toEqual(new Uint8Array([1, 2, 3]));
    const { sent, value } = await one.run({ do: "send", octets: 5, then: "return" }, PATIENT);
    // What was transferred has left the thread.
    expect(value).toBe(0);
    expect(new Uint8Array(sent[0] as ArrayBuffer)).toEqual(new Uint8Array(5).fill(7));
  });
});

describe("notes", () => {
  it("arrive in order, whatever text they are, and grow", async () => {
    const texts = ["", "a", "é\u0000\u2028", "x".repeat(100_000), "last"];
    const ran = await pool().run({ do: "notes", texts }, PATIENT);
    expect([...ran.notes()]).toEqual(texts);
    expect(ran.value).toEqual([true, true, true, true, true]);
    expect(ran.overflowed).toBe(false);
  });

  it("that find no room are refused and told", async () => {
    const texts = ["a".repeat(900), "b".repeat(900), "c"];
    const ran = await pool({ notesBytes: 1000 }).run({ do: "notes", texts }, PATIENT);
    expect([...ran.notes()]).toEqual([texts[0], "c"]);
    expect(ran).toMatchObject({ value: [true, false, true], overflowed: true });
  });
});

describe("a deadline", () => {
  it("kills an endless loop, keeps its notes, and the next job is served meanwhile", async () => {
    const one = pool({ threads: 2 });
    const start = performance.now();
    const stuck = one.run({ do: "loop", first: ["began", "at 1/2"] }, { deadlineMs: 600 });
    const served = await one.run({ do: "echo", value: "meanwhile" }, PATIENT);
    expect(served.value).toBe("meanwhile");
    const ran = await stuck;
    expect(ran).toMatchObject({ ended: "late", why: "took more than 600 ms" });
    expect([...ran.notes()]).toEqual(["began", "at 1/2"]);
    expect(performance.now() - start).toBeGreaterThan(590);
    expect(one.running).toBe(0);
    expect((await one.run({ do: "echo", value: 1 }, PATIENT)).value).toBe(1);
  });

  it("keeps what a killed job had sent", async () => {
    const ran = await pool().run({ do: "send", octets: 9, then: "loop" }, { deadlineMs: 600 });
    expect(ran.ended).toBe("late");
    expect((ran.sent[0] as ArrayBuffer).byteLength).toBe(9);
  });

  it("ends a job that waits for nothing", async () => {
    const one = pool({ threads: 1 });
    await one.run({ do: "echo", value: 1 }, PATIENT);
    expect(await one.run({ do: "sleep", ms: 60_000 }, { deadlineMs: 50 })).toMatchObject({
      ended: "late",
    });
  });
});

describe("a thread", () => {
  it.each([
    ["fills its heap", { do: "heap" }, /memory/],
    ["fills memory outside its heap", { do: "buffers" }, /64 MiB of buffers/],
    ["exits", { do: "exit" }, /ended/],
    ["throws where nobody catches", { do: "later" }, /nobody catches/],
  ])("that %s dies alone", async (_, job, why) => {
    const one = pool({ threads: 1, heapMiB: 32, buffersMiB: 64 });
    const ran = await one.run(job, PATIENT);
    expect(ran.ended).toBe("crashed");
    expect(ran.why).toMatch(why);
    if (job.do === "heap") expect([...ran.notes()]).toEqual(["filling the heap"]);
    expect((await one.run({ do: "echo", value: "still here" }, PATIENT)).value).toBe("still here");
  });

  it("that cannot start fails its jobs, not the process", async () => {
    const one = pool({ module: new URL("./no-such-module.ts", import.meta.url) });
    expect((await one.run({}, PATIENT)).ended).toBe("crashed");
    expect((await one.run({}, PATIENT)).ended).toBe("crashed");
  });
});

describe("the queue", () => {
  it("is served in order and bounded", async () => {
    const waiting: number[] = [];
    const one = pool({ threads: 1, queue: 2, onWaiting: (jobs) => waiting.push(jobs) });
    const order: string[] = [];
    const run = (name: string): Promise<unknown> =>
      one.run({ do: "sleep", ms: 20 }, PATIENT).then(({ ended }) => order.push(`${name} ${ended}`));
    const all = ["a", "b", "c", "d"].map(run);
    expect(one.waiting).toBe(2);
    await Promise.all(all);
    expect(order).toEqual(["d refused", "a done", "b done", "c done"]);
    expect(waiting).toEqual([1, 2, 1, 0]);
  });

  it("takes turns between those who ask, and none fills it for another", async () => {
    const one = pool({ threads: 1, queue: 3 });
    const order: string[] = [];
    const run = (name: string, from: string): Promise<unknown> =>
      one
        .run({ do: "sleep", ms: 5 }, { ...PATIENT, from })
        .then(({ ended }) => order.push(`${name} ${ended}`));
    const all = [
      ...["a1", "a2", "a3", "a4", "a5"].map((name) => run(name, "a")),
      ...["b1", "b2"].map((name) => run(name, "b")),
    ];
    expect(one.waiting).toBe(5);
    await Promise.all(all);
    expect(order).toEqual([
      "a5 refused",
      ...["a1", "a2", "b1", "a3", "b2", "a4"].map((name) => `${name} done`),
    ]);
  });

  it("refuses a job that waits longer than its deadline", async () => {
    const one = pool({ threads: 1 });
    const long = one.run({ do: "sleep", ms: 500 }, PATIENT);
    const late = await one.run({ do: "echo", value: 1 }, { deadlineMs: 30 });
    expect(late).toMatchObject({ ended: "refused", why: "no thread came free in 30 ms" });
    expect((await long).ended).toBe("done");
  });

  it("ends all jobs at once when threads do not even start, and those that come after", async () => {
    const one = pool({ threads: 1, data: "dies as it starts" });
    const job = (): ReturnType<Threads["run"]> => one.run({ do: "echo", value: 1 }, PATIENT);
    const said = await Promise.all([job(), job(), job()]);
    expect(said.map(({ ended }) => ended)).toEqual(["crashed", "crashed", "crashed"]);
    expect(said.map(({ why }) => why)).toEqual([
      "cannot start",
      "threads do not start: cannot start",
      "threads do not start: cannot start",
    ]);
    const begun = performance.now();
    for (let n = 0; n < 20; n++) expect((await job()).ended).toBe("crashed");
    // Each thread would take 300 ms to die.
    expect(performance.now() - begun).toBeLessThan(3000);
    expect([one.running, one.waiting]).toEqual([0, 0]);
  });

  it("does not hold it against them that one was given up before it had started", async () => {
    const one = pool({ threads: 1 });
    const soon = AbortSignal.timeout(1);
    expect((await one.run({ do: "id" }, { ...PATIENT, signal: soon })).ended).toBe("aborted");
    expect((await one.run({ do: "echo", value: 1 }, PATIENT)).value).toBe(1);
  });

  it("moves on when a thread is killed or crashes", async () => {
    const one = pool({ threads: 1 });
    const jobs = [
      one.run({ do: "loop", first: [] }, { deadlineMs: 200 }),
      one.run({ do: "exit" }, PATIENT),
      one.run({ do: "echo", value: 1 }, PATIENT),
    ];
    expect((await Promise.all(jobs)).map(({ ended }) => ended)).toEqual([
      "late",
      "crashed",
      "done",
    ]);
  });
});

describe("a signal", () => {
  it("ends what waits and kills what runs", async () => {
    const one = pool({ threads: 1 });
    const [running, waiting] = [new AbortController(), new AbortController()];
    const ended: Ended[] = [];
    const a = one.run({ do: "loop", first: [] }, { ...PATIENT, signal: running.signal });
    const b = one.run({ do: "echo", value: 1 }, { ...PATIENT, signal: waiting.signal });
    waiting.abort();
    ended.push((await b).ended);
    running.abort();
    ended.push((await a).ended);
    ended.push((await one.run({ do: "id" }, { ...PATIENT, signal: running.signal })).ended);
    expect(ended).toEqual(["aborted", "aborted", "aborted"]);
    expect(one.waiting).toBe(0);
  });
});

describe("close", () => {
  it("ends what runs and what waits, and later jobs", async () => {
    const one = pool({ threads: 1 });
    const jobs = [
      one.run({ do: "loop", first: [] }, PATIENT),
      one.run({ do: "echo", value: 1 }, PATIENT),
    ];
    await one.close();
    jobs.push(one.run({ do: "echo", value: 1 }, PATIENT));
    expect((await Promise.all(jobs)).map(({ ended }) => ended)).toEqual([
      "aborted",
      "aborted",
      "aborted",
    ]);
  });

  it("is not needed for the process to end", () => {
    const script = `
      import { threads } from ${JSON.stringify(new URL("../../src/sys/threads.ts", import.meta.url).href)};
      const one = threads({ module: new URL(${JSON.stringify(MODULE.href)}) });
      const { value } = await one.run({ do: "echo", value: "said" }, { deadlineMs: 60000 });
      process.stdout.write(value);`;
    const { stdout, status } = spawnSync(
      process.execPath,
      ["--input-type=module", "--eval", script],
      { encoding: "utf8", timeout: 20_000 },
    );
    expect({ stdout, status }).toEqual({ stdout: "said", status: 0 });
  });
});
