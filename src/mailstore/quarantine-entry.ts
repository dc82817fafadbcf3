// What the quarantine knows of one kept message: the JSON beside its octets, and the names of both files. Everything read
// back is checked, so that a stray or edited file can neither lead out of the directory nor break a listing.
import { isMailId } from "../sys/ids.ts";
import type { Client } from "../mail/message.ts";
import type { Finding } from "../verdict/finding.ts";
import type { FateName } from "../verdict/policy.ts";

/** Words that open a file name, amavis' where it has one. */
export const KEPT_AS = [
  "virus",
  "banned",
  "unchecked",
  "spam",
  "badh",
  "listed",
  "greylisted",
] as const;
export type KeptAs = (typeof KEPT_AS)[number];

export interface KeptRecipient {
  /** Raw, without brackets. */
  readonly address: string;
  readonly params: readonly string[];
  /** True when this recipient did not get the message: a release goes to these by default. */
  readonly blocked: boolean;
  /** Disposition, category and score of this recipient's verdict. */
  readonly disposition: string;
  readonly category: string | null;
  readonly score: number | null;
}

export interface Release {
  /** ISO 8601. */
  readonly time: string;
  readonly recipients: readonly string[];
  /** Who asked for it: "command line (root)", "link from [192.0.2.1]". Absent in entries of older versions. */
  readonly by?: string;
}

export interface QuarantineEntry {
  readonly version: 1;
  readonly id: string;
  readonly keptAs: KeptAs;
  /** "m/spam-msGhV3Jkvkf8.gz", below the quarantine directory: what the log line names. */
  readonly file: string;
  readonly logId: string;
  /** ISO 8601: when it was kept first, and when it last came again. */
  readonly time: string;
  readonly lastTime: string;
  /** How often the same message came. */
  readonly attempts: number;
  /** Octets of the message as it came. */
  readonly size: number;
  /** Octets that we wrote in front of it. */
  readonly prefix: number;
  /** Lower-case hex of the message as it came. */
  readonly sha256: string;
  /** Names the file that finds this entry for a retry. */
  readonly key: string;
  readonly sender: string | null;
  readonly senderParams: readonly string[];
  readonly recipients: readonly KeptRecipient[];
  readonly messageId: string | null;
  readonly subject: string | null;
  readonly client: Client;
  /** The relay that the message came for, as the configuration writes it: a release goes there too. Absent: not known. */
  readonly nextHop?: string;
  readonly findings: readonly Finding[];
  readonly released: readonly Release[];
}

/** "spam" for spam and spammy, "badh" for malformed, else the category. */
export function keptAs(category: FateName): KeptAs {
  if (category === "spammy") return "spam";
  return category === "malformed" ? "badh" : category;
}

/** "spam-msGhV3Jkvkf8": the common part of both file names. Throws when `id` is no mail id. */
export function stemOf(as: KeptAs, id: string): string {
  if (!isMailId(id)) throw new Error("a quarantine name needs a mail id");
  return `${as}-${id}`;
}

export interface FileName {
  readonly keptAs: KeptAs;
  readonly id: string;
  readonly stem: string;
  readonly hidden: boolean;
  readonly kind: "gz" | "json";
}

const NAME = /^(\.?)([a-z]+)-([A-Za-z0-9_-]{12})(?:\.[A-Za-z0-9_-]{12})?\.(gz|json)$/;

/** Reads a file name of ours (hidden ones open with a dot and may carry a second id); null for anything else. */
export function parseName(name: string): FileName | null {
  const [, dot, word, id, kind] = NAME.exec(name) ?? [];
  const as = KEPT_AS.find((known) => known === word);
  if (as === undefined || id === undefined || !isMailId(id)) return null;
  const hidden = dot === ".";
  const stem = `${as}-${id}`;
  if (!hidden && name !== `${stem}.${kind}`) return null;
  return { keptAs: as, id, stem, hidden, kind: kind === "gz" ? "gz" : "json" };
}

/** The entry in `text`, or null when it is not what we wrote for the file `name` ("spam-msGhV3Jkvkf8.json"). */
export function parseEntry(text: string, name: string): QuarantineEntry | null {
  const file = parseName(name);
  const value = jsonOf(text);
  if (file === null || value === null || value["version"] !== 1) return null;
  const fits =
    value["id"] === file.id &&
    value["keptAs"] === file.keptAs &&
    value["file"] === `${file.id[0]}/${file.stem}.gz` &&
    [value["size"], value["prefix"], value["attempts"]].every(isCount) &&
    ["time", "lastTime", "sha256", "key", "logId"].every((key) => typeof value[key] === "string") &&
    ["sender", "messageId", "subject"].every((key) => isTextOrNull(value[key])) &&
    ["senderParams", "recipients", "findings", "released"].every((key) =>
      Array.isArray(value[key]),
    ) &&
    (value["recipients"] as unknown[]).every(isRecipient) &&
    (value["senderParams"] as unknown[]).every((param) => typeof param === "string") &&
    (value["released"] as unknown[]).every(isRelease) &&
    isTextOrAbsent(value["nextHop"]) &&
    isObject(value["client"]);
  return fits ? (value as unknown as QuarantineEntry) : null;
}

function isRecipient(value: unknown): boolean {
  return (
    isObject(value) &&
    typeof value["address"] === "string" &&
    typeof value["blocked"] === "boolean" &&
    typeof value["disposition"] === "string" &&
    isTextOrNull(value["category"]) &&
    Array.isArray(value["params"]) &&
    value["params"].every((param) => typeof param === "string")
  );
}

function isRelease(value: unknown): boolean {
  return (
    isObject(value) &&
    typeof value["time"] === "string" &&
    isTextOrAbsent(value["by"]) &&
    Array.isArray(value["recipients"]) &&
    value["recipients"].every((recipient) => typeof recipient === "string")
  );
}

function jsonOf(text: string): Record<string, unknown> | null {
  try {
    const value: unknown = JSON.parse(text);
    return isObject(value) ? value : null;
  } catch {
    // Not JSON: a foreign file or a torn one, which the caller skips.
    return null;
  }
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isCount(value: unknown): boolean {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 0;
}

function isTextOrAbsent(value: unknown): boolean {
  return value === undefined || typeof value === "string";
}

function isTextOrNull(value: unknown): boolean {
  return value === null || typeof value === "string";
}
