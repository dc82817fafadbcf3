// SpamAssassin's own tables of Received lines, trust, addresses and dates against ours. Needs SA_TESTS, the path of its t/ directory.
import { describe, expect, it } from "vitest";
import {
  isIp,
  isIpv4,
  isLocalhost,
  isPrivateIp,
} from "../../../src/spamrules/received/addresses.ts";
import { parseMailDate } from "../../../src/spamrules/received/date.ts";
import { relaysOf, type TrustSettings } from "../../../src/spamrules/received/trust.ts";
import { parseRules } from "../../../src/spamrules/language/parse.ts";
import type { Relays } from "../../../src/spamrules/received/relays.ts";
import { SA_TESTS, pairsAfter, sourceOf } from "./perl-source.ts";

const HEADERS = [
  "X-Yahoo-Post-IP",
  "X-Originating-IP",
  "X-Apparently-From",
  "X-SenderIP",
  "X-AOL-IP",
  "X-MS-Exchange-CrossTenant-OriginalAttributedTenantConnectingIp",
];
const NONE = {
  trustedNetworks: [],
  internalNetworks: [],
  msaNetworks: [],
  originatingIpHeaders: HEADERS,
};

const squeezed = (text: string): string => text.replace(/\s+/g, " ").trim();

const read = (line: string): string => {
  const relays = relaysOf([line], { settings: NONE, lastField: () => undefined });
  if (relays.unparseable > 0) return "[ unparseable ]";
  return relays
    .text(relays.trusted.length > 0 ? "trusted" : "untrusted")
    .replace(/ intl=[01] /g, " ");
};

/** What these lines of a local.cf say. */
const settingsOf = (lines: string): TrustSettings => {
  const octets = `${lines}\noriginating_ip_headers ${HEADERS.join(" ")}\n`;
  const texts = { texts: [{ file: "/local.cf", octets }], includes: new Map(), problems: [] };
  return parseRules(texts, { local: true }).settings;
};

/** A case of trust_path.t: settings, then fields. */
const walked = (given: string): Relays => {
  const lines = given.match(/^\s*(?:trusted|internal|msa)_networks\s.*$/gm) ?? [];
  const fields = [
    ...given.matchAll(/^\s+(Received|X-[\w-]+): (.*(?:\n(?!\s+(?:Received|X-[\w-]+):).*)*)/gm),
  ];
  const of = (name: string): string[] =>
    fields
      .filter((field) => field[1]?.toLowerCase() === name.toLowerCase())
      .map((field) => field[2] ?? "");
  return relaysOf(of("Received"), {
    settings: settingsOf(lines.join("\n")),
    lastField: (name) => of(name).at(-1),
  });
};

/** All cases that differ, so that one failure tells of every case. */
const differing = <T>(cases: readonly T[], differs: (one: T) => unknown): unknown[] => {
  console.log(`${cases.length} cases`);
  return cases.map(differs).filter((result) => result !== null);
};

describe.runIf(SA_TESTS !== undefined)("SpamAssassin's tables", () => {
  it("rcvd_parser.t", () => {
    const cases = pairsAfter(sourceOf("rcvd_parser.t"), "my %data = (");
    expect(cases.length).toBeGreaterThan(100);
    expect(
      differing(cases, ([line, wanted]) => {
        const expected = wanted.replace(/ intl=[01] /g, " ");
        return read(line) === expected ? null : { line, expected, got: read(line) };
      }),
    ).toEqual([]);
  });

  it("trust_path.t", () => {
    const cases = pairsAfter(sourceOf("trust_path.t"), "my @data = (");
    expect(cases.length).toBeGreaterThan(20);
    expect(
      differing(cases, ([given, wanted]) => {
        const relays = walked(given);
        const got = squeezed(
          `Trusted: ${relays.text("trusted")} Untrusted: ${relays.text("untrusted")}`,
        );
        const expected = squeezed(
          wanted.replace(/^\s*(?:(?:Lint-Error|Netset-Warn|Patricia-Failure)\s+)*/, ""),
        );
        return got === expected ? null : { given, expected, got };
      }),
    ).toEqual([]);
  });

  it("ip_addrs.t", () => {
    const source = sourceOf("ip_addrs.t");
    const kinds: Readonly<Record<string, (text: string) => boolean>> = {
      IPV4_ADDRESS: isIpv4,
      IP_ADDRESS: isIp,
      LOCALHOST: isLocalhost,
      IP_PRIVATE: isPrivateIp,
    };
    const single = [
      ...source.matchAll(/^ok (!?)tryone Mail::SpamAssassin::Constants::(\w+), "([^"]*)"/gm),
    ];
    const shared = [...source.matchAll(/^ {2}ok (!?)tryone \$pat, "([^"]*)"/gm)].flatMap(
      ([, not, text]) => ["IPV4_ADDRESS", "IP_ADDRESS"].map((kind) => ["", not, kind, text]),
    );
    const cases = [...single, ...shared];
    expect(cases.length).toBeGreaterThan(90);
    expect(
      differing(cases, ([, not, kind = "", text = ""]) =>
        kinds[kind]?.(text) === (not === "") ? null : { kind, text },
      ),
    ).toEqual([]);
  });

  it("date.t", () => {
    const cases = [...sourceOf("date.t").matchAll(/^ok\(try\('([^']*)'(?:,\s*(\d+))?\)\)/gm)];
    expect(cases.length).toBeGreaterThan(10);
    expect(
      differing(cases, ([, text = "", wanted]) => {
        const got = parseMailDate(text);
        return got !== null && got > 0 && (wanted === undefined || got === Number(wanted))
          ? null
          : { text, got };
      }),
    ).toEqual([]);
  });
});
