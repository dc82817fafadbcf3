// Full and read-only file systems (mailboxes, quarantine, spool and SQLite), and a wall clock that jumps. Used by all-faults.ts.
import { statfs } from "node:fs/promises";
import { run, must, until } from "../lab/lab.ts";
import { TMPFS_SIZE, type Estate } from "./estate.ts";
import { atRandom, between, pause, type Fault } from "./fault.ts";

type Disk = "mail" | "quarantine" | "state";
const CALLED: Readonly<Record<Disk, string>> = {
  mail: "mailboxes",
  quarantine: "quarantine",
  state: "spool and SQLite",
};

/** Shrinks it to what is used, so that not even a small file finds a block. */
function full(disk: Disk): Fault {
  return atRandom(`disk full: ${CALLED[disk]}`, [200, 800], async (estate) => {
    const path = estate[disk];
    const resize = (size: string) => run("mount", ["-o", `remount,size=${size}`, "tmpfs", path]);
    const shrunk = async () => {
      const { blocks, bfree, bsize } = await statfs(path);
      return (await resize(String((blocks - bfree) * bsize))).code === 0;
    };
    await until(`a full ${path}`, shrunk, 5000);
    await pause(between(500, 1500));
    await must("mount", ["-o", `remount,size=${TMPFS_SIZE}`, "tmpfs", path]);
  });
}

function readOnly(disk: Disk): Fault {
  const remount = (estate: Estate, how: "ro" | "rw") => [
    "-o",
    `remount,${how}`,
    "tmpfs",
    estate[disk],
  ];
  return atRandom(`disk read-only: ${CALLED[disk]}`, [200, 800], async (estate) => {
    // The kernel refuses as long as a file is open for writing.
    const locked = async () => (await run("mount", remount(estate, "ro"))).code === 0;
    await until(`a moment without an open file below ${estate[disk]}`, locked, 5000).catch(
      () => undefined,
    );
    await pause(between(500, 1500));
    await must("mount", remount(estate, "rw"));
  });
}

const HOUR = 3600;
const JUMPS = [HOUR, -HOUR, 48 * HOUR, -48 * HOUR, 400 * 24 * HOUR];

/** Quarantine and greylist live by the date: the clock must not stand a month ahead when they are cleaned up, so it comes back. */
const jumps: Fault = atRandom("wall clock jumps by hours and days", [100, 400], async (estate) => {
  const jump = JUMPS[Math.floor(Math.random() * JUMPS.length)] ?? 0;
  await estate.clock(jump);
  await pause(between(300, 1000));
  await estate.clock(0);
});

export const DISKS: readonly Fault[] = [
  full("mail"),
  full("quarantine"),
  full("state"),
  readOnly("mail"),
  readOnly("quarantine"),
  jumps,
];
