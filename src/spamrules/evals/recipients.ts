// Everyone a message says it is for, for the eval functions that ask about "To" in the widest sense.
import { isFqdn } from "../uri/domain.ts";
import { idnToAscii } from "../uri/idn.ts";
import type { EvalContext } from "./eval.ts";

const KEY = Symbol("recipients");
const FIELDS = [
  "To",
  "Apparently-To",
  "Delivered-To",
  "Envelope-Recipients",
  "Apparently-Resent-To",
  "X-Envelope-To",
  "Envelope-To",
  "X-Delivered-To",
  "X-Original-To",
  "X-Rcpt-To",
  "X-Real-To",
  "Cc",
];

/** The recipient that one of the nearest three servers names. */
const namedByRelays = (received: readonly string[]): string[] =>
  received.slice(0, 3).flatMap((line) => {
    const found = / for <?([^\t-\r ]+@([^\t-\r ]+?))>?;/.exec(line);
    const [, address = "", host = ""] = found ?? [];
    return found !== null && isFqdn(idnToAscii(host), true) ? [address] : [];
  });

/** Each once, as written, in the order found. Those that it was resent to count instead of all others. */
export const recipients = (context: EvalContext): readonly string[] =>
  context.memo(KEY, () => {
    const { subject } = context;
    const resent = [
      ...subject.getAll("Resent-To:first:addr"),
      ...subject.getAll("Resent-Cc:first:addr"),
    ];
    if (resent.length > 0) return [...new Set(resent)];
    const named = FIELDS.flatMap((field) => subject.getAll(`${field}:addr`));
    return [...new Set([...namedByRelays(subject.getAll("Received")), ...named])];
  });
