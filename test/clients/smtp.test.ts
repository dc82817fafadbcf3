import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, describe, expect, test } from "vitest";
import type { Copy } from "../../src/mail/destination.ts";
import { UNKNOWN_CLIENT, type Body, type Recipient } from "../../src/mail/message.ts";
import { replyLine } from "../../src/mail/reply.ts";
import { parseNextHop, type NextHop } from "../../src/clients/next-hop.ts";
import {
  smtpDestination,
  type SmtpDestination,
  type SmtpEvent,
  type SmtpOptions,
} from "../../src/clients/smtp.ts";
import {
  CLOSE,
  nextHop,
  type Answer,
  type NextHopOptions,
  type NextHopServer,
} from "../fakes/next-hop.ts";

const NEVER = new AbortController().signal;
const MESSAGE = "Subject: hello\r\n\r\nbody\r\n.dot\r\n";

const cleanups: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

function rcpt(raw: string, ...params: string[]): Recipient {
  const at = raw.lastIndexOf("@");
  return { address: { raw, local: raw.slice(0, at), domain: raw.slice(at + 1) }, params };
}

function octets(text: string | Buffer): Body {
  const bytes = Buffer.from(text as string);
  return {
    size: bytes.length,
    bytes: [bytes],
    open: async function* () {
      yield bytes;
    },
  };
}

function copy(change: Partial<Copy> = {}): Copy {
  return {
    id: "00042-01",
    mailId: "abcdefABCDEF",
    sender: rcpt("from@example.org").address,
    senderParams: [],
    client: UNKNOWN_CLIENT,
    xforward: new Map(),
    body: octets(MESSAGE),
    folder: null,
    tainted: false,
    ...change,
  };
}

interface Rig {
  readonly server: NextHopServer;
  readonly to: SmtpDestination;
  readonly events: SmtpEvent[];
  /** The name in replies: "smtp:[127.0.0.1]:4711". */
  readonly mta: string;
}

async function rig(script: NextHopOptions = {}, options: Partial<SmtpOptions> = {}): Promise<Rig> {
  const server = await nextHop(script);
  cleanups.push(() => server.close());
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
    await server.drop();
    await closed;
  });
  return { server, to, events, mta: hop.name };
}

/** prepare and commit; the final replies as lines. */
async function send(to: SmtpDestination, one: Copy, recipients: Recipient[]): Promise<string[]> {
  const prepared = await to.prepare(one, recipients, NEVER);
  return (await prepared.commit()).map(replyLine);
}

describe("a message over SMTP", () => {
  test("arrives octet for octet, with the next hop's reply handed on", async () => {
    const { server, to, mta } = await rig();
    const replies = await send(to, copy(), [rcpt("a@example.net"), rcpt("b@example.net")]);
    expect(replies).toEqual([
      `250 2.0.0 from MTA(${mta}): 250 2.0.0 Ok: queued as 4ABC1`,
      `250 2.0.0 from MTA(${mta}): 250 2.0.0 Ok: queued as 4ABC1`,
    ]);
    expect(server.delivered).toHaveLength(1);
    expect(server.delivered[0]?.body.toString()).toBe(MESSAGE);
    expect(server.delivered[0]?.rcpts).toEqual([
      "RCPT TO:<a@example.net>",
      "RCPT TO:<b@example.net>",
    ]);
  });
});
