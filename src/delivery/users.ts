// Who has a mailbox: Dovecot's passwd-file, one "address:password:uid:gid:gecos:home:shell:extra fields" a line, so that
// both servers read one file. Read again when it changes; a file with mistakes leaves the last good one in force.
import { promises as fs } from "node:fs";
import path from "node:path";
import { setImmediate as turn } from "node:timers/promises";
import { parseAddress } from "../mail/address.ts";
import { isPathComponent } from "../mailstore/directory.ts";
import type { Quota } from "../mailstore/quota.ts";
import type { RuleError } from "../ruleset/errors.ts";
import { foldedKey } from "./table-file.ts";

export interface User {
  /** Lower case, composed: "alice@example.org". */
  readonly address: string;
  /** The Maildir below mail_root: "example.org/alice/Maildir". */
  readonly mailbox: string;
  /** Null: none of its own, the default holds. */
  readonly quota: Quota | null;
}

/** By address in lower case. A line without domain is "name@localhost". */
export type Users = ReadonlyMap<string, User>;

export interface UserTable {
  /** The users as of now; looks at the file at most once a second. Rejects only before a first good read. */
  current(): Promise<Users>;
}

export interface UserTableOptions {
  readonly file: string;
  /** Absolute; homes must lie below it. */
  readonly mailRoot: string;
  /** Hears of each reading that had problems. */
  readonly report: (problems: readonly RuleError[]) => void;
  /** How long the file is not looked at again. */
  readonly lookMs?: number;
}

const LOOK_MS = 1000;
const LINES_PER_TURN = 5000;

/** The users of a file. A missing file is an empty table at first, and afterwards a problem that changes nothing. */
export function userTable(options: UserTableOptions): UserTable {
  const { file, mailRoot, report, lookMs = LOOK_MS } = options;
  let users: Users | null = null;
  let seen = "";
  let lookedAt = -Infinity;
  let reading: Promise<Users> | null = null;

  const look = async (): Promise<Users> => {
    const stats = await fs.stat(file).catch((error: NodeJS.ErrnoException) => {
      if (error.code === "ENOENT") return null;
      throw error;
    });
    const mark = stats === null ? "missing" : `${stats.ino} ${stats.size} ${stats.mtimeMs}`;
    if (mark === seen && users !== null) return users;
    if (stats === null) {
      if (users !== null)
        report([{ file, line: 0, message: "is gone; the users stay as they were" }]);
    } else {
      const read = await parseUsers(await fs.readFile(file, "utf8"), file, mailRoot);
      if (read.problems.length > 0) report(read.problems);
      if (read.problems.length === 0 || users === null) ({ users } = read);
    }
    seen = mark;
    return (users ??= new Map());
  };
  const current = async (): Promise<Users> => {
    const now = performance.now();
    if (users !== null && now - lookedAt < lookMs) return users;
    lookedAt = now;
    reading ??= look().finally(() => (reading = null));
    try {
      return await reading;
    } catch (error) {
      if (users === null) throw error;
      report([{ file, line: 0, message: `cannot be read: ${String((error as Error).message)}` }]);
      return users;
    }
  };
  return { current };
}

/** Reads the text of a passwd-file. Lines with problems are left out. */
export async function parseUsers(
  text: string,
  file: string,
  mailRoot: string,
): Promise<{ users: Users; problems: readonly RuleError[] }> {
  const users = new Map<string, User>();
  const problems: RuleError[] = [];
  for (const [at, raw] of text.split("\n").entries()) {
    if (at % LINES_PER_TURN === LINES_PER_TURN - 1) await turn();
    const line = raw.trim();
    if (line === "" || line.startsWith("#")) continue;
    const user = parseUser(line, mailRoot);
    if (typeof user === "string") problems.push({ file, line: at + 1, message: user });
    else if (users.has(user.address)) {
      problems.push({ file, line: at + 1, message: `${user.address} stands in the file already` });
    } else users.set(user.address, user);
  }
  return { users, problems };
}

/** One line of a passwd-file, or what is wrong with it. */
export function parseUser(line: string, mailRoot: string): User | string {
  const [name = "", , , , , home = "", , ...rest] = line.split(":");
  const address = parseAddress(name.includes("@") ? name : `${name}@localhost`);
  if (address === null || address.domain === "") return "the line does not start with an address";
  const local = foldedKey(address.local);
  const extra = extraFields(rest.join(":"));
  const mailbox = mailboxPath(local, address.domain, home, extra.get("mail"), mailRoot);
  if (mailbox === null) return `the mailbox of ${name.slice(0, 80)} does not lie below ${mailRoot}`;
  const quota = quotaOf(extra);
  if (quota === "bad") return "quota_rule is not *:storage=N or *:messages=N";
  return { address: `${local}@${address.domain}`, mailbox, quota };
}

/** "userdb_quota_rule=… key=…", the prefix taken off. */
function extraFields(text: string): ReadonlyMap<string, string> {
  const fields = new Map<string, string>();
  for (const field of text.split(/\s+/)) {
    const equals = field.indexOf("=");
    if (equals > 0)
      fields.set(field.slice(0, equals).replace(/^userdb_/, ""), field.slice(equals + 1));
  }
  return fields;
}

function mailboxPath(
  local: string,
  domain: string,
  home: string,
  mail: string | undefined,
  mailRoot: string,
): string | null {
  let where = `${domain}/${local}/Maildir`;
  const base = home === "" ? `${domain}/${local}` : home;
  if (home !== "") where = `${home}/Maildir`;
  // Other formats (mbox, sdbox) end up outside mail_root and are refused with the same words.
  if (mail !== undefined) where = mail.replace(/^maildir:/i, "").replace(/^~(?=\/|$)/, base);
  const top = path.resolve(mailRoot);
  if (where.split("/").some((part) => part === "..") || where.includes(":")) return null;
  const full = path.resolve(top, where);
  if (!full.startsWith(`${top}/`)) return null;
  const relative = full.slice(top.length + 1);
  // A local part with "/" would be two components.
  if (home === "" && mail === undefined && !isPathComponent(local)) return null;
  return relative.split("/").every(isPathComponent) ? relative : null;
}

const UNITS: Readonly<Record<string, number>> = {
  b: 1,
  k: 1024,
  m: 1024 ** 2,
  g: 1024 ** 3,
  t: 1024 ** 4,
};

/** Octets of "1G", "512M", "1000" (kilobytes, as Dovecot reads a bare storage= number when `bare` is 1024); null if none. */
export function parseSize(text: string, bare: number = 1): number | null {
  const match = /^(\d{1,12})([bkmgt]?)b?$/i.exec(text);
  if (match === null) return null;
  const unit = match[2] === "" ? bare : UNITS[(match[2] ?? "").toLowerCase()];
  const size = Number(match[1]) * (unit ?? 1);
  return Number.isSafeInteger(size) ? size : null;
}

function quotaOf(fields: ReadonlyMap<string, string>): Quota | null | "bad" {
  const rule = fields.get("quota_rule");
  if (rule === undefined) return null;
  let octets: number | null = null;
  let messages: number | null = null;
  const [mailbox, ...limits] = rule.split(":");
  if (mailbox !== "*") return "bad";
  for (const limit of limits) {
    const [kind, value = ""] = limit.split("=");
    const size = parseSize(value, kind === "storage" ? 1024 : 1);
    if (size === null) return "bad";
    if (kind === "storage" || kind === "bytes") octets = size === 0 ? null : size;
    else if (kind === "messages") messages = size === 0 ? null : size;
    else return "bad";
  }
  return { octets, messages };
}
