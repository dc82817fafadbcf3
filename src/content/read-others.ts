// What other readers see in a message that can be read in several ways: the parts that readings.ts finds become parts of the tree, their
// octets are handed to scanners, and what is inside them is looked into. Called by walk-mail.ts.
import { defect } from "../mail/defects.ts";
import type { Part, Tree } from "../mail/message.ts";
import { LimitHit } from "./budget.ts";
import type { Octets } from "./containers/octets.ts";
import { expand, type Means } from "./expand.ts";
import { Keep } from "./keep.ts";
import { Measure } from "./measure.ts";
import { worthAnotherReading } from "./other-habits.ts";
import type { OtherPart, otherReadings } from "./readings.ts";

/** readings.ts; a test brings its own. */
export type OtherReadings = (...asked: Parameters<typeof otherReadings>) => Iterable<OtherPart>;

/** Reads what others see, if anything. `tree` is the usual reading of these octets. Rejects with LimitHit. */
export async function readOthers(
  message: Octets,
  tree: Tree,
  depth: number,
  means: Means,
): Promise<void> {
  if (!worthAnotherReading(tree.parts)) return;
  const byPath = new Map(tree.parts.map((part) => [part.path, part]));
  const known = new Set(tree.parts.map(({ sha256 }) => sha256));
  known.delete("");
  const counts = new Map<Part, number>();
  for (const other of means.others(message, means.walk, known)) {
    // Its paths count from "1", wherever the message itself stands.
    const of = byPath.get(tree.root.path + other.of.slice(1)) ?? tree.root;
    const count = (counts.get(of) ?? 0) + 1;
    counts.set(of, count);
    await readOther(other, of, `${of.path}+${count}`, depth, means);
    if (means.budget.over !== null) return;
  }
}

async function readOther(
  other: OtherPart,
  of: Part,
  path: string,
  depth: number,
  means: Means,
): Promise<void> {
  const { budget, tell } = means;
  const { type, names, reading } = other;
  budget.member();
  tell({ do: "part", path, parent: (of.parent ?? of).path, type, names, reading });
  const keep = new Keep(means.room, { type, names });
  try {
    const { kinds } = take(other, path, keep, means);
    const octets = keep.octets();
    if (octets === null) return;
    const opened = { path, type, names, kinds, mail: keep.mail, children: 0 };
    await expand(opened, octets, depth + 1, means);
  } finally {
    keep.close();
  }
}

/** Reads all octets of it; hands them over while there is room for them. */
function take(other: OtherPart, path: string, keep: Keep, means: Means): Measure {
  const { budget, tell } = means;
  const measure = new Measure();
  let payload: Buffer[] | null = [];
  for (const octets of other.octets()) {
    if (octets.length === 0) continue;
    budget.octets(octets.length);
    measure.write(octets);
    measure.own();
    keep.write(octets);
    if (payload !== null && !budget.payload(octets.length)) {
      payload = null;
      const hit = new LimitHit("container-too-large", `${budget.limits.payloads} octets to scan`);
      tell({ do: "add", path, defects: [defect(hit.kind, hit.message)] });
      tell({ do: "unread", why: hit.sentence });
    }
    payload?.push(Buffer.from(octets));
  }
  const { size, kinds, marks } = measure;
  tell({ do: "facts", path, size, sha256: measure.sha256(), kinds, marks });
  if (payload !== null && size > 0) means.payload(path, Buffer.concat(payload));
  return measure;
}
