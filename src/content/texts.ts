// The first octets of text parts, kept while the tree is read, for those who look for links in them. Only when asked for: a
// message whose text nobody reads costs nothing. Called by tree.ts.
import type { Entity } from "../mail/entity.ts";
import type { PartText } from "../mail/message.ts";

/** Octets of one part, and of all parts of a message. */
const MAX_PART = 64 * 1024;
const MAX_ALL = 256 * 1024;

export interface TextKeeper {
  /** A text part begins. */
  open(entity: Entity): void;
  /** Its decoded octets; those of other parts are passed over. */
  write(entity: Entity, octets: Buffer): void;
  texts(): readonly PartText[];
}

interface Kept {
  readonly path: string;
  readonly type: string;
  readonly charset: string;
  readonly pieces: Buffer[];
  size: number;
}

export function textKeeper(): TextKeeper {
  const kept = new Map<Entity, Kept>();
  let all = 0;
  return {
    open(entity) {
      if (all >= MAX_ALL) return;
      const charset = entity.declared[0]?.parameters.get("charset")?.[0] ?? "";
      kept.set(entity, { path: entity.path, type: entity.type, charset, pieces: [], size: 0 });
    },
    write(entity, octets) {
      const text = kept.get(entity);
      if (text === undefined) return;
      const room = Math.min(MAX_PART - text.size, MAX_ALL - all);
      if (room <= 0) return;
      // A copy: the octets may be overwritten once the tree is read.
      const piece = Buffer.from(octets.subarray(0, room));
      text.pieces.push(piece);
      text.size += piece.length;
      all += piece.length;
    },
    texts: () =>
      [...kept.values()]
        .filter(({ size }) => size > 0)
        .map(({ path, type, charset, pieces }) => ({
          path,
          type,
          charset,
          octets: Buffer.concat(pieces),
        })),
  };
}
