// What a directory of SpamAssassin rules says, parsed and compiled once: the one shape between language/ (which makes it) and
// everything that evaluates. A rule book never changes; patterns and the texts they meet are octets in latin1 strings.

/** Where a line stands, for reports: an absolute path and a line from 1 on. */
export interface Place {
  readonly file: string;
  readonly line: number;
}

/** A line that was not understood or not believed. Never fatal. */
export interface Problem extends Place {
  readonly message: string;
}

/** A Perl pattern as it was written, delimiters taken off and <TAGS> replaced; pattern/ makes a V8 pattern of it. */
export interface PerlPattern {
  /** Octets, one character each. */
  readonly source: string;
  /** Perl's flags: any of "imsxang". */
  readonly flags: string;
}

/** One header field, or pseudo field, as a rule names it: "From:addr", "ALL:raw", "X-Spam-Relays-External". */
export interface FieldName {
  /** As written, without modifiers; pseudo fields and fields alike. */
  readonly name: string;
  /** Lower case, in the order written: raw, addr, name, host, domain, ip, revip, first, last. */
  readonly modifiers: readonly string[];
}

export type Definition =
  | {
      readonly type: "header";
      readonly field: FieldName;
      readonly negated: boolean;
      /** [if-unset: TEXT]; null without one. */
      readonly ifUnset: string | null;
      readonly pattern: PerlPattern;
    }
  | { readonly type: "exists"; readonly field: FieldName }
  | { readonly type: "body" | "rawbody" | "full" | "uri"; readonly pattern: PerlPattern }
  | {
      readonly type: "mimeheader";
      readonly field: FieldName;
      readonly negated: boolean;
      readonly ifUnset: string | null;
      readonly pattern: PerlPattern;
    }
  | {
      readonly type: "uri_detail";
      readonly tests: readonly {
        readonly key: string;
        readonly negated: boolean;
        readonly pattern: PerlPattern;
      }[];
    }
  | {
      readonly type: "eval";
      /** How it was declared; "rbl" is `header X eval:check_rbl…`. */
      readonly on: "header" | "body" | "rawbody" | "full" | "uri" | "rbl";
      readonly function: string;
      /** Quotes taken off. */
      readonly args: readonly string[];
    }
  | { readonly type: "meta"; readonly expression: string }
  | {
      readonly type: "askdns";
      /** May hold _TAG_ templates. */
      readonly query: string;
      readonly record: string;
      /** null: any answer. */
      readonly filter: PerlPattern | null;
    }
  /** A name that has a score or tflags only, or whose definition stands in an `if` that does not hold. */
  | { readonly type: "empty" };

export interface Rule extends Place {
  readonly name: string;
  readonly definition: Definition;
  /** Points by score set: 0 local, 1 net, 2 local with bayes, 3 net with bayes; defaults filled in (1, nice -1, T_ 0.01, __ 1 but never counted). */
  readonly scores: readonly [number, number, number, number];
  /** "" without one. */
  readonly describe: string;
  /** tflags, lower case, without those that have a member of their own. */
  readonly flags: ReadonlySet<string>;
  /** Hits counted; 1 unless `tflags multiple`; Infinity without maxhits. */
  readonly maxHits: number;
  /** Lower runs earlier; 0. */
  readonly priority: number;
  /** `shortcircuit NAME spam|ham|on|off`; null without one. */
  readonly shortcircuit: "spam" | "ham" | "on" | null;
}

/** A pattern of addresses or hosts, "*" and "?" as wildcards, lower case. */
export type Glob = string;

/** What lines other than rules say. Names are SpamAssassin's own, camel-cased; lists are in the order of the files. */
export interface Settings {
  readonly requiredScore: number;
  readonly trustedNetworks: readonly string[];
  readonly internalNetworks: readonly string[];
  readonly msaNetworks: readonly string[];
  readonly originatingIpHeaders: readonly string[];
  readonly envelopeSenderHeader: string | null;
  readonly alwaysTrustEnvelopeSender: boolean;
  readonly normalizeCharset: boolean;
  readonly bodyPartScanSize: number;
  readonly rawbodyPartScanSize: number;
  readonly okLocales: readonly string[];
  readonly reportSafe: 0 | 1 | 2;
  /** rewrite_header NAME TEXT, by lower-case name. */
  readonly rewriteHeader: ReadonlyMap<string, string>;
  readonly shortcircuitSpamScore: number;
  readonly shortcircuitHamScore: number;
  /** Lists by directive: "welcomelist_from", "blocklist_from", "unwelcomelist_from", "welcomelist_to", "more_spam_to", "all_spam_to", "blocklist_to", "def_welcomelist_from_rcvd" … always by the new name. */
  readonly addressLists: ReadonlyMap<string, readonly Glob[]>;
  /** welcomelist_from_rcvd, def_welcomelist_from_rcvd, welcomelist_auth …: address glob, then the rest of the line's words. */
  readonly addressPairs: ReadonlyMap<string, readonly (readonly [Glob, readonly string[]])[]>;
  /** enlist_addrlist (NAME), by name. */
  readonly enlistedAddresses: ReadonlyMap<string, readonly Glob[]>;
  /** enlist_uri_host (NAME), by name: host to true, or false for a leading "!". */
  readonly enlistedHosts: ReadonlyMap<string, ReadonlyMap<string, boolean>>;
  readonly freemailDomains: readonly Glob[];
  readonly freemailWelcomelist: readonly string[];
  readonly util2tld: ReadonlySet<string>;
  readonly util3tld: ReadonlySet<string>;
  readonly topLevel: ReadonlySet<string>;
  readonly redirectorPatterns: readonly PerlPattern[];
  readonly uridnsblSkipDomains: ReadonlySet<string>;
  readonly bayesIgnoreHeaders: ReadonlySet<string>;
  /** Every other directive that some part of postern reads, by lower-case name: its arguments, one entry per line. */
  readonly others: ReadonlyMap<string, readonly string[]>;
}

export interface RuleBook {
  readonly rules: ReadonlyMap<string, Rule>;
  readonly settings: Settings;
  readonly problems: readonly Problem[];
  /** Changes whenever a rule or a setting does: hexadecimal digits. */
  readonly version: string;
}
