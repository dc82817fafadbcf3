// Power cuts in the middle of deliveries, and at the moment of an acknowledgement: what was acknowledged is on the disk, complete, in
// new/ or in the quarantine.
import { expect, test } from "vitest";
import { have } from "../lab/peers.ts";
import { powerCut, type Load } from "./power-cut.ts";

const LOADS: readonly Load[] = [
  { roads: [0, 1, 2], connections: 3, messages: Infinity, ms: 1500 },
  // Nobody else's sync makes the last message durable.
  { roads: [0], connections: 1, messages: 10, ms: 20_000 },
  { roads: [1], connections: 1, messages: 10, ms: 20_000 },
  { roads: [2], connections: 1, messages: 10, ms: 20_000 },
];

test.skipIf(!have("root"))(
  "no acknowledged message is lost when the power goes",
  async () => {
    let acknowledged = 0;
    for (const load of LOADS) {
      const cut = await powerCut(load);
      expect(cut.lost).toEqual([]);
      expect(cut.damaged).toEqual([]);
      acknowledged += cut.acknowledged;
    }
    console.log(`${LOADS.length} power cuts: ${acknowledged} recipients acknowledged, none lost`);
    expect(acknowledged).toBeGreaterThan(60);
  },
  120_000,
);
