// The delivery agent keeps what every Destination promises.
import { readFile } from "node:fs/promises";
import path from "node:path";
import { tempfail } from "../../src/mail/reply.ts";
import { refused } from "../../src/mail/destination.ts";
import { destinationContract } from "../contract/destination.ts";
import { rcpt } from "../fakes/copy.ts";
import { rig } from "./rig.ts";

const NAMES = ["alice", "bob", "carol"];

destinationContract("local delivery", async () => {
  const users = NAMES.map((name) => `${name}@example.test:x::::::`).join("\n");
  const outgoing = {
    prepare: async (_: unknown, recipients: readonly ReturnType<typeof rcpt>[]) =>
      refused(recipients, tempfail(451, "4.4.1", "Next hop is down")),
  };
  const r = await rig({ users, aliases: "remote: x@elsewhere.test" }, { outgoing });
  return {
    destination: r.destination,
    good: NAMES.map((name) => rcpt(`${name}@example.test`)),
    rejected: rcpt("nobody@example.test"),
    tempfailed: rcpt("remote@example.test"),
    arrivals: async () => {
      const found = (await r.files()).filter((file) => file.includes("/new/"));
      return Promise.all(
        found.map(async (file) => {
          const text = await readFile(path.join(r.mailRoot, file), "latin1");
          const octets = Buffer.from(text.replaceAll("\n", "\r\n"), "latin1");
          return { recipient: /^X-Original-To: (.*)$/m.exec(text)?.[1] ?? "?", octets };
        }),
      );
    },
    residue: async () => (await r.files()).filter((file) => file.includes("/tmp/")),
    close: () => r.close(),
  };
});
