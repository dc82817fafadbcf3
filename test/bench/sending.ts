// How many messages a second the SMTP client hands on, per second of CPU time of its own process: by hand,
// `node test/bench/sending.ts [messages]`. The sink is a child process, so that its work is not counted.
import { fork } from "node:child_process";
import { once } from "node:events";
import { createServer, type AddressInfo, type Socket } from "node:net";
import { parseNextHop, type NextHop } from "../../src/clients/next-hop.ts";
import { smtpDestination } from "../../src/clients/smtp.ts";
import { copyOf, octets, rcpt } from "../fakes/copy.ts";

const CONCURRENT = 8;

if (process.send === undefined) await main(Number(process.argv[2] ?? 20_000));
else serveSink();

async function main(messages: number): Promise<void> {
  const child = fork(import.meta.filename, { stdio: "inherit" });
  const [port] = (await once(child, "message")) as [number];
  const to = smtpDestination({
    nextHop: parseNextHop(`smtp:127.0.0.1:${port}`) as NextHop,
    hostname: "bench.example",
    maxConnections: CONCURRENT,
  });
  const line = `${"x".repeat(70)}\r\n`;
  for (const [name, size, count] of [
    ["warm-up", 4096, messages / 4],
    ["4 KiB", 4096, messages],
    ["100 KiB", 102_400, messages / 5],
    ["5 MiB", 5_242_880, messages / 200],
  ] as const) {
    const body = octets(`Subject: x\r\n\r\n${line.repeat(Math.ceil(size / line.length))}`, 65_536);
    const copy = copyOf({ body, xforward: new Map([["ADDR", "192.0.2.1"]]) });
    const started = performance.now();
    const cpu = process.cpuUsage();
    let left = count;
    const run = async (): Promise<void> => {
      while (left-- > 0) {
        const prepared = await to.prepare(
          copy,
          [rcpt("a@example.net")],
          AbortSignal.timeout(60_000),
        );
        const [reply] = await prepared.commit();
        if (reply?.kind !== "ok") throw new Error(`refused: ${reply?.text}`);
      }
    };
    await Promise.all(Array.from({ length: CONCURRENT }, run));
    const { user, system } = process.cpuUsage(cpu);
    const wall = count / ((performance.now() - started) / 1000);
    const perCpu = count / ((user + system) / 1e6);
    console.log(
      `${name.padEnd(8)} ${wall.toFixed(0).padStart(7)}/s ${perCpu.toFixed(0).padStart(7)} per CPU-second`,
    );
  }
  await to.close();
  child.kill();
}

/** The least that a server can do: it knows where commands and messages end, and looks at nothing else. */
function serveSink(): void {
  const server = createServer((socket: Socket) => {
    let rest = "";
    let data = false;
    socket.setNoDelay(true);
    socket.write("220 sink\r\n");
    socket.on("data", (chunk: Buffer) => {
      if (data) {
        const tail = rest + chunk.toString("latin1", Math.max(0, chunk.length - 5));
        rest = tail.slice(-4);
        if (!tail.endsWith("\r\n.\r\n")) return;
        data = false;
        rest = "";
        socket.write("250 2.0.0 Ok: queued as 4ABC\r\n");
        return;
      }
      const lines = (rest + chunk.toString("latin1")).split("\r\n");
      rest = lines.pop() ?? "";
      let out = "";
      for (const line of lines) {
        if (line.startsWith("EHLO")) {
          out +=
            "250-sink\r\n250-PIPELINING\r\n250-8BITMIME\r\n250-SIZE\r\n250 XFORWARD NAME ADDR PORT PROTO HELO IDENT SOURCE\r\n";
        } else if (line === "DATA") {
          data = true;
          out += "354 Go\r\n";
        } else out += "250 2.1.0 Ok\r\n";
      }
      socket.write(out);
    });
    socket.on("error", () => socket.destroy());
  });
  server.listen(0, "127.0.0.1", () => process.send?.((server.address() as AddressInfo).port));
}
