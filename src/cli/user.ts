// `postern user add|del|list`: the mailboxes of this server, in a passwd-file that Dovecot reads too. `add` writes the line,
// makes the mailbox and, in a domain that the virtual file claims, the alias that a catch-all there makes necessary. A batch
// is checked whole before anything changes. main.ts calls user() with the paths of the configuration.
import path from "node:path";
import { parseArgs } from "node:util";
import { parseAddress } from "../mail/address.ts";
import { parseUser, parseSize } from "../delivery/users.ts";
import type { User } from "../delivery/users.ts";
import { foldedKey } from "../delivery/table-file.ts";
import { parseVirtual } from "../delivery/virtual.ts";
import { mailstore } from "../mailstore/maildir.ts";
import { alone, replaceFile, textOf, withLine } from "./user-file.ts";
import { hashed, newPassword, passwordProblem } from "./user-password.ts";
import type { Scheme } from "./user-password.ts";
import { USAGES } from "./usage.ts";

export interface UserIo {
  readonly stdin: AsyncIterable<Buffer | string>;
  readonly stdout: { write(text: string): unknown };
  readonly stderr: { write(text: string): unknown };
}

export interface UserOptions {
  /** The passwd-file. */
  readonly usersFile: string;
  readonly mailRoot: string;
  /** The virtual file; null when there is none. */
  readonly virtualFile: string | null;
  /** Local domains, canonical. */
  readonly domains: ReadonlySet<string>;
  readonly hostname: string;
}

/** A batch of more lines than this is taken for the wrong file. */
const MAX_BATCH = 100_000;
const MAX_INPUT = 32 * 1024 * 1024;
const LOCAL = /^[a-z0-9][a-z0-9._=-]{0,63}$/;

/** Runs the command. Resolves with the exit code: 0 done, 1 refused or failed, 2 used wrongly. Rejects when a file fails. */
export async function user(
  args: readonly string[],
  io: UserIo,
  options: UserOptions,
): Promise<number> {
  const [command, ...rest] = args;
  const parsed = parseFlags(rest);
  if (typeof parsed === "string" || command === undefined) {
    return usage(io, typeof parsed === "string" ? parsed : "");
  }
  const { flags, words } = parsed;
  const run: Run = { io, options, flags, words };
  if (command === "add") return flags.batch ? addBatch(run) : addOne(run);
  if (command === "del") return remove(run);
  if (command === "list") return list(run);
  return usage(io, "needs one of add, del, list");
}

interface Flags {
  readonly quota: string | null;
  readonly passwordStdin: boolean;
  readonly batch: boolean;
  readonly json: boolean;
  readonly scheme: Scheme;
}

interface Run {
  readonly io: UserIo;
  readonly options: UserOptions;
  readonly flags: Flags;
  readonly words: readonly string[];
}

function usage(io: UserIo, problem: string): number {
  io.stderr.write(problem === "" ? USAGES.user : `postern user: ${problem}\n${USAGES.user}`);
  return 2;
}

function parseFlags(args: readonly string[]): { flags: Flags; words: readonly string[] } | string {
  let parsed;
  try {
    parsed = parseArgs({
      args: [...args],
      allowPositionals: true,
      options: {
        quota: { type: "string" },
        "password-stdin": { type: "boolean" },
        batch: { type: "boolean" },
        json: { type: "boolean" },
        scheme: { type: "string" },
      },
    });
  } catch (error) {
    // parseArgs says what is wrong with the arguments by throwing.
    return error instanceof Error ? error.message : String(error);
  }
  const { values, positionals } = parsed;
  const scheme = (values.scheme ?? "sha512-crypt").toUpperCase();
  if (scheme !== "SHA512-CRYPT" && scheme !== "ARGON2ID") return `unknown scheme: ${values.scheme}`;
  const quota = values.quota ?? null;
  if (quota !== null && !parseSize(quota))
    return `--quota ${quota}: expected a size such as 500M or 1G`;
  const flags: Flags = {
    quota,
    scheme,
    passwordStdin: values["password-stdin"] === true,
    batch: values.batch === true,
    json: values.json === true,
  };
  return { flags, words: positionals };
}

/** One user to be made. */
interface Wish {
  readonly address: string;
  /** Null: one is made up and shown. */
  readonly password: string | null;
  /** For messages: "line 3: " in a batch. */
  readonly where: string;
}

async function addOne(run: Run): Promise<number> {
  const { io, words, flags } = run;
  const [address] = words;
  if (address === undefined || words.length > 1) return usage(io, "one address is needed");
  const input = flags.passwordStdin ? await readAll(io) : null;
  const password = input === null ? null : (input.split(/\r?\n/)[0] ?? "");
  return add(run, [{ address, password, where: "" }]);
}

async function addBatch(run: Run): Promise<number> {
  const { io, words, flags } = run;
  if (words.length > 0 || flags.passwordStdin)
    return usage(io, "--batch reads all from standard input");
  const lines = (await readAll(io)).split(/\r?\n/);
  if (lines.length > MAX_BATCH) {
    io.stderr.write(`more than ${MAX_BATCH} lines\n`);
    return 1;
  }
  const wishes: Wish[] = [];
  for (const [at, line] of lines.entries()) {
    if (/^\s*(#|$)/.test(line)) continue;
    const comma = line.indexOf(",");
    const address = (comma < 0 ? line : line.slice(0, comma)).trim();
    const password = comma < 0 ? null : line.slice(comma + 1);
    wishes.push({ address, password, where: `line ${at + 1}: ` });
  }
  return add(run, wishes);
}

async function readAll({ stdin }: UserIo): Promise<string> {
  const pieces: Buffer[] = [];
  let size = 0;
  for await (const piece of stdin) {
    const octets = Buffer.from(piece as string);
    size += octets.length;
    if (size > MAX_INPUT) throw new Error(`more than ${MAX_INPUT} octets on standard input`);
    pieces.push(octets);
  }
  return Buffer.concat(pieces).toString();
}

async function add(run: Run, wishes: readonly Wish[]): Promise<number> {
  const { io, options } = run;
  const { usersFile } = options;
  return alone(usersFile, async () => {
    const text = await textOf(usersFile);
    const virtual = await virtualText(options);
    const problems = wishProblems(options, wishes, text, virtual);
    if (problems.length > 0) {
      io.stderr.write(problems.map((problem) => `${problem}\n`).join(""));
      if (wishes.length > 1) io.stderr.write("nothing was changed\n");
      return 1;
    }
    await write(run, wishes, text, virtual);
    return 0;
  });
}

async function virtualText({ virtualFile }: UserOptions): Promise<string> {
  return virtualFile === null ? "" : textOf(virtualFile);
}

function wishProblems(
  options: UserOptions,
  wishes: readonly Wish[],
  text: string,
  virtual: string,
): readonly string[] {
  const taken = new Set(usersOf(text, options).map(({ address }) => address));
  const { entries } = parseVirtual(virtual, options.virtualFile ?? "");
  const problems: string[] = [];
  for (const { address, password, where } of wishes) {
    const key = keyOf(address, options);
    const alias = entries.get(key.text);
    const isElsewhere =
      alias !== undefined && !alias.some((target) => foldedKey(target.address) === key.text);
    let problem = key.problem;
    if (problem === null && taken.has(key.text)) problem = "exists already";
    if (problem === null && isElsewhere) problem = `is an alias in ${options.virtualFile} already`;
    if (problem === null && password !== null) problem = passwordProblem(password);
    if (problem !== null) problems.push(`${where}${printable(address)}: ${problem}`);
    taken.add(key.text);
  }
  return problems;
}

/** The address as the files hold it, or what is wrong with it. */
function keyOf(text: string, { domains }: UserOptions): { text: string; problem: string | null } {
  const address = parseAddress(text);
  if (address === null || address.domain === "") {
    return { text, problem: "is no address such as alice@example.org" };
  }
  const local = foldedKey(address.local);
  const key = `${local}@${address.domain}`;
  if (!LOCAL.test(local) || local.includes("..")) {
    return { text: key, problem: "the part before @ must match [a-z0-9][a-z0-9._=-]{0,63}" };
  }
  if (!domains.has(address.domain)) {
    return { text: key, problem: `${address.domain} is not in [delivery] domains` };
  }
  return { text: key, problem: null };
}

/** Mailboxes first, then the aliases, the users last: who stands in the file has all the rest. */
async function write(
  { io, options, flags }: Run,
  wishes: readonly Wish[],
  text: string,
  virtual: string,
): Promise<void> {
  const { usersFile, virtualFile } = options;
  const { entries, domains } = parseVirtual(virtual, virtualFile ?? "");
  const store = mailstore({ ...options, alert: (error) => io.stderr.write(`${error.message}\n`) });
  let users = text;
  let aliases = virtual;
  const shown: string[] = [];
  try {
    await store.ready();
    for (const { address, password } of wishes) {
      const key = keyOf(address, options).text;
      const secret = password ?? newPassword();
      const quota =
        flags.quota === null ? "" : `userdb_quota_rule=*:storage=${quotaText(flags.quota)}`;
      const line = `${key}:${await hashed(secret, flags.scheme)}::::${homeOf(key, options)}::${quota}`;
      const made = parseUser(line, options.mailRoot);
      if (typeof made === "string") throw new Error(`${key}: ${made}`);
      await store.createMailbox(made.mailbox);
      users = withLine(users, line);
      const isVirtual = domains.has(key.slice(key.indexOf("@") + 1));
      if (isVirtual && !entries.has(key)) aliases = withLine(aliases, `${key} ${key}`);
      shown.push(password === null ? `${key} added, password: ${secret}` : `${key} added`);
    }
  } finally {
    store.close();
  }
  if (aliases !== virtual && virtualFile !== null) await replaceFile(virtualFile, aliases, 0o644);
  await replaceFile(usersFile, users, 0o640);
  io.stdout.write(shown.map((line) => `${line}\n`).join(""));
}

/** Written out, so that Dovecot needs no setting that agrees with ours; "" where the format cannot hold the path. */
function homeOf(key: string, { mailRoot }: UserOptions): string {
  const at = key.lastIndexOf("@");
  const home = path.join(mailRoot, key.slice(at + 1), key.slice(0, at));
  return /[:\s]/.test(home) ? "" : home;
}

/** Dovecot reads a bare number as kilobytes, so that octets are said as such. */
function quotaText(quota: string): string {
  return /^\d+$/.test(quota) ? `${quota}B` : quota.toUpperCase().replace(/([KMGT])B$/, "$1");
}

async function remove(run: Run): Promise<number> {
  const { io, words, options } = run;
  const { usersFile, virtualFile } = options;
  const [address = ""] = words;
  if (words.length !== 1) return usage(io, "one address is needed");
  const key = keyOf(address, options).text;
  return alone(usersFile, async () => {
    const text = await textOf(usersFile);
    const lines = text.split("\n");
    const kept = lines.filter((line) => userOf(line, options)?.address !== key);
    if (kept.length === lines.length) {
      io.stderr.write(`${printable(address)}: no such user\n`);
      return 1;
    }
    await replaceFile(usersFile, kept.join("\n"), 0o640);
    const virtual = await virtualText(options);
    // Only the line that `add` wrote: what an operator wrote stays.
    const aliases = virtual.split("\n").filter((line) => line !== `${key} ${key}`);
    const text_ = aliases.join("\n");
    if (text_ !== virtual && virtualFile !== null) await replaceFile(virtualFile, text_, 0o644);
    io.stdout.write(`${key} removed; its mail stays in ${options.mailRoot}\n`);
    return 0;
  });
}

async function list({ io, options, flags, words }: Run): Promise<number> {
  if (words.length > 0) return usage(io, "list takes no address");
  for (const { address, mailbox, quota } of usersOf(await textOf(options.usersFile), options)) {
    const facts = {
      address,
      mailbox: path.join(options.mailRoot, mailbox),
      quota: quota?.octets ?? null,
      messages: quota?.messages ?? null,
    };
    const size = facts.quota === null ? "no quota" : `${facts.quota} octets`;
    io.stdout.write(
      flags.json ? `${JSON.stringify(facts)}\n` : `${address}  ${size}  ${facts.mailbox}\n`,
    );
  }
  return 0;
}

function usersOf(text: string, options: UserOptions): readonly User[] {
  return text.split("\n").flatMap((line) => userOf(line, options) ?? []);
}

/** Null for comments, empty lines and lines that are no user. */
function userOf(line: string, { mailRoot }: UserOptions): User | null {
  const trimmed = line.trim();
  if (trimmed === "" || trimmed.startsWith("#")) return null;
  const parsed = parseUser(trimmed, mailRoot);
  return typeof parsed === "string" ? null : parsed;
}

function printable(text: string): string {
  return text.slice(0, 200).replace(/[^\x20-\x7e\u00a1-\uffff]/g, "?");
}
