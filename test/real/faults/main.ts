// The long form of the fault suite, as root: `npm run faults -- --messages 20000 [--only WORD] [--connections 4]`. Prints the table of
// accounts; exit code 1 when an acknowledged message is lost, one is stuck, or a second copy has no excuse.
import { parseArgs } from "node:util";
import { kept, report } from "./accounts.ts";
import { FAULTS } from "./all-faults.ts";
import { campaign } from "./campaign.ts";

const { values } = parseArgs({
  options: {
    messages: { type: "string", default: "20000" },
    connections: { type: "string", default: "4" },
    seconds: { type: "string", default: "4" },
    only: { type: "string", default: "" },
  },
});
const faults = FAULTS.filter(({ name }) => name.includes(values.only));
const number = (name: "messages" | "connections" | "seconds"): number => {
  const value = Number(values[name]);
  if (!(value > 0)) throw new Error(`--${name}: "${values[name]}" is no number`);
  return value;
};
const interrupted = new AbortController();
for (const signal of ["SIGINT", "SIGTERM"]) process.once(signal, () => interrupted.abort());
const outcome = await campaign({
  faults,
  messages: Math.ceil(number("messages") / faults.length),
  leastMs: number("seconds") * 1000,
  connectionsPerRoad: number("connections"),
  tell: (text) => void process.stderr.write(`${text}\n`),
  signal: interrupted.signal,
});
const places = Object.entries(outcome.places).map(([place, count]) => `${count} in ${place}`);
console.log(report(outcome.accounts));
console.log(`copies: ${places.join(", ")}; ${outcome.deferred} answers of 4xx`);
for (const text of [...outcome.wrong, ...outcome.bugs]) console.log(text);
const good = outcome.accounts.every(kept) && outcome.wrong.length + outcome.bugs.length === 0;
process.exitCode = good ? 0 : 1;
