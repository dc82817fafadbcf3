// A scripted next hop and a destination that talks to it, for the suites of the SMTP client.
import { afterEach } from "vitest";
import type { Copy } from "../../src/mail/destination.ts";
import type { Recipient } from "../../src/mail/message.ts";
import { replyLine } from "../../src/mail/reply.ts";
import { parseNextHop, type NextHop } from "../../src/clients/next-hop.ts";
import {
  smtpDestination,
  type SmtpDestination,
  type SmtpEvent,
  type SmtpOptions,
} from "../../src/clients/smtp.ts";
import { nextHop, type NextHopOptions, type NextHopServer } from "../fakes/next-hop.ts";

export const NEVER: AbortSignal = new AbortController().signal;

export interface Rig {
  readonly server: NextHopServer;
  readonly to: SmtpDestination;
  readonly events: SmtpEvent[];
  /** The name in replies: "smtp:[127.0.0.1]:4711". */
  readonly mta: string;
}

const cleanups: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

/** Starts both; they end with the test. */
export async function rig(
  script: NextHopOptions = {},
  options: Partial<SmtpOptions> = {},
): Promise<Rig> {
  const server = await nextHop(script);
  const events: SmtpEvent[] = [];
  const hop = parseNextHop(server.address) as NextHop;
  const to = smtpDestination({
    nextHop: hop,
    hostname: "postern.example",
    onEvent: (event) => events.push(event),
    ...options,
  });
  cleanups.push(async () => {
    const closed = to.close();
    await server.close();
    await closed;
  });
  return { server, to, events, mta: hop.name };
}

/** prepare and commit; the final replies as lines. */
export async function send(
  to: SmtpDestination,
  copy: Copy,
  recipients: readonly Recipient[],
  deadline: AbortSignal = NEVER,
): Promise<string[]> {
  const prepared = await to.prepare(copy, recipients, deadline);
  return (await prepared.commit()).map(replyLine);
}

/** Some rounds of the event loop: what the other side sent before has been read after it. */
export async function settle(): Promise<void> {
  for (let i = 0; i < 20; i++) await new Promise(setImmediate);
}
