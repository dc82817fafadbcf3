// The module that the threads of threads.test.ts run: jobs that behave badly on demand.
import { threadId } from "node:worker_threads";
import { answerJobs, given } from "../../src/sys/thread-side.ts";

type Job =
  | { readonly do: "echo"; readonly value: unknown }
  | { readonly do: "notes"; readonly texts: readonly string[] }
  | { readonly do: "send"; readonly octets: number; readonly then: "return" | "loop" }
  | { readonly do: "loop"; readonly first: readonly string[] }
  | { readonly do: "sleep"; readonly ms: number }
  | { readonly do: "heap" | "buffers" | "throw" | "exit" | "later" | "id" };

if (given() === "dies as it starts") {
  await new Promise((resolve) => setTimeout(resolve, 300));
  throw new Error("cannot start");
}

answerJobs<Job>(async (job, out) => {
  switch (job.do) {
    case "echo":
      return job.value;
    case "id":
      return threadId;
    case "notes":
      return job.texts.map((text) => out.note(text));
    case "send": {
      const octets = new Uint8Array(job.octets).fill(7).buffer;
      out.send(octets, [octets]);
      if (job.then === "loop") for (;;);
      return octets.byteLength;
    }
    case "loop":
      for (const text of job.first) out.note(text);
      for (;;);
    case "sleep":
      await new Promise((resolve) => setTimeout(resolve, job.ms));
      return "slept";
    case "heap": {
      const held: unknown[] = [];
      out.note("filling the heap");
      for (;;) held.push({ n: held.length, more: [held.length] });
    }
    case "buffers": {
      const held: Buffer[] = [];
      for (let n = 0; ; n++) if (n % 20_000_000 === 0) held.push(Buffer.alloc(8 << 20, 1));
    }
    case "throw":
      throw new Error("thrown on purpose");
    case "exit":
      return process.exit(3);
    case "later":
      setTimeout(() => {
        throw new Error("nobody catches this");
      }, 1);
      return new Promise(() => {});
  }
});
