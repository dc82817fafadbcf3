// What octets may stand side by side somewhere in every match of a pattern: for each of a few neighbouring places a set. For patterns
// whose letters come in a hundred spellings with anything in between, of which no list of texts can be made (literals.ts). Used by
// prefilter.ts.
import { often } from "./literals.ts";
import { ANY, OctetSet } from "./octet-set.ts";
import type { Node } from "./syntax.ts";

/** Places in a window. */
export const WIDTH = 6;
/** Steps of one search: patterns are large, and this is only a filter. */
const MAX_STEPS = 1_500_000;
/** Windows for one pattern; the words of longer alternatives share them. */
const MAX_WINDOWS = 12;
/** Windows that come oftener sort nothing out. */
const TOO_OFTEN = 0.02;

/** A set for each place; ANY also where the match, and the text, may have ended before. */
export type Window = readonly OctetSet[];

/** Windows of which at least one is in every match, as rare as can be found; none when there are none to speak of. */
export function rarestWindows(root: Node): readonly Window[] {
  const found = best(root, { steps: 0 });
  if (found === null || found.chance > TOO_OFTEN) return [];
  return found.windows.map(({ sets }) => sets.map((set) => (set.size === 256 ? ANY : set)));
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
}

function best(node: Node, effort: Effort): Found | null {
  switch (node.kind) {
    case "octets":
      return windowAt([node], effort);
    case "sequence": {
      let found: Found | null = null;
      for (let at = 0; at < node.items.length; at++) {
        const item = node.items[at]!;
        found = rarer(found, windowAt(node.items.slice(at, at + 4 * WIDTH), effort));
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
      return rarer(windowAt([node], effort), best(node.of, effort));
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
    const sets = Array.from({ length: WIDTH }, (_, place) => {
      const set = new OctetSet();
      for (const other of others) set.addAll(other.sets[place]!);
      return set;
    });
    kept.push(weighed(sets));
  }
  return { windows: kept, chance: kept.reduce((sum, { chance }) => sum + chance, 0) };
}

/** The window that begins where the first of these begins. */
function windowAt(items: readonly Node[], effort: Effort): Found | null {
  const sets = Array.from({ length: WIDTH }, () => new OctetSet());
  let places = 1;
  for (const item of items) {
    places = walk(item, places, sets, effort);
    if (places === 0) break;
  }
  if (effort.steps > MAX_STEPS) return null;
  fill(sets, places);
  const window = weighed(sets);
  return { windows: [window], chance: window.chance };
}

function weighed(sets: readonly OctetSet[]): Weighed {
  let chance = 1;
  for (const set of sets) chance *= often(set);
  return { sets, chance };
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
        here = walk(node.of, here, sets, effort);
        if (times >= node.min) ends |= here;
        if (here === places) break;
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
