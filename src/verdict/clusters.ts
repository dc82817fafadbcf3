// Recipients who get the very same copy travel together: equal edits, equal folder, equal taint. Pure.
import type { Edit } from "./edits.ts";

/** What one recipient who gets the message shall get. */
export interface Share {
  /** Position of the RCPT command. */
  readonly index: number;
  readonly edits: readonly Edit[];
  readonly folder: string | null;
  /** Judged spam or virus. */
  readonly tainted: boolean;
}

export interface Cluster {
  /** Positions of the RCPT commands, ascending. */
  readonly members: readonly number[];
  readonly edits: readonly Edit[];
  readonly folder: string | null;
  readonly tainted: boolean;
}

/** Groups the shares; order of clusters is that of their first member. */
export function clustersOf(shares: readonly Share[]): readonly Cluster[] {
  const [only] = shares;
  if (only !== undefined && shares.length === 1) return [{ ...only, members: [only.index] }];
  const clusters = new Map<string, { members: number[]; share: Share }>();
  for (const share of shares) {
    const key = JSON.stringify([share.edits, share.folder, share.tainted]);
    const cluster = clusters.get(key);
    if (cluster === undefined) clusters.set(key, { members: [share.index], share });
    else cluster.members.push(share.index);
  }
  return [...clusters.values()].map(({ members, share }) => ({
    members,
    edits: share.edits,
    folder: share.folder,
    tainted: share.tainted,
  }));
}
