// Whether there is room for another message: free octets of one file system and the resident memory of this process, looked at
// every second, so that asking costs nothing. Called by src/admission.ts.
import { statfs } from "node:fs/promises";

export type Lack = "disk" | "memory";

export interface Pressure {
  /** What is too short for a message of `octets` (0 = unknown); null = nothing. As of the last look. */
  lack(octets: number): Lack | null;
  /** Free octets at the last look; null when it failed or there was none yet. */
  readonly free: number | null;
  /** Looks now; a look that hangs is not waited for by anybody else. */
  look(): Promise<void>;
  close(): void;
}

export interface PressureOptions {
  readonly dir: string;
  /** Octets that stay free in `dir`; of a file system below ten times that, a tenth. */
  readonly minFree: number;
  /** Resident octets of this process from which there is no room. */
  readonly maxResident: number;
  /** Called after a look at which something began to lack, or nothing lacks any more. */
  readonly onChange: (lack: Lack | null) => void;
  /** Called after every look with the free octets. */
  readonly onLook?: (free: number | null) => void;
  readonly everyMs?: number;
  readonly resident?: () => number;
}

/** Looks from now on until close(). Without an answer of the file system there is room: its errors show where it is used. */
export function pressure(options: PressureOptions): Pressure {
  const { dir, minFree, maxResident, onChange, everyMs = 1000 } = options;
  const resident = options.resident ?? (() => process.memoryUsage.rss());
  let free: number | null = null;
  let reserve = minFree;
  let crowded = false;
  let said: Lack | null = null;
  let looking = false;

  const lack = (octets: number): Lack | null => {
    if (crowded) return "memory";
    return free !== null && free - octets < reserve ? "disk" : null;
  };
  const look = async (): Promise<void> => {
    try {
      crowded = resident() > maxResident;
    } catch {
      // Node reads a file for it: without descriptors, say, nobody knows; it stays as it was.
    }
    if (!looking) {
      looking = true;
      try {
        const { bavail, blocks, bsize } = await statfs(dir);
        free = bavail * bsize;
        reserve = Math.min(minFree, Math.floor((blocks * bsize) / 10));
      } catch {
        free = null; // whoever writes there says what is wrong
      } finally {
        looking = false;
      }
    }
    options.onLook?.(free);
    const now = lack(0);
    if (now === said) return;
    said = now;
    onChange(now);
  };
  const timer = setInterval(() => void look(), everyMs);
  timer.unref();
  void look();
  return {
    lack,
    get free() {
      return free;
    },
    look,
    close: () => clearInterval(timer),
  };
}
