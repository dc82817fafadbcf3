// The shape of a container format: one file here reads one format, says what its members are and what the container itself
// shows. It unpacks nothing into files, counts no quota and knows no policy; expand.ts pulls the members one by one, and stops when
// a limit is hit. Every format meets hostile octets: bounded loops, bounded memory, no trust in any size field.
import type { Attribute } from "../../mail/attributes.ts";
import type { DefectKind } from "../../mail/defects.ts";
import type { Octets } from "./octets.ts";

/** One member, given in the order of the container. */
export interface Member {
  /** Every name under which some reader would unpack it, the likeliest first; [] when it has none. Raw: may hold "../" and NUL. */
  readonly names: readonly string[];
  /** What it is: only a file has octets. */
  readonly what: "file" | "directory" | "link" | "special";
  /** Media type where the container declares one, lower case; else absent. */
  readonly type?: string;
  /** True when its octets open only with a password: then there are none to read. */
  readonly encrypted?: boolean;
  /** What is wrong with this member alone. */
  readonly defects?: readonly { readonly kind: DefectKind; readonly detail?: string }[];
  readonly attributes?: readonly Attribute[];
  /**
   * Its decoded octets in pieces, for one reader, valid until the next member is asked for. Absent when there are none to read:
   * then a defect or `encrypted` says why. May throw `Broken`: what came before counts.
   */
  octets?(): AsyncIterable<Buffer> | Iterable<Buffer>;
}

/** What a format tells of the container part itself while it is read. */
export interface Report {
  defect(kind: DefectKind, detail?: string): void;
  attribute(name: Attribute): void;
  /**
   * A more telling short type than the magic said: "docx", "xlsm", "jar", "msi"; it is put in front. It takes the
   * place of `instead`, when that is given, and of nothing else: a document in a zip file is no archive to its user, and rules for
   * archives are not meant for it; but a program with a document behind it is a program.
   */
  kind(short: string, instead?: string): void;
  /** The container's members open only with a password, or even their names do. */
  encrypted(): void;
}

export interface Format {
  /** The file's name: "zip". */
  readonly name: string;
  /** Short types by content (magic.ts) that this format reads. */
  readonly kinds: readonly string[];
  /**
   * Extensions (lower case, no dot) that make it worth a try, for formats without a mark at the start and for readers that go by the
   * extension. When the magic says that it is something else, what cannot be read as this format is no damage. Absent: none.
   */
  readonly extensions?: readonly string[];
  /**
   * For formats that hold one file mostly without its name: what an extension of the container (lower case, no dot) says of the
   * file inside, as `{ gz: "", tgz: "tar" }`: "a.txt.gz" holds "a.txt", "a.tgz" holds "a.tar". expand.ts adds these names to the member's.
   */
  readonly suffixes?: Readonly<Record<string, string>>;
  /**
   * Reads the members, lazily: a member is looked for when it is asked for. Throws `Broken` when the container is damaged
   * (members given before count). Other errors are faults of ours and count as broken too.
   */
  members(file: Octets, report: Report): AsyncIterable<Member> | Iterable<Member>;
}

/** The container or the member is damaged, or of a kind that is not read. `kind` says which defect the part gets. */
export class Broken extends Error {
  readonly kind: DefectKind;
  constructor(detail: string, kind: DefectKind = "container-broken") {
    super(detail);
    this.name = "Broken";
    this.kind = kind;
  }
}
