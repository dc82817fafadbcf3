// What every way to a clamd must do, whatever stands behind it: the fake in unit tests, the real one in test/real. Declares its
// cases; the place is asked when they run.
import { describe, expect, test } from "vitest";
import { parseEndpoint } from "../../src/clients/endpoint.ts";
import type { ScanReply } from "../../src/clients/clamd-reply.ts";
import { scanOverTcp } from "../../src/clients/clamd-tcp.ts";
import { scanOverUnix, type ScanLimits } from "../../src/clients/clamd-unix.ts";
import { EICAR } from "../fakes/clamd.ts";

export const LIMITS: ScanLimits = {
  connectMs: 5_000,
  deadlineMs: 15_000,
  signal: new AbortController().signal,
};

/** One scan of these pieces at "unix:/…" or "tcp:…". */
export function scanAt(
  endpoint: string,
  pieces: AsyncIterable<Buffer>,
  limits: Partial<ScanLimits> = {},
): Promise<ScanReply> {
  const at = parseEndpoint(endpoint)?.at;
  if (at === undefined) throw new Error(`no endpoint: ${endpoint}`);
  const all = { ...LIMITS, ...limits };
  return "path" in at ? scanOverUnix(at.path, pieces, all) : scanOverTcp(at, pieces, all);
}

export async function* inPieces(...texts: readonly (string | Buffer)[]): AsyncGenerator<Buffer> {
  for (const text of texts) {
    await new Promise((resolve) => setImmediate(resolve));
    yield Buffer.from(text);
  }
}

const INFECTED = { kind: "infected", name: expect.stringMatching(/^Eicar-Test-Signature/) };

export function clamdContract(name: string, endpoint: () => string): void {
  describe(`a clamd ${name}`, () => {
    const scan = (...texts: readonly (string | Buffer)[]) => scanAt(endpoint(), inPieces(...texts));

    test("what is clean is clean, whatever its size", async () => {
      expect(await scan("Subject: hello\r\n\r\nhello\r\n")).toEqual({ kind: "clean" });
      expect(await scan()).toEqual({ kind: "clean" });
      expect(await scan("x")).toEqual({ kind: "clean" });
      const piece = Buffer.alloc(128 * 1024, "y");
      expect(await scan(...Array.from({ length: 40 }, () => piece))).toEqual({ kind: "clean" });
    });

    test("the test virus is found, also across pieces and behind 3 MB", async () => {
      expect(await scan(EICAR)).toEqual(INFECTED);
      expect(await scan(EICAR.slice(0, 30), EICAR.slice(30))).toEqual(INFECTED);
      const piece = Buffer.alloc(100_000, "z");
      expect(await scan(...Array.from({ length: 30 }, () => piece), EICAR)).toEqual(INFECTED);
    });

    test("an empty piece does not end the stream", async () => {
      expect(await scan("a", "", EICAR, "")).toEqual(INFECTED);
      expect(await scan("", EICAR)).toEqual(INFECTED);
    });

    test("octets that cannot be read are an error, and say so", async () => {
      const broken = async function* () {
        yield Buffer.from("half");
        throw new Error("the disk is gone");
      };
      expect(await scanAt(endpoint(), broken())).toEqual({
        kind: "error",
        why: "the message could not be read: the disk is gone",
      });
    });

    test("a scan that is given up ends at once, and its source is closed", async () => {
      const gone = new AbortController();
      let closed = false;
      const endless = async function* () {
        try {
          for (;;) {
            yield Buffer.from("more");
            await new Promise((resolve) => setTimeout(resolve, 5));
          }
        } finally {
          closed = true;
        }
      };
      setTimeout(() => gone.abort(), 50);
      const reply = await scanAt(endpoint(), endless(), { signal: gone.signal });
      expect(reply).toEqual({ kind: "error", why: "given up" });
      await expect.poll(() => closed).toBe(true);
      expect(await scanAt(endpoint(), inPieces("x"), { signal: gone.signal })).toEqual(reply);
    });

    test("a stream that never ends is cut at the deadline", async () => {
      const endless = async function* () {
        for (;;) {
          yield Buffer.from("more");
          await new Promise((resolve) => setTimeout(resolve, 5));
        }
      };
      expect(await scanAt(endpoint(), endless(), { deadlineMs: 200 })).toEqual({
        kind: "error",
        why: "no reply in time",
      });
    });

    test("twenty at once, each with its own verdict", async () => {
      const replies = await Promise.all(
        Array.from({ length: 20 }, (_, i) => scan(`message ${i}`, i % 2 === 0 ? EICAR : "-")),
      );
      expect(replies.map(({ kind }) => kind)).toEqual(
        Array.from({ length: 20 }, (_, i) => (i % 2 === 0 ? "infected" : "clean")),
      );
    });
  });
}
