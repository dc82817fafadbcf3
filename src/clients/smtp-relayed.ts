// Turns what a next hop said, or how it failed, into the reply that our own client gets; wording as amavis users know
// it. Pure; used by smtp.ts. `queuedAs` serves the log.
import {
  ok,
  reject,
  tempfail,
  type Reply,
  type RejectCode,
  type TempfailCode,
} from "../mail/reply.ts";
import type { Failure } from "./smtp-connection.ts";
import type { PeerReply } from "./smtp-replies.ts";

const TEMPFAIL_CODES: readonly number[] = [450, 451, 452];
const REJECT_CODES: readonly number[] = [
  500, 501, 502, 503, 504, 521, 550, 551, 552, 553, 554, 555,
];
const MAX_TEXT = 800;

/**
 * The next hop's reply to one recipient, handed on under our own code: the code stays where RFC 5321 lets it (421 becomes
 * 451: our connection stays open), the enhanced status is taken over if its class fits the code, else X.0.0.
 * `mta` is the next hop's name, `id` the log id. A 3xx or other nonsense is a tempfail.
 */
export function relayedReply(reply: PeerReply, mta: string, id: string): Reply {
  const said = text(reply);
  const [, subject = "0", detail = "0"] = enhanced(reply) ?? [];
  const status = `${Number(subject)}.${Number(detail)}` as const;
  if (reply.code >= 200 && reply.code < 300) return ok(`from MTA(${mta}): ${said}`, `2.${status}`);
  if (reply.code >= 500) {
    const code = REJECT_CODES.includes(reply.code) ? reply.code : 554;
    const why = `id=${id} - Rejected by next-hop MTA on relaying, from MTA(${mta}): ${said}`;
    return reject(code as RejectCode, `5.${status}`, why);
  }
  const code = TEMPFAIL_CODES.includes(reply.code) ? reply.code : 451;
  const why = `id=${id} - Temporary MTA failure on relaying, from MTA(${mta}): ${said}`;
  return tempfail(code as TempfailCode, reply.code >= 400 ? `4.${status}` : "4.5.0", why);
}

/**
 * The reply when the next hop gave none: always a tempfail, but for an answer that came before its turn, which counts as
 * the answer. Detail in brackets is ours or a system error name, never peer's text.
 */
export function failureReply(failure: Failure, mta: string, id: string): Reply {
  if (failure.reply !== null && failure.reply.code >= 400) {
    // A refused session is about us, not about this message: a 5xx at greeting or EHLO must not bounce mail.
    if (failure.step === "fwd-greeting" || failure.step === "fwd-ehlo") {
      return broken(failure, mta, id, text(failure.reply));
    }
    if (failure.failed === "early") return relayedReply(failure.reply, mta, id);
  }
  if (failure.failed === "timeout") {
    return tempfail(451, "4.4.2", `Timed out during ${failure.step}, MTA(${mta}), id=${id}`);
  }
  if (failure.failed === "spool")
    return tempfail(451, "4.3.0", `id=${id} - Cannot read the message`);
  return broken(failure, mta, id, failure.detail);
}

/** The next hop's queue id in the text of an ok reply (Postfix "queued as X", Exim "id=X"), for the log; else null. */
export function queuedAs(text: string): string | null {
  const match = /\bqueued as ([\w.-]{1,64})|\bOK,? id=([\w.-]{1,64})/i.exec(text);
  return match?.[1] ?? match?.[2] ?? null;
}

function broken(failure: Failure, mta: string, id: string, detail: string): Reply {
  const status = failure.step === "fwd-data-end" ? "4.4.2" : "4.5.0";
  const why = `id=${id} - Temporary MTA failure on relaying, From MTA(${mta}) during ${failure.step} (${detail}): id=${id}`;
  return tempfail(451, status, why);
}

/** The reply on one line, its enhanced status said once. */
function text(reply: PeerReply): string {
  const status = enhanced(reply);
  const prefix = status === null ? "" : `${reply.lines[0]?.split(" ", 1)[0]} `;
  const lines = reply.lines.map((line, i) =>
    i > 0 && prefix !== "" && line.startsWith(prefix) ? line.slice(prefix.length) : line,
  );
  const whole = `${reply.code} ${lines.join(" ")}`.trimEnd();
  return whole.length > MAX_TEXT ? `${whole.slice(0, MAX_TEXT)}...` : whole;
}

/** The enhanced status that starts the text (RFC 2034), when its class is that of the code. */
function enhanced(reply: PeerReply): readonly string[] | null {
  const match = /^([245])\.(\d{1,3})\.(\d{1,3})(?: |$)/.exec(reply.lines[0] ?? "");
  return match !== null && match[1] === String(reply.code)[0] ? match.slice(1) : null;
}
