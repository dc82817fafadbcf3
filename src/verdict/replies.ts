// What the client reads: the reply for one recipient's verdict, and the one reply of plain SMTP for many recipients
// (filters that MTAs already parse: amavis' words and codes).
import type { Reply } from "../mail/reply.ts";
import { ok, reject, tempfail } from "../mail/reply.ts";
import type { Finding } from "./finding.ts";
import type { FateName } from "./policy.ts";
import type { Verdict } from "./decide.ts";

/** "INFECTED: Eicar", "BANNED: .exe,x.exe", "spam": why, in the words that amavis uses in replies. */
export function reasonOf(verdict: Verdict): string {
  const said = verdict.because?.say;
  if (said !== undefined) return said;
  const names = (category: string): string =>
    [...new Set(verdict.findings.filter((f) => f.category === category).map((f) => f.detail))]
      .slice(0, 5)
      .join(", ");
  switch (verdict.category) {
    case "virus":
      return `INFECTED: ${names("virus")}`;
    case "banned":
      return `BANNED: ${names("banned")}`;
    case "listed":
      return "listed";
    case "unchecked":
      return `UNCHECKED: ${uncheckedWord(verdict.because)}`;
    case "greylisted":
      return "greylisted, try again later";
    case "spam":
      return "spam";
    case "spammy":
      return "spammy";
    case "malformed":
      return "BAD HEADER: MIME error";
    case "clean":
      return "clean";
  }
}

function uncheckedWord(because: Finding | null): string {
  return (
    because?.symbol
      .replace(/^UNCHECKED_/, "")
      .toLowerCase()
      .replaceAll("_", " ") ?? "content"
  );
}

const REJECT_STATUS: Readonly<Record<FateName, `5.${number}.${number}`>> = {
  virus: "5.7.0",
  banned: "5.7.0",
  listed: "5.7.1",
  unchecked: "5.7.0",
  greylisted: "5.7.0",
  spam: "5.7.0",
  spammy: "5.7.0",
  malformed: "5.6.0",
};

/** The reply for a recipient whose verdict stops the message; `id` is the log id. */
export function stopReply(verdict: Verdict, id: string): Reply {
  const reason = `id=${id} - ${reasonOf(verdict)}`;
  switch (verdict.disposition) {
    case "discard":
      return ok(`Ok, discarded, ${reason}`, "2.7.0");
    case "bounce":
      return ok(`Ok, id=${id}, BOUNCE`, "2.5.0");
    case "reject":
      return reject(
        554,
        verdict.category === "clean" ? "5.7.0" : REJECT_STATUS[verdict.category],
        `Reject, ${reason}`,
      );
    case "tempfail":
      return tempfail(451, "4.7.1", `Temporary failure, ${reason}`);
    case "accept":
    case "tag":
      throw new Error(
        `a message that goes on is answered by its destination, not by "${verdict.disposition}"`,
      );
  }
}

/** How one recipient ended, for `collapse`. */
export interface Ending {
  readonly how: "handed-on" | "discarded" | "bounced" | "rejected" | "tempfailed";
  /** True when the 5xx is the next hop's own. */
  readonly byNextHop: boolean;
  readonly reply: Reply;
}

/**
 * One reply for a whole message. Any tempfail → that tempfail; all discarded → the discard reply; nothing accepted and a
 * reject among them → the reject (the next hop's own first); else 250 with a count of what was held back. Over SMTP only.
 */
export function collapse(endings: readonly [Ending, ...Ending[]]): Reply {
  const first = endings[0].reply;
  if (endings.length === 1 || endings.every((ending) => ending.reply === first)) return first;
  const temp = endings.find((ending) => ending.reply.kind === "tempfail");
  if (temp !== undefined) return temp.reply;
  const accepted = endings.filter((e) => e.how === "handed-on" || e.how === "bounced");
  const rejected = endings.filter((ending) => ending.reply.kind === "reject");
  if (accepted.length === 0) {
    return (rejected.find((ending) => ending.byNextHop) ?? rejected[0] ?? endings[0]).reply;
  }
  const held = countWords(endings);
  const base = (accepted.find((ending) => ending.how === "handed-on") ?? accepted[0] ?? endings[0])
    .reply;
  return held === "" ? base : { ...base, text: `${base.text}, but ${held}` };
}

function countWords(endings: readonly Ending[]): string {
  const count = (how: Ending["how"]): number =>
    endings.filter((ending) => ending.how === how).length;
  return (
    [
      ["DISCARD", count("discarded")],
      ["BOUNCE", count("bounced")],
      ["REJECT", count("rejected")],
    ] as const
  )
    .filter(([, n]) => n > 0)
    .map(([word, n]) => `${n} ${word}`)
    .join(", ");
}
