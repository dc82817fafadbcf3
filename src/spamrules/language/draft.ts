// A rule book while its lines are read: everything still by name and free to be said again by a later line.
import type { Definition, PerlPattern, Place, Problem } from "../rulebook.ts";
import type { Network } from "./cidr.ts";
import type { Reader } from "./condition.ts";

/** Lists of globs under the text that put them there, which is also what takes them off again. */
export type Globs = Map<string, string>;
export type Header = readonly [name: string, template: string];
export type Scores = readonly [number, number, number, number];
export type NetworkList = "trusted" | "internal" | "msa";

export interface Draft extends Reader {
  /** Perl files that are named and not there. */
  readonly absent: ReadonlySet<string>;
  readonly plugins: Set<string>;
  readonly compat: Set<string>;
  readonly tests: Map<string, { readonly definition: Definition; readonly place: Place }>;
  readonly scores: Map<string, Scores>;
  readonly descriptions: Map<string, string>;
  /** tflags as they stand, one text. */
  readonly flags: Map<string, string>;
  readonly priorities: Map<string, number>;
  readonly shortcircuits: Map<string, "spam" | "ham" | "on">;
  readonly subjectPrefixes: Map<string, string>;
  /** uri_detail lines of one name add up: by rule, then by key. */
  readonly uriDetails: Map<string, Map<string, { negated: boolean; pattern: PerlPattern }>>;
  readonly replacing: {
    readonly rules: Set<string>;
    readonly tags: Map<string, string>;
    readonly pre: Map<string, string>;
    readonly inter: Map<string, string>;
    readonly post: Map<string, string>;
    start: string;
    end: string;
  };
  readonly addressLists: Map<string, Globs>;
  readonly enlisted: Map<string, Globs>;
  readonly addressPairs: Map<string, Map<string, string[]>>;
  readonly hosts: Map<string, Map<string, boolean>>;
  readonly networks: Map<NetworkList, Network[]>;
  readonly originatingIpHeaders: string[];
  readonly rewriteHeader: Map<string, string>;
  /** By name in small letters, in order. */
  readonly headersSpam: Map<string, Header>;
  readonly headersHam: Map<string, Header>;
  reportTemplate: string;
  unsafeReportTemplate: string;
  reportSafe: 0 | 1 | 2;
  readonly freemailDomains: Set<string>;
  readonly freemailWelcomelist: Set<string>;
  readonly levels: readonly [tld: Set<string>, second: Set<string>, third: Set<string>];
  readonly redirectors: PerlPattern[];
  readonly skipDomains: Set<string>;
  readonly bayesIgnoreHeaders: Set<string>;
  readonly others: Map<string, string[]>;
  readonly problems: Problem[];
  /** The line under way. */
  place: Place;
}

/** Reads what stands behind a directive into the draft. A text says why the line is not believed. */
export type LineReader = (draft: Draft, value: string, name: string) => string | undefined;
export type LineReaders = Readonly<Record<string, LineReader>>;

export const MISSING = "value is missing";
export const INVALID = "value is not understood";

export function newDraft(reader: {
  readonly local: boolean;
  readonly version: string;
  readonly perlVersion: number;
  readonly absent: ReadonlySet<string>;
}): Draft {
  const checker: Header = [
    "Checker-Version",
    "SpamAssassin _VERSION_ (_SUBVERSION_) on _HOSTNAME_",
  ];
  return {
    ...reader,
    plugins: new Set(),
    compat: new Set(),
    tests: new Map(),
    scores: new Map(),
    descriptions: new Map(),
    flags: new Map(),
    priorities: new Map(),
    shortcircuits: new Map(),
    subjectPrefixes: new Map(),
    uriDetails: new Map(),
    replacing: {
      rules: new Set(),
      tags: new Map(),
      pre: new Map(),
      inter: new Map(),
      post: new Map(),
      start: "<",
      end: ">",
    },
    addressLists: new Map(),
    enlisted: new Map(),
    addressPairs: new Map(),
    hosts: new Map(),
    networks: new Map(),
    originatingIpHeaders: [],
    rewriteHeader: new Map(),
    headersSpam: new Map([["checker-version", checker]]),
    headersHam: new Map([["checker-version", checker]]),
    reportTemplate: "",
    unsafeReportTemplate: "",
    reportSafe: 1,
    freemailDomains: new Set(),
    freemailWelcomelist: new Set(),
    levels: [new Set(), new Set(), new Set()],
    redirectors: [],
    skipDomains: new Set(),
    bayesIgnoreHeaders: new Set(),
    others: new Map(),
    problems: [],
    place: { file: "", line: 0 },
  };
}

const MAX_PROBLEMS = 1000;

/** Notes a problem at the line under way, or elsewhere. Past a thousand they are no longer kept. */
export function complain(draft: Draft, message: string, place: Place = draft.place): void {
  if (draft.problems.length < MAX_PROBLEMS)
    draft.problems.push({ file: place.file, line: place.line, message });
}

/** A problem that is no mistake of the file's. */
export function remark(draft: Draft, message: string, { file, line }: Place = draft.place): void {
  if (draft.problems.length < MAX_PROBLEMS)
    draft.problems.push({ file, line, message, mild: true });
}

/** The entry of a map of maps, made when there is none. */
export function under<K, V>(map: Map<K, V>, key: K, make: () => V): V {
  const known = map.get(key);
  if (known !== undefined) return known;
  const made = make();
  map.set(key, made);
  return made;
}
