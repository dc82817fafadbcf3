// DKIM signing of what our users send: which keys a From: domain has, the key files, and the lines for one copy. Called by apply.ts
// (through smtp-service.ts) after all other edits of a cluster. Relaying permission stays the MTA's: only origin outbound is signed.
import { createPrivateKey, type KeyObject } from "node:crypto";
import { fstatSync, openSync, readFileSync, closeSync } from "node:fs";
import { join } from "node:path";
import { authorsOf } from "../checks/authors.ts";
import { dkimSignatures, type SigningKey } from "../mail/dkim-sign.ts";
import type { Body, Message } from "../mail/message.ts";
import type { DkimList, KeyName } from "../ruleset/dkim-lines.ts";

export interface Signer {
  /** False when dkim.rules names no key: nobody needs to be asked. */
  readonly active: boolean;
  /** DKIM-Signature lines for the copy as it will go out; empty for mail that is not signed. Rejects when signing fails. */
  sign(message: Message, copy: Body, deadline: AbortSignal): Promise<readonly string[]>;
}

const MAX_KEY_FILE = 64 * 1024;
/** RFC 8301 3.2: verifiers refuse less. */
const MIN_RSA_BITS = 1024;

/**
 * Reads every key that the list names from `directory`. Throws one Error with a line per key that cannot be used: missing,
 * readable for others, or no RSA or Ed25519 key.
 */
export function signer(list: DkimList, directory: string): Signer {
  const keys = new Map<KeyName, SigningKey>();
  const problems: string[] = [];
  for (const name of list.keys) {
    const read = readKey(join(directory, name.file));
    if (typeof read === "string") problems.push(`${name.at}: ${read}`);
    else keys.set(name, { domain: name.domain, selector: name.selector, key: read });
  }
  if (problems.length > 0) throw new Error(problems.join("\n"));
  const byFile = new Map([...keys].map(([name, key]) => [idOf(name), key]));
  return {
    active: keys.size > 0,
    async sign(message, copy, deadline) {
      if (message.envelope.origin !== "outbound") return [];
      const [author] = authorsOf(message.header);
      if (author === undefined) return [];
      const chosen = list.keysFor(author.domain).flatMap((name) => byFile.get(idOf(name)) ?? []);
      return dkimSignatures(copy, chosen, new Date(), deadline);
    },
  };
}

function idOf({ domain, selector, file }: KeyName): string {
  return `${domain}\0${selector}\0${file}`;
}

/** The key, or why it cannot be used. */
function readKey(path: string): KeyObject | string {
  let text: string;
  try {
    const fd = openSync(path, "r");
    try {
      const facts = fstatSync(fd);
      if (!facts.isFile() || facts.size > MAX_KEY_FILE) return `${path} is no key file`;
      if ((facts.mode & 0o077) !== 0)
        return `${path} can be read by others: chmod 600 it (mode ${(facts.mode & 0o777).toString(8)})`;
      text = readFileSync(fd, "latin1");
    } finally {
      closeSync(fd);
    }
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? "error";
    return code === "ENOENT"
      ? `there is no key ${path}: make it with postern dkim keygen`
      : `${path} cannot be read (${code})`;
  }
  try {
    return checkedKey(createPrivateKey(text), path);
  } catch {
    // OpenSSL's words may quote the file.
    return `${path} holds no private key in PEM`;
  }
}

function checkedKey(key: KeyObject, path: string): KeyObject | string {
  if (key.asymmetricKeyType === "ed25519") return key;
  if (key.asymmetricKeyType !== "rsa") return `${path} holds neither an RSA nor an Ed25519 key`;
  const bits = key.asymmetricKeyDetails?.modulusLength ?? 0;
  return bits >= MIN_RSA_BITS
    ? key
    : `${path}: ${bits} bits are too few for RSA, verifiers refuse it`;
}
