// What a format says of the part that it reads, told on as notes: each kind of defect and each attribute once, and nothing before it is
// sure that the part is of that format. Used by expand.ts.
import type { Attribute } from "../mail/attributes.ts";
import { defect, type DefectKind } from "../mail/defects.ts";
import { Broken, type Report } from "./containers/format.ts";
import type { DeepNote, Tell } from "./deep-notes.ts";

type Addition = Extract<DeepNote, { do: "add" }>;

/** More short types than any format has to say. */
const MAX_KINDS = 8;

export class Reporter implements Report {
  readonly #path: string;
  readonly #tell: Tell;
  readonly #said = new Set<string>();
  #kinds = 0;
  #held: Addition[] | null = [];
  #recognised = false;

  constructor(path: string, tell: Tell) {
    this.#path = path;
    this.#tell = tell;
  }

  /** True when the format said what only somebody says who could read it. */
  get recognised(): boolean {
    return this.#recognised;
  }

  get published(): boolean {
    return this.#held === null;
  }

  /** Tells what was held back, and from now on all at once. */
  publish(): void {
    const held = this.#held ?? [];
    this.#held = null;
    for (const note of held) this.#tell(note);
  }

  defect(kind: DefectKind, detail = ""): void {
    this.#once(`defect ${kind}`, { defects: [defect(kind, detail)] });
  }

  attribute(name: Attribute): void {
    this.#recognised = true;
    this.#once(`attribute ${name}`, { attributes: [name] });
  }

  kind(short: string, instead?: string): void {
    this.#recognised = true;
    if (!this.#said.has(`kind ${short}`) && ++this.#kinds > MAX_KINDS) return;
    this.#once(`kind ${short}`, { kind: short, ...(instead !== undefined && { instead }) });
  }

  encrypted(): void {
    this.#recognised = true;
    this.#once("encrypted", { encrypted: true });
    this.defect("container-encrypted");
  }

  /** What was thrown: damage as the format says, and a fault of ours counts as damage too. */
  broken(error: unknown): void {
    if (error instanceof Broken) return this.defect(error.kind, error.message);
    this.defect("container-broken", error instanceof Error ? error.message : "");
  }

  #once(what: string, addition: Omit<Addition, "do" | "path">): void {
    if (this.#said.has(what)) return;
    this.#said.add(what);
    const note: Addition = { do: "add", path: this.#path, ...addition };
    if (this.#held === null) this.#tell(note);
    else this.#held.push(note);
  }
}
