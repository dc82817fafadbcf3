// The SHA-512 form of crypt(3), "$6$salt$hash": how Dovecot's {SHA512-CRYPT} and /etc/shadow keep passwords. Follows Ulrich
// Drepper's public specification "Unix crypt using SHA-256 and SHA-512". Called by cli/user.ts.
import { createHash, timingSafeEqual } from "node:crypto";

const DEFAULT_ROUNDS = 5000;
const MIN_ROUNDS = 1000;
const MAX_ROUNDS = 999_999_999;
const MAX_SALT = 16;
const ALPHABET = "./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/**
 * The hash of a password under a setting "$6$salt" or "$6$rounds=N$salt" (a whole hash will do). Null when the setting is
 * of another kind. Takes some ten milliseconds per 5,000 rounds.
 */
export function cryptSha512(password: string, setting: string): string | null {
  const match = /^\$6\$(?:rounds=(\d{1,9})\$)?([^$]*)/.exec(setting);
  if (match === null) return null;
  const asked = match[1] === undefined ? null : Number(match[1]);
  const rounds = Math.min(MAX_ROUNDS, Math.max(MIN_ROUNDS, asked ?? DEFAULT_ROUNDS));
  const key = Buffer.from(password);
  const salt = Buffer.from(match[2] ?? "").subarray(0, MAX_SALT);
  const digest = stretched(key, salt, rounds);
  const prefix = asked === null ? "$6$" : `$6$rounds=${rounds}$`;
  return `${prefix}${salt.toString()}$${encoded(digest)}`;
}

/** True when the password belongs to the hash; compared in constant time. */
export function isSha512Password(password: string, hash: string): boolean {
  const made = cryptSha512(password, hash);
  if (made === null || made.length !== hash.length) return false;
  return timingSafeEqual(Buffer.from(made), Buffer.from(hash));
}

function sha512(...pieces: readonly Buffer[]): Buffer {
  const hash = createHash("sha512");
  for (const piece of pieces) hash.update(piece);
  return hash.digest();
}

/** A block repeated or cut to a length. */
function filled(block: Buffer, length: number): Buffer {
  return Buffer.alloc(length, block);
}

function stretched(key: Buffer, salt: Buffer, rounds: number): Buffer {
  const inner = sha512(key, salt, key);
  const pieces = [key, salt, key.length === 0 ? key : filled(inner, key.length)];
  for (let bits = key.length; bits > 0; bits >>= 1) pieces.push(bits & 1 ? inner : key);
  let digest = sha512(...pieces);
  const keyBlock = sha512(...Array.from({ length: key.length }, () => key));
  const p = key.length === 0 ? key : filled(keyBlock, key.length);
  const saltBlock = sha512(...Array.from({ length: 16 + (digest[0] as number) }, () => salt));
  const s = salt.length === 0 ? salt : filled(saltBlock, salt.length);
  for (let round = 0; round < rounds; round++) {
    const odd = round % 2 === 1;
    const middle = [...(round % 3 === 0 ? [] : [s]), ...(round % 7 === 0 ? [] : [p])];
    digest = sha512(odd ? p : digest, ...middle, odd ? digest : p);
  }
  return digest;
}

/** The specification's base64: three octets from 21 apart, turned round by one place each group, little end first. */
function encoded(digest: Buffer): string {
  let text = "";
  for (let group = 0; group < 21; group++) {
    const at = [group, group + 21, group + 42];
    const turned = [...at.slice(group % 3), ...at.slice(0, group % 3)].map(
      (i) => digest[i] as number,
    );
    text += letters(
      ((turned[0] as number) << 16) | ((turned[1] as number) << 8) | (turned[2] as number),
      4,
    );
  }
  return text + letters(digest[63] as number, 2);
}

function letters(value: number, count: number): string {
  let text = "";
  for (let i = 0; i < count; i++) text += ALPHABET.charAt((value >> (6 * i)) & 63);
  return text;
}
