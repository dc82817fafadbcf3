// `postern quarantine list|show|release|delete|expire|digest|rotate-key`: what an operator does with kept messages. The store
// and the way out come in `deps`; wired.ts wires them. Exit codes: 0 done, 1 something failed, 2 the command makes no sense.
import { parseArgs } from "node:util";
import { logText } from "../engine/log-text.ts";
import { needsPostmaster, release } from "../engine/release.ts";
import type { Destination } from "../mail/destination.ts";
import { DEFAULT_MAX_HEADER_BYTES } from "../mail/header.ts";
import type { Quarantine } from "../mailstore/quarantine.ts";
import type { Filter } from "../mailstore/quarantine-filter.ts";
import { isMailId } from "../sys/ids.ts";
import { terminalLines, terminalText } from "./escape.ts";
import { shownBy, type NodeEntry, type OtherNodes } from "./quarantine-nodes.ts";
import { filterOf, LIST_FLAGS, listEntries, type ListFlags } from "./quarantine-list.ts";
import { USAGES } from "./usage.ts";

export interface QuarantineIo {
  /** Standard output and error. `out` resolves when more may be written. */
  readonly out: (data: string | Buffer) => Promise<void>;
  readonly err: (text: string) => void;
}

export interface QuarantineDeps {
  readonly quarantine: Quarantine;
  /** Where a release goes that came for this next hop (absent: not known); null when nothing is configured. */
  readonly destination: (nextHop: string | undefined) => Destination | null;
  /** Who runs the command, for log and entries: "command line (root)". */
  readonly by: string;
  /** Makes a new key for release links. */
  readonly rotateKey: () => Promise<void>;
  /** Sends the digest of the last day, to these recipients or to all; a line for each that was sent or was not. */
  readonly digest: (recipients: readonly string[]) => Promise<readonly string[]>;
  /** The other nodes; absent where there are none. */
  readonly others?: OtherNodes;
  readonly hostname: string;
  readonly now: () => Date;
  readonly newMailId: () => string;
  /** Writes one line in amavis' grammar to the mail log. */
  readonly log: (line: string) => void;
  readonly maxAgeMs: number;
  readonly maxBytes: number;
  readonly deadlineMs: number;
}

const OPTIONS = {
  json: { type: "boolean" },
  headers: { type: "boolean" },
  raw: { type: "boolean" },
  virus: { type: "boolean" },
  category: { type: "string" },
  sender: { type: "string" },
  recipient: { type: "string" },
  subject: { type: "string" },
  since: { type: "string" },
  before: { type: "string" },
  larger: { type: "string" },
  smaller: { type: "string" },
} as const;
const ALLOWED: Readonly<Record<string, readonly string[]>> = {
  list: ["json", ...LIST_FLAGS],
  show: ["json", "headers", "raw"],
  release: ["virus"],
  delete: [],
  expire: [],
  digest: [],
  "rotate-key": [],
};

interface Flags extends ListFlags {
  readonly headers?: boolean;
  readonly raw?: boolean;
  readonly virus?: boolean;
}

interface Told {
  readonly flags: Flags;
  readonly words: readonly string[];
  readonly io: QuarantineIo;
  readonly deps: QuarantineDeps;
}

/** Runs one subcommand; resolves with the exit code. Rejects only when the store cannot be read. */
export async function quarantine(
  args: readonly string[],
  io: QuarantineIo,
  deps: QuarantineDeps,
): Promise<number> {
  let flags: Flags;
  let words: string[];
  try {
    const parsed = parseArgs({ args: [...args], options: OPTIONS, allowPositionals: true });
    flags = { ...parsed.values };
    words = parsed.positionals;
  } catch (error) {
    return usage(io, error instanceof Error ? error.message : String(error));
  }
  const command = words.shift() ?? "";
  const allowed = Object.hasOwn(ALLOWED, command) ? ALLOWED[command] : undefined;
  if (allowed === undefined) return usage(io, `needs one of ${Object.keys(ALLOWED).join(", ")}`);
  const stray = Object.keys(flags).find((name) => !allowed.includes(name));
  if (stray !== undefined) return usage(io, `${command} takes no --${stray}`);
  const told: Told = { flags, words, io, deps };
  switch (command) {
    case "list":
      return list(told);
    case "digest":
      return digest(told);
    case "rotate-key":
      return rotateKey(told);
    case "show":
      return show(told);
    case "release":
      return releaseOne(told);
    case "delete":
      return remove(told);
    default:
      return expire(told);
  }
}

async function show({ flags, words, io, deps }: Told): Promise<number> {
  const [id, ...rest] = words;
  if (id === undefined || rest.length > 0) return usage(io, "show takes one id");
  const found = await find(id, io, deps, true);
  if (typeof found === "number") return found;
  if (flags.json === true) {
    await io.out(`${JSON.stringify(found.entry, null, 2)}\n`);
    return 0;
  }
  try {
    if (flags.raw === true) {
      for await (const piece of found.body.open()) await io.out(piece);
      return 0;
    }
    const head: Buffer[] = [];
    let size = 0;
    for await (const piece of found.body.open()) {
      head.push(piece);
      size += piece.length;
      if (flags.headers === true && size > DEFAULT_MAX_HEADER_BYTES) break;
    }
    const octets = Buffer.concat(head);
    const end = octets.indexOf("\r\n\r\n");
    const shown = flags.headers === true && end >= 0 ? octets.subarray(0, end + 2) : octets;
    await io.out(`${terminalLines(shown)}\n`);
    return 0;
  } catch (error) {
    return failed(io, `${id}: ${error instanceof Error ? error.message : String(error)}`);
  }
}

async function list({ flags, words, io, deps }: Told): Promise<number> {
  if (words.length > 0) return usage(io, `list takes no "${words[0] ?? ""}"`);
  const filter = filterOf(flags, deps.now());
  if (typeof filter === "string") return usage(io, filter);
  const problems: string[] = [];
  const entries = entriesOf(filter, deps, problems);
  await listEntries(entries, flags.json === true, (text) => io.out(text));
  for (const problem of problems) failed(io, problem);
  return problems.length > 0 ? 1 : 0;
}

/** Ours, then the other nodes'; while these cannot be known, that is a problem and ours are listed all the same. */
async function* entriesOf(
  filter: Filter,
  { quarantine: store, others }: QuarantineDeps,
  problems: string[],
): AsyncGenerator<NodeEntry> {
  for await (const entry of store.list(filter))
    yield others === undefined ? entry : { ...entry, node: others.node };
  if (others === undefined) return;
  try {
    yield* others.list(filter);
  } catch (error) {
    problems.push(`what other nodes keep is not (all) listed: ${(error as Error).message}`);
  }
}

async function releaseOne({ flags, words, io, deps }: Told): Promise<number> {
  const [id, ...recipients] = words;
  if (id === undefined) return usage(io, "release takes an id");
  const found = await find(id, io, deps, false);
  if (typeof found === "number") return found;
  if (typeof found === "string") {
    const virus = flags.virus === true;
    return told(found, { do: "release", id, recipients, virus }, io, deps);
  }
  if (needsPostmaster(found.entry) === "virus" && flags.virus !== true)
    return failed(io, `${id} holds a virus: release --virus ${id} if you mean it`);
  const destination = deps.destination(found.entry.nextHop);
  if (destination === null)
    return failed(io, "released mail has nowhere to go: set [outgoing] relay");
  const order = { recipients, by: deps.by };
  const outcome = await release(found, order, destination, deps);
  for (const line of outcome.lines) await io.out(`${terminalText(line)}\n`);
  return outcome.complete ? 0 : 1;
}

async function digest({ words, io, deps }: Told): Promise<number> {
  const lines = await deps.digest(words);
  for (const line of lines) await io.out(`${terminalText(line)}\n`);
  return 0;
}

async function rotateKey({ words, io, deps }: Told): Promise<number> {
  if (words.length > 0) return usage(io, `rotate-key takes no "${words[0] ?? ""}"`);
  await deps.rotateKey();
  deps.log(`audit: the key of release links was changed by ${logText(deps.by)}`);
  await io.out("every release link sent so far is void\n");
  return 0;
}

async function remove({ words, io, deps }: Told): Promise<number> {
  if (words.length === 0) return usage(io, "delete takes at least one id");
  const bad = words.find((id) => !isMailId(id));
  if (bad !== undefined) return usage(io, `"${bad}" is no id: 12 letters, digits, - and _`);
  let code = 0;
  for (const id of words) {
    const found = await find(id, io, deps, false);
    if (typeof found === "number") code = found;
    else if (typeof found === "string")
      code = Math.max(code, await told(found, { do: "delete", id }, io, deps));
    else if (await deps.quarantine.remove(id))
      deps.log(`audit: ${id} deleted by ${logText(deps.by)}`);
  }
  return code;
}

async function expire({ words, io, deps }: Told): Promise<number> {
  if (words.length > 0) return usage(io, `expire takes no "${words[0] ?? ""}"`);
  const { maxAgeMs, maxBytes } = deps;
  let removed = 0;
  for (;;) {
    const run = await deps.quarantine.expire({ maxAgeMs, maxBytes, now: deps.now() });
    removed += run.removed;
    if (run.more && run.removed > 0) continue;
    await io.out(`${removed} removed, ${run.entries} kept, ${run.bytes} octets\n`);
    return 0;
  }
}

type Found = NonNullable<Awaited<ReturnType<Quarantine["read"]>>>;

/** The message: from here, or (`fetch`) as another node shows it; else the name of that node. A number is an exit code. */
async function find(
  id: string,
  io: QuarantineIo,
  deps: QuarantineDeps,
  fetch: true,
): Promise<Found | number>;
async function find(
  id: string,
  io: QuarantineIo,
  deps: QuarantineDeps,
  fetch: false,
): Promise<Found | number | string>;
async function find(
  id: string,
  io: QuarantineIo,
  { quarantine: store, others }: QuarantineDeps,
  fetch: boolean,
): Promise<Found | number | string> {
  if (!isMailId(id)) return usage(io, `"${id}" is no id: 12 letters, digits, - and _`);
  const here = await store.read(id);
  if (here !== null) return here;
  if (others === undefined) return failed(io, `${id}: no such entry`);
  let node;
  try {
    node = await others.find(id);
  } catch (error) {
    const why = (error as Error).message;
    return failed(io, `${id}: no such entry here, and other nodes cannot be asked: ${why}`);
  }
  if (node === null) return failed(io, `${id}: no such entry on any node`);
  if (!fetch) return node;
  const shown = shownBy(node, { id, answer: await others.ask(node, { do: "show", id }) });
  return typeof shown === "string" ? failed(io, shown) : shown;
}

/** Has another node do it, and tells what it says. */
async function told(
  node: string,
  wish: Parameters<OtherNodes["ask"]>[1],
  io: QuarantineIo,
  { others }: QuarantineDeps,
): Promise<number> {
  if (others === undefined) return failed(io, `${wish.id}: no such entry`);
  const { done, lines } = await others.ask(node, wish);
  for (const line of lines) {
    if (done) await io.out(`${terminalText(line)}\n`);
    else failed(io, line);
  }
  return done ? 0 : 1;
}

function usage(io: QuarantineIo, problem: string): number {
  io.err(`postern quarantine: ${terminalText(problem)}\n${USAGES.quarantine}`);
  return 2;
}

function failed(io: QuarantineIo, problem: string): number {
  io.err(`postern quarantine: ${terminalText(problem)}\n`);
  return 1;
}
