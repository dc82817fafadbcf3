// What other readers see in a message that can be read in several ways: the message is walked again once per way (other-habits.ts),
// and the parts that the first reading did not show are given. Linear in the message's size for each way. Called in a thread.
import { createHash, hash, type Hash } from "node:crypto";
import type { Entity } from "../mail/entity.ts";
import type { WalkLimits } from "../mail/mime.ts";
import { USUAL } from "../mail/habits.ts";
import { LimitHit } from "./budget.ts";
import type { Octets } from "./containers/octets.ts";
import { walkLeaves, type Leaf, type LeafSink, type LeafWatcher } from "./leaf-walk.ts";
import { habitsOf, Ways, type Way } from "./other-habits.ts";

/** A part as another reader sees it. */
export interface OtherPart {
  /** Path of the part that is read otherwise, "1" for the whole message. */
  readonly of: string;
  /** How it is read: "the last of repeated fields". */
  readonly reading: string;
  readonly type: string;
  readonly names: readonly string[];
  /** Its decoded octets; to be read before the next part is asked for, once. */
  readonly octets: () => Iterable<Buffer>;
}

/**
 * The parts that other readers see and the first reading did not give: other octets, or the same under another type or name. Throws
 * LimitHit when there are too many of them. `sha256sOfFirstReading`: lower-case hex, of all parts in the tree.
 */
export function* otherReadings(
  message: Octets,
  limits: WalkLimits,
  sha256sOfFirstReading: ReadonlySet<string>,
): Generator<OtherPart> {
  const first = new FirstReading(sha256sOfFirstReading);
  drain(walkLeaves(message, limits, { name: "", habits: {} }, USUAL, first));
  const work = new Work();
  const ways = new Ways(first.kinds, message.size);
  for (const way of ways) {
    const habits = habitsOf(way, first.guesses);
    const walk = (watcher: LeafWatcher): Generator<void> =>
      walkLeaves(message, limits, way, habits, watcher);
    const leaves = new Fresh(first, work);
    const files = new Fresh(first, work);
    const kinds = new Set<string>();
    drain(walk({ leaves, files, closed: (entity) => addKinds(entity, kinds) }));
    ways.found(way, kinds);
    // What is new is known only when it was read to its end: then it is read again and given.
    if (leaves.fresh.size > 0)
      yield* given(leaves.fresh, (sink) => walk({ leaves: sink }), way, first);
    if (files.fresh.size > 0)
      yield* given(files.fresh, (sink) => walk({ files: sink }), way, first);
  }
}

function addKinds({ defects }: Entity, to: Set<string>): void {
  for (const { kind } of defects) to.add(kind);
}

/** So many octets before the first part are searched for a boundary. */
const MAX_START = 16 * 1024;

/** What the first reading shows. */
class FirstReading implements LeafWatcher {
  /** Names and types that are known, by hash. */
  readonly #known = new Map<string, Set<string>>();
  readonly #paths = new Set<string>();
  /** What multiparts hold before their first part, by path; of those that are open. */
  readonly #starts = new Map<string, Buffer>();
  #unsplit: string | null = null;
  readonly kinds = new Set<string>();
  /** Boundaries of multiparts that were not split, by path. */
  readonly guesses = new Map<string, string>();
  readonly leaves: LeafSink;
  readonly files: LeafSink;

  constructor(sha256s: ReadonlySet<string>) {
    for (const sha256 of sha256s) this.#known.set(sha256, new Set());
    const hashing = new Hashing((sha256, leaf) => void this.isNew(sha256, leaf));
    this.leaves = {
      open: (leaf) => {
        this.#unsplit = leaf.type.startsWith("multipart/") ? leaf.path : null;
        hashing.open(leaf);
      },
      data: (octets) => {
        if (this.#unsplit !== null) this.#start(this.#unsplit, octets);
        hashing.data(octets);
      },
      close: () => hashing.close(),
    };
    this.files = new Hashing((sha256, leaf) => void this.isNew(sha256, leaf));
  }

  hidden(): void {
    this.kinds.add("nul-in-text");
  }

  between({ path }: Entity, octets: Buffer): void {
    this.#start(path, octets);
  }

  #start(path: string, octets: Buffer): void {
    const start = this.#starts.get(path);
    if (start === undefined) this.#starts.set(path, Buffer.from(octets.subarray(0, MAX_START)));
    else if (start.length < MAX_START)
      this.#starts.set(path, Buffer.concat([start, octets.subarray(0, MAX_START - start.length)]));
  }

  closed(entity: Entity): void {
    const { path, defects } = entity;
    this.#paths.add(path);
    addKinds(entity, this.kinds);
    for (const { kind } of defects) {
      if (kind !== "missing-boundary" && kind !== "missing-first-boundary") continue;
      const text = this.#starts.get(path)?.toString("latin1") ?? "";
      const line = /^--([^\s-][^\r\n]{0,200}|-[^\r\n]{1,200})$/m.exec(text.replace(/\r\n/g, "\n"));
      if (line !== null) this.guesses.set(path, line[1]!.trimEnd());
    }
    this.#starts.delete(path);
  }

  /** True when these octets are new, or known but not under this type or one of these names; they are known from then on. */
  isNew(sha256: string, { type, names }: Leaf): boolean {
    let known = this.#known.get(sha256);
    const isNew = known === undefined;
    if (known === undefined) this.#known.set(sha256, (known = new Set()));
    const { size } = known;
    known.add(`type ${type}`);
    for (const name of names) known.add(`name ${name}`);
    return isNew || known.size > size;
  }

  /** The nearest part of the first reading at or above this path. */
  nearest(path: string): string {
    let at = path;
    while (!this.#paths.has(at) && at.includes("/")) at = at.slice(0, at.lastIndexOf("/"));
    return this.#paths.has(at) ? at : "1";
  }
}

/** Octets up to this are hashed at once: a text can hold thousands of files of a few octets. */
const SMALL = 1024;

/** Hashes leaves and tells when each is complete; empty ones are passed over. */
class Hashing implements LeafSink {
  readonly #tell: (sha256: string, leaf: Leaf) => void;
  #leaf: Leaf | null = null;
  #small: Buffer | null = null;
  #hash: Hash | null = null;

  constructor(tell: (sha256: string, leaf: Leaf) => void) {
    this.#tell = tell;
  }

  open(leaf: Leaf): void {
    this.#leaf = leaf;
    this.#small = null;
    this.#hash = null;
  }

  data(octets: Buffer): void {
    if (this.#hash === null && this.#small === null && octets.length <= SMALL) {
      this.#small = Buffer.from(octets);
      return;
    }
    this.#hash ??= createHash("sha256").update(this.#small ?? "");
    this.#hash.update(octets);
  }

  close(): void {
    if (this.#hash !== null) this.#tell(this.#hash.digest("hex"), this.#leaf!);
    else if (this.#small !== null) this.#tell(hash("sha256", this.#small, "hex"), this.#leaf!);
  }
}

/** Parts that all other readings may come to together: some seconds' worth would keep the next message waiting. */
const MAX_PARTS = 40_000;

class Work {
  #parts = 0;

  /** One more. Throws LimitHit. */
  part(): void {
    if (++this.#parts > MAX_PARTS) throw new LimitHit("too-many-readings", `${MAX_PARTS} parts`);
  }
}

/** Numbers the leaves of one walk and says which are new. */
class Fresh extends Hashing {
  readonly fresh = new Set<number>();
  readonly #work: Work;
  #number = -1;

  constructor(first: FirstReading, work: Work) {
    super((sha256, leaf) => {
      if (first.isNew(sha256, leaf)) this.fresh.add(this.#number);
    });
    this.#work = work;
  }

  override open(leaf: Leaf): void {
    this.#work.part();
    this.#number++;
    super.open(leaf);
  }
}

function drain(all: Iterator<unknown>): void {
  while (all.next().done !== true);
}

type Step = { readonly leaf: Leaf } | { readonly octets: Buffer } | { readonly end: true };

/** Gives the leaves with these numbers while they are walked. */
function* given(
  numbers: ReadonlySet<number>,
  walk: (sink: LeafSink) => Generator<void>,
  way: Way,
  first: FirstReading,
): Generator<OtherPart> {
  let number = -1;
  let left = numbers.size;
  let steps: Step[] = [];
  const wanted = (): boolean => numbers.has(number);
  const walking = walk({
    open: (leaf) => void (numbers.has(++number) && steps.push({ leaf })),
    data: (octets) => void (wanted() && steps.push({ octets: Buffer.from(octets) })),
    close: () => void (wanted() && steps.push({ end: true })),
  });
  let at = 0;
  const next = (): Step | null => {
    while (at === steps.length) {
      steps = [];
      at = 0;
      if (walking.next().done === true) return null;
    }
    return steps[at++]!;
  };
  for (let step = next(); step !== null && left > 0; step = next()) {
    if (!("leaf" in step)) continue;
    left--;
    const { path, type, names } = step.leaf;
    let ended = false;
    const rest = function* (): Generator<Buffer> {
      while (!ended) {
        const more = next();
        if (more === null || "end" in more) ended = true;
        else if ("octets" in more) yield more.octets;
      }
    };
    yield { of: first.nearest(path), reading: way.name, type, names, octets: rest };
    drain(rest());
  }
}
