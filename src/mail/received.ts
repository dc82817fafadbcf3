// Reading Received fields (RFC 5321 4.4) as Postfix and Exim write them: who spoke to the host that added the line. Only
// clauses outside comments count, but the client's address may stand in the comment behind `from`. Linear, bounded.
import { canonicalIp } from "./ip.ts";

export interface Received {
  /** What follows `from`: the HELO name (Postfix) or the verified name (Exim); null when there is no from clause. */
  readonly from: string | null;
  /** The client's address, from brackets behind `from`; null when none is written. */
  readonly address: string | null;
  readonly port: number | null;
  /** "helo=" of Exim's comment, else the from word of Postfix. */
  readonly helo: string | null;
  /** The verified name of Postfix's comment or Exim's from word; null when unknown. */
  readonly name: string | null;
  /** Host that wrote the line, lower case; null when missing. */
  readonly by: string | null;
  /** Upper case: "ESMTP", "ESMTPSA", "LOCAL", …; null when missing. */
  readonly protocol: string | null;
  readonly id: string | null;
  /** True for "(Postfix, from userid 0)": made by sendmail(1) on that host. */
  readonly bySendmail: boolean;
}

const MAX = 2048;

/** Parses one unfolded field value; never throws. What is not there is null. */
export function parseReceived(value: string): Received {
  const text = value.slice(0, MAX).replace(/\s+/g, " ").trim();
  const { words, comments } = split(text);
  const clause = (name: string): { word: string; at: number } | null => {
    const at = words.findIndex((word) => word.toLowerCase() === name);
    const word = at < 0 ? undefined : words[at + 1];
    return word === undefined ? null : { word, at };
  };
  const from = clause("from");
  const by = clause("by");
  const start = from?.at === 0 ? from : null;
  const note = start === null ? "" : (comments.get(1) ?? "");
  const literal = start !== null && start.word.startsWith("[");
  const address = start === null ? null : addressIn(literal ? start.word : note);
  const helo =
    /\bhelo=([^\s()]{1,255})/.exec(note)?.[1] ?? (start === null || literal ? null : start.word);
  const exim = /\b(?:helo|port)=/.test(note);
  const verified =
    exim && start !== null && !literal ? start.word : /^([A-Za-z0-9._-]{1,255}) \[/.exec(note)?.[1];
  return {
    from: start?.word ?? null,
    address,
    port: portIn(note),
    helo,
    name: verified === undefined || verified.toLowerCase() === "unknown" ? null : verified,
    by: by?.word.toLowerCase() ?? null,
    protocol: clause("with")?.word.toUpperCase() ?? null,
    id: clause("id")?.word.replace(/;$/, "") ?? null,
    bySendmail: start === null && /from userid \d+/.test([...comments.values()].join(" ")),
  };
}

function addressIn(text: string): string | null {
  const bracketed = /\[([0-9A-Fa-f:.]{2,45}|IPv6:[0-9A-Fa-f:.]{2,45})\]/i.exec(text)?.[1];
  return bracketed === undefined ? null : canonicalIp(bracketed);
}

function portIn(note: string): number | null {
  const port = Number(/\bport=(\d{1,5})/.exec(note)?.[1] ?? /\]:(\d{1,5})/.exec(note)?.[1] ?? "0");
  return port > 0 && port < 65_536 ? port : null;
}

/** Words outside comments and before ";", and each comment under the index of the last word before it. */
function split(text: string): { words: string[]; comments: Map<number, string> } {
  const words: string[] = [];
  const comments = new Map<number, string>();
  let word = "";
  let comment = "";
  let depth = 0;
  for (const char of text) {
    if (depth > 0) {
      if (char === "(") depth++;
      if (char === ")" && --depth === 0) {
        const key = words.length - 1;
        comments.set(key, `${comments.get(key) ?? ""} ${comment}`.trim());
        comment = "";
      } else comment += char;
    } else if (char === "(" || char === " ") {
      if (word !== "") words.push(word);
      word = "";
      if (char === "(") depth = 1;
    } else if (char === ";") break;
    else word += char;
  }
  if (word !== "") words.push(word);
  return { words, comments };
}
