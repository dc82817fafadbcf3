// Is a message bulk, a mailing list's or automatic (RFC 2919, RFC 2369, RFC 3834, Precedence)? Nobody reads the answer to
// such mail, so dsn.ts and policy suppress it. Header and envelope sender only.
import type { Address } from "./address.ts";
import type { Header } from "./header.ts";

const LIST_FIELDS = new Set(["list-id", "list-post", "list-unsubscribe", "mailing-list"]);
const LIST_SENDER = /^owner-|-(?:request|bounces|owner|admin|confirm|outgoing)(?:\+.*|-.*=.*)?$/;
const AUTO_SENDER = /^(?:mailer-daemon|double-bounce|mailer|autoreply)$/;
const AUTO_FROM = /^(?:postmaster|uucp|mailer-daemon|double-bounce|mailer|autoreply)$|-relay$/;
const MAX_FIELDS = 2_000;

/**
 * Why the message counts as bulk, in a few words of ours ("List-Id", "Precedence: bulk", "null sender"), or null. The
 * first reason found; never text of the message.
 */
export function bulkReason(header: Header, sender: Address | null): string | null {
  if (sender === null || sender.raw === "") return "null sender";
  const local = sender.local.toLowerCase().slice(0, 320);
  if (AUTO_SENDER.test(local)) return "automatic sender";
  if (LIST_SENDER.test(local)) return "list sender";
  for (const { name, value } of header.fields.slice(0, MAX_FIELDS)) {
    const reason = fieldReason(name.toLowerCase(), value.slice(0, 2_000).trim());
    if (reason !== null) return reason;
  }
  return null;
}

function fieldReason(name: string, value: string): string | null {
  if (LIST_FIELDS.has(name)) return "list field";
  switch (name) {
    case "precedence":
      return /^(?:list|bulk|junk|auto.?reply)\b/i.test(value) ? "Precedence" : null;
    case "auto-submitted":
      return /^no\b/i.test(value) || value === "" ? null : "Auto-Submitted";
    case "from":
      return fromReason(value);
    default:
      return null;
  }
}

function fromReason(value: string): string | null {
  const bracketed = /<([^<>]*)>[^<>]*$/.exec(value)?.[1] ?? value;
  const local = bracketed
    .slice(0, 320)
    .trim()
    .replace(/@[^@]*$/, "")
    .toLowerCase();
  if (AUTO_FROM.test(local)) return "automatic From";
  return LIST_SENDER.test(local) ? "list From" : null;
}
