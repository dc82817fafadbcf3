// Where every message is now: read back from the Maildirs, from what the next hop took down and from the quarantine, octet for octet.
// Used by accounts.ts.
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { quarantine } from "../../../src/mailstore/quarantine.ts";
import { digestOf } from "../lab/parcels.ts";
import type { Estate } from "./estate.ts";
import type { Sent } from "./mixed-mail.ts";

export interface Copies {
  /** How many copies of the message there are for one recipient. */
  count: number;
  /** Those of them whose acceptance postern never heard of. */
  unheard: number;
}

export interface Whereabouts {
  /** By `${id} ${recipient}`. */
  readonly copies: ReadonlyMap<string, Copies>;
  /** Copies by place. */
  readonly places: Readonly<Record<Place, number>>;
  /** Sentences about copies that are damaged or must not be where they are. */
  readonly wrong: readonly string[];
}

export type Place = "Maildirs" | "next hop" | "quarantine";

/** "17 u3@ours.example" */
export const keyOf = (id: number, to: string): string => `${id} ${to}`;

/** Looks everywhere. Nothing may be under way. */
export async function whereabouts(
  { mail, quarantine: kept, hop }: Estate,
  book: ReadonlyMap<number, Sent>,
): Promise<Whereabouts> {
  const copies = new Map<string, Copies>();
  const places: Record<Place, number> = { Maildirs: 0, "next hop": 0, quarantine: 0 };
  const wrong: string[] = [];
  const add = (place: Place, id: number, sha256: string, to: string, unheard = false): void => {
    const sent = book.get(id);
    const stopped = sent?.kind === "virus" || sent?.kind === "banned";
    if (sent?.sha256 !== sha256) wrong.push(`${place}: message ${id} is not what was sent`);
    else if (stopped !== (place === "quarantine"))
      wrong.push(`${place}: message ${id} (${sent.kind}) must not be here`);
    const key = keyOf(id, to);
    const one = copies.get(key) ?? { count: 0, unheard: 0 };
    one.count++;
    if (unheard) one.unheard++;
    copies.set(key, one);
    places[place]++;
  };
  for (const { id, sha256, to, answered } of hop.taken)
    for (const one of to) add("next hop", id, sha256, one, !answered);
  for (const { path, user } of await delivered(join(mail, "root"))) {
    const stored = await readFile(path);
    if (Number(/,S=(\d+)/.exec(path)?.[1]) !== stored.length)
      wrong.push(`${path}: ${stored.length} octets`);
    const digest = digestOf(stored);
    // What has no number is a notice of ours about kept mail.
    if (digest !== null) add("Maildirs", digest.id, digest.sha256, `${user}@ours.example`);
    else if (!stored.includes("Auto-Submitted: auto-")) wrong.push(`${path}: no message of ours`);
  }
  const store = quarantine({
    directory: join(kept, "kept"),
    warn: (text) => void wrong.push(text),
  });
  for await (const { id: name, recipients } of store.list()) {
    const pieces: Buffer[] = [];
    for await (const piece of (await store.read(name))?.body.open() ?? []) pieces.push(piece);
    const digest = digestOf(Buffer.concat(pieces));
    for (const { address } of recipients)
      add("quarantine", digest?.id ?? -1, digest?.sha256 ?? "", address);
  }
  return { copies, places, wrong };
}

/** Files in new/ of every folder of every mailbox; none when nothing was delivered yet. */
export async function delivered(root: string): Promise<readonly { path: string; user: string }[]> {
  const names = await readdir(root, { recursive: true }).catch(() => []);
  return names.flatMap((name) => {
    const user = /^ours\.example\/([^/]+)\/Maildir\/(?:[^/]+\/)?new\/[^/]+$/.exec(name)?.[1];
    return user === undefined ? [] : [{ path: join(root, name), user }];
  });
}
