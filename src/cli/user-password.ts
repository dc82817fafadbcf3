// Passwords as Dovecot keeps them, "{SCHEME}hash", and new ones that nobody has to think up. Used by `postern user`.
import { argon2, randomBytes, randomInt } from "node:crypto";
import { cryptSha512 } from "../sys/crypt-sha512.ts";

export type Scheme = "SHA512-CRYPT" | "ARGON2ID";

const LETTERS = "abcdefghjkmnpqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789";
/** 20 letters of 54: 115 bits. */
const LENGTH = 20;
const SALT_LETTERS = "./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/** A password without letters that look alike. */
export function newPassword(): string {
  return letters(LETTERS, LENGTH);
}

function letters(alphabet: string, count: number): string {
  return Array.from({ length: count }, () => alphabet.charAt(randomInt(alphabet.length))).join("");
}

/** What is wrong with a password, null when nothing is. */
export function passwordProblem(password: string): string | null {
  if (password === "") return "the password is empty";
  if (Buffer.byteLength(password) > 512) return "the password is longer than 512 octets";
  if (/[\x00-\x1f\x7f]/.test(password)) return "the password holds control characters";
  return null;
}

/** "{SHA512-CRYPT}$6$…" or "{ARGON2ID}$argon2id$…" with a salt of its own. */
export async function hashed(password: string, scheme: Scheme): Promise<string> {
  if (scheme === "SHA512-CRYPT") {
    return `{SHA512-CRYPT}${cryptSha512(password, `$6$${letters(SALT_LETTERS, 16)}`) ?? ""}`;
  }
  const nonce = randomBytes(16);
  const [memory, passes, parallelism] = [65_536, 3, 1];
  const tag = await new Promise<Buffer>((done, fail) => {
    const settings = { message: password, nonce, parallelism, memory, passes, tagLength: 32 };
    argon2("argon2id", settings, (error, key) => (error ? fail(error) : done(key)));
  });
  const base64 = (octets: Buffer): string => octets.toString("base64").replace(/=+$/, "");
  const cost = `m=${memory},t=${passes},p=${parallelism}`;
  return `{ARGON2ID}$argon2id$v=19$${cost}$${base64(nonce)}$${base64(tag)}`;
}
