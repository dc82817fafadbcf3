// Every system call of a delivery, one after the other: it fails, or the process dies in it. Deliveries into Maildirs, through the
// spool's file to a next hop, and into the quarantine. Used by syscalls.test.ts; by hand, all of them:
// `node test/real/faults/syscalls.ts [--kills all]`.
import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { parseArgs } from "node:util";
import { quarantine } from "../../../src/mailstore/quarantine.ts";
import { table } from "../../bench/statistics.ts";
import { inject } from "../lab/inject.ts";
import { lab, until } from "../lab/lab.ts";
import { digestOf, parcel, type Kind } from "../lab/parcels.ts";
import { freePorts } from "../lab/ports.ts";
import { nextHop, type NextHop } from "./next-hop.ts";
import { oneProcess, type OneProcess, type Ports } from "./small-estate.ts";
import { CALLS, counted, harming, type Call, type Harm } from "./strace.ts";
import { delivered } from "./whereabouts.ts";

interface Scene {
  readonly name: string;
  readonly road: "smtp" | "lmtp" | "delivery";
  readonly kind: Kind;
  readonly octets: number;
  readonly to: readonly string[];
}

const KB = 1024;
const SCENES: readonly Scene[] = [
  { name: "two Maildirs", road: "delivery", kind: "clean", octets: 4 * KB, to: ["a", "b"] },
  { name: "a new Maildir", road: "delivery", kind: "clean", octets: 4 * KB, to: ["NEW"] },
  { name: "large, to a next hop", road: "smtp", kind: "clean", octets: 400 * KB, to: ["a"] },
  { name: "large, to a Maildir", road: "lmtp", kind: "clean", octets: 400 * KB, to: ["a"] },
  { name: "quarantine", road: "smtp", kind: "virus", octets: 4 * KB, to: ["a", "b"] },
];

export interface Result {
  readonly scene: string;
  readonly call: Call;
  readonly harm: Harm;
  readonly points: number;
  readonly acknowledged: number;
  readonly deferred: number;
  /** Died or hung up without an answer. */
  readonly unanswered: number;
  /** Broken promises, in words. */
  readonly wrong: readonly string[];
  /** Copies that stayed although the answer was 4xx: a retry makes a second one. */
  readonly leftBehind: readonly string[];
}

export interface Sweep {
  /** Whether to try this point; errors cost a quarter of a second, kills a new process. */
  readonly wants: (harm: Harm, call: Call, nth: number, most: number) => boolean;
  readonly tell: (text: string) => void;
}

interface World {
  readonly dir: string;
  readonly ports: Ports;
  readonly process: OneProcess;
  readonly hop: NextHop;
}

/**
 * Node and libuv abort a process in which a file cannot be closed that they read themselves to start a thread (package.json, the memory
 * limits): no disk does that, only this suite. What was acknowledged is looked for all the same.
 */
const abortedByNode = (call: Call, ended: string): boolean =>
  call === "close" && ended.includes("SIGABRT");

const lastOf = (log: string): string => log.slice(-3000);

/** libuv writes to wake its threads up, and gives up the process when that fails: such a disk does not exist. */
const cannotFail = (call: Call): boolean => call === "write";

export async function sweep(how: Sweep): Promise<readonly Result[]> {
  const room = await lab("syscalls");
  try {
    const [smtp = 0, lmtp = 0, delivery = 0, hopPort = 0] = await freePorts(4);
    const ports = { smtp, lmtp, delivery, hop: hopPort };
    const hop = room.add(await nextHop(hopPort));
    const dir = join(room.dir, "state");
    const one = { UV_THREADPOOL_SIZE: "1" };
    const process = room.add(await oneProcess(dir, ports, join(room.dir, "postern.toml"), one));
    const world: World = { dir, ports, process, hop };
    await settled(world);
    const results: Result[] = [];
    for (const scene of SCENES) {
      await send(world, scene); // what only the first message does is over
      const most = await counted(process.pid(), join(room.dir, "calls"), () => send(world, scene));
      for (const call of CALLS)
        for (const harm of ["EIO", "ENOSPC", "KILL"] as const) {
          if (harm !== "KILL" && cannotFail(call)) continue;
          const points = Array.from({ length: most.get(call) ?? 0 }, (_, i) => i + 1);
          const wanted = points.filter((nth) => how.wants(harm, call, nth, points.length));
          if (wanted.length === 0) continue;
          const result = await pointsOf(world, scene, call, harm, wanted);
          results.push(result);
          how.tell(`${scene.name}, ${call}, ${harm}: ${wanted.length} of ${points.length} points`);
        }
    }
    return results;
  } finally {
    await room.cleanUp();
  }
}

async function restarted(world: World): Promise<void> {
  await world.process.start();
  await settled(world);
}

/** Its first message is in the history, so all of its threads run: what is harmed is a delivery, not the start of a thread. */
async function settled(world: World): Promise<void> {
  const first: Scene = { name: "first", road: "smtp", kind: "clean", octets: 4 * KB, to: ["a"] };
  const { id } = await send(world, first);
  const file = join(world.dir, "state", "history.db");
  await until("the history", () => {
    if (!existsSync(file)) return false;
    const db = new DatabaseSync(file, { readOnly: true, timeout: 1000 });
    try {
      const asked = "SELECT 1 FROM messages WHERE message_id LIKE ?";
      return db.prepare(asked).get(`%kill-${id}@%`) !== undefined;
    } catch {
      return false; // its table is not there yet
    } finally {
      db.close();
    }
  });
}

async function pointsOf(
  world: World,
  scene: Scene,
  call: Call,
  harm: Harm,
  points: readonly number[],
): Promise<Result> {
  const wrong: string[] = [];
  const leftBehind: string[] = [];
  const counts = { acknowledged: 0, deferred: 0, unanswered: 0 };
  const { process } = world;
  for (const nth of points) {
    const where = `${scene.name}: ${call} ${nth}, ${harm}`;
    const sent = await harming(process.pid(), call, nth, harm, () => send(world, scene));
    if (harm === "KILL") await process.kill();
    const ended = harm === "KILL" ? "killed" : await process.ended();
    if (harm !== "KILL" && ended !== null && !abortedByNode(call, ended))
      wrong.push(`${where}: the process ended (${ended})\n${lastOf(process.log())}`);
    if (ended !== null) await restarted(world);
    const found = await copiesOf(world, sent.id, sent.sha256);
    wrong.push(...found.wrong.map((text) => `${where}: ${text}`));
    for (const [i, to] of sent.to.entries()) {
      const reply = sent.replies[i] ?? sent.replies[0] ?? null;
      const copies = found.copies.get(to) ?? 0;
      if (reply === null) counts.unanswered++;
      else if (reply.startsWith("2")) counts.acknowledged++;
      else counts.deferred++;
      if (reply?.startsWith("2") === true && copies !== 1)
        wrong.push(`${where}: ${copies} copies for ${to} after "${reply}"`);
      if (reply?.startsWith("5") === true) wrong.push(`${where}: refused with "${reply}"`);
      if (reply?.startsWith("4") === true && copies > 0)
        leftBehind.push(`${where}: a copy for ${to} after "${reply}"`);
    }
  }
  return { scene: scene.name, call, harm, points: points.length, ...counts, wrong, leftBehind };
}

let count = 0;

interface Sent {
  readonly id: number;
  readonly sha256: string;
  readonly to: readonly string[];
  /** One, or over LMTP one for each recipient; empty when the connection broke. */
  readonly replies: readonly string[];
}

async function send({ ports, process }: World, scene: Scene): Promise<Sent> {
  const id = ++count;
  const to = scene.to.map((name) => `${name === "NEW" ? `n${id}` : name}@ours.example`);
  const made = parcel(id, scene.octets, to, scene.kind);
  const text = made.wire
    .toString("latin1")
    .replaceAll("\r\n..", "\r\n.")
    .replace(/\.\r\n$/, "");
  const mail = { port: ports[scene.road], lmtp: scene.road !== "smtp", timeoutMs: 20_000 };
  const data = Buffer.from(text, "latin1");
  const from = "ann@sender.example";
  const answer = await inject({ ...mail, from, to, data }).catch((error: Error) => {
    if (/no reply within/.test(error.message)) throw new Error(`stuck:\n${process.log()}`);
    return null;
  });
  const replies = answer === null ? [] : answer.data.length > 0 ? answer.data : [answer.reply];
  return { id, sha256: made.sha256, to, replies };
}

/** Complete copies by recipient; a file in new/ that is not complete is wrong, whatever was answered. */
async function copiesOf(
  { dir, hop }: World,
  id: number,
  sha256: string,
): Promise<{ copies: ReadonlyMap<string, number>; wrong: readonly string[] }> {
  const copies = new Map<string, number>();
  const wrong: string[] = [];
  const add = (where: string, digest: { id: number; sha256: string } | null, to: string) => {
    if (digest?.id !== id) return;
    if (digest.sha256 !== sha256) wrong.push(`${where} holds another message than was sent`);
    copies.set(to, (copies.get(to) ?? 0) + 1);
  };
  await until("the next hop", () => hop.taken.every((one) => one.id > 0));
  for (const one of hop.taken) for (const to of one.to) add("next hop", one, to);
  for (const { path, user } of await delivered(join(dir, "mail"))) {
    const stored = await readFile(path);
    if (Number(/,S=(\d+)/.exec(path)?.[1]) !== stored.length) wrong.push(`${path} is cut off`);
    add(path, digestOf(stored), `${user}@ours.example`);
  }
  const kept = join(dir, "kept");
  const store = quarantine({ directory: kept, warn: (text) => void wrong.push(text) });
  for await (const entry of store.list()) {
    const pieces: Buffer[] = [];
    for await (const piece of (await store.read(entry.id))?.body.open() ?? []) pieces.push(piece);
    for (const { address } of entry.recipients)
      add(entry.file, digestOf(Buffer.concat(pieces)), address);
  }
  return { copies, wrong };
}

/** One line per call and harm, all scenes together, and every broken promise in words. */
export function reportOf(results: readonly Result[]): string {
  const rows = CALLS.flatMap((call) =>
    (["EIO", "ENOSPC", "KILL"] as const).flatMap((harm) => {
      const some = results.filter((one) => one.call === call && one.harm === harm);
      if (some.length === 0) return [];
      const of = (figure: (one: Result) => number) =>
        String(some.reduce((sum, one) => sum + figure(one), 0));
      return [
        [
          `${call}, ${harm}`,
          of((r) => r.points),
          of((r) => r.acknowledged),
          of((r) => r.deferred),
          of((r) => r.unanswered),
          of((r) => r.wrong.length),
          of((r) => r.leftBehind.length),
        ],
      ];
    }),
  );
  const head = [
    "system call",
    "points",
    "250",
    "4xx",
    "no answer",
    "broken promises",
    "left behind",
  ];
  const words = results.flatMap(({ wrong, leftBehind }) => [
    ...wrong,
    ...leftBehind.map((text) => `left behind: ${text}`),
  ]);
  return [table(head, rows), ...words].join("\n");
}

if (import.meta.main) {
  const { values } = parseArgs({ options: { kills: { type: "string", default: "some" } } });
  const all = values.kills === "all";
  const results = await sweep({
    wants: (harm, _call, nth, most) => harm !== "KILL" || all || nth === 1 || nth === most,
    tell: (text) => void process.stderr.write(`${text}\n`),
  });
  console.log(reportOf(results));
  process.exitCode = results.some(({ wrong }) => wrong.length > 0) ? 1 : 0;
}
