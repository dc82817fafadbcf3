// Resident memory of another process, from /proc.
import { readFileSync } from "node:fs";

/** Octets; null when there is no such process, or no /proc. */
export function residentOf(pid: number): number | null {
  try {
    const [, kilobytes] = /^VmRSS:\s+(\d+) kB$/m.exec(
      readFileSync(`/proc/${pid}/status`, "latin1"),
    ) ?? [null, null];
    return kilobytes === null ? null : Number(kilobytes) * 1024;
  } catch {
    return null; // it is gone
  }
}
