// What the fault suite sends: clean letters of all sizes to one to four recipients, spam, viruses and banned names among them, each
// with a number that says later where it must be. Used by campaign.ts.
import { parcel, type Kind, type Numbered } from "../lab/parcels.ts";
import type { Road } from "./estate.ts";

export interface Sent {
  readonly road: Road;
  readonly kind: Kind;
  readonly to: readonly string[];
  readonly sha256: string;
  /** The fault during which it was first sent. */
  readonly during: string;
}

const KB = 1024;
const USERS = 12;

/** Messages in the order of their numbers; `book` gets one entry for each. */
export function mixedMail(book: Map<number, Sent>): (road: Road, during: string) => Numbered {
  let count = 0;
  return (road, during) => {
    const id = ++count;
    const kind = road.judges ? kindOf(Math.random()) : "clean";
    const first = Math.floor(Math.random() * USERS);
    const to = Array.from({ length: 1 + (id % 4) }, (_, i) => `u${first + i}@ours.example`);
    const made = parcel(id, sizeOf(id, kind), to, kind);
    book.set(id, { road, kind, to, sha256: made.sha256, during });
    return made;
  };
}

function kindOf(chance: number): Kind {
  if (chance < 0.06) return "virus";
  if (chance < 0.12) return "banned";
  return chance < 0.16 ? "spam" : "clean";
}

/** Mostly a few KiB; some outgrow memory (256 KiB); one in sixteen, and all spam, is small enough to be scored. */
function sizeOf(id: number, kind: Kind): number {
  if (kind === "spam" || id % 16 === 0) return 200;
  if (id % 100 === 0) return 1000 * KB;
  if (id % 40 === 0) return 300 * KB;
  return (2 + Math.random() * 12) * KB;
}
