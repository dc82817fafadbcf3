// Whether workers of the program that is on disk now can work for this supervisor, which is the program of its start. They can while
// what the two say to each other has the same shape. Called by supervisor.ts at SIGUSR2.
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";

/** Where the shape of what supervisor and workers say to each other stands, configuration included. */
const SEAM = [
  "process-messages.ts",
  "config-schema.ts",
  "config-held.ts",
  "config-spam.ts",
  "config-values.ts",
  "config.ts",
];

/** A fingerprint of the seam as it is on disk. Throws when the files cannot be read: the upgrade is under way. */
export function seamOnDisk(): string {
  const hash = createHash("sha256");
  for (const name of SEAM) hash.update(readFileSync(new URL(name, import.meta.url)));
  return hash.digest("hex");
}
