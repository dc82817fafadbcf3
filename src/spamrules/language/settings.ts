// The settings of a finished draft, defaults filled in.
import type { Settings } from "../rulebook.ts";
import { holdersOf } from "./cidr.ts";
import type { Network } from "./cidr.ts";
import { complain } from "./draft.ts";
import type { Draft, Globs } from "./draft.ts";
import { words } from "./text.ts";

export function settingsOf(draft: Draft, languageModels: string | null): Settings {
  const networks = networksOf(draft);
  return {
    requiredScore: number(draft, "required_score", 5),
    trustedNetworks: networks.trusted,
    internalNetworks: networks.internal,
    msaNetworks: networks.msa,
    originatingIpHeaders: [...draft.originatingIpHeaders],
    envelopeSenderHeader: text(draft, "envelope_sender_header"),
    alwaysTrustEnvelopeSender: number(draft, "always_trust_envelope_sender", 0) === 1,
    normalizeCharset: number(draft, "normalize_charset", 1) === 1,
    bodyPartScanSize: number(draft, "body_part_scan_size", 50_000),
    rawbodyPartScanSize: number(draft, "rawbody_part_scan_size", 500_000),
    okLocales: words(text(draft, "ok_locales") ?? "all"),
    reportSafe: draft.reportSafe,
    rewriteHeader: draft.rewriteHeader,
    headersSpam: [...draft.headersSpam.values()],
    headersHam: [...draft.headersHam.values()],
    reportTemplate: draft.reportTemplate,
    unsafeReportTemplate: draft.unsafeReportTemplate,
    subjectPrefixes: draft.subjectPrefixes,
    plugins: draft.plugins,
    shortcircuitSpamScore: number(draft, "shortcircuit_spam_score", 100),
    shortcircuitHamScore: number(draft, "shortcircuit_ham_score", -100),
    addressLists: listed(draft.addressLists),
    addressPairs: new Map(
      [...draft.addressPairs].map(([name, pairs]) => [name, [...pairs]] as const),
    ),
    enlistedAddresses: listed(draft.enlisted),
    enlistedHosts: draft.hosts,
    freemailDomains: [...draft.freemailDomains],
    freemailWelcomelist: [...draft.freemailWelcomelist],
    topLevel: draft.levels[0],
    util2tld: draft.levels[1],
    util3tld: draft.levels[2],
    redirectorPatterns: draft.redirectors,
    uridnsblSkipDomains: draft.skipDomains,
    bayesIgnoreHeaders: draft.bayesIgnoreHeaders,
    languageModels,
    others: draft.others,
  };
}

function text(draft: Draft, name: string): string | null {
  return draft.others.get(name)?.at(-1) ?? null;
}

function number(draft: Draft, name: string, otherwise: number): number {
  const given = text(draft, name);
  return given === null ? otherwise : Number(given);
}

function listed(lists: ReadonlyMap<string, Globs>): Map<string, readonly string[]> {
  return new Map([...lists].map(([name, globs]) => [name, [...globs.values()]] as const));
}

/** Internal and MSA networks must be trusted ones too; those that are not fall away. */
function networksOf(draft: Draft): Record<"trusted" | "internal" | "msa", readonly string[]> {
  const list = (name: "trusted" | "internal" | "msa"): readonly Network[] =>
    draft.networks.get(name) ?? [];
  const within = list("trusted").length > 0 ? "trusted" : "internal";
  const isWithin = holdersOf(list(within).filter(({ excluded }) => !excluded));
  const texts = (name: "trusted" | "internal" | "msa"): string[] => {
    const kept = list(name).filter((net) => {
      if (name === within || list(within).length === 0 || net.excluded || isWithin(net))
        return true;
      complain(
        draft,
        `${name}_networks: ${net.text} is not among ${within}_networks and does not count`,
      );
      return false;
    });
    return kept.map(({ text: net }) => net);
  };
  return { trusted: texts("trusted"), internal: texts("internal"), msa: texts("msa") };
}
