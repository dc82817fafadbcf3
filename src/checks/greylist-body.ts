// A hash of what a message says, for pools of senders that send each retry from another network: From, Subject and the start of
// the text are the same then, whatever else an MTA writes anew.
import { createHash } from "node:crypto";
import { firstField } from "../mail/header.ts";
import type { Message } from "../mail/message.ts";

/** Octets of the body that count. */
const MAX_OCTETS = 10 * 1024;

/** 22 characters; rejects only if the spool cannot be read. */
export async function bodyKey({ header, body }: Message): Promise<string> {
  const hash = createHash("sha256");
  for (const name of ["from", "subject"])
    hash.update(`${(firstField(header, name)?.value ?? "").slice(0, 1000)}\n`);
  let skip = header.size;
  let left = MAX_OCTETS;
  for await (const chunk of body.bytes ?? body.open()) {
    const rest = chunk.subarray(Math.min(skip, chunk.length), Math.min(chunk.length, skip + left));
    skip = Math.max(0, skip - chunk.length);
    hash.update(rest);
    left -= rest.length;
    if (left <= 0) break;
  }
  return hash.digest("base64url").slice(0, 22);
}
