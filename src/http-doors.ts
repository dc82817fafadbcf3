// The HTTP listeners of the supervisor (/metrics, /healthz, /readyz): opened at start, and brought in line with a changed
// configuration while they serve.
import { existsSync, lstatSync, unlinkSync } from "node:fs";
import type { Server } from "node:http";
import type { Config } from "./config.ts";
import type { ListenerConfig } from "./config-schema.ts";
import { hostOf, listenTrouble, portOf } from "./listen-address.ts";
import { networks } from "./mail/ip.ts";
import { httpServer, type HttpOptions } from "./servers/http.ts";
import { setSocketOwner } from "./socket-owner.ts";
import type { Log } from "./sys/log.ts";

interface Door {
  readonly server: Server;
  allow: readonly string[];
  allowed: ReturnType<typeof networks>;
}

const LOOPBACK: readonly string[] = ["127.0.0.0/8", "::1"];

export class HttpDoors {
  private readonly doors = new Map<string, Door>();
  private closed = false;
  private readonly log: Log;
  private readonly answers: Omit<HttpOptions, "allows">;

  constructor(log: Log, answers: Omit<HttpOptions, "allows">) {
    this.log = log;
    this.answers = answers;
  }

  /** Opens and closes what the configuration says. Throws when one cannot listen, unless there is no configuration file. */
  async use(config: Config): Promise<void> {
    if (this.closed) return;
    const wanted = new Map(httpListeners(config).map((entry) => [entry.listen, entry]));
    for (const [listen, door] of this.doors) {
      if (wanted.has(listen)) continue;
      this.doors.delete(listen);
      door.server.close();
    }
    for (const entry of wanted.values()) {
      const allow = entry.allow ?? LOOPBACK;
      const door = this.doors.get(entry.listen);
      if (door === undefined) await this.open(entry, allow, config.file === null);
      else if (door.allow.join() !== allow.join()) {
        door.allow = allow;
        door.allowed = networks(allow);
      }
    }
  }

  /** For good. */
  close(): void {
    this.closed = true;
    for (const { server } of this.doors.values()) server.close();
  }

  private async open(
    entry: ListenerConfig,
    allow: readonly string[],
    mayFail: boolean,
  ): Promise<void> {
    const { listen } = entry;
    const door: Door = {
      server: httpServer({
        ...this.answers,
        allows: (address) => address === "" || door.allowed.has(address),
      }),
      allow,
      allowed: networks(allow),
    };
    try {
      await new Promise<void>((resolve, reject) => {
        door.server.once("error", reject);
        if (listen.startsWith("unix:")) door.server.listen(listen.slice(5), resolve);
        else door.server.listen(portOf(listen), hostOf(listen), resolve);
      });
      if (listen.startsWith("unix:")) setSocketOwner(listen.slice(5), entry);
      this.doors.set(listen, door);
      this.log.info(`listening on ${listen} (http)`);
    } catch (error) {
      const why = listenTrouble(error);
      if (!mayFail) throw new Error(`cannot listen on ${listen}: ${why}`, { cause: error });
      this.log.warn(`not listening on ${listen} (http): ${why}`);
    }
  }
}

/** Release links are the workers': they have the store and the way out. */
export function httpListeners(config: Config): ListenerConfig[] {
  return config.listener.filter(({ protocol, role }) => protocol === "http" && role !== "links");
}

/**
 * We hold the lock: a socket file at a path of ours is left over from a process that died, unless a listener of `inUse` has it. Other
 * files are not touched.
 */
export function removeStaleSockets(config: Config, inUse: Config | null = null): void {
  for (const { listen } of config.listener) {
    if (!listen.startsWith("unix:") || inUse?.listener.some((one) => one.listen === listen))
      continue;
    const path = listen.slice(5);
    if (existsSync(path) && lstatSync(path).isSocket()) unlinkSync(path);
  }
}
