// kill -9 at random moments under load, of a worker and of the supervisor in turn: whatever was answered 250 is at the next hop,
// in new/ of its Maildir, or in the quarantine, complete. Needs no other server.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { readdir, readFile, utimes } from "node:fs/promises";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { afterAll, beforeAll, expect, test } from "vitest";
import { quarantine } from "../../src/mailstore/quarantine.ts";
import { processTree } from "../bench/procfs.ts";
import { lab, must, until, type Lab } from "./lab/lab.ts";
import { ledger, type Way } from "./lab/ledger.ts";
import { digestOf, parcel, type Numbered } from "./lab/parcels.ts";
import { freePorts } from "./lab/ports.ts";
import { postern, type Postern } from "./lab/postern.ts";
import type { Recorded, Said } from "./lab/recorder.ts";

const KILLS = 20;
const CONNECTIONS_A_WAY = 2;
const KB = 1024;

interface Road extends Way {
  readonly name: string;
  readonly to: "relay" | "local";
  readonly judges: boolean;
}

interface Place {
  readonly road: Road;
  readonly to: readonly string[];
  readonly infected: boolean;
  readonly sha256: string;
}

let room: Lab;
let filter: Postern;
let roads: readonly Road[];
const recorded: Recorded[] = [];

beforeAll(async () => {
  room = await lab("kill");
  const [sinkPort = 0, httpPort = 0, ...ports] = await freePorts(7);
  const recorder = spawn(process.execPath, [
    join(import.meta.dirname, "lab/recorder.ts"),
    String(sinkPort),
  ]);
  room.add({
    async stop() {
      if (recorder.exitCode !== null || !recorder.kill("SIGKILL")) return;
      await once(recorder, "exit");
    },
  });
  createInterface({ input: recorder.stdout }).on("line", (line) => {
    const told = JSON.parse(line) as Recorded | Said;
    if ("id" in told) recorded.push(told);
  });
  const port = (index: number): number => ports[index] ?? 0;
  roads = [
    { name: "smtp to a next hop", port: port(0), lmtp: false, to: "relay", judges: true },
    { name: "lmtp to a next hop", port: port(1), lmtp: true, to: "relay", judges: true },
    { name: "smtp to Maildirs", port: port(2), lmtp: false, to: "local", judges: true },
    { name: "lmtp to Maildirs", port: port(3), lmtp: true, to: "local", judges: true },
    { name: "lmtp delivery", port: port(4), lmtp: true, to: "local", judges: false },
  ];
  const listeners = roads.map(
    (road) =>
      `[[listener]]\nprotocol = "${road.lmtp ? "lmtp" : "smtp"}"\nlisten = "127.0.0.1:${road.port}"\n` +
      (road.judges
        ? `next_hop = "${road.to === "local" ? "local" : `smtp:127.0.0.1:${sinkPort}`}"\n`
        : 'role = "delivery"\n'),
  );
  filter = room.add(
    await postern({
      dir: room.dir,
      file: null,
      more: `${listeners.join("")}[[listener]]\nprotocol = "http"\nlisten = "127.0.0.1:${httpPort}"
[server]\nhostname = "mx.ours.example"\nstate_dir = "state"\nworkers = 2
[delivery]\ndomains = ["ours.example"]\nunknown = "create"\n`,
    }),
  );
});

afterAll(() => room?.cleanUp());

test("what was acknowledged survives twenty kills, and nothing grows", async () => {
  const places = new Map<number, Place>();
  const book = ledger();
  const stopping = new AbortController();
  const draining = new AbortController();
  const carriers = roads.flatMap((road) =>
    Array.from({ length: CONNECTIONS_A_WAY }, () =>
      book.carry(
        road,
        () => (draining.signal.aborted ? null : another(road, places)),
        () => Math.random() * 30,
        stopping.signal,
      ),
    ),
  );
  // Otherwise a carrier that fails early would end the process before it is awaited below.
  const all = Promise.all(carriers);
  all.catch(() => undefined);
  let slowest = 0;
  for (let kill = 0; kill < KILLS; kill++) {
    await pause(150 + Math.random() * 850);
    if (kill % 2 === 0) killWorker();
    else slowest = Math.max(slowest, await killSupervisor());
  }
  await pause(500);
  draining.abort();
  await Promise.race([all, pause(30_000).then(() => stopping.abort())]);
  await all;

  const entries = [...book.entries];
  expect(entries.filter(([, { refusals }]) => refusals.length > 0)).toEqual([]);
  // A recipient that was never acknowledged after 30 s of quiet would be a fault of its own.
  const open = entries.filter(
    ([id, { acknowledged }]) => acknowledged.size !== places.get(id)?.to.length,
  );
  expect(open).toEqual([]);

  await until("the recorder's last line", quiet);
  const found = await everywhere(places);
  const lost: string[] = [];
  const doubled: string[] = [];
  let extra = 0;
  for (const [id, { acknowledged, unanswered }] of entries) {
    const name = `message ${id}, ${places.get(id)?.road.name ?? ""}`;
    let more = 0;
    for (const to of acknowledged.keys()) {
      const copies = found.get(key(id, to)) ?? 0;
      if (copies === 0) lost.push(`${name}, to ${to}`);
      else more += copies - 1;
    }
    // A second copy needs a try without an answer: anything more were our own doubling.
    if (more > unanswered) doubled.push(name);
    extra += more;
  }
  expect(lost).toEqual([]);
  expect(doubled).toEqual([]);
  const acknowledged = entries.reduce((sum, [, entry]) => sum + entry.acknowledged.size, 0);
  const unanswered = entries.reduce((sum, [, entry]) => sum + entry.unanswered, 0);
  console.log(
    `${KILLS} kills: ${entries.length} messages, ${acknowledged} recipients acknowledged, none lost; ` +
      `${unanswered} left without an answer and ${book.deferred} deferred, all sent again; ${extra} second copies; ` +
      `workers ended at most ${slowest} ms after their supervisor`,
  );
  expect(entries.length).toBeGreaterThan(200);
  await leftovers();
}, 150_000);

let count = 0;

/** The next message for a road: mostly small, one in eight of 300 KiB, one in thirty of 1 MB. */
function another(road: Road, places: Map<number, Place>): Numbered {
  const id = ++count;
  const size = id % 30 === 0 ? 1000 * KB : id % 8 === 0 ? 300 * KB : Math.random() * 12 * KB;
  const infected = road.judges && Math.random() < 0.12;
  const first = Math.floor(Math.random() * 8);
  const to = Array.from({ length: 1 + (id % 3) }, (_, i) => `u${first + i}@ours.example`);
  const made = parcel(id, size, to, infected ? "virus" : "clean");
  places.set(id, { road, to, infected, sha256: made.sha256 });
  return made;
}

function killWorker(): void {
  const supervisor = filter.pid();
  const workers = processTree(supervisor).filter(({ parent }) => parent === supervisor);
  const one = workers[Math.floor(Math.random() * workers.length)];
  if (one !== undefined) process.kill(one.pid, "SIGKILL");
}

/** As a service manager sees it: the main process is gone, what is left of the group ends, a new one starts. In ms. */
async function killSupervisor(): Promise<number> {
  const all = processTree(filter.pid()).map(({ pid }) => pid);
  process.kill(filter.pid(), "SIGKILL");
  const killed = Date.now();
  await until("the end of its workers", () => !all.some(runs), 5000);
  const took = Date.now() - killed;
  await filter.start();
  return took;
}

/** False for a zombie too: it holds nothing any more, whenever init looks after it. */
function runs(pid: number): boolean {
  try {
    return !/\) [ZX] /.test(readFileSync(`/proc/${pid}/stat`, "latin1"));
  } catch {
    return false; // it is gone
  }
}

const key = (id: number, to: string): string => `${id} ${to}`;

/** Copies per message and recipient, at the next hop, in new/ and in the quarantine; throws at any that is not complete. */
async function everywhere(places: ReadonlyMap<number, Place>): Promise<Map<string, number>> {
  const copies = new Map<string, number>();
  const wrong: string[] = [];
  const add = (where: string, id: number, sha256: string, to: string, kept: boolean): void => {
    const place = places.get(id);
    if (place?.sha256 !== sha256) wrong.push(`${where}: message ${id} is not what was sent`);
    else if (place.infected !== kept) wrong.push(`${where}: message ${id} must not be here`);
    copies.set(key(id, to), (copies.get(key(id, to)) ?? 0) + 1);
  };
  for (const { id, sha256, to } of recorded)
    for (const one of to) add("next hop", id, sha256, one, false);
  for (const path of await files("mail")) {
    const [, user, folder, name] = /\/([^/]+)\/Maildir\/(\w+)\/([^/]+)$/.exec(path) ?? [];
    // Notices about what was kept go to postmaster.
    if (folder !== "new" || user === "postmaster") continue;
    const stored = await readFile(path);
    if (Number(/,S=(\d+)/.exec(name ?? "")?.[1]) !== stored.length)
      wrong.push(`${path}: ${stored.length} octets`);
    const digest = digestOf(stored);
    if (digest === null) wrong.push(`${path}: no message`);
    else add("Maildir", digest.id, digest.sha256, `${user ?? ""}@ours.example`, false);
  }
  await kept((id, sha256, to) => add("quarantine", id, sha256, to, true));
  expect(wrong).toEqual([]);
  return copies;
}

/** Reads every kept message; some of them as an operator does. */
async function kept(add: (id: number, sha256: string, to: string) => void): Promise<void> {
  const store = quarantine({
    directory: join(filter.dir, "state/quarantine"),
    warn: (text) => expect.fail(text),
  });
  let asked = 0;
  for await (const entry of store.list()) {
    const pieces: Buffer[] = [];
    for await (const piece of (await store.read(entry.id))?.body.open() ?? []) pieces.push(piece);
    const raw = Buffer.concat(pieces);
    const digest = digestOf(raw);
    for (const { address } of entry.recipients)
      add(digest?.id ?? -1, digest?.sha256 ?? "", address);
    if (asked++ >= 6) continue;
    const shown = await must(process.execPath, [
      join(import.meta.dirname, "../../src/main.ts"),
      ...["quarantine", "show", entry.id, "--raw", "--config", filter.configFile],
    ]);
    expect(Buffer.from(shown.stdout).equals(raw), entry.id).toBe(true);
  }
  expect(asked).toBeGreaterThan(0);
}

/** What crashes leave behind is bounded by what was in flight, and swept at the next start once it is old. */
async function leftovers(): Promise<void> {
  await filter.stop();
  const bound = KILLS * roads.length * CONNECTIONS_A_WAY;
  const begun = await unfinished();
  console.log(`${begun.length} unfinished files after ${KILLS} kills`);
  expect(begun.length).toBeLessThanOrEqual(bound * 3);
  expect(await files("spool")).toEqual([]);
  const longAgo = new Date(Date.now() - 3 * 24 * 3600 * 1000);
  for (const path of begun) await utimes(path, longAgo, longAgo);
  const before = await finished();
  await filter.start();
  await until("the sweeps", async () => (await unfinished()).length === 0);
  expect(await finished()).toEqual(before);
  await filter.stop();
}

/** Delivered messages and quarantine entries with their octets: what a sweep must leave alone. */
async function finished(): Promise<readonly string[]> {
  const mail = (await files("mail")).filter((path) => !path.includes("/Maildir/tmp/"));
  const quarantined = await files("quarantine");
  const entries = quarantined.filter((path) => /\/[^./][^/]*\.json$/.test(path));
  // Octets without an entry are of a crash before the acknowledgement.
  const octets = quarantined.filter((path) => entries.includes(path.replace(/gz$/, "json")));
  return [...mail, ...octets].sort();
}

async function unfinished(): Promise<readonly string[]> {
  const tmp = (await files("mail")).filter((path) => path.includes("/Maildir/tmp/"));
  const hidden = (await files("quarantine")).filter((path) => /\/[^./]\/\.[^/]+$/.test(path));
  return [...tmp, ...hidden];
}

async function files(below: string): Promise<readonly string[]> {
  const dir = join(filter.dir, "state", below);
  const entries = await readdir(dir, { recursive: true, withFileTypes: true });
  return entries.filter((one) => one.isFile()).map((one) => join(one.parentPath, one.name));
}

/** Whether the recorder has told nothing new for a while. */
async function quiet(): Promise<boolean> {
  const before = recorded.length;
  await pause(300);
  return recorded.length === before;
}

const pause = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));
