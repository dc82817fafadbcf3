// DKIM by an independent implementation (Perl's Mail::DKIM): signs what goes in, verifies what came out.
import { generateKeyPairSync } from "node:crypto";
import { writeFile } from "node:fs/promises";
import { spawn } from "node:child_process";
import { join } from "node:path";

export interface Dkim {
  /** The message with a DKIM-Signature (simple/simple: no byte may change) in front. */
  sign(raw: Buffer): Promise<Buffer>;
  /** "pass", or the verifier's words. */
  verify(raw: Buffer): Promise<string>;
}

/** Makes a key in `dir`. */
export async function dkim(dir: string): Promise<Dkim> {
  const { privateKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
  const key = join(dir, "dkim.key");
  await writeFile(key, privateKey.export({ type: "pkcs1", format: "pem" }), { mode: 0o600 });
  const script = join(import.meta.dirname, "dkim.pl");
  return {
    sign: (raw) => filter("perl", [script, "sign", key], raw),
    verify: async (raw) =>
      (await filter("perl", [script, "verify", key], raw)).toString("utf8").trim(),
  };
}

function filter(file: string, args: readonly string[], input: Buffer): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const child = spawn(file, args, { stdio: ["pipe", "pipe", "pipe"] });
    const out: Buffer[] = [];
    const err: Buffer[] = [];
    child.stdout.on("data", (piece: Buffer) => out.push(piece));
    child.stderr.on("data", (piece: Buffer) => err.push(piece));
    child.on("error", reject);
    child.on("close", (code) => {
      if (code === 0) resolve(Buffer.concat(out));
      else
        reject(
          new Error(`${file} ${args[1] ?? ""}: exit ${code}: ${Buffer.concat(err).toString()}`),
        );
    });
    child.stdin.on("error", () => undefined); // a program may end without reading its input
    child.stdin.end(input);
  });
}
