// By what a learned message is known again: a digest of what every copy of it shares, and its own Message-ID. Called when something is
// learned or forgotten.
import { hash } from "node:crypto";
import type { Subject } from "../subject.ts";

/** SpamAssassin's two kinds, the first is the one to remember: "…@sa_generated" from To, Date and body, then the Message-ID, if any. */
export function messageIds(subject: Subject): readonly string[] {
  const last = (name: string): string => {
    const value = subject.root.header(name).at(-1);
    // "0" would be nothing to Perl, but a line end stands behind it.
    return value === undefined ? "" : `${value}\n`;
  };
  const body = subject.pristineBody.replaceAll("\r\n", "\n");
  const digest = hash("sha1", Buffer.from(body, "latin1"), "hex");
  const text = `${last("to")}\0${last("date")}\0${digest}`;
  const made = `${hash("sha1", Buffer.from(text, "latin1"), "hex")}@sa_generated`;
  const own = /^[\t-\r ]*<([^]+)>[\t-\r ]*$/.exec(last("message-id"))?.[1];
  return own === undefined ? [made] : [made, own];
}
