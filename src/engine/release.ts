// Sends a kept message on (RFC 5322 3.6.6): the octets as they came, without fields that speak in the filter's name, with
// Resent-* and our Received in front. Called by the quarantine command and by release links; the destination must not filter
// again.
import type { Address } from "../mail/address.ts";
import { mailDate } from "../mail/date.ts";
import type { Copy, Destination } from "../mail/destination.ts";
import { editedBody, type HeaderEdit } from "../mail/edited.ts";
import { fieldLine } from "../mail/field-line.ts";
import { DEFAULT_MAX_HEADER_BYTES, parseHeader, type Header } from "../mail/header.ts";
import type { Body, Recipient } from "../mail/message.ts";
import { receivedLine } from "../mail/received-line.ts";
import { replyLine } from "../mail/reply.ts";
import type { Quarantine } from "../mailstore/quarantine.ts";
import type { QuarantineEntry } from "../mailstore/quarantine-entry.ts";
import { logAddress, logText } from "./log-text.ts";

export interface ReleaseDeps {
  readonly quarantine: Pick<Quarantine, "markReleased">;
  readonly hostname: string;
  readonly now: () => Date;
  readonly newMailId: () => string;
  readonly log: (line: string) => void;
  readonly deadlineMs: number;
}

export interface ReleaseOrder {
  /** To whom; empty: to the recipients who did not get the message. */
  readonly recipients: readonly string[];
  /** Who asks, for log and entry: "command line (root)". */
  readonly by: string;
}

export interface Released {
  /** For the operator, one line per recipient. */
  readonly lines: readonly string[];
  /** True when every recipient's copy was taken. */
  readonly complete: boolean;
  /** True when it is certain that nobody got a copy: nothing was sent yet, or everybody was refused. */
  readonly nothing: boolean;
}

/** Beyond the longest header: what the parser sees then must not look like the end of the message. */
const HEADER_SLACK = 64 * 1024;
const STRIPPED = /^(?:x-envelope-|x-quarantine|x-amavis-|x-spam-)/i;

/** The gravest thing known of a kept message that only the postmaster may let out; null when there is none. */
export function needsPostmaster({
  keptAs,
  findings,
  recipients,
}: QuarantineEntry): "virus" | "banned" | null {
  const named = (what: string): boolean =>
    keptAs === what ||
    findings.some(({ category }) => category === what) ||
    recipients.some(({ category }) => category === what);
  if (named("virus")) return "virus";
  return named("banned") ? "banned" : null;
}

/**
 * Releases to those whom the order names. The entry stays and notes the release. Never rejects for a refused or damaged
 * message: the lines say what happened. Rejects when the entry cannot be written: the copies are out then.
 */
export async function release(
  kept: { readonly entry: QuarantineEntry; readonly body: Body },
  { recipients: named, by }: ReleaseOrder,
  destination: Destination,
  deps: ReleaseDeps,
): Promise<Released> {
  const { entry } = kept;
  const recipients = recipientsOf(entry, named);
  const bad = named.find((name) => addressOf(name) === null);
  if (bad !== undefined) return notSent(`"${bad}" is no address`);
  if (recipients.length === 0)
    return notSent(
      entry.recipients.some(({ blocked }) => blocked)
        ? `${entry.id} was released to all from whom it was kept: name whom to release to once more`
        : "no recipient was blocked: name whom to release to",
    );
  const edited = await released(kept, recipients, deps);
  if (typeof edited === "string") return notSent(edited);
  const prepared = await destination.prepare(
    copyOf(entry, edited, deps),
    recipients,
    AbortSignal.timeout(deps.deadlineMs),
  );
  const replies = await prepared.commit();
  const taken = recipients
    .filter((_, i) => replies[i]?.kind === "ok")
    .map(({ address }) => address.raw);
  const word = entry.keptAs === "badh" ? "bad-header" : entry.keptAs;
  const from = `${entry.id} ${logAddress(entry.sender)}`;
  const whom = (raw: readonly string[]): string => raw.map(logAddress).join(",");
  if (taken.length > 0) {
    deps.log(
      `(rel-${entry.id}) Quarantined message release (${word}): ${from} -> ${whom(taken)}, by ${logText(by)}`,
    );
    await deps.quarantine.markReleased(entry.id, { recipients: taken, by }, deps.now());
  } else {
    const all = recipients.map(({ address }) => address.raw);
    deps.log(
      `(rel-${entry.id}) release failed (${word}): ${from} -> ${whom(all)}, by ${logText(by)}`,
    );
  }
  const lines = recipients.map(({ address }, i) => {
    const reply = replies[i];
    return `${logAddress(address.raw)}: ${reply === undefined ? "no answer" : replyLine(reply)}`;
  });
  return {
    lines,
    complete: taken.length === recipients.length,
    nothing: prepared.replies.every((reply) => reply.kind !== "ok"),
  };
}

function notSent(line: string): Released {
  return { lines: [line], complete: false, nothing: true };
}

function recipientsOf(entry: QuarantineEntry, named: readonly string[]): readonly Recipient[] {
  const chosen =
    named.length > 0
      ? named.map((address) => ({ address, params: [] }))
      : entry.recipients.filter(({ address, blocked }) => blocked && !has(entry, address));
  const recipients: Recipient[] = [];
  const seen = new Set<string>();
  for (const { address: raw } of chosen) {
    const address = addressOf(raw);
    if (address === null || seen.has(raw)) continue;
    seen.add(raw);
    recipients.push({ address, params: [] });
  }
  return recipients;
}

/** Whether an earlier release reached this recipient. */
function has(entry: QuarantineEntry, raw: string): boolean {
  return entry.released.some(({ recipients }) => recipients.includes(raw));
}

/** An envelope address by its last "@"; null when it cannot stand in a command. */
export function addressOf(raw: string): Address | null {
  if (raw === "" || raw.length > 500 || /[\x00-\x1f\x7f<>]/.test(raw)) return null;
  const at = raw.lastIndexOf("@");
  const local = at < 0 ? raw : raw.slice(0, at);
  return { raw, local: unquoted(local), domain: at < 0 ? "" : raw.slice(at + 1).toLowerCase() };
}

function unquoted(local: string): string {
  return /^".*"$/s.test(local) ? local.slice(1, -1).replace(/\\(.)/gs, "$1") : local;
}

async function released(
  { entry, body }: { readonly entry: QuarantineEntry; readonly body: Body },
  recipients: readonly Recipient[],
  deps: ReleaseDeps,
): Promise<Body | string> {
  // Read to the end before a byte goes out: a damaged file must not reach anybody. What goes out is read once more.
  const head: Buffer[] = [];
  let room = DEFAULT_MAX_HEADER_BYTES + HEADER_SLACK;
  try {
    for await (const piece of body.open()) {
      if (room > 0) head.push(piece.subarray(0, room));
      room -= piece.length;
    }
  } catch (error) {
    return `${entry.id}: ${error instanceof Error ? error.message : String(error)}`;
  }
  const { header } = parseHeader(Buffer.concat(head), { maxBytes: DEFAULT_MAX_HEADER_BYTES });
  return editedBody(header, body, editsOf(entry, header, recipients, deps));
}

function editsOf(
  entry: QuarantineEntry,
  header: Header,
  recipients: readonly Recipient[],
  { hostname, now, newMailId }: ReleaseDeps,
): readonly HeaderEdit[] {
  const date = now();
  const to = recipients.map(({ address }) => `<${address.raw}>`).join(", ");
  const lines = [
    receivedLine({
      greeting: "unknown",
      peer: "",
      hostname,
      socket: null,
      product: "postern",
      protocol: "",
      mailId: entry.id,
      recipients: recipients.map(({ address }) => address.raw),
      date,
    }),
    fieldLine("Resent-From", `"Content-filter at ${hostname}" <postmaster@${hostname}>`),
    fieldLine("Resent-Sender", `"Content-filter at ${hostname}" <postmaster@${hostname}>`),
    fieldLine("Resent-To", recipients.length === 1 ? to : "undisclosed-recipients:;"),
    fieldLine("Resent-Date", mailDate(date)),
    fieldLine("Resent-Message-ID", `<QRL${newMailId()}@${hostname}>`),
  ];
  const edits: HeaderEdit[] = lines.map((line) => ({ do: "prepend", line }));
  header.fields.forEach(({ name }, index) => {
    if (STRIPPED.test(name)) edits.push({ do: "remove", index });
  });
  return edits;
}

function copyOf(entry: QuarantineEntry, body: Body, deps: ReleaseDeps): Copy {
  return {
    id: `rel-${entry.id}`,
    mailId: deps.newMailId(),
    sender: entry.sender === null || entry.sender === "" ? null : addressOf(entry.sender),
    // SIZE was of the message as it came; NOTIFY and ENVID belong to the first delivery.
    senderParams: entry.senderParams.filter((param) => /^(?:BODY=|SMTPUTF8$)/i.test(param)),
    client: entry.client,
    xforward: new Map(),
    body,
    folder: null,
    tainted: false,
  };
}
