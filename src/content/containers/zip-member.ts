// One member of a zip file from its two headers: names, what the headers disagree on, and the ways to read it. Used by zip.ts.
import type { DefectKind } from "../../mail/defects.ts";
import type { Octets } from "./octets.ts";
import { namesIn } from "./zip-names.ts";
import type { Announced } from "./zip-octets.ts";
import { isEncrypted, isStreamed } from "./zip-records.ts";
import type { Entry } from "./zip-records.ts";
import { streamedLength } from "./zip-search.ts";

/** The directory is encrypted, and what the local header says is masked. */
const MASKED = 0x2000;
const AES = 99;
const STORED = 0;

export interface Described {
  /** The local header. */
  readonly local: Entry;
  readonly names: readonly string[];
  readonly encrypted: boolean;
  readonly directory: boolean;
  readonly defects: readonly { readonly kind: DefectKind; readonly detail?: string }[];
  /** Usually one. */
  readonly ways: readonly { readonly method: number; readonly announced: Announced }[];
}

/** What a member is by both headers. */
export function describe(central: Entry, local: Entry): Described {
  const masked = (local.flags & MASKED) !== 0;
  const names = new Set(namesIn(central));
  if (!masked) for (const name of namesIn(local)) names.add(name);
  const defects: { kind: DefectKind; detail?: string }[] = [];
  if (!masked && namesDiffer(central, local)) defects.push({ kind: "container-names-differ" });
  const said = !masked && headersDiffer(central, local);
  if (said !== false) defects.push({ kind: "container-headers-differ", detail: said });
  // Only one header says so: then some reader opens it without a password.
  if (isEncrypted(central) !== isEncrypted(local)) defects.push({ kind: "container-encrypted" });
  const { compressed, size } = central;
  const ways = [{ method: central.method, announced: { compressed, size, known: true } }];
  if (!masked && local.method !== central.method)
    ways.push({ method: local.method, announced: { compressed, size, known: false } });
  if (!masked && local.method === STORED && !isStreamed(local) && local.compressed > compressed)
    ways.push({ method: STORED, announced: { compressed: local.compressed, size, known: false } });
  return {
    local,
    names: [...names],
    encrypted: (isEncrypted(central) && isEncrypted(local)) || central.method === AES || masked,
    directory: compressed === 0 && [...names].some((name) => /[/\\]$/.test(name)),
    defects,
    ways,
  };
}

/** The same for a member that has a local header only. */
export function describeAlone(file: Octets, local: Entry): Described {
  const unknown = isStreamed(local) && local.compressed === 0;
  const compressed =
    unknown && !isDeflate(local.method) ? streamedLength(file, local.end) : local.compressed;
  const described = describe(local, local);
  const announced = { compressed, size: local.size, known: !unknown };
  return {
    ...described,
    directory: described.directory && compressed === 0,
    ways: [{ method: local.method, announced }],
  };
}

const isDeflate = (method: number): boolean => method === 8 || method === 9;

/** Different octets that stand for the same name are no difference. */
function namesDiffer(central: Entry, local: Entry): boolean {
  if (local.name.length === 0 || central.name.equals(local.name)) return false;
  const plain = (name: string): string => name.replace(/\\/g, "/");
  const others = new Set(namesIn(local).map(plain));
  return !namesIn(central).some((name) => others.has(plain(name)));
}

/** What differs, or false. */
function headersDiffer(central: Entry, local: Entry): string | false {
  if (central.method !== local.method) return "method";
  if (isEncrypted(central) !== isEncrypted(local)) return "encryption";
  // Writers that stream leave the sizes to a record behind the octets, or to the directory.
  const unset = (isStreamed(local) || local.method !== STORED) && local.compressed === 0;
  return !unset && central.compressed !== local.compressed ? "compressed size" : false;
}
