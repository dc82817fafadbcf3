// Keeps the octets of a part or member that may have to be read again, as a container: in memory while they are few, else in a file
// without a name. Used by expand.ts and walk-mail.ts, in a thread: all calls are synchronous.
import { randomInt } from "node:crypto";
import { closeSync, constants, mkdirSync, openSync, unlinkSync, writeSync } from "node:fs";
import { join } from "node:path";
import { LimitHit } from "./budget.ts";
import { octetsOf, octetsOfFile, type Octets } from "./containers/octets.ts";
import { ISO_OFFSET, kindsOf } from "./magic.ts";
import type { LooksInto, Outside } from "./looks-into.ts";

/** Octets of one part that stay in memory. */
const IN_MEMORY = 1024 * 1024;
/** From here on it is known what the octets are. */
const TELLING = ISO_OFFSET + 5;

/** Where octets are kept, and for whom. */
export interface KeepRoom {
  /** Directory for large ones; made when it is missing. */
  readonly directory: string;
  readonly looks: LooksInto;
}

/** What is known of a part before its octets come. */
export interface Announced extends Omit<Outside, "kinds"> {
  /** True: it is mail if it looks like mail. For members of containers, where nothing declares it. */
  readonly look?: boolean;
}

export class Keep {
  readonly #room: KeepRoom;
  readonly #part: Announced;
  #pieces: Buffer[] = [];
  #size = 0;
  #descriptor: number | null = null;
  #wanted: boolean | null = null;
  #mail = false;

  constructor(room: KeepRoom, part: Announced) {
    this.#room = room;
    this.#part = part;
  }

  /** Takes a copy, unless nobody would look into it. Throws LimitHit when the file cannot be written. */
  write(octets: Buffer): void {
    if (this.#wanted === false) return;
    try {
      this.#take(octets);
    } catch (error) {
      // A limit of this machine, and no fault of the container.
      throw new LimitHit("container-too-large", (error as Error).message);
    }
  }

  #take(octets: Buffer): void {
    if (this.#descriptor === null) this.#pieces.push(Buffer.from(octets));
    else writeAll(this.#descriptor, octets);
    this.#size += octets.length;
    if (this.#wanted === null && this.#size >= TELLING) this.#decide();
    if (this.#descriptor === null && this.#size > IN_MEMORY) this.#spill();
  }

  /** The octets, all that came, until close(); null when nobody looks into them. */
  octets(): Octets | null {
    if (this.#wanted === null) this.#decide();
    if (this.#wanted !== true) return null;
    if (this.#descriptor !== null) return octetsOfFile(this.#descriptor, this.#size);
    if (this.#pieces.length !== 1) this.#pieces = [Buffer.concat(this.#pieces)];
    return octetsOf(this.#pieces[0]!);
  }

  /** True when the octets are a whole message. */
  get mail(): boolean {
    return this.#mail;
  }

  /** Forgets all. Again is harmless. */
  close(): void {
    this.#wanted = false;
    this.#pieces = [];
    if (this.#descriptor !== null) closeSync(this.#descriptor);
    this.#descriptor = null;
  }

  #decide(): void {
    const start = Buffer.concat(this.#pieces).subarray(0, TELLING);
    const isoMark = start.length < TELLING ? null : start.subarray(ISO_OFFSET);
    const outside = { ...this.#part, kinds: kindsOf(start, isoMark) };
    const { looks } = this.#room;
    this.#mail = looks.mail(outside, this.#part.look === true ? start : undefined);
    this.#wanted = this.#mail || looks.formats(outside).length > 0;
    if (!this.#wanted) this.#pieces = [];
  }

  #spill(): void {
    if (this.#wanted !== true) return;
    this.#descriptor = openUnnamed(this.#room.directory);
    for (const piece of this.#pieces) writeAll(this.#descriptor, piece);
    this.#pieces = [];
  }
}

/** A new file that no longer has a name. Its first name is one that the spool sweeps away after a crash. */
function openUnnamed(directory: string): number {
  const { O_RDWR, O_CREAT, O_EXCL, O_NOFOLLOW } = constants;
  for (let missing = false; ;) {
    const path = join(directory, `${process.pid}-${randomInt(2 ** 40, 2 ** 47)}.spool`);
    try {
      const descriptor = openSync(path, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW, 0o600);
      unlinkSync(path);
      return descriptor;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ENOENT" || missing) throw error;
      missing = true;
      mkdirSync(directory, { recursive: true, mode: 0o700 });
    }
  }
}

function writeAll(descriptor: number, octets: Buffer): void {
  for (let at = 0; at < octets.length;) at += writeSync(descriptor, octets, at);
}
