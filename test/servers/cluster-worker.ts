// Run by smtp-cluster.test.ts: a primary that talks to a listener in its worker and prints the codes it reads.
import cluster from "node:cluster";
import type { AddressInfo } from "node:net";
import { ok } from "../../src/mail/reply.ts";
import { smtpServer, SMTP_DEFAULTS } from "../../src/servers/smtp.ts";
import { spoolRoom } from "../../src/sys/spool.ts";
import { Talker } from "./dialogue.ts";

if (cluster.isPrimary) {
  cluster.schedulingPolicy = cluster.SCHED_NONE;
  const worker = cluster.fork();
  worker.on("exit", (code: number) => console.log(`worker exit ${code}`));
  worker.on("message", (port: number) => void talk(port));
  const talk = async (port: number): Promise<void> => {
    const talker = await Talker.to({ port, host: "127.0.0.1" });
    const say = async (command: string): Promise<void> => {
      console.log((await talker.ask(command))?.slice(0, 3));
    };
    console.log((await talker.reply())?.slice(0, 3));
    for (const command of ["EHLO x", "MAIL FROM:<a@b.example>", "RCPT TO:<c@d.example>", "DATA"]) {
      await say(command);
    }
    await say("x\r\n.");
    worker.send("stop");
    console.log((await talker.line())?.slice(0, 3));
    talker.end();
  };
} else {
  const room = spoolRoom({ dir: process.argv[2]! });
  await room.sweep();
  const listener = smtpServer({
    ...SMTP_DEFAULTS,
    name: "smtp:test",
    hostname: "h.example",
    spool: room,
    allow: () => true,
    onError: (error) => console.log(error),
    handler: { mail: () => ok("Ok"), rcpt: () => ok("Ok"), message: async () => [ok("Ok")] },
  });
  const { port } = (await listener.listen({ port: 0, host: "127.0.0.1" })) as AddressInfo;
  process.send!(port);
  process.on("message", () => void listener.close(1000).then(() => process.disconnect()));
}
