// Every address that a message says it comes from, for the eval functions that ask about "From" in the widest sense.
import type { EvalContext } from "./eval.ts";

const KEY = Symbol("senders");
const FIELDS = ["From", "Envelope-Sender", "Resent-Sender", "X-Envelope-From", "EnvelopeFrom"];

/** Each once, as written, several dots in a row made one; of Resent-From alone if there is one. */
export function senders(context: Pick<EvalContext, "subject" | "memo">): readonly string[] {
  return context.memo(KEY, () => {
    const { subject } = context;
    const resent = subject.getAll("Resent-From:first:addr").map(bare);
    if (resent.length > 0) return [...new Set(resent)];
    const found = FIELDS.flatMap((field) => subject.getAll(`${field}:addr`))
      .map(bare)
      .filter((address) => address !== "");
    return [...new Set(found.map((address) => address.replace(/\.+/g, ".")))];
  });
}

/** A value without the "\n" at its end. */
export function bare(value: string): string {
  return value.endsWith("\n") ? value.slice(0, -1) : value;
}
