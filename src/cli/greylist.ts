// `postern greylist list|explain|allow|clear`: what an operator sees and does when somebody asks why mail is late. The store and the
// settings come in `deps`; wired.ts wires them. Exit codes: 0 done, 1 nothing found or failed, 2 the command makes no sense.
import { parseArgs } from "node:util";
import { questionFor, nameOf, type GreylistDns } from "../checks/greylist-subject.ts";
import { isRole } from "../checks/greylist-exempt.ts";
import { networkOf } from "../mail/organisation.ts";
import { parseAddress, type Address } from "../mail/address.ts";
import { canonicalIp, type Networks } from "../mail/ip.ts";
import { UNKNOWN_CLIENT } from "../mail/message.ts";
import { recipientKey, senderKey } from "../mail/sender-key.ts";
import type {
  GreylistAnswer,
  GreylistFilter,
  GreylistRecord,
  GreylistStore,
  GreylistTimes,
} from "../state/greylist-store.ts";
import { mustWait, suspicions, type When } from "../verdict/suspicion.ts";
import { terminalText } from "./escape.ts";
import { USAGES } from "./usage.ts";

export interface GreylistIo {
  readonly out: (text: string) => void;
  readonly err: (text: string) => void;
}

export interface GreylistDeps {
  readonly store: GreylistStore;
  readonly times: GreylistTimes;
  readonly when: When;
  readonly dns: GreylistDns | null;
  readonly internal: Networks;
  readonly relays: Networks;
  readonly shared: ReadonlySet<string>;
  readonly hostname: string;
  readonly now: () => number;
}

const OPTIONS = {
  json: { type: "boolean" },
  all: { type: "boolean" },
  limit: { type: "string" },
  client: { type: "string" },
  name: { type: "string" },
  helo: { type: "string" },
  sender: { type: "string" },
  recipient: { type: "string" },
} as const;
const ALLOWED: Readonly<Record<string, readonly string[]>> = {
  list: ["json", "sender", "recipient", "limit"],
  explain: ["client", "name", "helo", "sender", "recipient"],
  allow: [],
  clear: ["all"],
};

class Misused extends Error {}

interface Told {
  readonly flags: Readonly<Partial<Record<keyof typeof OPTIONS, string | boolean>>>;
  readonly words: readonly string[];
  readonly io: GreylistIo;
  readonly deps: GreylistDeps;
}

/** Runs one subcommand; resolves with the exit code. Rejects only when the store does not answer. */
export async function greylist(
  args: readonly string[],
  io: GreylistIo,
  deps: GreylistDeps,
): Promise<number> {
  try {
    const { values, positionals } = parseArgs({
      args: [...args],
      options: OPTIONS,
      allowPositionals: true,
    });
    const [command = "", ...words] = positionals;
    const allowed = Object.hasOwn(ALLOWED, command) ? ALLOWED[command] : undefined;
    if (allowed === undefined) throw new Misused(`needs one of ${Object.keys(ALLOWED).join(", ")}`);
    const stray = Object.keys(values).find((name) => !allowed.includes(name));
    if (stray !== undefined) throw new Misused(`${command} takes no --${stray}`);
    return await run(command, { flags: values, words, io, deps });
  } catch (error) {
    if (!(error instanceof Misused) && !(error instanceof TypeError)) throw error;
    io.err(`postern greylist: ${error.message}\n${USAGES.greylist}`);
    return 2;
  }
}

function run(command: string, told: Told): Promise<number> {
  switch (command) {
    case "list":
      return list(told);
    case "explain":
      return explain(told);
    case "allow":
      return allow(told);
    default:
      return clear(told);
  }
}

async function list({ flags, io, deps }: Told): Promise<number> {
  const limit = Number(flags.limit ?? 1000);
  if (!Number.isInteger(limit) || limit < 1) throw new Misused("--limit needs a number");
  const filter: GreylistFilter = {
    ...(typeof flags.sender === "string" && { sender: senderKey(addressOf(flags.sender)) }),
    ...(typeof flags.recipient === "string" && { recipient: recipientKey(known(flags.recipient)) }),
  };
  const records = await deps.store.records(filter, limit, deps.now());
  for (const record of [...records].sort((a, b) => b.last - a.last))
    io.out(flags.json === true ? `${JSON.stringify(record)}\n` : `${recordLine(record, deps)}\n`);
  if (records.length === limit) io.err(`only the first ${limit} are shown: --limit shows more\n`);
  return 0;
}

function recordLine(record: GreylistRecord, { times, now }: GreylistDeps): string {
  const { first, passed, attempts } = record;
  const missing = first + times.delay - now();
  const state =
    passed > 0
      ? `passed after ${span(passed - first)}`
      : missing > 0
        ? `waits, ${span(missing)} missing`
        : "may pass";
  return terminalText(
    `${when(first)}  ${record.origin}  <${record.sender}> -> <${record.recipient}>  ${state}, ${attempts} tries`,
  );
}

async function explain({ flags, io, deps }: Told): Promise<number> {
  const address = canonicalIp(String(flags.client ?? ""));
  if (address === null) throw new Misused("explain needs --client with an IP address");
  const sender = addressOf(String(flags.sender ?? "<>"));
  const recipient = known(String(flags.recipient ?? ""));
  const client = {
    ...UNKNOWN_CLIENT,
    address,
    name: typeof flags.name === "string" ? flags.name : null,
    helo: typeof flags.helo === "string" ? flags.helo : null,
  };
  const signal = AbortSignal.timeout(10_000);
  const say = (label: string, text: string): void =>
    io.out(`${`${label}:`.padEnd(12)} ${terminalText(text)}\n`);
  const exempt = exemption(address, recipient, sender, deps);
  const name = await nameOf(client, deps.dns, { signal });
  const spf = deps.dns === null ? null : await deps.dns.spf(client, sender, signal);
  const found = suspicions({
    ...name,
    address,
    helo: client.helo ?? "not.given.example",
    unsure: name.failed,
    listed: false,
    spfFailed: spf?.result === "fail" || spf?.result === "softfail",
    inBand: false,
    hostname: deps.hostname,
  });
  const proves = spf?.result === "pass" && !spf.wide ? [spf.domain] : [];
  const forged = spf?.result === "fail";
  const asked = questionFor(
    { address, name, sender, spf: proves, dkim: [], body: null, forged, shared: deps.shared },
    recipient,
  );
  const [answer] = await deps.store.peek([asked], deps.times, deps.now());
  say("name", `${name.name ?? "none"}${name.confirmed ? ", leads back to the address" : ""}`);
  if (spf !== null) say("spf", `${spf.result}${spf.wide ? ", as for everybody" : ""}`);
  say("known as", asked.origins.join(", "));
  say("sender", `<${asked.sender}>`);
  say("recipient", `<${asked.recipient}>`);
  say("suspicions", `${found.join(", ") || "none"} (DNS lists and the score are not asked here)`);
  for (const origin of asked.clients) {
    const state = await deps.store.client(origin, deps.now());
    if (state !== null)
      say(
        "client",
        `${origin}: ${state.accepted} of ${deps.times.autoWhitelist} accepted triplets`,
      );
  }
  if (answer === undefined) return 1;
  if (answer.first > 0 && answer.result !== "new")
    say("record", `first try ${when(answer.first)}, ${answer.attempts} tries`);
  say("now", exempt ?? outcome(answer, mustWait(deps.when, found), deps));
  return 0;
}

function exemption(
  address: string,
  recipient: Address,
  sender: Address | null,
  { internal, relays }: GreylistDeps,
): string | null {
  if (internal.has(address)) return "passes: the client is in [networks] internal";
  if (relays.has(address)) return "passes: the client is in [networks] relays";
  if (isRole(recipient)) return "passes: postmaster@ and abuse@ take mail from everybody";
  return sender === null ? "passes at RCPT: the null sender is judged at DATA only" : null;
}

function outcome(answer: GreylistAnswer, suspected: boolean, { times }: GreylistDeps): string {
  switch (answer.result) {
    case "person":
      return "passes: our users wrote to the sender within 60 days";
    case "client":
      return "passes: the client is on the white-list";
    case "passed":
      return `passes: it was accepted ${when(answer.passed)} after ${span(answer.passed - answer.first)}`;
    case "accepted":
      return "passes: it has waited long enough";
    case "early":
      return `waits: ${span(answer.missing)} missing`;
    case "new":
      return suspected
        ? `waits: it is new, ${span(times.delay)} missing after the first try`
        : "passes: it is new, and nothing about the client is suspicious";
  }
}

async function allow({ words, io, deps }: Told): Promise<number> {
  const { lifetime } = deps.times;
  const client = clientOf(words);
  if (client !== null) {
    await deps.store.allowClient(client, lifetime, deps.now());
    io.out(`${client} waits no more\n`);
    return 0;
  }
  const { sender, recipient } = pairIn(words);
  await deps.store.allowPair(sender, recipient, lifetime, deps.now());
  io.out(terminalText(`<${sender}> passes to <${recipient}> from anywhere`) + "\n");
  return 0;
}

async function clear({ flags, words, io, deps }: Told): Promise<number> {
  if (flags.all === true && words.length > 0) throw new Misused("--all stands alone");
  const client = clientOf(words);
  if (client !== null) {
    const gone = await deps.store.clearClient(client);
    const records = await deps.store.clear({ origin: client });
    io.out(`${client}: ${gone ? "taken off the white-list, " : ""}${records} records forgotten\n`);
    return gone || records > 0 ? 0 : 1;
  }
  const gone = await deps.store.clear(flags.all === true ? {} : pairIn(words));
  io.out(`${gone} records forgotten\n`);
  return gone > 0 || flags.all === true ? 0 : 1;
}

/** The network of an IP address that stands alone; null when something else stands there. */
function clientOf(words: readonly string[]): string | null {
  const network =
    words.length === 1 ? networkOf((words[0] ?? "").replace(/\/(?:24|64)$/, "")) : null;
  return network === null ? null : `net:${network}`;
}

function pairIn(words: readonly string[]): { sender: string; recipient: string } {
  const [sender, recipient, ...more] = words;
  if (sender === undefined || recipient === undefined || more.length > 0)
    throw new Misused("a SENDER and a RECIPIENT, or one IP address");
  return { sender: senderKey(addressOf(sender)), recipient: recipientKey(known(recipient)) };
}

function addressOf(text: string): Address | null {
  return text === "" || text === "<>" ? null : known(text);
}

function known(text: string): Address {
  const address = parseAddress(text.replace(/^<(.*)>$/, "$1"));
  if (address === null) throw new Misused(`"${terminalText(text)}" is no address`);
  return address;
}

const when = (ms: number): string => new Date(ms).toISOString().replace(/\.\d+Z$/, "Z");

function span(ms: number): string {
  const seconds = Math.max(0, Math.round(ms / 1000));
  if (seconds < 120) return `${seconds} s`;
  return seconds < 7200 ? `${Math.round(seconds / 60)} min` : `${Math.round(seconds / 3600)} h`;
}
