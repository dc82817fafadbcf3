// One short key for a sender and a recipient: the first part of every greylist record, and its hash tag on Redis Cluster.
import { hash } from "node:crypto";

/** 22 characters of base64url. */
export function pairOf(sender: string, recipient: string): string {
  return hash("sha256", `${sender.length}:${sender}${recipient}`, "base64url").slice(0, 22);
}
