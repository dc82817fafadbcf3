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
  /** No mistake of the file's: something that is not to be had here, or a remark. */
  readonly mild?: true;
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
      /** Types in capitals, separated by commas; ANY when there are several. */
      readonly record: string;
      /** null: any answer. A text: "quoted text", a mask, value/mask or range of numbers (decimal, 0x…, 1.2.3.4), or a list of return codes in brackets, as written. */
      readonly filter: PerlPattern | string | null;
    }
  /** A name that `reuse` speaks of without defining it, or whose eval function no loaded plugin knows: never hits, can be scored. */
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
  /** Hits counted; 1 unless `tflags multiple`; Infinity without maxhits (1000 for mimeheader). */
  readonly maxHits: number;
  /** Lower runs earlier; 0, -100 for `tflags net`, -10000 with named captures; never later than a meta that asks for it. */
  readonly priority: number;
  /** `shortcircuit NAME spam|ham|on|off`; null without one. */
  readonly shortcircuit: "spam" | "ham" | "on" | null;
}

/** A pattern of addresses or hosts, "*" and "?" as wildcards, lower case. */
export type Glob = string;

/** What lines other than rules say. Names are SpamAssassin's own, camel-cased; lists are in the order of the files. */
export interface Settings {
  readonly requiredScore: number;
  /** "192.0.2.0/24", "2001:db8::/32", with "!" in front when excluded; the first that holds an address decides. Empty: not configured; else loopback stands first (not in msaNetworks). */
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
  /** add_header: names without "X-Spam-" and templates with _TAGS_, in order; what report_safe 0 adds is among them. */
  readonly headersSpam: readonly (readonly [name: string, template: string])[];
  readonly headersHam: readonly (readonly [name: string, template: string])[];
  /** The lines of `report` and `unsafe_report`, each with its "\n". */
  readonly reportTemplate: string;
  readonly unsafeReportTemplate: string;
  /** subjprefix RULE TEXT. */
  readonly subjectPrefixes: ReadonlyMap<string, string>;
  /** Full names of the plugins that `loadplugin` lines name and whose work is known here. */
  readonly plugins: ReadonlySet<string>;
  readonly shortcircuitSpamScore: number;
  readonly shortcircuitHamScore: number;
  /** Lists by directive: "welcomelist_from", "blocklist_from", "unwelcomelist_from", "welcomelist_to", "more_spam_to", "all_spam_to", "blocklist_to", "def_welcomelist_from_rcvd" … always by the new name; "welcomelist_auth" too; "welcomelist_subject" and "blocklist_subject" hold globs that may stand anywhere in a subject. */
  readonly addressLists: ReadonlyMap<string, readonly Glob[]>;
  /** welcomelist_from_rcvd, welcomelist_from_dkim, and both with def_: address glob, then every domain given for it (dkim: "" is the author's own). */
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
  /** SpamAssassin's file of language models, octets; null when TextCat is not loaded, or there is no such file. */
  readonly languageModels: string | null;
  /** Every other directive, by lower-case name: what stands behind it, one entry per line that was believed (of plain settings the last counts); clear_… lines empty the list they name. */
  readonly others: ReadonlyMap<string, readonly string[]>;
}

export interface RuleBook {
  readonly rules: ReadonlyMap<string, Rule>;
  readonly settings: Settings;
  readonly problems: readonly Problem[];
  /** Changes whenever a rule or a setting does: hexadecimal digits. */
  readonly version: string;
}
