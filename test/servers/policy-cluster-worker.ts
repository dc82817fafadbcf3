// Run by policy-cluster.test.ts: a primary that asks a listener in its worker and prints what it reads. The second question is
// still being answered when the worker is told to stop.
import cluster from "node:cluster";
import { once } from "node:events";
import { connect, type AddressInfo } from "node:net";
import { policyServer, POLICY_DEFAULTS } from "../../src/servers/policy.ts";

const ask = (recipient: string): string =>
  `request=smtpd_access_policy\nprotocol_state=RCPT\nrecipient=${recipient}\n\n`;

if (cluster.isPrimary) {
  cluster.schedulingPolicy = cluster.SCHED_NONE;
  const worker = cluster.fork();
  worker.on("exit", (code: number) => console.log(`worker exit ${code}`));
  worker.on("message", (said: number | "asked") => {
    if (said === "asked") worker.send("stop");
    else void talk(said);
  });
  const talk = async (port: number): Promise<void> => {
    const socket = connect(port, "127.0.0.1");
    socket.write(ask("a"));
    console.log(String((await once(socket, "data"))[0]).trim());
    socket.write(ask("b"));
    console.log(String((await once(socket, "data"))[0]).trim());
    await once(socket, "end");
    console.log("end");
  };
} else {
  let stopped: () => void = () => {};
  const stopping = new Promise<void>((resolve) => (stopped = resolve));
  const listener = policyServer({
    ...POLICY_DEFAULTS,
    name: "policy:test",
    allow: () => true,
    onError: (error) => console.log(error),
    answer: async (request) => {
      const recipient = request.get("recipient") ?? "";
      if (recipient === "b") {
        process.send?.("asked");
        await stopping;
      }
      return { word: "REJECT", text: `5.7.1 ${recipient}` };
    },
  });
  const { port } = (await listener.listen({ port: 0, host: "127.0.0.1" })) as AddressInfo;
  process.send?.(port);
  process.on("message", () => {
    void listener.close(5000).then(() => process.disconnect());
    stopped();
  });
}
