// Every fault that strikes while mail flows, a quiet run first. System calls and the power cut have suites of their own.
import { CLIENTS, HOPS } from "./hops.ts";
import { DISKS } from "./disks.ts";
import { pause, type Fault } from "./fault.ts";
import { KILLS } from "./kills.ts";

const none: Fault = {
  name: "none",
  async strike(_estate, flowing) {
    while (flowing()) await pause(50);
  },
};

export const FAULTS: readonly Fault[] = [none, ...KILLS, ...HOPS, ...CLIENTS, ...DISKS];
