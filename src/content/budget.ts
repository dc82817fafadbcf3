// What the containers of one message may take together: members, octets, depth, time (amavis' MAXFILES, expansion quota, MAXLEVELS).
// Asked by expand.ts before each step; what is hit first ends the expansion.
import type { DefectKind } from "../mail/defects.ts";
import { DEFECTS } from "../mail/defects.ts";

export interface DeepLimits {
  /** Containers within containers. */
  readonly depth: number;
  /** Members of all containers together. */
  readonly members: number;
  /** Octets that members may come to however large the message is; see quotaOf(). */
  readonly octets: number;
  /** Milliseconds for all containers of a message. */
  readonly ms: number;
  /** Octets of other readings that are handed to scanners. */
  readonly payloads: number;
}

export const DEFAULT_DEEP_LIMITS: DeepLimits = {
  depth: 14,
  members: 1500,
  octets: 300 * 1024 * 1024,
  ms: 10_000,
  payloads: 32 * 1024 * 1024,
};

const MIN_QUOTA = 100 * 1024;
/** Directories and the like, which are no members, count a tenth. */
const ENTRIES_PER_MEMBER = 10;

/** Octets that the members of a message of this size may come to: between 5 and 500 times its size, amavis' rule. */
export function quotaOf(size: number, most: number): number {
  return Math.max(MIN_QUOTA, 5 * size, Math.min(most, 500 * size));
}

/** A limit that was hit. Thrown by a Budget, caught in expand.ts. */
export class LimitHit extends Error {
  readonly kind: DefectKind;
  constructor(kind: DefectKind, detail: string) {
    super(detail);
    this.name = "LimitHit";
    this.kind = kind;
  }

  /** As a sentence. */
  get sentence(): string {
    return `${DEFECTS[this.kind].meaning.replace(/\.$/, "")} (${this.message})`;
  }
}

export class Budget {
  readonly limits: DeepLimits;
  readonly quota: number;
  /** Set when the expansion has ended for all. */
  over: LimitHit | null = null;
  #members = 0;
  #entries = 0;
  #octets = 0;
  #payloads = 0;
  readonly #until: number;

  /** `size` is that of the message. The time runs from now. */
  constructor(limits: DeepLimits, size: number) {
    this.limits = limits;
    this.quota = quotaOf(size, limits.octets);
    this.#until = performance.now() + limits.ms;
  }

  /** One more member. Throws LimitHit, as all below. */
  member(): void {
    if (++this.#members > this.limits.members)
      this.#hit("container-too-many-members", `${this.limits.members}`);
    this.time();
  }

  /** One more entry that is no member. */
  entry(): void {
    const most = this.limits.members * ENTRIES_PER_MEMBER;
    if (++this.#entries > most) this.#hit("container-too-many-members", `${most} directories`);
    this.time();
  }

  /** So many more octets of a member. */
  octets(more: number): void {
    this.#octets += more;
    if (this.#octets > this.quota) this.#hit("container-too-large", `${this.quota} octets`);
    this.time();
  }

  /** Room for so many more octets of other readings; false when there is none, which ends nothing else. */
  payload(more: number): boolean {
    if (this.#payloads + more > this.limits.payloads) return false;
    this.#payloads += more;
    return true;
  }

  time(): void {
    if (performance.now() > this.#until)
      this.#hit("container-too-slow", `${this.limits.ms / 1000} s`);
  }

  #hit(kind: DefectKind, detail: string): never {
    this.over ??= new LimitHit(kind, detail);
    throw this.over;
  }
}
