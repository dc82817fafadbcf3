// What octets may stand side by side somewhere in every match of a pattern: for each of a few neighbouring places a set. For patterns
// whose letters come in a hundred spellings with anything in between, of which no list of texts can be made (literals.ts). Used by
// sought.ts.
import { often } from "./literals.ts";
import { ANY, OctetSet } from "./octet-set.ts";
import type { Node } from "./syntax.ts";

/** Places in a window. */
export const WIDTH = 6;
/** Steps of one search: patterns are large, and this is only a filter. */
const MAX_STEPS = 1_500_000;
/** Windows for one pattern; the words of longer alternatives share them. */
const MAX_WINDOWS = 6;
/** Windows that come oftener sort nothing out. */
const TOO_OFTEN = 0.02;

/** A set for each place; ANY also where the match, and the text, may have ended before. */
export type Window = readonly OctetSet[];

/** Windows of which at least one is in every match, as rare as can be found; none when there are none to speak of. */
export function rarestWindows(root: Node): readonly Window[] {
  const found = best(root, { steps: 0, scratch: blank() });
  if (found === null || found.chance > TOO_OFTEN) return [];
  return found.windows.map(({ sets }) => sets);
}

interface Weighed {
  readonly sets: Window;
  readonly chance: number;
}

interface Found {
  readonly windows: readonly Weighed[];
  readonly chance: number;
}

interface Effort {
  steps: number;
  /** The window that is being looked at: most are thrown away. */
  readonly scratch: readonly OctetSet[];
}

function best(node: Node, effort: Effort): Found | null {
  switch (node.kind) {
    case "octets":
      return windowAt([node], 0, effort, 1);
    case "sequence": {
      let found = null as Found | null;
      for (let at = 0; at < node.items.length; at++) {
        const item = node.items[at]!;
        found = windowAt(node.items, at, effort, found?.chance ?? 1) ?? found;
        if (item.kind !== "octets") found = rarer(found, best(item, effort));
      }
      return found;
    }
    case "choice": {
      const found = node.items.map((item) => best(item, effort));
      if (found.some((one) => one === null)) return null;
      return joined(found as Found[]);
    }
    case "repeat":
      if (node.min === 0) return null;
      return rarer(windowAt([node], 0, effort, 1), best(node.of, effort));
    case "group":
    case "atomic":
      return best(node.of, effort);
    default:
      return null;
  }
}

function rarer(one: Found | null, other: Found | null): Found | null {
  if (one === null || other === null) return one ?? other;
  return other.chance < one.chance ? other : one;
}

/** Windows for all alternatives; where they are too many, those that come often are made one. */
function joined(found: readonly Found[]): Found {
  const windows = found.flatMap((one) => one.windows).sort((a, b) => a.chance - b.chance);
  const kept = windows.slice(0, MAX_WINDOWS - 1);
  const others = windows.slice(MAX_WINDOWS - 1);
  if (others.length > 0) {
    const sets = blank();
    sets.forEach((set, place) => {
      for (const other of others) set.addAll(other.sets[place]!);
    });
    kept.push({ sets, chance: chanceOf(sets) });
  }
  return { windows: kept, chance: kept.reduce((sum, { chance }) => sum + chance, 0) };
}

/** The window that begins where the first of these begins; null when it comes oftener than `most`. */
function windowAt(
  items: readonly Node[],
  from: number,
  effort: Effort,
  most: number,
): Found | null {
  const sets = effort.scratch;
  for (const set of sets) set.clear();
  let places = 1;
  for (let at = from; at < items.length && places !== 0; at++) {
    places = walk(items[at]!, places, sets, effort);
  }
  if (effort.steps > MAX_STEPS) return null;
  fill(sets, places);
  const chance = chanceOf(sets);
  return chance < most
    ? { windows: [{ sets: sets.map((set) => set.copy()), chance }], chance }
    : null;
}

function chanceOf(sets: readonly OctetSet[]): number {
  let chance = 1;
  for (const set of sets) chance *= often(set);
  return chance;
}

function blank(): OctetSet[] {
  return Array.from({ length: WIDTH }, () => new OctetSet());
}

/** Whatever comes behind a place (bits of `places`) that a match may end at, or that nothing is known of. */
function fill(sets: readonly OctetSet[], places: number): void {
  if (places === 0) return;
  for (let place = 31 - Math.clz32(places & -places); place < WIDTH; place++)
    sets[place]!.addAll(ANY);
}

const BEYOND = 2 ** WIDTH - 1;

/** Adds what the node may put at each place when it begins at any of `places`; returns where it may end, within the window. */
function walk(node: Node, places: number, sets: readonly OctetSet[], effort: Effort): number {
  if (++effort.steps > MAX_STEPS || places === 0) return 0;
  switch (node.kind) {
    case "octets":
      for (let place = 0; place < WIDTH; place++) {
        if ((places & (1 << place)) !== 0) sets[place]!.addAll(node.set);
      }
      return (places << 1) & BEYOND;
    case "sequence": {
      let here = places;
      for (const item of node.items) here = walk(item, here, sets, effort);
      return here;
    }
    case "choice": {
      let ends = 0;
      for (const item of node.items) ends |= walk(item, places, sets, effort);
      return ends;
    }
    case "repeat": {
      let ends = node.min === 0 ? places : 0;
      let here = places;
      for (let times = 1; times <= node.max && here !== 0 && times <= node.min + WIDTH; times++) {
        const before = here;
        here = walk(node.of, before, sets, effort);
        // What takes no octets may be there as often as it likes.
        if (times >= node.min || here === before) ends |= here;
        if (here === before) break;
      }
      return ends;
    }
    case "group":
    case "atomic":
      return walk(node.of, places, sets, effort);
    case "back":
    case "tag":
      fill(sets, places);
      return 0;
    case "empty":
    case "edge":
    case "look":
      return places;
  }
}
