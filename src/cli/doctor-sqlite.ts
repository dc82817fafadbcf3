// What `postern doctor` says about the SQLite file in state_dir: whether it is sound, how large it is and what it holds. Reads only.
import { existsSync, statSync } from "node:fs";
import { statfs } from "node:fs/promises";
import { dirname, join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import type { Config } from "../config.ts";
import { ok, warning, wrong, type Finding } from "./doctor-finding.ts";

/** SQLite's check reads all of the file: above this it would take minutes. */
const CHECK_BYTES = 512 * 1024 ** 2;
/** A log that grows beyond this is not copied into the database any more. */
const LOG_BYTES = 256 * 1024 ** 2;
const MIB = 1024 ** 2;
/** statfs types of file systems whose hosts share no memory, which SQLite's log needs. */
const NETWORK: Readonly<Record<number, string>> = {
  0x6969: "NFS",
  0x517b: "SMB",
  0xff534d42: "CIFS",
  0xfe534d42: "SMB",
  0x01021997: "9P",
};

/** Also with [redis]: the memory of retries is always in this file. */
export async function sqliteFindings({ server }: Config): Promise<Finding[]> {
  const file = join(server.state_dir, "state.db");
  if (!existsSync(file)) return [ok(`state ${file}: not there yet, made at the first start`)];
  const { type } = await statfs(dirname(file));
  return [...placeFinding(file, type), ...fileFindings(file)];
}

/** `type`: as statfs(2) gives it. */
export function placeFinding(file: string, type: number): Finding[] {
  const kind = NETWORK[type];
  if (kind === undefined) return [];
  return [
    wrong(
      `state ${file} is on ${kind}: SQLite loses data there; put server.state_dir on a disk of this host (several hosts share state by [redis] url)`,
    ),
  ];
}

function fileFindings(file: string): Finding[] {
  const size = statSync(file).size;
  const log = statSync(`${file}-wal`, { throwIfNoEntry: false })?.size ?? 0;
  const found: Finding[] = [];
  try {
    const db = new DatabaseSync(file, { readOnly: true, timeout: 2000 });
    try {
      const trouble = size <= CHECK_BYTES ? troubleOf(db) : null;
      const checked = size <= CHECK_BYTES ? "sound" : "too large to be checked here";
      if (trouble === null) found.push(ok(`state ${file}: ${contents(db, size)}, ${checked}`));
      else found.push(damaged(file, trouble));
    } finally {
      db.close();
    }
  } catch (error) {
    found.push(damaged(file, (error as Error).message));
  }
  if (log > LOG_BYTES)
    found.push(
      warning(
        `state ${file}-wal has ${Math.round(log / MIB)} MiB: some process reads and never ends; postern serve copies the log at its next start`,
      ),
    );
  return found;
}

/** The first line of what SQLite finds wrong; null = nothing. */
function troubleOf(db: DatabaseSync): string | null {
  const said = db.prepare("PRAGMA quick_check(1)").get()?.["quick_check"];
  return said === "ok" ? null : (String(said).split("\n")[0]?.slice(0, 200) ?? "damaged");
}

function contents(db: DatabaseSync, size: number): string {
  const count = (table: string): number =>
    Number(db.prepare(`SELECT count(*) AS n FROM ${table}`).get()?.["n"]);
  return `${(size / MIB).toFixed(1)} MiB, ${count("greylist")} greylist records, ${count("greylist_clients")} clients, ${count("people")} correspondents`;
}

function damaged(file: string, why: string): Finding {
  return wrong(
    `state ${file}: ${why}: stop postern, move the file away and start it again; only what was greylisted and which retries are known is forgotten`,
  );
}
