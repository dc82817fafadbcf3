// What every Destination keeps: prepare, commit and abort as mail/destination.ts says. Run it with a rig of your own:
// `destinationContract("maildir", async () => ({ … }))`.
import { createHash } from "node:crypto";
import { describe, expect, test } from "vitest";
import type { Destination } from "../../src/mail/destination.ts";
import type { Recipient } from "../../src/mail/message.ts";
import { copyOf, MESSAGE, octets, streamed } from "../fakes/copy.ts";

export interface Arrival {
  /** Raw address of the recipient. */
  readonly recipient: string;
  /** As it lies there; a destination may put header fields in front. */
  readonly octets: Buffer;
}

export interface DestinationRig {
  readonly destination: Destination;
  /** Different recipients that are accepted, at least three. */
  readonly good: readonly Recipient[];
  /** Refused with 5xx, and with 4xx; null where the destination has no such thing. */
  readonly rejected: Recipient | null;
  readonly tempfailed: Recipient | null;
  /** What is there for good, one entry per recipient and message. */
  arrivals(): Promise<readonly Arrival[]>;
  /** What a preparation left behind that was neither committed nor is still under way: file names, transactions. */
  residue(): Promise<readonly string[]>;
  close(): Promise<void>;
}

const NEVER: AbortSignal = new AbortController().signal;

/** Declares the suite. Each test opens a rig of its own. */
export function destinationContract(name: string, open: () => Promise<DestinationRig>): void {
  const withRig = (title: string, run: (rig: DestinationRig) => Promise<void>): void => {
    test(title, async () => {
      const rig = await open();
      try {
        await run(rig);
      } finally {
        await rig.close();
      }
    });
  };

  describe(`${name} as a destination`, () => {
    withRig("nothing is there before commit, everything after it", async (rig) => {
      const prepared = await rig.destination.prepare(copyOf(), rig.good, NEVER);
      expect(prepared.replies.map((one) => one.kind)).toEqual(rig.good.map(() => "ok"));
      expect(await rig.arrivals()).toEqual([]);

      const finals = await prepared.commit();
      expect(finals.map((one) => one.kind)).toEqual(rig.good.map(() => "ok"));
      const arrivals = await rig.arrivals();
      expect(arrivals.map((one) => one.recipient).sort()).toEqual(
        rig.good.map((one) => one.address.raw).sort(),
      );
      for (const { octets: found } of arrivals)
        expect(found.toString().endsWith(MESSAGE)).toBe(true);
      expect(await rig.residue()).toEqual([]);
    });

    withRig("abort leaves nothing, and the next message is not disturbed", async (rig) => {
      const prepared = await rig.destination.prepare(copyOf(), rig.good, NEVER);
      await prepared.abort();
      expect(await rig.arrivals()).toEqual([]);
      expect(await rig.residue()).toEqual([]);

      const again = await rig.destination.prepare(copyOf(), rig.good.slice(0, 1), NEVER);
      expect((await again.commit()).map((one) => one.kind)).toEqual(["ok"]);
      expect(await rig.arrivals()).toHaveLength(1);
    });

    withRig(
      "one reply per recipient in their order, refused ones repeated by commit",
      async (rig) => {
        const mixed: Recipient[] = [];
        const kinds: string[] = [];
        const add = (one: Recipient | null | undefined, kind: string): void => {
          if (one == null) return;
          mixed.push(one);
          kinds.push(kind);
        };
        add(rig.rejected, "reject");
        add(rig.good[0], "ok");
        add(rig.tempfailed, "tempfail");
        add(rig.good[1], "ok");
        add(rig.rejected, "reject");
        const prepared = await rig.destination.prepare(copyOf(), mixed, NEVER);
        expect(prepared.replies.map((one) => one.kind)).toEqual(kinds);
        const finals = await prepared.commit();
        expect(finals.map((one) => one.kind)).toEqual(kinds);
        finals.forEach((one, i) => {
          if (one.kind !== "ok") expect(one).toEqual(prepared.replies[i]);
        });
        expect((await rig.arrivals()).map((one) => one.recipient).sort()).toEqual(
          rig.good
            .slice(0, 2)
            .map((one) => one.address.raw)
            .sort(),
        );
      },
    );

    withRig("a recipient named twice has two replies", async (rig) => {
      const twice = [rig.good[0], rig.good[1], rig.good[0]] as Recipient[];
      const prepared = await rig.destination.prepare(copyOf(), twice, NEVER);
      expect((await prepared.commit()).map((one) => one.kind)).toEqual(["ok", "ok", "ok"]);
    });

    withRig("when all are refused, commit and abort do nothing", async (rig) => {
      if (rig.rejected === null) return;
      for (const end of ["commit", "abort"] as const) {
        const prepared = await rig.destination.prepare(copyOf(), [rig.rejected], NEVER);
        expect(prepared.replies.map((one) => one.kind)).toEqual(["reject"]);
        await prepared[end]();
      }
      expect(await rig.arrivals()).toEqual([]);
      expect(await rig.residue()).toEqual([]);
    });

    withRig("no recipients, no replies", async (rig) => {
      const prepared = await rig.destination.prepare(copyOf(), [], NEVER);
      expect(prepared.replies).toEqual([]);
      expect(await prepared.commit()).toEqual([]);
      expect(await rig.arrivals()).toEqual([]);
    });

    withRig("a deadline in the past is a tempfail", async (rig) => {
      const prepared = await rig.destination.prepare(copyOf(), rig.good, AbortSignal.abort());
      expect(prepared.replies.map((one) => one.kind)).toEqual(rig.good.map(() => "tempfail"));
      expect((await prepared.commit()).map((one) => one.kind)).toEqual(
        rig.good.map(() => "tempfail"),
      );
      expect(await rig.arrivals()).toEqual([]);
      expect(await rig.residue()).toEqual([]);
    });

    withRig("a deadline that passes while the body is read is a tempfail", async (rig) => {
      const late = new AbortController();
      const body = streamed(300_000, async function* () {
        yield Buffer.alloc(100_000, "x");
        late.abort();
        await new Promise(() => {});
      });
      const prepared = await rig.destination.prepare(copyOf({ body }), rig.good, late.signal);
      expect(prepared.replies.map((one) => one.kind)).toEqual(rig.good.map(() => "tempfail"));
      expect(await rig.arrivals()).toEqual([]);
      expect(await rig.residue()).toEqual([]);
    });

    withRig("a deadline that passes after prepare does not touch commit", async (rig) => {
      const late = new AbortController();
      const prepared = await rig.destination.prepare(copyOf(), rig.good, late.signal);
      late.abort();
      expect((await prepared.commit()).map((one) => one.kind)).toEqual(rig.good.map(() => "ok"));
      expect(await rig.arrivals()).toHaveLength(rig.good.length);
    });

    const broken: readonly (readonly [string, () => AsyncIterable<Buffer>])[] = [
      [
        "fails at once",
        () => {
          throw new Error("no such spool");
        },
      ],
      [
        "fails midway",
        async function* () {
          yield Buffer.alloc(80_000, "x");
          throw new Error("EIO");
        },
      ],
      [
        "ends early",
        async function* () {
          yield Buffer.alloc(80_000, "x");
        },
      ],
    ];
    for (const [how, read] of broken) {
      withRig(`a body that ${how} is a tempfail, and nothing arrives`, async (rig) => {
        const body = streamed(200_000, read);
        const prepared = await rig.destination.prepare(copyOf({ body }), rig.good, NEVER);
        expect(prepared.replies.map((one) => one.kind)).toEqual(rig.good.map(() => "tempfail"));
        await prepared.abort();
        expect(await rig.arrivals()).toEqual([]);
        expect(await rig.residue()).toEqual([]);
      });
    }

    withRig("a body of 3 MB that is not in memory arrives whole", async (rig) => {
      const line = Buffer.from(".".repeat(9) + "x".repeat(60) + "\r\n");
      const whole = Buffer.concat(Array.from({ length: 42_000 }, () => line));
      const body = streamed(whole.length, async function* () {
        for (let at = 0; at < whole.length; at += 50_001) yield whole.subarray(at, at + 50_001);
      });
      const prepared = await rig.destination.prepare(copyOf({ body }), rig.good.slice(0, 1), NEVER);
      expect((await prepared.commit()).map((one) => one.kind)).toEqual(["ok"]);
      const [arrival] = await rig.arrivals();
      expect(sha256(arrival?.octets.subarray(-whole.length))).toBe(sha256(whole));
    });

    withRig("thirty messages at once each arrive once", async (rig) => {
      const numbers = Array.from({ length: 30 }, (_, i) => i);
      await Promise.all(
        numbers.map(async (i) => {
          const body = octets(`Subject: number ${i}\r\n\r\nx\r\n`);
          const prepared = await rig.destination.prepare(
            copyOf({ body }),
            rig.good.slice(0, 1),
            NEVER,
          );
          expect((await prepared.commit()).map((one) => one.kind)).toEqual(["ok"]);
        }),
      );
      const found = (await rig.arrivals()).map((one) =>
        Number(/number (\d+)/.exec(one.octets.toString())?.[1]),
      );
      expect(found.sort((a, b) => a - b)).toEqual(numbers);
    });
  });
}

function sha256(content: Buffer | undefined): string {
  return createHash("sha256")
    .update(content ?? "")
    .digest("hex");
}
