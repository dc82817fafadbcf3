// One MTA, one filter and the next hop, wired by the files of deploy/: what the suites of the MTAs share.
import type { Caught, Sink } from "./sink.ts";
import { sink } from "./sink.ts";
import { exim, type Exim } from "./exim.ts";
import { inject, type Injected } from "./inject.ts";
import { lab, until, type Lab } from "./lab.ts";
import { passthrough } from "./passthrough.ts";
import { freePorts } from "./ports.ts";
import { postfix, type Postfix } from "./postfix.ts";
import { filterPlaces, postern, type Postern } from "./postern.ts";

export interface Hookup {
  readonly mta: "postfix" | "exim";
  readonly hookup: "after-queue" | "before-queue" | "in-dialogue";
  readonly via: "smtp" | "lmtp" | "unix";
}

/** Every way that deploy/ describes. */
export const HOOKUPS: readonly Hookup[] = [
  { mta: "postfix", hookup: "after-queue", via: "smtp" },
  { mta: "postfix", hookup: "after-queue", via: "lmtp" },
  { mta: "postfix", hookup: "after-queue", via: "unix" },
  { mta: "postfix", hookup: "before-queue", via: "smtp" },
  { mta: "postfix", hookup: "before-queue", via: "unix" },
  { mta: "exim", hookup: "after-queue", via: "smtp" },
  { mta: "exim", hookup: "after-queue", via: "lmtp" },
  { mta: "exim", hookup: "after-queue", via: "unix" },
  { mta: "exim", hookup: "in-dialogue", via: "smtp" },
];

export const SENDER = "ann@sender.example";

export interface World {
  readonly lab: Lab;
  readonly sink: Sink;
  readonly mta: Postfix | Exim;
  /** The address from which `send` seems to come. */
  readonly client: string;
  /** Sends to the MTA from outside. */
  send(data: Buffer, to?: readonly string[], from?: string): Promise<Injected>;
  /** Waits until the MTA has nothing left; a deferred message is tried at once. */
  settled(timeoutMs?: number): Promise<void>;
  /** What the sink got from SENDER with this Message-ID (lab-NAME): not the notices about it. */
  copies(name: string): readonly Caught[];
}

export interface Places {
  readonly filterPort: number;
  readonly outboundPort: number;
  readonly httpPort: number;
  readonly backPort: number;
}

export interface WorldOptions {
  /** Port of a Dovecot auth service for Postfix's submission. */
  readonly saslPort?: number;
}

async function world(
  hookup: Hookup,
  options: WorldOptions,
): Promise<{ world: World; places: Places }> {
  const room = await lab(`${hookup.mta}-${hookup.hookup}-${hookup.via}`);
  try {
    const end = room.add(await sink());
    const [filterPort = 0, outboundPort = 0, httpPort = 0] = await freePorts(3);
    const mta = room.add(
      await start(hookup, room, end.port, { filterPort, outboundPort }, options),
    );
    const onPostfix = hookup.mta === "postfix";
    const client = onPostfix ? "192.0.2.7" : "127.0.0.9";
    const pretend = onPostfix
      ? { xclient: { ADDR: client, NAME: "mx.sender.example" } }
      : { localAddress: client };
    const made: World = {
      lab: room,
      sink: end,
      mta,
      client,
      send: (data, to = ["user@example.com"], from = SENDER) =>
        inject({ port: mta.smtpPort, from, to, data, ...pretend }),
      async settled(timeoutMs = 60_000) {
        const limit = Date.now() + timeoutMs;
        await until(
          "an empty queue",
          async () => {
            if ((await mta.queued()).length === 0) return true;
            if (Date.now() > limit - timeoutMs + 2000) await mta.flush();
            return false;
          },
          timeoutMs,
        );
      },
      copies: (name) =>
        end.caught.filter(
          (message) =>
            message.from === SENDER && message.data.includes(`Message-ID: <lab-${name}@`),
        ),
    };
    return {
      world: made,
      places: { filterPort, outboundPort, httpPort, backPort: mta.reinjectPort },
    };
  } catch (error) {
    await room.cleanUp();
    throw error;
  }
}

function start(
  hookup: Hookup,
  room: Lab,
  nextHop: number,
  ports: { readonly filterPort: number; readonly outboundPort: number },
  options: WorldOptions,
): Promise<Postfix | Exim> {
  const { via } = hookup;
  if (hookup.mta === "postfix") {
    if (hookup.hookup === "in-dialogue") throw new Error("Postfix calls it before-queue");
    return postfix({ dir: room.dir, nextHop, hookup: hookup.hookup, via, ...ports, ...options });
  }
  if (hookup.hookup === "before-queue") throw new Error("Exim calls it in-dialogue");
  return exim({ dir: room.dir, nextHop, hookup: hookup.hookup, via, filterPort: ports.filterPort });
}

/** The MTA with a filter that changes and judges nothing; `refuse` may answer some messages itself. */
export async function worldWithoutPostern(
  hookup: Hookup,
  refuse: (message: Caught) => string | undefined = () => undefined,
): Promise<World & { readonly filter: Sink; readonly outbound: Sink }> {
  const made = await world(hookup, {});
  const { lab: room, mta } = made.world;
  const place = hookup.via === "unix" ? mta.socket : made.places.filterPort;
  const filter = room.add(await passthrough(place, () => mta.reinjectPort, refuse));
  const outbound = room.add(await passthrough(made.places.outboundPort, () => mta.reinjectPort));
  return { ...made.world, filter, outbound };
}

export interface PosternWorld extends World {
  readonly postern: Postern;
  readonly httpPort: number;
  /** postern's Passed or Blocked line about lab-NAME. */
  logLine(name: string, timeoutMs?: number): Promise<string>;
}

/** The MTA with postern, both from deploy/. `more` is TOML in place of what switches greylisting off, `rules` are files of rules/local.d. */
export async function worldWithPostern(
  hookup: Hookup,
  own: WorldOptions & {
    readonly more?: string;
    readonly rules?: Readonly<Record<string, string>>;
  } = {},
): Promise<PosternWorld> {
  const made = await world(hookup, own.saslPort === undefined ? {} : { saslPort: own.saslPort });
  const { lab: room, mta } = made.world;
  const onPostfix = hookup.mta === "postfix";
  const sockets =
    hookup.hookup === "in-dialogue"
      ? {}
      : {
          socket: mta.socket,
          deployedSocket: onPostfix
            ? ("/var/spool/postfix/postern" as const)
            : ("/run/postern" as const),
        };
  const { outboundPort, ...ports } = made.places;
  const replace = filterPlaces({ ...ports, ...sockets, ...(onPostfix ? { outboundPort } : {}) });
  // The lab's MTAs leave user+Junk@ to the sink, so the extension may be on.
  replace['#address_extension = "+"'] = 'address_extension = "+"';
  const folder = onPostfix ? "postfix" : "exim4";
  try {
    const filter = room.add(
      await postern({
        dir: room.dir,
        file: `${folder}/${hookup.hookup}.toml`,
        unit: "postern",
        replace,
        // The suites' client has no name: before the queue it would be told to come back.
        more: own.more ?? "[greylist]\nwhen = []\n",
        rules: own.rules ?? {},
      }),
    );
    return {
      ...made.world,
      postern: filter,
      httpPort: made.places.httpPort,
      logLine: (name, timeoutMs = 20_000) =>
        until(`the log line of lab-${name}`, () => verdictLine(filter.log(), name), timeoutMs),
    };
  } catch (error) {
    await room.cleanUp();
    throw error;
  }
}

function verdictLine(log: string, name: string): string | undefined {
  return log
    .split("\n")
    .find((line) => / (Passed|Blocked) /.test(line) && line.includes(`<lab-${name}@`));
}
