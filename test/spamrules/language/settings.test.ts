// Settings and lists.
import { expect, it } from "vitest";
import { cidrs } from "../../../src/spamrules/language/cidr.ts";
import { bookOf } from "./book.ts";

const settings = (lines: string) => bookOf(lines).settings;

it("has SpamAssassin's defaults", () => {
  expect(settings("")).toMatchObject({
    requiredScore: 5,
    trustedNetworks: [],
    internalNetworks: [],
    msaNetworks: [],
    normalizeCharset: true,
    bodyPartScanSize: 50_000,
    rawbodyPartScanSize: 500_000,
    okLocales: ["all"],
    reportSafe: 1,
    shortcircuitSpamScore: 100,
    shortcircuitHamScore: -100,
    envelopeSenderHeader: null,
    alwaysTrustEnvelopeSender: false,
    headersSpam: [["Checker-Version", "SpamAssassin _VERSION_ (_SUBVERSION_) on _HOSTNAME_"]],
  });
});

it("takes the last of plain settings, under old names and new, with dashes and in capitals", () => {
  const read = settings(
    "required_hits 3\nREQUIRED-SCORE 6.5\nok_locales en ja\nbody_part_scan_size 100\nuse_bayes no\ntime_limit 2m\ntime_limit soon",
  );
  expect(read).toMatchObject({
    requiredScore: 6.5,
    okLocales: ["en", "ja"],
    bodyPartScanSize: 100,
  });
  expect(read.others.get("use_bayes")).toEqual(["0"]);
  expect(read.others.get("time_limit")).toEqual(["120"]);
});

it("puts addresses on lists by their new names and takes them off", () => {
  const { addressLists, addressPairs } = settings(`
    whitelist_from A@Example.com *@b.example
    welcomelist_from c@(d
    unwhitelist_from *@B.example
    blacklist_to trap@example.com
    all_spam_to x@*
    whitelist_auth *@auth.example
    def_whitelist_auth *@def.example
    unwhitelist_auth *@def.example
    whitelist_from_rcvd a@x.example x.example
    whitelist_from_rcvd a@x.example [192.0.2.1]
    whitelist_from_dkim Joe@X.example
    whitelist_from_dkim joe@x.example Other.example
    unwhitelist_from_dkim joe@x.example
    blacklist_subject [Cheap*]`);
  expect(addressLists.get("welcomelist_from")).toEqual(["a@example.com", "c@_d"]);
  expect(addressLists.get("blocklist_to")).toEqual(["trap@example.com"]);
  expect(addressLists.get("all_spam_to")).toEqual(["x@*"]);
  expect(addressLists.get("welcomelist_auth")).toEqual(["*@auth.example"]);
  expect(addressLists.get("def_welcomelist_auth")).toEqual([]);
  expect(addressLists.get("blocklist_subject")).toEqual(["[cheap*]"]);
  expect(addressPairs.get("welcomelist_from_rcvd")).toEqual([
    ["a@x.example", ["x.example", "[192.0.2.1]"]],
  ]);
  expect(addressPairs.get("welcomelist_from_dkim")).toEqual([["joe@x.example", ["other.example"]]]);
});

it("keeps lists with names of their own", () => {
  const { enlistedAddresses, enlistedHosts } = settings(`
    enlist_addrlist (PALS) a@X.example *@y.example
    enlist_uri_host (HOSTS) x.example !no.x.example
    delist_uri_host (HOSTS) x.example
    blacklist_uri_host bad.example
    whitelist_uri_host good.example`);
  expect(enlistedAddresses.get("PALS")).toEqual(["a@x.example", "*@y.example"]);
  expect(enlistedHosts.get("HOSTS")).toEqual(new Map([["no.x.example", false]]));
  expect(enlistedHosts.get("BLOCK")).toEqual(new Map([["bad.example", true]]));
  expect(enlistedHosts.get("WELCOME")).toEqual(new Map([["good.example", true]]));
});

it("keeps domains of all kinds", () => {
  const read = settings(`
    freemail_domains Mail.example *.wild.example bad_one
    freemail_whitelist info@x.example
    util_rb_tld example b\xc3\xbccher
    util_rb_2tld co.example
    util_rb_3tld a.co.example
    uridnsbl_skip_domain A.example b.example
    clear_uridnsbl_skip_domain b.example
    bayes_ignore_header X-One X-Two
    redirector_pattern m'^https?://r\\.example/(.*)$'i
    urirhssub X rhs.example. A 2`);
  expect(read.freemailDomains).toEqual(["mail.example", "*.wild.example"]);
  expect(read.freemailWelcomelist).toEqual(["info@x.example"]);
  expect([...read.topLevel]).toEqual(["example", "xn--bcher-kva"]);
  expect([...read.util2tld, ...read.util3tld]).toEqual(["co.example", "a.co.example"]);
  expect([...read.uridnsblSkipDomains]).toEqual(["a.example"]);
  expect([...read.bayesIgnoreHeaders]).toEqual(["x-one", "x-two"]);
  expect(read.redirectorPatterns).toEqual([{ source: "^https?://r\\.example/(.*)$", flags: "i" }]);
  expect(read.others.get("urirhssub")).toEqual(["X rhs.example. A 2"]);
});

it("makes headers and reports", () => {
  const read = settings(`
    clear_headers
    add_header all Status "_YESNO_\\n\\tscore=_SCORE_ \\\\ \\q"
    add_header spam Flag YES
    add_header spam flag NO
    add_header ham Level _STARS(*)_
    remove_header ham status
    remove_header all Checker-Version
    report_safe 0
    rewrite_header SUBJECT [SPAM]
    rewrite_header From (SPAM)
    rewrite_header To x
    rewrite_header To
    report one
    report "  two"
    report
    subjprefix X [X]`);
  expect(read.headersSpam.slice(1)).toEqual([
    ["Status", "_YESNO_\n\tscore=_SCORE_ \\ "],
    ["flag", "NO"],
    ["Report", "_REPORT_"],
  ]);
  expect(read.headersHam.slice(1)).toEqual([["Level", "_STARS(*)_"]]);
  expect(read.rewriteHeader).toEqual(
    new Map([
      ["subject", "[SPAM]"],
      ["from", "[SPAM]"],
    ]),
  );
  expect(read.reportTemplate).toBe("one\n  two\n\n");
  expect(read.subjectPrefixes.get("X")).toBe("[X]");
});

const NETWORKS: readonly (readonly [string, readonly string[] | null])[] = [
  ["10.", ["10.0.0.0/8"]],
  ["192.168", ["192.168.0.0/16"]],
  ["192.168/15", ["192.168.0.0/15"]],
  ["192.0.2.1", ["192.0.2.1/32"]],
  ["!192.0.2.0/255.255.255.0", ["!192.0.2.0/24"]],
  ["192.0.2.4-192.0.2.9", ["192.0.2.4/30", "192.0.2.8/31"]],
  ["0.0.0.0-255.255.255.255", ["0.0.0.0/0"]],
  ["2001:db8::/32", ["2001:db8::/32"]],
  ["[2001:db8::1%eth0]", ["2001:db8::1/128"]],
  ["192.0.2.9-192.0.2.4", null],
  ["300.1.1.1", null],
  ["192.0.2.0/33", null],
  ["192.0.2.0/255.0.255.0", null],
  ["1.2.3.4.5", null],
  ["::1/129", null],
  ["example.com", null],
  ["", null],
];

it.each(NETWORKS)("network %s", (text, expected) => {
  expect(cidrs(text)).toEqual(expected);
});

it("keeps networks in order, loopback first, without what comes too late or is not trusted", () => {
  const { settings: read, problems } = bookOf(`
    trusted_networks 10/8 !10.1.0.0/16 192.0.2.0/24
    internal_networks 192.0.2.7 198.51.100.1
    msa_networks 10.2.3.4
    clear_msa_networks
    msa_networks 10.2.3.5
    originating_ip_headers X-One X-Two x-one`);
  expect(read.trustedNetworks).toEqual(["127.0.0.0/8", "::1/128", "10.0.0.0/8", "192.0.2.0/24"]);
  expect(read.internalNetworks).toEqual(["127.0.0.0/8", "::1/128", "192.0.2.7/32"]);
  expect(read.msaNetworks).toEqual(["10.2.3.5/32"]);
  expect(read.originatingIpHeaders).toEqual(["X-One", "X-Two"]);
  expect(problems.map(({ line }) => line)).toEqual([2, 7]);
  expect(settings("trusted_networks 10/8\nclear_trusted_networks").trustedNetworks).toEqual([]);
});
