// Applying verdicts: quarantine first, then every cluster to its destination, in two phases, then what the client hears. The
// order is the promise: nothing answers 250 before all that it stands for is committed. Never rejects.
import { refused, type Copy, type Destination, type Prepared } from "../mail/destination.ts";
import { editedBody } from "../mail/edited.ts";
import type { Body, Message, Recipient } from "../mail/message.ts";
import { ok, tempfail, type Reply } from "../mail/reply.ts";
import { clustersOf, type Cluster } from "../verdict/clusters.ts";
import type { Edit } from "../verdict/edits.ts";
import { STOPS } from "../verdict/policy.ts";
import { stopReply, type Ending } from "../verdict/replies.ts";
import type { Judged } from "./judge.ts";

/** How one recipient ended; what log, metrics and DSNs are made from. */
export interface Outcome extends Ending {
  readonly judged: Judged;
  /** True when an earlier try had handed the message on already. */
  readonly skipped: boolean;
}

/** A quarantine copy that only lacks its last step. */
export interface Keeping {
  /** Path below the quarantine, for the log. */
  readonly path: string;
  commit(): Promise<Reply>;
  abort(): Promise<void>;
  /** Takes a committed copy back. */
  undo(): Promise<void>;
}

export interface ApplyMeans {
  readonly destination: Destination;
  /** One copy for the message; the failure reply when it cannot be kept. */
  keep(
    message: Message,
    judged: readonly Judged[],
    deadline: AbortSignal,
  ): Promise<Keeping | Reply>;
  edits(message: Message, judged: Judged, quarantined: boolean): readonly Edit[];
  /**
   * Lines to put in front of a cluster's copy when nothing else will change in it: DKIM-Signature fields. Null when they could
   * not be made: the cluster gets a 4xx. Never rejects.
   */
  finish?(message: Message, copy: Body, deadline: AbortSignal): Promise<readonly string[] | null>;
  /** The recipient as the destination shall see it (address extension). */
  addressed(recipient: Recipient, folder: string | null, local: boolean): Recipient;
  readonly deadline: AbortSignal;
}

export interface Applied {
  /** One per RCPT, in order. */
  readonly outcomes: readonly Outcome[];
  /** Path of the committed quarantine copy, or null. */
  readonly quarantine: string | null;
}

/** `together`: plain SMTP, where one tempfail is everybody's. `skip[i]`: that recipient has the message already. */
export async function apply(
  message: Message,
  judged: readonly Judged[],
  skip: readonly boolean[],
  together: boolean,
  means: ApplyMeans,
): Promise<Applied> {
  const run = new Run(message, judged, skip, together, means);
  return run.apply();
}

const LATE = (id: string): Reply =>
  tempfail(451, "4.3.0", `Temporary failure, id=${id} - out of time`);

const UNFINISHED = (id: string): Reply =>
  tempfail(451, "4.3.0", `Temporary failure, id=${id} - the message could not be signed`);

class Run {
  readonly message: Message;
  readonly judged: readonly Judged[];
  readonly skip: readonly boolean[];
  readonly together: boolean;
  readonly means: ApplyMeans;
  readonly replies: (Reply | null)[];
  readonly byNextHop: boolean[];
  private keeping: Keeping | null = null;

  constructor(
    message: Message,
    judged: readonly Judged[],
    skip: readonly boolean[],
    together: boolean,
    means: ApplyMeans,
  ) {
    this.message = message;
    this.judged = judged;
    this.skip = skip;
    this.together = together;
    this.means = means;
    const { id } = message.envelope;
    this.replies = judged.map(({ verdict }, i) => {
      if (skip[i] === true) return ok(`Ok, id=${id}, already handed on`);
      return STOPS[verdict.disposition] ? stopReply(verdict, id) : null;
    });
    this.byNextHop = judged.map(() => false);
  }

  async apply(): Promise<Applied> {
    if (this.together && this.failed()) return this.result(null);
    const kept = await this.prepareKeeping();
    if (!kept && this.together) return this.result(null);
    const going = this.judged.flatMap((_, i) => (this.replies[i] === null ? [i] : []));
    const clusters = going.length === 0 ? [] : clustersOf(this.shares(going));
    const prepared = await Promise.all(clusters.map((cluster) => this.prepare(cluster)));
    if (this.mustAbort(clusters, prepared)) {
      await Promise.all([...prepared.map((p) => p.abort()), this.keeping?.abort()]);
      return this.result(null);
    }
    const quarantine = await this.commitKeeping();
    if (quarantine === undefined && this.together) {
      await Promise.all(prepared.map((p) => p.abort()));
      return this.result(null);
    }
    await Promise.all(prepared.map((p, c) => this.commit(clusters[c], p)));
    if (this.together && this.failed() && quarantine !== null) {
      await this.keeping?.undo();
      return this.result(null);
    }
    return this.result(quarantine ?? null);
  }

  private failed(): boolean {
    return this.replies.some((reply) => reply?.kind === "tempfail");
  }

  private shares(going: readonly number[]): Parameters<typeof clustersOf>[0] {
    return going.map((index) => {
      const judged = this.judged[index] as Judged;
      const { verdict } = judged;
      return {
        index,
        edits: this.means.edits(this.message, judged, this.keeping !== null && verdict.quarantine),
        folder: verdict.folder,
        tainted: verdict.categories.some(
          (name) => name === "spam" || name === "spammy" || name === "virus",
        ),
      };
    });
  }

  /** False when a copy was wanted and cannot be kept: then its recipients (over SMTP: all) get the 4xx. */
  private async prepareKeeping(): Promise<boolean> {
    const wanting = this.wantingCopy();
    if (wanting.length === 0) return true;
    const kept = await this.means.keep(this.message, this.judged, this.means.deadline);
    if (!("kind" in kept)) {
      this.keeping = kept;
      return true;
    }
    for (const i of wanting) this.replies[i] = kept;
    return false;
  }

  /** Whose verdict asks for a copy; over SMTP also a reject that a 250 for others hides: its report may have to stay unsent. */
  private wantingCopy(): number[] {
    const mixed =
      this.together && this.judged.some(({ verdict }) => verdict.disposition !== "reject");
    return this.judged.flatMap(({ verdict }, i) => {
      if (this.skip[i] === true || verdict.disposition === "tempfail") return [];
      const hidden = mixed && verdict.disposition === "reject";
      return verdict.quarantine || hidden ? [i] : [];
    });
  }

  private async prepare(cluster: Cluster): Promise<Prepared> {
    const { envelope } = this.message;
    const recipients = cluster.members.map((i) => {
      const { recipient, local } = this.judged[i] as Judged;
      return this.means.addressed(recipient, cluster.folder, local);
    });
    const body = await this.finished(cluster);
    if (body === null) return refused(recipients, UNFINISHED(envelope.id));
    const copy: Copy = {
      id: envelope.id,
      mailId: envelope.mailId,
      sender: envelope.sender,
      senderParams: envelope.senderParams,
      client: envelope.client,
      xforward: envelope.xforward,
      body,
      folder: cluster.folder,
      tainted: cluster.tainted,
    };
    return this.means.destination.prepare(copy, recipients, this.means.deadline);
  }

  /** The copy with all its edits; null when the last ones could not be made. */
  private async finished(cluster: Cluster): Promise<Body | null> {
    const { header, body } = this.message;
    const copy = editedBody(header, body, cluster.edits);
    if (this.means.finish === undefined) return copy;
    const lines = await this.means.finish(this.message, copy, this.means.deadline);
    if (lines === null || lines.length === 0) return lines === null ? null : copy;
    const front = lines.map((line): Edit => ({ do: "prepend", line }));
    return editedBody(header, body, [...front, ...cluster.edits]);
  }

  /** Past the budget nothing is committed; over SMTP one recipient's tempfail aborts all. */
  private mustAbort(clusters: readonly Cluster[], prepared: readonly Prepared[]): boolean {
    const late = this.means.deadline.aborted ? LATE(this.message.envelope.id) : null;
    let failed = late !== null;
    prepared.forEach((p, c) => {
      clusters[c]?.members.forEach((i, at) => {
        const reply = p.replies[at];
        if (reply === undefined) return;
        if (late !== null && reply.kind === "ok") this.replies[i] = late;
        else if (reply.kind !== "ok") this.answer(i, reply);
        if (reply.kind === "tempfail") failed ||= this.together;
      });
    });
    if (late !== null) this.replies.forEach((reply, i) => (this.replies[i] = reply ?? late));
    if (late !== null && this.keeping !== null) {
      for (const i of this.wantingCopy()) this.replies[i] = late;
    }
    return failed;
  }

  /** The path of the kept copy, null when none was wanted, undefined when it could not be committed. */
  private async commitKeeping(): Promise<string | null | undefined> {
    if (this.keeping === null) return null;
    const reply = await this.keeping.commit();
    if (reply.kind === "ok") return this.keeping.path;
    for (const i of this.wantingCopy()) this.replies[i] = reply;
    return undefined;
  }

  private async commit(cluster: Cluster | undefined, prepared: Prepared): Promise<void> {
    const replies = await prepared.commit();
    cluster?.members.forEach((i, at) => {
      const reply = replies[at];
      if (reply !== undefined) this.answer(i, reply);
    });
  }

  private answer(i: number, reply: Reply): void {
    this.replies[i] = reply;
    this.byNextHop[i] = true;
  }

  private result(quarantine: string | null): Applied {
    const { id } = this.message.envelope;
    const outcomes = this.judged.map((judged, i): Outcome => {
      const reply =
        this.replies[i] ??
        this.replies.find((r) => r?.kind === "tempfail") ??
        tempfail(451, "4.3.0", `Temporary failure, id=${id}`);
      const skipped = this.skip[i] === true;
      return {
        judged,
        reply,
        skipped,
        byNextHop: this.byNextHop[i] === true,
        how: howOf(judged, reply, skipped),
      };
    });
    return { outcomes, quarantine };
  }
}

function howOf({ verdict }: Judged, reply: Reply, skipped: boolean): Ending["how"] {
  if (reply.kind === "tempfail") return "tempfailed";
  if (skipped) return "handed-on";
  if (reply.kind === "reject") return "rejected";
  if (verdict.disposition === "discard") return "discarded";
  return verdict.disposition === "bounce" ? "bounced" : "handed-on";
}
