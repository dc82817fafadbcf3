// dnsxl.rules compiled: `list SITE…` with a site as postscreen writes it, zone=pattern*weight; `threshold N`; `except DOMAIN…`.
// A line also says about what the zone is asked, and what a hit is called. checks/dnsxl.ts asks; nothing here does I/O.
import { isDomain } from "./addresses.ts";
import type { RuleError } from "./errors.ts";
import type { Line, Verbs } from "./grammar.ts";
import { ANY_LISTING, replyFilter, type ReplyFilter } from "./reply-filter.ts";
import { hint } from "./suggest.ts";

/** What a zone can be asked about, and how a symbol for it begins. */
export const DNSXL_SUBJECTS = {
  client: "RCVD_IN_",
  received: "HOP_IN_",
  helo: "HELO_IN_",
  sender: "SENDER_IN_",
  uri: "URI_IN_",
  "uri-ip": "URI_IN_",
} as const;

export type DnsxlSubject = keyof typeof DNSXL_SUBJECTS;

/** These are addresses, the others are names. */
const ADDRESSES: ReadonlySet<DnsxlSubject> = new Set(["client", "received", "uri-ip"]);

export interface DnsxlSite {
  /** Lower case. */
  readonly zone: string;
  readonly counts: ReplyFilter;
  /** Added to the rank; negative for a list of good ones. */
  readonly weight: number;
  readonly subjects: ReadonlySet<DnsxlSubject>;
  /** Points of a hit. */
  readonly score: number;
  readonly symbolOf: (subject: DnsxlSubject) => string;
  /** The operator's text for the log, in place of what the list says in TXT; null for none. */
  readonly text: string | null;
  /** The operator's text for the sender, or null. */
  readonly say: string | null;
  /** "rules/dnsxl.rules:12". */
  readonly at: string;
}

/** What a zone must answer when it is in order (RFC 5782 5). */
export interface DnsxlZone {
  readonly zone: string;
  /** Queried below the zone: must be listed, must not be; null = not tested. */
  readonly listed: string | null;
  readonly unlisted: string | null;
}

export interface DnsxlList {
  readonly sites: readonly DnsxlSite[];
  readonly zones: readonly DnsxlZone[];
  /** From this rank on the message is listed. */
  readonly threshold: number;
  /** Where the threshold stands; the last list line when there is no such line. */
  readonly thresholdAt: string;
  /** True when a site is asked about that. */
  readonly asks: (subject: DnsxlSubject) => boolean;
  /** True for a name that no zone is asked about: one of the except lines, or below it. */
  readonly excepted: (name: string) => boolean;
}

export const DNSXL_VERBS: Verbs = {
  list: {
    words: [1, 100],
    texts: 2,
    options: ["for", "symbol", "score", "test"],
    usage:
      'list ZONE[=127.0.0.[2..11]][*WEIGHT]… [for=client,helo,sender,received,uri,uri-ip] [symbol=NAME] [score=N] [test=NAME|no] ["text for the log" ["text for the sender"]]',
  },
  threshold: { words: [1, 1], usage: "threshold NUMBER" },
  except: { words: [1, 1000], usage: "except DOMAIN…" },
};

const SITE = /^([a-z0-9_][a-z0-9_.-]{1,200})(?:=([^*]+))?(?:\*([+-]?\d{1,3}))?$/i;
const MAX_SITES = 200;

/** Compiles the lines, which come in effective order; errors are added to `errors`. */
export function compileDnsxl(lines: readonly Line[], errors: RuleError[]): DnsxlList {
  const sites: DnsxlSite[] = [];
  const zones = new Map<string, DnsxlZone>();
  const names = new Set<string>();
  let threshold: { readonly rank: number; readonly at: string } | null = null;
  for (const line of lines) {
    const wrong = (message: string): void =>
      void errors.push({ file: line.file, line: line.line, message });
    if (line.verb === "threshold") {
      const rank = Number(line.words[0]);
      if (!/^\d{1,4}$/.test(line.words[0] ?? "") || rank < 1)
        wrong(`"${line.words[0]}" is no threshold: a whole number from 1 on`);
      else threshold ??= { rank, at: line.at };
    } else if (line.verb === "except") {
      for (const name of line.words)
        if (isDomain(name.toLowerCase())) names.add(name.toLowerCase());
        else wrong(`"${name}" is no domain`);
    } else addSites(line, sites, zones, wrong);
  }
  if (sites.length > MAX_SITES)
    errors.push({
      file: "rules/dnsxl.rules",
      line: 0,
      message: `${sites.length} sites are more than ${MAX_SITES}`,
    });
  const asked = new Set(sites.flatMap(({ subjects }) => [...subjects]));
  return {
    sites,
    zones: [...zones.values()],
    threshold: threshold?.rank ?? 1,
    thresholdAt: threshold?.at ?? sites.at(-1)?.at ?? "rules/dnsxl.rules",
    asks: (subject) => asked.has(subject),
    excepted: (name) => names.size > 0 && isBelow(name, names),
  };
}

type Wrong = (message: string) => void;

function addSites(
  line: Line,
  sites: DnsxlSite[],
  zones: Map<string, DnsxlZone>,
  wrong: Wrong,
): void {
  const subjects = subjectsOf(line.options.get("for") ?? "client", wrong);
  const symbol = line.options.get("symbol") ?? null;
  if (symbol !== null && !/^[A-Z][A-Z0-9_]{0,63}$/.test(symbol))
    wrong(`"${symbol}" is no symbol: upper-case letters, digits and _`);
  const points = line.options.get("score");
  if (points !== undefined && !/^[+-]?\d{1,6}(\.\d{1,6})?$/.test(points))
    wrong(`"${points}" is no number of points`);
  const written = line.words.flatMap((word) => word.split(",")).filter((word) => word !== "");
  if (symbol !== null && written.length > 1)
    wrong("symbol= is for one list: write one line for each");
  for (const site of written) {
    const [, name = "", pattern, factor = "1"] = SITE.exec(site) ?? [];
    const zone = name.toLowerCase();
    const filter = pattern === undefined ? { ok: ANY_LISTING } : replyFilter(pattern);
    if (!isDomain(zone)) wrong(`"${site}" is no list: ZONE, ZONE=127.0.0.[2..11] or ZONE*WEIGHT`);
    else if ("error" in filter) wrong(filter.error);
    else {
      const weight = Number(factor);
      sites.push({
        zone,
        counts: filter.ok,
        weight,
        subjects,
        score: points === undefined ? weight : Number(points),
        symbolOf: (subject) => symbol ?? DNSXL_SUBJECTS[subject] + symbolPart(zone),
        text: textOf(line, 0),
        say: textOf(line, 1),
        at: line.at,
      });
      addZone(zone, subjects, line.options.get("test"), zones, wrong);
    }
  }
}

/** An empty text only keeps the place of the first. */
function textOf({ texts }: Line, index: number): string | null {
  const text = texts[index] ?? "";
  return text === "" ? null : text;
}

function subjectsOf(text: string, wrong: Wrong): ReadonlySet<DnsxlSubject> {
  const found = new Set<DnsxlSubject>();
  for (const name of text.split(",")) {
    if (Object.hasOwn(DNSXL_SUBJECTS, name)) found.add(name as DnsxlSubject);
    else wrong(`"${name}" cannot follow for=${hint(name, Object.keys(DNSXL_SUBJECTS))}`);
  }
  return found;
}

function addZone(
  zone: string,
  subjects: ReadonlySet<DnsxlSubject>,
  test: string | undefined,
  zones: Map<string, DnsxlZone>,
  wrong: Wrong,
): void {
  if (test !== undefined && test !== "no" && !isDomain(test.toLowerCase()))
    wrong(`test=${test}: the name that the zone lists for tests, or no`);
  if (zones.has(zone) && test === undefined) return;
  const addresses = [...subjects].some((subject) => ADDRESSES.has(subject));
  const [listed, unlisted] = addresses ? ["2.0.0.127", "1.0.0.127"] : ["test", "invalid"];
  if (test === "no") zones.set(zone, { zone, listed: null, unlisted: null });
  else zones.set(zone, { zone, listed: test?.toLowerCase() ?? listed, unlisted });
}

/** "bl.example.org" → "BL_EXAMPLE_ORG". */
function symbolPart(zone: string): string {
  return zone
    .toUpperCase()
    .replace(/[^A-Z0-9]/g, "_")
    .slice(0, 52);
}

function isBelow(name: string, names: ReadonlySet<string>): boolean {
  if (names.has(name)) return true;
  for (let dot = name.indexOf("."); dot >= 0; dot = name.indexOf(".", dot + 1))
    if (names.has(name.slice(dot + 1))) return true;
  return false;
}
