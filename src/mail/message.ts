// The values that travel through postern: who speaks to the MTA, the envelope, the message and its tree of parts.
// Created once per transaction, readonly all through, never reset. No behaviour here.
import type { Address } from "./address.ts";
import type { Attribute } from "./attributes.ts";
import type { Header } from "./header.ts";

/** The host that spoke to the MTA (XFORWARD, or our MTA's own Received line); null = unknown, never 127.0.0.1. */
export interface Client {
  /** Canonical IP address without brackets or "IPv6:". */
  readonly address: string | null;
  readonly port: number | null;
  readonly name: string | null;
  readonly helo: string | null;
  /** The protocol between client and MTA: "SMTP", "ESMTP", "ESMTPSA", … */
  readonly protocol: string | null;
  /** The MTA's queue id. */
  readonly ident: string | null;
  readonly source: "LOCAL" | "REMOTE" | null;
}

export const UNKNOWN_CLIENT: Client = {
  address: null,
  port: null,
  name: null,
  helo: null,
  protocol: null,
  ident: null,
  source: null,
};

export interface Recipient {
  readonly address: Address;
  /** ESMTP parameters of RCPT, byte for byte: "NOTIFY=FAILURE", "ORCPT=rfc822;a+2Bb@example.org". */
  readonly params: readonly string[];
}

/** XFORWARD attributes of one transaction as received (xtext decoded); a name that did not come is absent. */
export type XForward = ReadonlyMap<string, string>;

/** What an SMTP or LMTP dialogue established up to DATA. `sender` null is the null sender `<>`. */
export interface Transaction {
  /** Short name of the listener it came in on, "smtp:127.0.0.1:10024"; for logs. */
  readonly listener: string;
  /** IP address of our TCP peer, "" on a unix socket. */
  readonly peer: string;
  readonly peerPort: number;
  /** What the peer said in HELO, EHLO or LHLO. */
  readonly greeting: string;
  readonly protocol: "SMTP" | "ESMTP" | "LMTP";
  readonly xforward: XForward;
  readonly sender: Address | null;
  /** ESMTP parameters of MAIL, byte for byte: "SIZE=1234", "BODY=8BITMIME", "SMTPUTF8", "RET=HDRS", "ENVID=…". */
  readonly senderParams: readonly string[];
  /** The accepted RCPT commands in order, repetitions kept (LMTP owes one reply each). */
  readonly recipients: readonly Recipient[];
  readonly startedAt: Date;
}

export interface Envelope extends Transaction {
  /** Log id, amavis' form: "02689-06". */
  readonly id: string;
  /** 12 characters of base64url, names the message in quarantine, headers and log. */
  readonly mailId: string;
  readonly client: Client;
  readonly mode: "after-queue" | "before-queue";
  readonly origin: "inbound" | "outbound";
}

/** What an MTA asks before it takes a recipient (Postfix' policy delegation, Exim's readsocket). */
export interface RcptQuestion {
  readonly client: Client;
  /** The login of the client, null when it has none. */
  readonly login: string | null;
  readonly sender: Address | null;
  /** Null before RCPT, and at DATA and END-OF-MESSAGE when there are several. */
  readonly recipient: Address | null;
  readonly recipientCount: number;
  /** Announced or real size in octets, 0 when unknown. */
  readonly size: number;
  /** "RCPT", "DATA", "END-OF-MESSAGE", … upper case. */
  readonly state: string;
  /** The same for all questions about one message; "" when the MTA gives none. */
  readonly instance: string;
  /** "policy_context" of the MTA: which recipe asks ("submission", "inbound", …), "" when none. */
  readonly context: string;
  /** Whose mail it is: our users' (login, internal network, submission) or from outside. */
  readonly origin: "inbound" | "outbound";
}

/** Octets that can be read more than once. The owner disposes of them; a reader only borrows. */
export interface Body {
  readonly size: number;
  /** All octets as buffers in order when they are in memory (the fast path), else null: use open(). */
  readonly bytes: readonly Buffer[] | null;
  open(): AsyncIterable<Buffer>;
  /**
   * The same octets for a reader that keeps none of them: each piece may be overwritten as soon as the next one is asked for
   * (`body.lend?.() ?? body.open()`). A large message then costs one buffer instead of its size in garbage.
   */
  lend?(): AsyncIterable<Buffer>;
  /** The open file that holds the octets from its start, for readers in other threads; absent or null when there is none. */
  lendFile?(): LentFile | null;
}

/** A descriptor that stays open until it is released, once; to be read by position only. */
export interface LentFile {
  readonly descriptor: number;
  release(): void;
}

export interface Message {
  readonly envelope: Envelope;
  readonly header: Header;
  /** The whole message, header included, line ends CRLF. */
  readonly body: Body;
  /** The tree of parts; read once, on the first call. Rejects only if the spool cannot be read. */
  tree(): Promise<Tree>;
}

export interface Tree {
  readonly root: Part;
  /** Every part, the root included, in document order (parents before children). */
  readonly parts: readonly Part[];
  /** True when a limit (parts, depth, header bytes) stopped the walk: something was not looked at. */
  readonly overLimit: string | null;
  /** The first octets of each text part; only when somebody who judges looks for links. */
  readonly texts?: readonly PartText[];
  /**
   * What the deep reading (containers, other readings of ambiguous parts) left out and why: "10 s for the containers of one
   * message"; null when it saw all, or had nothing to see.
   */
  readonly unread: string | null;
  /** Decoded octets that a scanner of the whole message would not find by itself: those of other readings. Bounded. */
  readonly payloads: readonly Payload[];
}

/** Octets for a scanner, beside the message itself. */
export interface Payload {
  /** The part that holds them. */
  readonly path: string;
  readonly octets: Buffer;
}

/** The start of a text part, decoded from its transfer encoding. */
export interface PartText {
  readonly path: string;
  /** Declared type, "text/html". */
  readonly type: string;
  /** As declared; "" when none was. */
  readonly charset: string;
  readonly octets: Buffer;
}

export interface Part {
  /** "1" is the root, "1/2" its second child, as in amavis' L=; members of containers too. "1/2+1" is another reading of "1/2". */
  readonly path: string;
  readonly parent: Part | null;
  readonly children: readonly Part[];
  /** Declared type, lower case, "text/plain" when none came. */
  readonly type: string;
  /** "attachment", "inline", … lower case; null when there is no Content-Disposition. */
  readonly disposition: string | null;
  /** Every name that a client could show or save the part under: raw and decoded forms, without repetitions. */
  readonly names: readonly string[];
  /** Short types by content, without dot: "exe", "exe-ms", "zip", "txt"; what the bytes are, whatever was declared. */
  readonly kinds: readonly string[];
  /** Decoded octets. For multipart and message/rfc822: the octets of the part's content as they stand. */
  readonly size: number;
  /** Lower-case hex of the decoded octets; "" for multipart and message/rfc822 (each level would cost the whole size). */
  readonly sha256: string;
  /** Well-known self-test strings found in the decoded octets. */
  readonly marks: readonly ("EICAR" | "GTUBE")[];
  /** True when its octets, or the names of its members, are readable only with a password. */
  readonly encrypted: boolean;
  /** What its content can do: "MACRO", "JAVASCRIPT", …; [] for most. */
  readonly attributes: readonly Attribute[];
  /** How this part was read when that is not the usual way: "the last Content-Type"; null for the usual reading. */
  readonly reading: string | null;
  readonly defects: readonly Defect[];
}

/**
 * ambiguous: readers may disagree about what the part holds (malformed). fault: breaks a standard, misleads nobody. limit: not all
 * of it was looked at. unreadable: it could not be looked into. encrypted: only with a password.
 */
export type DefectClass = "ambiguous" | "fault" | "limit" | "unreadable" | "encrypted";

/** Something that two readers may understand differently, or that breaks the standard. */
export interface Defect {
  /** Kebab-case name: "conflicting-content-type", "nul-in-header", … listed in mail/defects.ts. */
  readonly kind: string;
  readonly class: DefectClass;
  readonly detail: string;
}
