// All addresses of a message: in its text, in its HTML, and (parse_dkim_uris) in its DKIM signatures. Called by prepare.ts, once
// per message; the finder is made once per rule book.
import type { HtmlFacts } from "../html/facts.ts";
import { compileFirstGroup } from "../pattern/translate.ts";
import type { Settings } from "../rulebook.ts";
import { canonical, effort, type Habits } from "./canonical.ts";
import type { UriDetail } from "./detail.ts";
import { boundariesFor, type Boundaries } from "./domain.ts";
import { textUris } from "./text.ts";

const LONGEST_URI = 8192;

export interface FoundUris {
  /** For `uri` rules: every spelling of every address, each once. */
  readonly uris: readonly string[];
  /** By the address as it stood. */
  readonly details: ReadonlyMap<string, UriDetail>;
  readonly truncated: boolean;
}

export interface UriSources {
  /** As for `body` rules. */
  readonly body: readonly string[];
  readonly html: readonly Pick<HtmlFacts, "links" | "linkTruncated">[];
  /** Values of DKIM-Signature and DomainKey-Signature; asked for only if parse_dkim_uris is not 0. */
  signatures(): readonly string[];
}

export interface UriFinder {
  readonly boundaries: Boundaries;
  find(sources: UriSources): FoundUris;
}

/** A redirector_pattern that cannot be read is left out: what it says of itself is for the rule book to report. */
export function uriFinder(settings: Settings): UriFinder {
  const boundaries = boundariesFor(settings);
  const redirectors = settings.redirectorPatterns
    .map(compileFirstGroup)
    .filter((pattern) => typeof pattern === "function");
  const habits = { redirectors, boundaries };
  const readsSignatures = Number(settings.others.get("parse_dkim_uris")?.at(-1) ?? 1) !== 0;
  return {
    boundaries,
    find(sources) {
      const gathered = new Gathered({ ...habits, effort: effort() });
      for (const { uri, types } of textUris(sources.body, boundaries))
        gathered.add(uri, types, true);
      for (const html of sources.html) gathered.addHtml(html);
      if (readsSignatures) for (const value of sources.signatures()) gathered.addSigners(value);
      return gathered.result();
    },
  };
}

interface Detail {
  readonly cleaned: Set<string>;
  readonly types: Set<string>;
  readonly anchorTexts: string[];
  readonly hosts: Map<string, string>;
}

class Gathered {
  private readonly habits: Habits;
  private readonly details = new Map<string, Detail>();
  private truncated = false;

  constructor(habits: Habits) {
    this.habits = habits;
  }

  /** False when it was left out: `hosted` ones must have a host in DNS form with a known top-level name. */
  add(uri: string, types: readonly string[], hosted: boolean): boolean {
    return this.put(uri, types, canonical(uri, this.habits), hosted, true);
  }

  addHtml(html: Pick<HtmlFacts, "links" | "linkTruncated">): void {
    this.truncated ||= html.linkTruncated;
    for (const link of html.links) {
      // an address that only an anchor text knows counts as found in the text
      const types = link.types.length > 0 ? link.types : ["parsed"];
      if (!this.add(link.uri, types, false)) continue;
      this.details.get(link.uri)?.anchorTexts.push(...new Set(link.anchorTexts));
    }
  }

  /** The d= of a signature: known by its domain, not shown to `uri` rules. */
  addSigners(value: string): void {
    for (const match of value.matchAll(/\bd[\t-\r ]*=[\t-\r ]*([^;]+)/g)) {
      const uri = `domainkeys:${(match[1] ?? "").replace(/[\t-\r ]+/g, "")}`;
      this.put(uri, ["domainkeys", "nocanon", "noclean"], new Set([uri]), true, false);
    }
  }

  result(): FoundUris {
    const uris = new Set<string>();
    const details = new Map<string, UriDetail>();
    for (const [uri, detail] of this.details) {
      for (const form of detail.cleaned) uris.add(form);
      details.set(uri, { ...detail, cleaned: [...detail.cleaned] });
    }
    return { uris: [...uris], details, truncated: this.truncated };
  }

  private put(
    uri: string,
    types: readonly string[],
    forms: ReadonlySet<string>,
    hosted: boolean,
    clean: boolean,
  ): boolean {
    const hosts = new Map<string, string>();
    const short: string[] = [];
    for (const form of forms) {
      if (form.length > LONGEST_URI) this.truncated = true;
      const kept = form.length > LONGEST_URI ? form.slice(0, LONGEST_URI) : form;
      short.push(kept);
      const place = this.habits.boundaries.ofUri(kept);
      if (place) hosts.set(place.host, place.domain);
    }
    if (hosted && hosts.size === 0) return false;
    let detail = this.details.get(uri);
    if (!detail) {
      detail = { cleaned: new Set(), types: new Set(), anchorTexts: [], hosts: new Map() };
      this.details.set(uri, detail);
    }
    if (clean) for (const form of short) detail.cleaned.add(form);
    for (const type of types) detail.types.add(type);
    for (const [host, domain] of hosts) detail.hosts.set(host, domain);
    return true;
  }
}
