// Loaded into every process of postern (--import): its wall clock is the machine's plus the seconds in the file FAULTS_CLOCK, looked
// up every 100 ms. performance.now() and timers stay as they are: only what asks for the date sees the jump.
import { readFileSync } from "node:fs";

const file = process.env["FAULTS_CLOCK"];
const Real = Date;
let shiftMs = 0;

class Shifted extends Real {
  constructor(...args: [] | [string | number | Date]) {
    if (args.length === 0) super(Real.now() + shiftMs);
    else super(...(args as [number]));
  }
  static override now(): number {
    return Real.now() + shiftMs;
  }
}

if (file !== undefined) {
  const look = (): void => {
    try {
      shiftMs = Number(readFileSync(file, "utf8")) * 1000 || 0;
    } catch {
      return; // the suite is over
    }
  };
  look();
  setInterval(look, 100).unref();
  globalThis.Date = Shifted as DateConstructor;
}
