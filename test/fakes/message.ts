// Messages built by hand for tests of checks: an envelope, a header, a tree of parts, without any octets walked.
import { parseAddress } from "../../src/mail/address.ts";
import type { Address } from "../../src/mail/address.ts";
import { DEFAULT_MAX_HEADER_BYTES, parseHeader } from "../../src/mail/header.ts";
import { UNKNOWN_CLIENT } from "../../src/mail/message.ts";
import type { Client, Defect, Message, Part, Tree } from "../../src/mail/message.ts";

/** The address, which must be one. */
export function address(text: string): Address {
  const parsed = parseAddress(text);
  if (parsed === null) throw new Error(`no address: ${text}`);
  return parsed;
}

export interface PartFacts {
  readonly type?: string;
  readonly names?: readonly string[];
  readonly kinds?: readonly string[];
  readonly marks?: Part["marks"];
  readonly encrypted?: boolean;
  readonly attributes?: Part["attributes"];
  readonly defects?: readonly Defect[];
  readonly children?: readonly PartFacts[];
}

/** A tree with paths, parents and document order filled in. */
export function tree(facts: PartFacts, overLimit: string | null = null): Tree {
  const parts: Part[] = [];
  const grow = (of: PartFacts, path: string, parent: Part | null): Part => {
    const children: Part[] = [];
    const part: Part = {
      path,
      parent,
      children,
      type: of.type ?? "text/plain",
      disposition: null,
      names: of.names ?? [],
      kinds: of.kinds ?? [],
      size: 0,
      sha256: "",
      marks: of.marks ?? [],
      encrypted: of.encrypted ?? false,
      attributes: of.attributes ?? [],
      reading: null,
      defects: of.defects ?? [],
    };
    parts.push(part);
    (of.children ?? []).forEach((child, i) => children.push(grow(child, `${path}/${i + 1}`, part)));
    return part;
  };
  return { root: grow(facts, "1", null), parts, overLimit, unread: null, payloads: [] };
}

export interface MessageFacts {
  readonly client?: Partial<Client>;
  /** "" is the null sender. */
  readonly sender?: string;
  readonly recipients?: readonly string[];
  readonly header?: string;
  readonly tree?: Tree;
  readonly mode?: "after-queue" | "before-queue";
  readonly origin?: "inbound" | "outbound";
}

/** A message of these facts; without a tree, reading the tree fails. */
export function message(facts: MessageFacts): Message {
  const header = Buffer.from(facts.header ?? "Subject: test\r\n\r\n");
  const { sender = "a@example.org", recipients = ["user@example.net"] } = facts;
  return {
    envelope: {
      id: "00001-01",
      mailId: "AAAAAAAAAAAA",
      listener: "smtp:127.0.0.1:10024",
      peer: "127.0.0.1",
      peerPort: 1,
      greeting: "mta.example.net",
      protocol: "ESMTP",
      xforward: new Map(),
      sender: sender === "" ? null : address(sender),
      senderParams: [],
      recipients: recipients.map((to) => ({ address: address(to), params: [] })),
      startedAt: new Date(0),
      client: { ...UNKNOWN_CLIENT, ...facts.client },
      mode: facts.mode ?? "before-queue",
      origin: facts.origin ?? "inbound",
    },
    header: parseHeader(header, { maxBytes: DEFAULT_MAX_HEADER_BYTES }).header,
    body: { size: header.length, bytes: [header], open: () => pieces([header]) },
    tree: async () => {
      if (facts.tree === undefined) throw new Error("this message has no tree");
      return facts.tree;
    },
  };
}

async function* pieces(of: readonly Buffer[]): AsyncIterable<Buffer> {
  yield* of;
}
