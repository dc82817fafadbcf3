// Messages for the crash suites: numbered, each different in every line, small ones and some of up to 1 MB, a few with a test string
// of the scanners or a banned name. Their digests are those that test/bench/digest-body.ts makes on the other side.
import { createHash } from "node:crypto";
import { digestBody, MARK } from "../../bench/digest-body.ts";
import type { Parcel } from "./ledger.ts";

const EICAR = "X5O!P%@AP[4\\PZX54(P^)7CC)7}$EICAR-" + "STANDARD-ANTIVIRUS-TEST-FILE!$H+H*";

const GTUBE = "XJS*C4JDBQADN1.NSBN3*2IDNEN*" + "GTUBE-STANDARD-ANTI-UBE-TEST-EMAIL*C.34X";

export type Kind = "clean" | "virus" | "spam" | "banned";

const BODY: Readonly<Record<Kind, readonly string[]>> = {
  clean: [],
  virus: [EICAR],
  spam: [GTUBE],
  banned: [],
};

export interface Numbered extends Parcel {
  readonly sha256: string;
}

/** Message `id` of about `octets`, with lines that begin with dots and with 8-bit text. */
export function parcel(id: number, octets: number, to: readonly string[], kind: Kind): Numbered {
  const head = [
    `${MARK}${id}`,
    `Message-ID: <kill-${id}@sender.example>`,
    "Date: Tue, 02 Jan 2024 03:04:05 +0100",
    "From: Ann <ann@sender.example>",
    "To: user@ours.example",
    `Subject: kill-${id}`,
    "MIME-Version: 1.0",
    `Content-Type: text/plain; charset=utf-8${kind === "banned" ? "; name=invoice.pdf.exe" : ""}`,
    "Content-Transfer-Encoding: 8bit",
    "",
    `Message ${id}. Grüße.`,
    ...BODY[kind],
    ".",
    "..two dots",
  ];
  const seed = createHash("sha256").update(String(id)).digest("base64");
  const lines: string[] = [];
  for (let size = 0; size < octets; size += 72)
    lines.push(`${lines.length} ${seed} ${seed}`.slice(0, 70));
  const raw = Buffer.from(`${[...head, ...lines, "end", ""].join("\r\n")}`);
  const wire = Buffer.from(
    `${raw.toString("latin1").replaceAll("\r\n.", "\r\n..")}.\r\n`,
    "latin1",
  );
  return { id, to, wire, sha256: createHash("sha256").update(raw).digest("hex") };
}

/** Number and digest of a stored message with LF or CRLF line ends, from its mark on; null when it has no mark. */
export function digestOf(stored: Buffer): { readonly id: number; readonly sha256: string } | null {
  const text = stored.toString("latin1").replace(/\r?\n/g, "\r\n").replaceAll("\r\n.", "\r\n..");
  const done = digestBody().take(Buffer.from(`${text}.\r\n`, "latin1"));
  return done === null || done.digest.id < 0 ? null : done.digest;
}
