// Goes into containers: pulls the members of a part out of its format one by one, measures each, and goes into those that are containers
// themselves, until a limit is hit (budget.ts). Runs in a thread (deep-thread.ts); what it finds it tells at once.
import { defect } from "../mail/defects.ts";
import type { WalkLimits } from "../mail/mime.ts";
import type { Format, Member } from "./containers/format.ts";
import type { Octets } from "./containers/octets.ts";
import { LimitHit, type Budget } from "./budget.ts";
import type { Tell } from "./deep-notes.ts";
import { Keep, type KeepRoom } from "./keep.ts";
import type { Outside } from "./looks-into.ts";
import { memberNames } from "./member-names.ts";
import { Measure } from "./measure.ts";
import type { OtherReadings } from "./read-others.ts";
import { Reporter } from "./reporter.ts";
import { readMail } from "./walk-mail.ts";

/** What the reading of one message shares. */
export interface Means {
  readonly budget: Budget;
  /** For mail, in its own parts. */
  readonly walk: WalkLimits;
  readonly room: KeepRoom;
  readonly tell: Tell;
  /** Hands over the octets of another reading, for a scanner. */
  payload(path: string, octets: Buffer): void;
  readonly others: OtherReadings;
}

/** A part that is looked into. */
export interface Opened extends Outside {
  readonly path: string;
  /** True when it is a whole message. */
  readonly mail: boolean;
  /** How many children it has already. */
  readonly children: number;
}

/** Looks into one part; `depth` is 1 for parts of the message itself. Never rejects for what the octets are. */
export async function expand(
  part: Opened,
  octets: Octets,
  depth: number,
  means: Means,
): Promise<void> {
  const { budget, tell } = means;
  if (budget.over !== null) return;
  if (depth > budget.limits.depth) return tooDeep(part, means);
  tell({ do: "enter", path: part.path });
  try {
    await new Expansion(part, octets, depth, means).run();
  } catch (error) {
    // The innermost container gets the defect; all around it end since the budget is over.
    if (!(error instanceof LimitHit)) throw error;
    tell({ do: "add", path: part.path, defects: [defect(error.kind, error.message)] });
    tell({ do: "unread", why: error.sentence });
  }
  tell({ do: "leave", path: part.path });
}

function tooDeep({ path }: Opened, { budget, tell }: Means): void {
  const { depth } = budget.limits;
  const hit = new LimitHit("container-too-deep", `${depth}`);
  tell({ do: "add", path, defects: [defect(hit.kind, hit.message)] });
  tell({ do: "unread", why: hit.sentence });
}

class Expansion {
  readonly #part: Opened;
  readonly #octets: Octets;
  readonly #depth: number;
  readonly #means: Means;
  #children: number;

  constructor(part: Opened, octets: Octets, depth: number, means: Means) {
    this.#part = part;
    this.#octets = octets;
    this.#depth = depth;
    this.#means = means;
    this.#children = part.children;
  }

  async run(): Promise<void> {
    const { looks } = this.#means.room;
    const used = new Set<Format>();
    for (const { formats, sure } of looks.formats(this.#part)) {
      await this.#first(
        formats.filter((format) => !used.has(format)),
        sure,
      );
      for (const format of formats) used.add(format);
    }
    if (!this.#part.mail || this.#means.budget.over !== null) return;
    await readMail(
      this.#octets,
      { parent: this.#part.path, path: this.#nextPath() },
      this.#depth,
      this.#means,
    );
  }

  /** Reads it as the first of these formats that it is; when it must be one and is none, what the first one said of it counts. */
  async #first(candidates: readonly Format[], sure: boolean): Promise<void> {
    let refused: Reporter | null = null;
    for (const format of candidates) {
      const report = new Reporter(this.#part.path, this.#means.tell);
      if (await this.#read(format, report)) return;
      refused ??= report;
    }
    if (sure) refused?.publish();
  }

  /** False when it is not of this format: no member, and nothing was said of it but what is wrong. */
  async #read(format: Format, report: Reporter): Promise<boolean> {
    const { budget } = this.#means;
    try {
      for await (const member of format.members(this.#octets, report)) {
        report.publish();
        await this.#member(member, format);
        if (budget.over !== null) return true;
      }
    } catch (error) {
      if (error instanceof LimitHit) {
        report.publish();
        throw error;
      }
      report.broken(error);
    }
    if (report.recognised) report.publish();
    return report.published;
  }

  async #member(member: Member, format: Format): Promise<void> {
    const { budget, tell, room } = this.#means;
    if (member.what === "directory") return budget.entry();
    budget.member();
    const path = this.#nextPath();
    const names = memberNames(member, this.#part, format);
    const type = member.type ?? "application/octet-stream";
    tell({ do: "part", path, parent: this.#part.path, type, names });
    const report = new Reporter(path, tell);
    report.publish();
    for (const { kind, detail } of member.defects ?? []) report.defect(kind, detail);
    for (const attribute of member.attributes ?? []) report.attribute(attribute);
    if (member.encrypted === true) report.encrypted();
    if (member.octets === undefined) return;
    const keep = new Keep(room, { type, names, look: true });
    try {
      const { kinds } = await this.#take(member, path, keep, report);
      const octets = keep.octets();
      if (octets === null) return;
      const inner = { path, type, names, kinds, mail: keep.mail, children: 0 };
      await expand(inner, octets, this.#depth + 1, this.#means);
    } finally {
      keep.close();
    }
  }

  /** Reads all octets of a member, as far as they can be read. */
  async #take(member: Member, path: string, keep: Keep, report: Reporter): Promise<Measure> {
    const { budget, tell } = this.#means;
    const measure = new Measure();
    const facts = (sha256: string): void => {
      const { size, kinds, marks } = measure;
      tell({ do: "facts", path, size, sha256, kinds, marks });
    };
    try {
      for await (const octets of member.octets!()) {
        if (octets.length === 0) continue;
        budget.octets(octets.length);
        measure.write(octets);
        // The piece is valid until the next one only.
        measure.own();
        keep.write(octets);
      }
    } catch (error) {
      if (error instanceof LimitHit) {
        facts("");
        throw error;
      }
      report.broken(error);
    }
    facts(measure.sha256());
    return measure;
  }

  #nextPath(): string {
    return `${this.#part.path}/${++this.#children}`;
  }
}
