// kill -9 at random moments under load, of a worker and of the supervisor in turn: whatever was answered 250 is at the next hop,
// in new/ of its Maildir, or in the quarantine, complete. Needs no other server.
import { spawn } from "node:child_process";
import { once } from "node:events";
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
import type { Recorded } from "./lab/recorder.ts";

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
  createInterface({ input: recorder.stdout }).on("line", (line) =>
    recorded.push(JSON.parse(line) as Recorded),
  );
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
    ([id, { acknowledged }]) => acknowledged.size !== recipientsOf(id).length,
  );
  expect(open).toEqual([]);

  await until("the recorder's last line", settledRecorder);
  const found = await everywhere(places);
  const lost: string[] = [];
  let extra = 0;
  for (const [id, { acknowledged }] of entries) {
    const place = places.get(id);
    for (const to of acknowledged) {
      const copies = found.get(key(id, to)) ?? 0;
      if (copies === 0) lost.push(`message ${id} to ${to}, ${place?.road.name ?? ""}`);
      else extra += copies - 1;
    }
  }
  expect(lost).toEqual([]);
  const acknowledged = entries.reduce((sum, [, entry]) => sum + entry.acknowledged.size, 0);
  const unanswered = entries.reduce((sum, [, entry]) => sum + entry.unanswered, 0);
  console.log(
    `${KILLS} kills: ${entries.length} messages, ${acknowledged} recipients acknowledged, none lost; ` +
      `${unanswered} left without an answer and ${book.deferred} deferred, all sent again; ${extra} second copies; ` +
      `workers ended at most ${slowest} ms after their supervisor`,
  );
  // A second copy needs a message that had no answer: anything more were our own doubling.
  expect(extra).toBeLessThanOrEqual(unanswered);
  expect(entries.length).toBeGreaterThan(200);
  await leftovers();
}, 150_000);
