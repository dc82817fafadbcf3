// The power goes: mailboxes, quarantine and state lie on an ext4 in a file; the file is copied while mail flows, without a sync, as a
// disk would be found after the cut, repaired, and looked through. Used by power-cut.test.ts; needs root and a loop device.
import { readFile, mkdir, mkdtemp, rm, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { quarantine } from "../../../src/mailstore/quarantine.ts";
import { lab, must, run, type Lab } from "../lab/lab.ts";
import { ledger, type Parcel } from "../lab/ledger.ts";
import { digestOf, parcel, type Kind } from "../lab/parcels.ts";
import { freePorts } from "../lab/ports.ts";
import { nextHop } from "./next-hop.ts";
import { oneProcess } from "./small-estate.ts";
import { delivered } from "./whereabouts.ts";

export interface Cut {
  /** Recipients that were answered 250 before the cut; those of them whose mail went to a disk of ours. */
  readonly acknowledged: number;
  readonly lost: readonly string[];
  /** Files in new/ that are not what was sent. */
  readonly damaged: readonly string[];
  /** Unfinished files in tmp/: not acknowledged, so no loss. */
  readonly unfinished: number;
}

const SIZE = "256M";
const KB = 1024;

export interface Load {
  /** Connections on each of the roads: 0 the delivery agent, 1 a filter that delivers, 2 what is kept. */
  readonly roads: readonly (0 | 1 | 2)[];
  readonly connections: number;
  /** The power goes after so many messages, at the very moment of the last acknowledgement, or after `ms`. */
  readonly messages: number;
  readonly ms: number;
}

/** One cut. */
export async function powerCut(load: Load): Promise<Cut> {
  const room = await lab("powercut");
  try {
    return await cut(room, load);
  } finally {
    await room.cleanUp();
  }
}

interface Sent {
  readonly sha256: string;
}

/** Numbered mail of the kinds, `most` in all. */
function source(
  sent: Map<number, Sent>,
  most: number,
): (kinds: readonly Kind[]) => () => Parcel | null {
  let count = 0;
  return (kinds) => () => {
    if (count === most) return null;
    const id = ++count;
    const to = Array.from({ length: 1 + (id % 3) }, (_, i) => `u${(id + i) % 10}@ours.example`);
    const octets = id % 30 === 0 ? 300 * KB : Math.random() * 8 * KB;
    const made = parcel(id, octets, to, kinds[id % kinds.length] ?? "clean");
    sent.set(id, made);
    return made;
  };
}

async function cut(room: Lab, load: Load): Promise<Cut> {
  // In memory, so that the copy is a matter of milliseconds.
  const images = await mkdtemp("/dev/shm/postern-powercut-");
  room.add({ stop: () => rm(images, { recursive: true, force: true }) });
  const disk = await mounted(room, join(images, "disk"), "disk");
  const [smtp = 0, lmtp = 0, delivery = 0, hop = 0] = await freePorts(4);
  room.add(await nextHop(hop));
  const ports = { smtp, lmtp, delivery, hop };
  const postern = room.add(await oneProcess(disk, ports, join(room.dir, "postern.toml")));
  const sent = new Map<number, Sent>();
  const post = ledger();
  const end = new AbortController();
  const next = source(sent, load.messages);
  // Only what ends on our disk: the SMTP road is for what is kept.
  const ways = [
    { way: { port: delivery, lmtp: true }, kinds: ["clean"] },
    { way: { port: lmtp, lmtp: true }, kinds: ["clean", "virus", "clean", "banned"] },
    { way: { port: smtp, lmtp: false }, kinds: ["virus", "banned"] },
  ] as const;
  const carriers = load.roads.flatMap((road) =>
    Array.from({ length: load.connections }, () => {
      const { way, kinds } = ways[road];
      return post.carry(way, next(kinds), () => 0, end.signal);
    }),
  );
  const all = Promise.all(carriers);
  await Promise.race([all, new Promise((resolve) => setTimeout(resolve, load.ms))]);
  // What is acknowledged up to here must be in the image; nothing more is written once the process stands still.
  process.kill(postern.pid(), "SIGSTOP");
  const acknowledged = [...post.entries].flatMap(([id, entry]) =>
    [...entry.acknowledged.keys()].map((to) => ({ id, to })),
  );
  const image = join(images, "cut");
  await must("cp", ["--sparse=always", join(images, "disk"), image]);
  end.abort();
  await postern.kill();
  await all;
  return inspect(room, image, acknowledged, sent);
}

async function inspect(
  room: Lab,
  image: string,
  acknowledged: readonly { readonly id: number; readonly to: string }[],
  sent: ReadonlyMap<number, Sent>,
): Promise<Cut> {
  const check = await run("e2fsck", ["-fy", image]);
  if (check.code > 2) throw new Error(`e2fsck: ${check.stdout}${check.stderr}`);
  const disk = await mounted(room, image, "after", "ro");
  const there = new Set<string>();
  const damaged: string[] = [];
  const add = (where: string, stored: Buffer, to: string): void => {
    const digest = digestOf(stored);
    // What has no number is a notice about kept mail.
    if (digest === null && stored.includes("Auto-Submitted: auto-")) return;
    if (digest === null || sent.get(digest.id)?.sha256 !== digest.sha256) damaged.push(where);
    else there.add(`${digest.id} ${to}`);
  };
  for (const { path, user } of await delivered(join(disk, "mail")))
    add(path, await readFile(path), `${user}@ours.example`);
  const store = quarantine({
    directory: join(disk, "kept"),
    warn: (text) => void damaged.push(text),
  });
  for await (const { id, recipients } of store.list()) {
    const pieces: Buffer[] = [];
    for await (const piece of (await store.read(id))?.body.open() ?? []) pieces.push(piece);
    for (const { address } of recipients) add(id, Buffer.concat(pieces), address);
  }
  const { stdout } = await must("find", [
    join(disk, "mail"),
    "-path",
    "*/Maildir/tmp/*",
    "-type",
    "f",
  ]);
  return {
    acknowledged: acknowledged.length,
    lost: acknowledged
      .map(({ id, to }) => `${id} ${to}`)
      .filter((key) => !there.has(key))
      .map((key) => `message ${key}`),
    damaged,
    unfinished: stdout.split("\n").length - 1,
  };
}

/** An ext4 in the file (made when it is not there), mounted; unmounted at the end of the lab. */
async function mounted(room: Lab, image: string, name: string, how = "rw"): Promise<string> {
  if (how === "rw") {
    await writeFile(image, "");
    await truncate(image, Number.parseInt(SIZE, 10) * KB * KB);
    await must("mkfs.ext4", ["-q", "-F", image]);
  }
  const path = join(room.dir, name);
  await mkdir(path);
  await must("mount", ["-o", `loop,${how}`, image, path]);
  room.add({ stop: async () => void (await run("umount", ["-l", path])) });
  return path;
}

if (import.meta.main) {
  for (let i = 0; i < Number(process.argv[2] ?? 10); i++) {
    const load: Load =
      i % 2 === 0
        ? { roads: [0, 1, 2], connections: 3, messages: Infinity, ms: 1000 + Math.random() * 3000 }
        : { roads: [((i >> 1) % 3) as 0 | 1 | 2], connections: 1, messages: 20, ms: 20_000 };
    console.log(JSON.stringify({ ...load, ...(await powerCut(load)) }));
  }
}
