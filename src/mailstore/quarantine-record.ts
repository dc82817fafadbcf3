// From a judged message to its quarantine entry: the JSON record, the header lines in front of the copy, and the key by
// which a retry finds its first entry. Pure; quarantine.ts stores what comes out.
import { createHash } from "node:crypto";
import type { Address } from "../mail/address.ts";
import { fieldLine, isFoldedField } from "../mail/field-line.ts";
import type { Body, Client } from "../mail/message.ts";
import type { Finding } from "../verdict/finding.ts";
import type { FateName } from "../verdict/policy.ts";
import {
  stemOf,
  type KeptAs,
  type KeptRecipient,
  type QuarantineEntry,
} from "./quarantine-entry.ts";

export interface QuarantineInput {
  readonly mailId: string;
  readonly logId: string;
  readonly category: FateName;
  /** The message as it came. */
  readonly body: Body;
  /** Octets of its header, the empty line included. */
  readonly headerSize: number;
  readonly sender: Address | null;
  readonly senderParams: readonly string[];
  readonly recipients: readonly KeptRecipient[];
  readonly messageId: string | null;
  readonly subject: string | null;
  readonly client: Client;
  /** The relay that the message came for; absent: not known. */
  readonly nextHop?: string;
  readonly findings: readonly Finding[];
  /** Complete fields of ours that stand in the copy: X-Amavis-Alert, X-Spam-*, Received (verdict/edits.ts makes them). */
  readonly lines: readonly string[];
  readonly receivedAt: Date;
}

/** Bounds of what a record holds of hostile text. */
const MAX_RECIPIENTS = 2_000;
const MAX_FINDINGS = 500;
const MAX_TEXT = 1_000;

/** The same message again (sender, Message-ID and body alike) has the same key: lower-case hex. */
export function keyOf(input: QuarantineInput, contentHash: string): string {
  const facts = [input.sender?.raw ?? null, input.messageId, contentHash];
  return createHash("sha256").update(JSON.stringify(facts)).digest("hex");
}

/** The record of a message that is kept for the first time. */
export function entryOf(
  input: QuarantineInput,
  stored: { keptAs: KeptAs; key: string; sha256: string; prefix: number },
): QuarantineEntry {
  const time = input.receivedAt.toISOString();
  return {
    version: 1,
    id: input.mailId,
    keptAs: stored.keptAs,
    file: `${input.mailId.slice(0, 1)}/${stemOf(stored.keptAs, input.mailId)}.gz`,
    logId: input.logId,
    time,
    lastTime: time,
    attempts: 1,
    size: input.body.size,
    prefix: stored.prefix,
    sha256: stored.sha256,
    key: stored.key,
    sender: input.sender?.raw ?? null,
    senderParams: input.senderParams,
    recipients: input.recipients.slice(0, MAX_RECIPIENTS),
    messageId: cut(input.messageId),
    subject: cut(input.subject),
    client: input.client,
    ...(input.nextHop !== undefined && { nextHop: input.nextHop }),
    findings: bounded(input.findings),
    released: [],
  };
}

/**
 * The record after the same message came again: counted, with the verdicts and findings of today. A virus or a banned file that was
 * found before stays found: today's scanner may have been down.
 */
export function again(earlier: QuarantineEntry, input: QuarantineInput): QuarantineEntry {
  const today = new Map(input.recipients.map((r) => [r.address, r]));
  const found = earlier.findings.filter(
    ({ category, symbol }) =>
      (category === "virus" || category === "banned") &&
      !input.findings.some((now) => now.category === category && now.symbol === symbol),
  );
  const known = earlier.recipients.filter(({ address }) => !today.has(address));
  return {
    ...earlier,
    lastTime: input.receivedAt.toISOString(),
    attempts: earlier.attempts + 1,
    recipients: [...known, ...today.values()].slice(0, MAX_RECIPIENTS),
    findings: bounded([...found, ...input.findings]),
  };
}

/** The lines in front of the stored copy, as octets: the envelope, then what delivery would have shown. */
export function prefixOf(input: QuarantineInput, as: KeptAs): Buffer {
  const lines = [
    fieldLine("Return-Path", bracketed(input.sender?.raw ?? "")),
    fieldLine("Delivered-To", `${as}-quarantine`),
    ...keptLines(input),
  ];
  return Buffer.from(`${lines.join("\r\n")}\r\n`);
}

/** Complete fields that tell of a kept copy, wherever it is kept, where it came from and why. */
export function keptLines(input: QuarantineInput): readonly string[] {
  const from = bracketed(input.sender?.raw ?? "");
  const blocked = input.recipients.filter((r) => r.blocked);
  return [
    fieldLine("X-Envelope-From", from),
    fieldLine("X-Envelope-To", addresses(input.recipients)),
    ...(blocked.length > 0 ? [fieldLine("X-Envelope-To-Blocked", addresses(blocked))] : []),
    fieldLine("X-Quarantine-ID", `<${input.mailId}>`),
    ...input.lines.filter(isFoldedField),
  ];
}

function bounded(findings: readonly Finding[]): readonly Finding[] {
  return findings.slice(0, MAX_FINDINGS).map((f) => ({ ...f, detail: cut(f.detail) ?? "" }));
}

function addresses(recipients: readonly KeptRecipient[]): string {
  return recipients
    .slice(0, MAX_RECIPIENTS)
    .map(({ address }) => bracketed(address))
    .join(", ");
}

function bracketed(raw: string): string {
  return `<${raw.slice(0, MAX_TEXT).replace(/[<>]/g, "?")}>`;
}

function cut(text: string | null): string | null {
  return text === null ? null : text.slice(0, MAX_TEXT);
}
