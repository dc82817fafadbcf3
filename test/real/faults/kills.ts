// kill -9 and SIGSTOP at random: of postern's processes and of everything that it asks. Used by all-faults.ts.
import { DEADLINE_MS, type Estate, type Service } from "./estate.ts";
import { atRandom, between, pause, type Fault } from "./fault.ts";

type Dependency = "clamd" | "spamd" | "redis" | "hop";
const CALLED: Readonly<Record<Dependency, string>> = {
  clamd: "clamd",
  spamd: "spamd",
  redis: "Redis",
  hop: "next hop",
};

function killed(which: Dependency): Fault {
  return atRandom(`kill -9 of ${CALLED[which]}`, [100, 700], async (estate) => {
    const service: Pick<Service, "kill" | "start"> = estate[which];
    await service.kill();
    await pause(between(200, 1500));
    await service.start();
  });
}

/** Long enough that a message runs into the deadline. */
function frozen(which: Dependency): Fault {
  return atRandom(`SIGSTOP of ${CALLED[which]}`, [100, 700], async (estate: Estate) => {
    const service: Pick<Service, "freeze" | "thaw"> = estate[which];
    service.freeze();
    await pause(DEADLINE_MS * between(0.5, 1.7));
    service.thaw();
  });
}

const DEPENDENCIES: readonly Dependency[] = ["clamd", "spamd", "redis", "hop"];

export const KILLS: readonly Fault[] = [
  atRandom("kill -9 of a worker", [300, 3000], (estate) => estate.killWorker()),
  atRandom("kill -9 of the supervisor", [800, 4000], (estate) => estate.killSupervisor()),
  ...DEPENDENCIES.map(killed),
  ...DEPENDENCIES.map(frozen),
];
