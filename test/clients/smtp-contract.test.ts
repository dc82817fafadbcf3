import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseNextHop, type NextHop } from "../../src/clients/next-hop.ts";
import { smtpDestination } from "../../src/clients/smtp.ts";
import { destinationContract, type DestinationRig } from "../contract/destination.ts";
import { rcpt } from "../fakes/copy.ts";
import { nextHop } from "../fakes/next-hop.ts";

for (const protocol of ["smtp", "lmtp"] as const) {
  for (const socket of ["tcp", "unix"] as const) {
    destinationContract(`${protocol} over ${socket}`, () => open(protocol, socket === "unix"));
  }
}

async function open(protocol: "smtp" | "lmtp", unix: boolean): Promise<DestinationRig> {
  const directory = await mkdtemp(join(tmpdir(), "postern-"));
  const server = await nextHop({
    protocol,
    ...(unix ? { path: join(directory, "socket") } : {}),
    rcpt: (line) =>
      line.includes("<no@")
        ? "550 5.1.1 No such user"
        : line.includes("<later@")
          ? "451 4.2.0 Later"
          : "250 2.1.5 Ok",
  });
  const destination = smtpDestination({
    nextHop: parseNextHop(server.address) as NextHop,
    hostname: "postern.example",
    maxConnections: 4,
  });
  return {
    destination,
    good: ["a", "b", "c"].map((local) => rcpt(`${local}@example.net`)),
    rejected: rcpt("no@example.net"),
    tempfailed: rcpt("later@example.net"),
    arrivals: async () =>
      server.delivered.flatMap((one) =>
        one.rcpts.map((line) => ({ recipient: /<(.*)>/.exec(line)?.[1] ?? "", octets: one.body })),
      ),
    residue: async () => {
      // A message in mid-air on a connection that stays: the close of an aborted one takes a moment to get there.
      await server.until(() => server.transactions.every((one) => !one.inData));
      return [];
    },
    close: async () => {
      await destination.close();
      await server.close();
      await rm(directory, { recursive: true });
    },
  };
}
