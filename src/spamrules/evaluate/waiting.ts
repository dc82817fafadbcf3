// Metas that name one without points: SpamAssassin never hears that such a one has hit, so whatever names it waits in vain, for this message.
// Used by run.ts.
import type { CompiledMeta } from "./metas.ts";

export class Waiting {
  readonly #valueOf: (meta: CompiledMeta) => number;
  readonly #known = new Map<CompiledMeta, boolean>();

  /** `valueOf` a meta without points, once all that it names has been answered. */
  constructor(valueOf: (meta: CompiledMeta) => number) {
    this.#valueOf = valueOf;
  }

  /** Whether a meta is never answered: one without points that it names has a value, or itself waits in vain. */
  inVain(meta: CompiledMeta): boolean {
    const { mute, wary } = meta;
    if (mute.length === 0 && wary.length === 0) return false;
    let vain = this.#known.get(meta);
    if (vain === undefined) {
      vain =
        wary.some((other) => this.inVain(other)) ||
        mute.some((other) => this.inVain(other) || this.#valueOf(other) !== 0);
      this.#known.set(meta, vain);
    }
    return vain;
  }
}
