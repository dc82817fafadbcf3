// Each system call of a delivery fails, or is the last one: what was acknowledged is there once, complete; what failed got a 4xx and
// left nothing behind. A choice from the points of syscalls.ts: one error at most points, some of the kills.
import { expect, test } from "vitest";
import { have } from "../lab/peers.ts";
import { reportOf, sweep } from "./syscalls.ts";

test.skipIf(!have("root", "strace"))(
  "a system call that fails or kills breaks no promise",
  async () => {
    const results = await sweep({
      wants: (harm, _call, nth, most) => {
        if (harm === "KILL") return nth === 1 + Math.floor(Math.random() * most * 3);
        if (nth > 6 && Math.random() > 0.3) return false;
        return harm === (nth % 2 === 1 ? "ENOSPC" : "EIO");
      },
      tell: () => undefined,
    });
    const text = reportOf(results);
    console.log(text);
    expect(
      results.flatMap(({ wrong }) => wrong),
      text,
    ).toEqual([]);
    expect(
      results.flatMap(({ leftBehind }) => leftBehind),
      text,
    ).toEqual([]);
    const of = (figure: "points" | "acknowledged" | "deferred") =>
      results.reduce((sum, one) => sum + one[figure], 0);
    expect(of("points")).toBeGreaterThan(50);
    expect(of("acknowledged")).toBeGreaterThan(0);
    expect(of("deferred")).toBeGreaterThan(0);
  },
  400_000,
);
