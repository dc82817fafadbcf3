// What is known of patterns, kept in a file, so that only the first thread that meets a rule set has to find it out. The file is
// believed only when it was written whole and by this very code. Used by engine-thread.ts and by commands.
import { createHash, randomUUID } from "node:crypto";
import { readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import { KnownPatterns } from "./known-patterns.ts";

/** Octets; the stock rules need 4 MiB. */
const MOST = 64 * 1024 * 1024;

/** Nothing is known when the file is not there, cannot be read, or is not what it should be. */
export function readKnown(file: string): KnownPatterns {
  try {
    if (statSync(file).size > MOST) return new KnownPatterns();
    const text = readFileSync(file);
    const end = text.indexOf(0x0a);
    if (end < 0) return new KnownPatterns();
    const body = text.subarray(end + 1);
    if (text.subarray(0, end).toString("latin1") !== seal(body)) return new KnownPatterns();
    const entries: unknown = JSON.parse(body.toString("utf8"));
    return new KnownPatterns(entries as ReturnType<KnownPatterns["entries"]>);
  } catch {
    return new KnownPatterns();
  }
}

/** Puts a new file in place of the old one. Where it cannot be written (disk full, no rights) the next thread works a second longer. */
export function writeKnown(file: string, known: KnownPatterns): void {
  const draft = `${file}.${randomUUID()}`;
  try {
    const body = Buffer.from(JSON.stringify(known.entries()), "utf8");
    writeFileSync(draft, Buffer.concat([Buffer.from(`${seal(body)}\n`, "latin1"), body]), {
      mode: 0o600,
      flag: "wx",
    });
    renameSync(draft, file);
  } catch {
    rmSync(draft, { force: true });
  }
}

/** Of the content, and of the code that finds it out. */
function seal(body: Uint8Array): string {
  return createHash("sha256").update(code()).update(body).digest("hex");
}

let codeDigest: Buffer | null = null;

function code(): Buffer {
  if (codeDigest !== null) return codeDigest;
  const hash = createHash("sha256");
  const here = new URL("./", import.meta.url);
  for (const name of readdirSync(here).sort()) hash.update(readFileSync(new URL(name, here)));
  codeDigest = hash.digest();
  return codeDigest;
}
