// From a finished dialogue and its spool to a Message: reads the header, finds the client (XFORWARD, or our MTA's own Received
// line), the origin, and counts the hops. Called by answer.ts; what cannot be a message is answered with a Reply here.
import { setImmediate } from "node:timers/promises";
import { canonicalIp, type Networks } from "../mail/ip.ts";
import { headerEnd, parseHeader, fieldsNamed, type Header } from "../mail/header.ts";
import {
  UNKNOWN_CLIENT,
  type Body,
  type Client,
  type Message,
  type Transaction,
  type Tree,
} from "../mail/message.ts";
import type { TreeReader } from "../content/tree.ts";
import { parseReceived, type Received } from "../mail/received.ts";
import { reject, type Reply } from "../mail/reply.ts";

/** Octets from which a header is worth a turn of the event loop. */
const LARGE_HEADER = 64 * 1024;

/** How one listener reads its mail. */
export interface Intake {
  readonly mode: "after-queue" | "before-queue";
  readonly origin: "inbound" | "outbound" | "auto";
  readonly client: "xforward" | "received";
}

export interface Surroundings {
  /** Our own users. */
  readonly internal: Networks;
  /** Hosts that only pass mail on to us: the hop before them is the client. */
  readonly relays: Networks;
  /** Names that our MTA writes after `by`, lower case. */
  readonly mtaNames: ReadonlySet<string>;
  readonly maxReceived: number;
  readonly maxHeaderBytes: number;
  readTree(body: Body): Promise<Tree>;
  /** A reader for a message that is still coming; what it read is handed to receive(). */
  arrivingTree(): TreeReader;
  /** Adds to the tree what is inside its parts; the same tree when there is nothing to look into. */
  deepen(tree: Tree, body: Body, signal: AbortSignal | null): Tree | Promise<Tree>;
  nextId(): string;
  mailId(): string;
}

/**
 * The message, or the reply that refuses it (554 5.4.6, too many hops). Rejects only if the spool cannot be read. `arrived`: the
 * tree, if the octets were walked while they came, which only happens when they are not in memory. `signal` ends the looking into
 * containers.
 */
export async function receive(
  transaction: Transaction,
  body: Body,
  intake: Intake,
  around: Surroundings,
  arrived: TreeReader | null = null,
  signal: AbortSignal | null = null,
): Promise<Message | Reply> {
  const header = parseHeader(await headerBytes(body, around.maxHeaderBytes), {
    maxBytes: around.maxHeaderBytes,
  }).header;
  // Reading a header of a MiB takes some milliseconds, and what follows reads it again as the first part: not in one step.
  if (header.size > LARGE_HEADER) await setImmediate();
  const received = fieldsNamed(header, "received");
  if (received.length > around.maxReceived) {
    return reject(554, "5.4.6", "Reject: Too many hops");
  }
  const top = received[0] === undefined ? null : parseReceived(received[0].value);
  const ours = top !== null && top.by !== null && around.mtaNames.has(top.by) ? top : null;
  const direct = clientOf(transaction, ours, intake);
  const client = lookThrough(direct, received.slice(1), around);
  const read = (): Promise<Tree> =>
    arrived === null || body.bytes !== null ? around.readTree(body) : arrived.tree();
  let tree: Promise<Tree> | null = null;
  return {
    envelope: {
      ...transaction,
      id: around.nextId(),
      mailId: around.mailId(),
      client,
      mode: intake.mode,
      origin: originOf(transaction, direct, ours, intake, around),
    },
    header,
    body,
    tree: () => (tree ??= read().then((shallow) => around.deepen(shallow, body, signal))),
  };
}

export function isReply(value: Message | Reply): value is Reply {
  return "kind" in value;
}

/** Octets from the start that hold the whole header, or `max` octets when it is longer. */
async function headerBytes(body: Body, max: number): Promise<Buffer> {
  if (body.bytes !== null) {
    return body.bytes.length === 1 && body.bytes[0] !== undefined
      ? body.bytes[0]
      : Buffer.concat(body.bytes);
  }
  let bytes: Buffer = Buffer.alloc(0);
  for await (const chunk of body.open()) {
    bytes = bytes.length === 0 ? chunk : Buffer.concat([bytes, chunk]);
    if (headerEnd(bytes) >= 0 || bytes.length >= max) break;
  }
  return bytes;
}

function clientOf(transaction: Transaction, ours: Received | null, intake: Intake): Client {
  if (intake.client === "received") return ours === null ? UNKNOWN_CLIENT : fromReceived(ours);
  const { xforward } = transaction;
  if (xforward.size === 0) return UNKNOWN_CLIENT;
  const port = Number(xforward.get("PORT") ?? "");
  const source = xforward.get("SOURCE")?.toUpperCase();
  return {
    address: canonicalIp(xforward.get("ADDR") ?? ""),
    port: Number.isInteger(port) && port > 0 && port < 65_536 ? port : null,
    name: xforward.get("NAME") ?? null,
    helo: xforward.get("HELO") ?? null,
    protocol: xforward.get("PROTO") ?? null,
    ident: xforward.get("IDENT") ?? null,
    source: source === "LOCAL" || source === "REMOTE" ? source : null,
  };
}

function fromReceived(received: Received): Client {
  return {
    address: received.address,
    port: received.port,
    name: received.name,
    helo: received.helo,
    protocol: received.protocol,
    ident: received.id,
    source: received.address === null ? null : "REMOTE",
  };
}

const MAX_RELAYS = 10;

/** The client behind our own relays: each relay's Received line names the hop before it. */
function lookThrough(
  client: Client,
  earlier: ReturnType<typeof fieldsNamed>,
  around: Surroundings,
): Client {
  let at = client;
  for (let i = 0; i < MAX_RELAYS && around.relays.has(at.address); i++) {
    const field = earlier[i];
    if (field === undefined) return { ...UNKNOWN_CLIENT, ident: client.ident };
    at = { ...fromReceived(parseReceived(field.value)), ident: client.ident };
  }
  return at;
}

/**
 * Whose mail it is. Our own users: as the listener says, by network, by the login that our MTA noted (ESMTPA, ESMTPSA), or
 * handed to our MTA on its own host (sendmail: no client address, and our MTA's own line says so).
 */
function originOf(
  transaction: Transaction,
  client: Client,
  ours: Received | null,
  intake: Intake,
  around: Surroundings,
): "inbound" | "outbound" {
  if (intake.origin !== "auto") return intake.origin;
  if (around.internal.has(client.address)) return "outbound";
  if (ours !== null && /^(?:UTF8)?E?SMTPS?A$/.test(ours.protocol ?? "")) return "outbound";
  const local =
    transaction.xforward.get("SOURCE")?.toUpperCase() !== "REMOTE" && client.address === null;
  return local && ours !== null && (ours.bySendmail || ours.protocol === "LOCAL")
    ? "outbound"
    : "inbound";
}

/** The oldest public-looking address in the Received lines, for the log; null when none is written. */
export function oldestAddress(header: Header): string | null {
  const received = fieldsNamed(header, "received");
  for (let i = received.length - 1; i >= 0 && i >= received.length - 20; i--) {
    const address = parseReceived(received[i]?.value ?? "").address;
    if (
      address !== null &&
      !/^(?:10|127|0)\.|^192\.168\.|^172\.(?:1[6-9]|2\d|3[01])\.|^169\.254\.|^(?:::1|f[cde])/.test(
        address,
      )
    ) {
      return address;
    }
  }
  return null;
}
