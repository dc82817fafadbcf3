import { mkdtempSync, rmSync } from "node:fs";
import { statfs } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import {
  pressure,
  type Lack,
  type Pressure,
  type PressureOptions,
} from "../../src/sys/pressure.ts";

const MB = 1024 * 1024;
let dir: string;
let open: Pressure | null = null;
const said: (Lack | null)[] = [];

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "pressure-"));
  said.length = 0;
});

afterEach(() => {
  open?.close();
  rmSync(dir, { recursive: true, force: true });
});

async function looked(more: Partial<PressureOptions>): Promise<Pressure> {
  open = pressure({
    dir,
    minFree: 0,
    maxResident: Infinity,
    onChange: (lack) => said.push(lack),
    everyMs: 3_600_000,
    ...more,
  });
  await open.look();
  await until(() => open?.free !== null);
  await open.look();
  return open;
}

async function until(what: () => boolean): Promise<void> {
  while (!what()) await new Promise((resolve) => setTimeout(resolve, 5));
}

it("has room on a file system with more than the reserve, and none for a message that would take it", async () => {
  const room = await looked({ minFree: MB });
  expect(room.lack(0)).toBeNull();
  expect(room.lack(room.free ?? 0)).toBe("disk");
  expect(said).toEqual([]);
});

it("wants a tenth of a small file system at most", async () => {
  const { blocks, bsize, bavail } = await statfs(dir);
  const tenth = (blocks * bsize) / 10;
  const room = await looked({ minFree: Number.MAX_SAFE_INTEGER });
  expect(room.lack(0)).toBe(bavail * bsize < tenth ? "disk" : null);
  expect(room.lack(Math.max(0, (room.free ?? 0) - tenth + MB))).toBe("disk");
});

it("lacks memory from the ceiling on, and says when that begins and ends", async () => {
  let resident = 10;
  const room = await looked({ maxResident: 100, resident: () => resident });
  expect(room.lack(0)).toBeNull();
  resident = 101;
  await room.look();
  expect(room.lack(0)).toBe("memory");
  await room.look();
  resident = 100;
  await room.look();
  expect(room.lack(0)).toBeNull();
  expect(said).toEqual(["memory", null]);
});

it("has room when the file system does not answer", async () => {
  open = pressure({
    dir: join(dir, "missing"),
    minFree: MB,
    maxResident: Infinity,
    onChange: (lack) => said.push(lack),
    everyMs: 3_600_000,
  });
  await open.look();
  expect([open.free, open.lack(MB), said]).toEqual([null, null, []]);
});

it("outlives a look at its memory that fails, and knows what it knew", async () => {
  let octets = 2;
  const resident = (): number => {
    if (octets === 0) throw new Error("ENOSPC: no space left on device, uv_resident_set_memory");
    return octets;
  };
  const room = await looked({ maxResident: 1, resident });
  expect(room.lack(0)).toBe("memory");
  octets = 0;
  await room.look();
  expect(room.lack(0)).toBe("memory");
  octets = 1;
  await room.look();
  expect(room.lack(0)).toBeNull();
});
