// A real DNS list server: rbldnsd with three zones on a loopback port. bl.test lists bad clients, wl.test vouches for good ones,
// broken.test answers everything as lists answer those whom they refuse.
import { spawn } from "node:child_process";
import { chmod, mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { dnsResolver } from "../../../src/clients/dns.ts";
import { textOf, until, type Peer } from "./lab.ts";
import { freePort } from "./ports.ts";

export interface Rbldnsd extends Peer {
  /** "127.0.0.1:20053", for `[dns] servers`. */
  readonly address: string;
  /** SIGSTOP: it keeps its port and says nothing. */
  freeze(): void;
  thaw(): void;
}

const ZONES: Readonly<Record<string, string>> = {
  bl: ":127.0.0.2:listed by bl.test, see https://bl.test/$\n127.0.0.2\n192.0.2.7\n198.51.100.0/24 :127.0.0.10:policy list\n",
  wl: ":127.0.0.2:allowed\n127.0.0.2\n192.0.2.7\n203.0.113.0/24\n",
  broken: ":127.255.255.254:query refused\n0.0.0.0-255.255.255.255\n",
  names: ":127.0.1.2:spam domain $\ntest\n.bad.example\n",
};

/** Starts it and returns when it answers. As root it changes to nobody. */
export async function rbldnsd(labDir: string): Promise<Rbldnsd> {
  const dir = join(labDir, "rbldnsd");
  await mkdir(dir, { recursive: true });
  for (const [name, text] of Object.entries(ZONES)) await writeFile(join(dir, name), text);
  await chmod(dir, 0o755);
  const port = await freePort();
  const zones = Object.keys(ZONES).map((name) => {
    return `${name}.test:${name === "names" ? "dnset" : "ip4set"}:${name}`;
  });
  const user = process.getuid?.() === 0 ? ["-u", "nobody"] : [];
  const args = [...user, "-n", "-b", `127.0.0.1/${port}`, "-w", dir, ...zones];
  const daemon = spawn("/usr/sbin/rbldnsd", args, { stdio: ["ignore", "pipe", "pipe"] });
  let said = "";
  for (const stream of [daemon.stdout, daemon.stderr])
    stream.on("data", (piece: Buffer) => (said += piece.toString()));
  const ended = (): boolean => daemon.exitCode !== null || daemon.signalCode !== null;
  await until("rbldnsd", async () => {
    if (ended()) throw new Error(`rbldnsd ended: ${said}${await textOf(join(dir, "log"))}`);
    const dns = dnsResolver({
      servers: [{ host: "127.0.0.1", port }],
      budgetMs: 500,
      timeoutMs: 500,
      retries: 0,
      inFlight: 1,
    });
    const { status } = await dns.resolve("2.0.0.127.bl.test", "A");
    dns.close();
    return status === "ok";
  });
  return {
    address: `127.0.0.1:${port}`,
    freeze: () => void daemon.kill("SIGSTOP"),
    thaw: () => void daemon.kill("SIGCONT"),
    async stop() {
      daemon.kill("SIGCONT");
      daemon.kill("SIGTERM");
      await until("the end of rbldnsd", ended);
    },
  };
}
