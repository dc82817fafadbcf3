// Makes DKIM-Signature fields (RFC 6376, RFC 8463) over a message as it will go out: relaxed/relaxed, no l=. Called by
// engine/signing.ts after every other edit; pure but for the reading of the body and the key operation.
import { createHash, sign as signOctets, type KeyObject } from "node:crypto";
import { setImmediate } from "node:timers/promises";
import { promisify } from "node:util";
import { BodyHash } from "./dkim-body.ts";
import { headerEnd, parseHeader, type Field } from "./header.ts";
import type { Body } from "./message.ts";

export interface SigningKey {
  /** d=, in A-labels. */
  readonly domain: string;
  /** s=. */
  readonly selector: string;
  /** Private key: RSA or Ed25519. */
  readonly key: KeyObject;
}

/** What is signed when it is there (RFC 6376 5.4.1); Received, Return-Path and what hosts on the way add is left out. */
const SIGNED: readonly string[] = [
  ...["From", "Sender", "Reply-To", "Subject", "Date", "Message-ID", "To", "Cc"],
  ...["MIME-Version", "Content-Type", "Content-Transfer-Encoding", "Content-ID"],
  ...["Content-Description", "Content-Disposition", "In-Reply-To", "References"],
  ...["Resent-Date", "Resent-From", "Resent-Sender", "Resent-To", "Resent-Cc", "Resent-Message-ID"],
  ...["List-Id", "List-Help", "List-Unsubscribe", "List-Unsubscribe-Post", "List-Subscribe"],
  ...["List-Post", "List-Owner", "List-Archive"],
];
/** Named once more than they occur, so that a second one, which some reader may show, breaks the signature. */
const OVERSIGNED: ReadonlySet<string> = new Set(["from", "subject", "date", "to"]);
/** Most fields of one name that are signed: a header may hold thousands. */
const MAX_SAME = 20;
const PIECE = 64 * 1024;
const LINE = 72;

const signAsync = promisify(
  (
    algorithm: string | null,
    data: Buffer,
    key: KeyObject,
    done: (error: Error | null, signature: Buffer) => void,
  ) => signOctets(algorithm, data, key, done),
);

/**
 * One complete field per key, "DKIM-Signature: v=1; …", folded, no CRLF at the end, to be put in front of `body`. Empty when
 * the message has no From (it must be signed, RFC 6376 5.4) or no key is given. Rejects when the body cannot be read, when
 * `signal` aborts, or when a key cannot sign.
 */
export async function dkimSignatures(
  body: Body,
  keys: readonly SigningKey[],
  now: Date,
  signal?: AbortSignal,
): Promise<readonly string[]> {
  if (keys.length === 0) return [];
  const read = await digest(body, signal);
  const chosen = chooseFields(read.fields);
  if (!chosen.fields.some((field) => field.name.toLowerCase() === "from")) return [];
  const signed = chosen.fields.map((field) => `${relaxedField(field)}\r\n`).join("");
  const seconds = Math.floor(now.getTime() / 1000);
  return Promise.all(
    keys.map((key) => signature(key, chosen.names, signed, read.bodyHash, seconds)),
  );
}

async function signature(
  { domain, selector, key }: SigningKey,
  names: readonly string[],
  signed: string,
  bodyHash: string,
  seconds: number,
): Promise<string> {
  const rsa = key.asymmetricKeyType === "rsa";
  const tags =
    `DKIM-Signature: v=1; a=${rsa ? "rsa" : "ed25519"}-sha256; c=relaxed/relaxed;\r\n` +
    ` d=${domain}; s=${selector}; t=${seconds};\r\n${folded("h=", names, ":")};\r\n bh=${bodyHash};\r\n b=`;
  const data = Buffer.from(signed + relaxed(tags), "latin1");
  // RFC 8463 3: Ed25519 signs the SHA-256 hash of the canonical data.
  const octets = rsa
    ? await signAsync("sha256", data, key)
    : await signAsync(null, createHash("sha256").update(data).digest(), key);
  const text = octets.toString("base64").match(new RegExp(`.{1,${LINE}}`, "g")) ?? [];
  return tags + text.join("\r\n ");
}

/** Header fields and the hash of the canonical body, in one pass over the octets. */
async function digest(
  body: Body,
  signal: AbortSignal | undefined,
): Promise<{ fields: readonly Field[]; bodyHash: string }> {
  const hash = new BodyHash("relaxed", "sha256", null);
  let head: Buffer[] | null = [];
  let size = 0;
  let fields: readonly Field[] = [];
  for await (const chunk of body.open()) {
    let rest = chunk;
    if (head !== null) {
      head.push(chunk);
      size += chunk.length;
      const all: Buffer = head.length === 1 ? chunk : Buffer.concat(head);
      const end = headerEnd(all, size - chunk.length - 3);
      head = end < 0 ? [all] : null;
      if (end < 0) continue;
      fields = parseHeader(all, { maxBytes: end }).header.fields;
      rest = all.subarray(end);
    }
    await feed(hash, rest, signal);
  }
  if (head !== null) fields = parseHeader(Buffer.concat(head), { maxBytes: size }).header.fields;
  return { fields, bodyHash: hash.digest() };
}

async function feed(hash: BodyHash, chunk: Buffer, signal: AbortSignal | undefined): Promise<void> {
  for (let at = 0; at < chunk.length; at += PIECE) {
    hash.update(chunk.subarray(at, at + PIECE));
    if (at + PIECE < chunk.length || chunk.length >= PIECE) await setImmediate();
    signal?.throwIfAborted();
  }
}

/** The names for h= and the fields they stand for, in that order: of equal names the last field first (RFC 6376 5.4.2). */
function chooseFields(all: readonly Field[]): { names: readonly string[]; fields: Field[] } {
  const byName = new Map<string, Field[]>();
  for (const field of all) {
    const key = field.name.toLowerCase();
    const same = byName.get(key);
    if (same === undefined) byName.set(key, [field]);
    else same.push(field);
  }
  const names: string[] = [];
  const fields: Field[] = [];
  for (const name of SIGNED) {
    const key = name.toLowerCase();
    const same = byName.get(key) ?? [];
    for (const field of same.slice(-MAX_SAME).reverse()) {
      names.push(name);
      fields.push(field);
    }
    // An MTA may still add a field that is missing: only what is there is sealed against a second one.
    if (same.length > 0 && OVERSIGNED.has(key)) names.push(name);
  }
  return { names, fields };
}

/** RFC 6376 3.4.2, without the CRLF at the end. */
function relaxedField(field: Field): string {
  return relaxed(field.raw.toString("latin1"));
}

function relaxed(text: string): string {
  const colon = text.indexOf(":");
  const name = text.slice(0, colon).trim().toLowerCase();
  const value = text
    .slice(colon + 1)
    .replaceAll("\r\n", "")
    .replace(/[ \t]+/g, " ");
  return `${name}:${value.replace(/^ /, "").replace(/ $/, "")}`;
}

function folded(start: string, words: readonly string[], separator: string): string {
  const lines: string[] = [];
  let line = ` ${start}`;
  words.forEach((word, i) => {
    const piece = i + 1 < words.length ? word + separator : word;
    if (line.length + piece.length > LINE && line.trim() !== "") {
      lines.push(line);
      line = "  ";
    }
    line += piece;
  });
  return [...lines, line].join("\r\n");
}
