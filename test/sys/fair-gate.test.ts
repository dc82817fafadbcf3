// The bound for messages in flight: never more inside than allowed, nobody forgotten, no client with more than its share while others wait.
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { fairGate, type Pass } from "../../src/sys/fair-gate.ts";

const MANY = 1_000_000;

/** Enters without waiting for it; what came of it so far is in the result. */
function entering(
  gate: ReturnType<typeof fairGate>,
  client: string,
  octets = 0,
  patience = 60_000,
) {
  const one: { pass: Pass | null | undefined; readonly done: Promise<void> } = {
    pass: undefined,
    done: gate.enter(client, octets, patience).then((pass) => void (one.pass = pass)),
  };
  return one;
}

async function entered(
  gate: ReturnType<typeof fairGate>,
  client: string,
  octets = 0,
): Promise<Pass> {
  const pass = await gate.enter(client, octets, 60_000);
  if (pass === null) throw new Error("no place");
  return pass;
}

const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe("fairGate", () => {
  it("lets in as many as it may, and the next one when one leaves", async () => {
    const gate = fairGate({ messages: 2, octets: MANY });
    const first = await entered(gate, "a");
    await entered(gate, "a");
    const third = entering(gate, "a");
    await settled();
    expect([gate.inside, gate.waiting, third.pass]).toEqual([2, 1, undefined]);
    first.leave();
    first.leave();
    await third.done;
    expect([gate.inside, gate.waiting]).toEqual([2, 0]);
    expect([first.waited, third.pass?.waited]).toEqual([false, true]);
  });

  it("gives null after the patience and forgets the waiter", async () => {
    const gate = fairGate({ messages: 1, octets: MANY });
    const first = await entered(gate, "a");
    expect(await gate.enter("b", 0, 5)).toBeNull();
    expect(gate.waiting).toBe(0);
    first.leave();
    expect(gate.inside).toBe(0);
  });

  it("gives a free place to the client that has least inside, not to the one with the longest queue", async () => {
    const gate = fairGate({ messages: 4, octets: MANY });
    const greedy = await Promise.all([1, 2, 3, 4].map(() => entered(gate, "greedy")));
    const more = Array.from({ length: 50 }, () => entering(gate, "greedy"));
    const one = entering(gate, "b");
    const two = entering(gate, "c");
    greedy[0]?.leave();
    greedy[1]?.leave();
    await Promise.all([one.done, two.done]);
    expect(more.every(({ pass }) => pass === undefined)).toBe(true);
    one.pass?.leave();
    await more[0]?.done;
    expect(more[0]?.pass).not.toBeNull();
  });

  it("takes turns between clients that wait alike", async () => {
    const gate = fairGate({ messages: 1, octets: MANY });
    let inside = await entered(gate, "x");
    const order: string[] = [];
    const wait = (client: string) =>
      gate.enter(client, 0, 60_000).then((pass) => {
        order.push(client);
        if (pass !== null) inside = pass;
      });
    const all = ["a", "a", "b", "b"].map(wait);
    for (let i = 0; i < all.length; i++) {
      inside.leave();
      await settled();
    }
    await Promise.all(all);
    expect(order).toEqual(["a", "b", "a", "b"]);
    expect(gate.inside).toBe(1);
  });

  it("bounds octets, but lets one message through however large it is", async () => {
    const gate = fairGate({ messages: 10, octets: 1000 });
    const large = await entered(gate, "a", 5000);
    const small = entering(gate, "b", 10);
    await settled();
    expect(small.pass).toBeUndefined();
    large.leave();
    await small.done;
    expect(gate.octets).toBe(10);
    expect(small.pass?.grow(800)).toBe(true);
    const other = await entered(gate, "c", 100);
    expect(other.grow(200)).toBe(true);
    expect(other.grow(201)).toBe(false);
    expect(gate.octets).toBe(1000);
    small.pass?.leave();
    expect(other.grow(9000)).toBe(true);
    other.leave();
    expect(gate.octets).toBe(0);
  });

  it("lets nobody overtake the large message that is due", async () => {
    const gate = fairGate({ messages: 10, octets: 1000 });
    const first = await entered(gate, "a", 500);
    const second = await entered(gate, "a", 400);
    const large = entering(gate, "b", 700);
    const small = entering(gate, "c", 10);
    first.leave();
    await settled();
    expect([large.pass, small.pass]).toEqual([undefined, undefined]);
    second.leave();
    await Promise.all([large.done, small.done]);
    expect(gate.inside).toBe(2);
  });

  it("lets the others in when a large one gives up", async () => {
    const gate = fairGate({ messages: 10, octets: 1000 });
    await entered(gate, "a", 900);
    const large = entering(gate, "b", 700, 20);
    const small = entering(gate, "c", 10);
    await Promise.all([large.done, small.done]);
    expect([large.pass, gate.inside, gate.waiting]).toEqual([null, 2, 0]);
  });

  it("keeps its books over any sequence of entering, growing and leaving", async () => {
    const step = fc.record({
      what: fc.constantFrom("enter", "grow", "leave"),
      client: fc.constantFrom("a", "b", "c"),
      octets: fc.nat(400),
      which: fc.nat(100),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 80 }), async (steps) => {
        const gate = fairGate({ messages: 3, octets: 1000 });
        const all: ReturnType<typeof entering>[] = [];
        const inside = () => all.filter(({ pass }) => pass !== undefined && pass !== null);
        const gone = new Set<unknown>();
        for (const { what, client, octets, which } of steps) {
          const live = inside().filter((one) => !gone.has(one));
          const one = live[which % Math.max(1, live.length)];
          if (what === "enter") all.push(entering(gate, client, octets));
          else if (what === "grow") one?.pass?.grow(octets);
          else if (one !== undefined) {
            gone.add(one);
            one.pass?.leave();
          }
          await settled();
          const now = inside().filter((other) => !gone.has(other)).length;
          expect(gate.inside).toBe(now);
          expect(gate.inside).toBeLessThanOrEqual(3);
          expect(gate.octets).toBeLessThanOrEqual(1000);
          expect(gate.inside + gate.waiting + gone.size).toBe(all.length);
        }
        for (let left = inside(); gone.size < all.length; left = inside()) {
          for (const one of left) {
            gone.add(one);
            one.pass?.leave();
          }
          await settled();
        }
        expect([gate.inside, gate.waiting, gate.octets]).toEqual([0, 0, 0]);
      }),
      { numRuns: 150 },
    );
  });
});
