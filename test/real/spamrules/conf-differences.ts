// What a rule book and the real SpamAssassin's configuration (conf.pl) do not agree on, as lines to print; none is what a test wants.
import type { Definition, PerlPattern, Rule, RuleBook } from "../../../src/spamrules/rulebook.ts";
import { evalNamed } from "../../../src/spamrules/language/plugins.ts";
import { namesIn } from "../../../src/spamrules/language/meta.ts";

/** A rule as conf.pl prints it. */
interface Told {
  kind: string;
  text: string | null;
  pattern: string | null;
  field: string | null;
  exists: number;
  negated: number;
  unset: string | null;
  call: [string, string[]] | null;
  scores: number[];
  flags: string;
  describe: string | null;
  priority: number;
  shortcircuit: string | null;
  prefix: string | null;
}

export interface Conf {
  tests: Record<string, Told>;
  said: string[];
  plugins: string[];
  freemail: string[];
  freemail_wild: string | null;
  freemail_welcomelist: string[];
  networks: Record<"trusted" | "internal" | "msa", string[]>;
  configured: Record<"trusted" | "internal" | "msa", number>;
  // eslint-disable-next-line @typescript-eslint/no-explicit-any
  conf: Record<string, any>;
}

export function ruleDifferences(conf: Conf, book: RuleBook): string[] {
  const found: string[] = [];
  for (const name of new Set([...Object.keys(conf.tests), ...book.rules.keys()])) {
    const told = conf.tests[name];
    const rule = book.rules.get(name);
    if (told === undefined) found.push(`${name}: not SpamAssassin's`);
    else if (rule === undefined) found.push(`${name}: not ours`);
    else
      for (const line of [...definition(conf, name, told, rule), ...beside(conf, told, rule, book)])
        found.push(`${name}: ${line}`);
  }
  return found;
}

function* definition(conf: Conf, name: string, told: Told, rule: Rule): Generator<string> {
  const ours = asTold(rule.definition);
  const theirs = asConf(conf, name, told);
  // rules_matching(…) is written out in ours; what it came to there stands among the dependencies.
  const expanded = rule.definition.type === "meta" && (told.text ?? "").includes("rules_matching");
  if (!expanded && JSON.stringify(ours) !== JSON.stringify(theirs))
    yield `definition ${JSON.stringify(ours)} / ${JSON.stringify(theirs)}`;
  const needed = conf.conf["meta_dependencies"][name] as string[] | undefined;
  if (rule.definition.type !== "meta" || needed === undefined) return;
  const names = namesIn(rule.definition.expression).sort().join();
  if (names !== [...new Set(needed)].sort().join()) yield `needs ${names} / ${needed.join()}`;
}

function asTold(definition: Definition): unknown[] {
  const field =
    "field" in definition ? [definition.field.name, ...definition.field.modifiers].join(":") : "";
  switch (definition.type) {
    case "header":
      return ["header", field, definition.negated, definition.ifUnset, written(definition.pattern)];
    case "exists":
      return ["exists", field];
    case "mimeheader":
      return [
        "mimeheader",
        field,
        definition.negated,
        definition.ifUnset ?? "",
        written(definition.pattern),
      ];
    case "uri_detail":
      return [
        "uri_detail",
        definition.tests
          .map(({ key, negated, pattern }) => [key, negated ? "!~" : "=~", written(pattern)])
          .sort(),
      ];
    case "eval":
      return [`${definition.on} eval`, definition.function, definition.args];
    case "meta":
      return ["meta", definition.expression];
    case "askdns":
      return [
        "askdns",
        definition.query,
        definition.record.split(","),
        definition.filter === null || typeof definition.filter === "string"
          ? addressFilter(definition.filter)
          : written(definition.filter),
      ];
    case "empty":
      return ["empty"];
    default:
      return [definition.type, written(definition.pattern)];
  }
}

/** SpamAssassin keeps one address as a range of numbers. */
function addressFilter(filter: string | null): string | null {
  if (filter === null || !/^\d+(?:\.\d+){3}$/.test(filter)) return filter;
  const number = filter.split(".").reduce((sum, octet) => sum * 256 + Number(octet), 0);
  return `${number}-${number}`;
}

function asConf(conf: Conf, name: string, told: Told): unknown[] {
  const field = (told.field ?? "").replace(/:.*/, (modifiers) => modifiers.toLowerCase());
  if (told.kind === "header" && told.exists) return ["exists", field];
  if (told.kind === "header")
    return ["header", field, told.negated === 1, told.unset, bare(told.pattern)];
  const mime = conf.conf["mimeheader_tests"]?.[name];
  if (mime !== undefined && told.text?.startsWith("_mimeheader_eval"))
    return [
      "mimeheader",
      mime.hdr,
      mime.negated === "1" || mime.negated === 1,
      mime.if_unset,
      bare(mime.pattern),
    ];
  if (told.text === "check_uri_detail()")
    return [
      "uri_detail",
      Object.entries(conf.conf["uri_detail"][name] as Record<string, [string, string]>)
        .map(([key, [operator, pattern]]) => [key, operator, bare(pattern)])
        .sort(),
    ];
  // A function that nobody knows never hits: with us there is nothing to call.
  if (told.kind.endsWith(" eval") && (told.call === null || evalNamed(told.call[0]) === null))
    return ["empty"];
  if (told.kind.endsWith(" eval")) return [told.kind, told.call?.[0], told.call?.[1]];
  if (told.kind === "meta") return ["meta", told.text];
  const asked = conf.conf["askdns"]?.[name];
  if (told.kind === "empty" && asked !== undefined)
    return [
      "askdns",
      asked.query,
      asked.a_types,
      asked.subtest === null ? null : bare(asked.subtest),
    ];
  return told.kind === "empty" ? ["empty"] : [told.kind, bare(told.pattern)];
}

/** The octets that Perl compiles: flags in front, braces of templates quoted. */
function written({ source, flags }: PerlPattern): string {
  const quoted = source.replace(
    /(?<!\\)%\{([A-Z][A-Z0-9]*(?:_[A-Z0-9]+)*(?:\([^)}]*\))?)\}/g,
    "%\\{$1\\}",
  );
  return (flags === "" ? "" : `(?${flags})`) + quoted;
}

function bare(pattern: string | null): string {
  return (pattern ?? "").replace(/^(?:\(\?aa\))+/, "");
}

function* beside(conf: Conf, told: Told, rule: Rule, book: RuleBook): Generator<string> {
  if (rule.scores.some((score, i) => Math.abs(score - (told.scores[i] ?? NaN)) > 1e-9))
    yield `scores ${rule.scores.join(" ")} / ${told.scores.join(" ")}`;
  if (rule.describe !== (told.describe ?? "")) yield `describe ${rule.describe} / ${told.describe}`;
  if (rule.priority !== told.priority && !latePriority(rule, told, book))
    yield `priority ${rule.priority} / ${told.priority}`;
  if (rule.shortcircuit !== told.shortcircuit)
    yield `shortcircuit ${rule.shortcircuit} / ${told.shortcircuit}`;
  const prefix = book.settings.subjectPrefixes.get(rule.name) ?? null;
  if (prefix !== told.prefix) yield `subjprefix ${prefix} / ${told.prefix}`;
  const words = told.flags.toLowerCase().split(/\s+/).filter(Boolean);
  const theirs = new Set(
    words.filter((flag) => flag !== "multiple" && !flag.startsWith("maxhits=")),
  );
  // Perl walks a hash here: whether a meta over a meta over a network rule is called one differs from run to run.
  if (rule.definition.type === "meta" && rule.flags.has("net")) theirs.add("net");
  if ([...theirs].sort().join() !== [...rule.flags].sort().join())
    yield `flags ${[...rule.flags].join(" ")} / ${told.flags}`;
  const most = Number(
    words.find((flag) => flag.startsWith("maxhits="))?.slice("maxhits=".length) ?? NaN,
  );
  if (
    words.includes("multiple")
      ? !Number.isNaN(most) && most > 0 && most !== rule.maxHits
      : rule.maxHits !== 1
  )
    yield `maxhits ${rule.maxHits} / ${told.flags}`;
  void conf;
}

/** A network meta is at -100 only if Perl's hash order found it to be one. */
function latePriority(rule: Rule, told: Told, book: RuleBook): boolean {
  if (rule.definition.type !== "meta" || rule.priority !== -100 || told.priority !== 0)
    return false;
  return namesIn(rule.definition.expression).some((name) => book.rules.get(name)?.flags.has("net"));
}

/** Settings, list by list. */
export function settingDifferences(conf: Conf, book: RuleBook): string[] {
  const found: string[] = [];
  const same = (what: string, ours: unknown, theirs: unknown): void => {
    const [left, right] = [ours, theirs].map((value) => JSON.stringify(sorted(value)));
    if (left !== right) found.push(`${what}: ${left} / ${right}`);
  };
  const c = conf.conf;
  const s = book.settings;
  const last = (name: string): string | undefined => s.others.get(name)?.at(-1);
  same("plugins", [...s.plugins], conf.plugins);
  same("required_score", s.requiredScore, Number(c["required_score"]));
  same("report_safe", s.reportSafe, Number(c["report_safe"]));
  same("normalize_charset", s.normalizeCharset, Number(c["normalize_charset"]) === 1);
  same("body_part_scan_size", s.bodyPartScanSize, Number(c["body_part_scan_size"]));
  same("rawbody_part_scan_size", s.rawbodyPartScanSize, Number(c["rawbody_part_scan_size"]));
  same("ok_locales", s.okLocales.join(" "), c["ok_locales"]);
  same("envelope_sender_header", s.envelopeSenderHeader, c["envelope_sender_header"]);
  same(
    "always_trust_envelope_sender",
    s.alwaysTrustEnvelopeSender,
    Number(c["always_trust_envelope_sender"]) === 1,
  );
  same("originating_ip_headers", s.originatingIpHeaders, c["originating_ip_headers"]);
  same("headers_spam", s.headersSpam, c["headers_spam"]);
  same("headers_ham", s.headersHam, c["headers_ham"]);
  same("report", s.reportTemplate, c["report_template"]);
  same("unsafe_report", s.unsafeReportTemplate, c["unsafe_report_template"]);
  same("rewrite_header", Object.fromEntries(s.rewriteHeader), lowerKeys(c["rewrite_header"]));
  same("tlds", [...s.topLevel], Object.keys(c["valid_tlds"] ?? {}));
  same("2tlds", [...s.util2tld], Object.keys(c["two_level_domains"] ?? {}));
  same("3tlds", [...s.util3tld], Object.keys(c["three_level_domains"] ?? {}));
  same("skip domains", [...s.uridnsblSkipDomains], Object.keys(c["uridnsbl_skip_domains"] ?? {}));
  same(
    "bayes_ignore_header",
    [...s.bayesIgnoreHeaders],
    Object.keys(c["bayes_ignore_header"] ?? {}),
  );
  same(
    "redirectors",
    s.redirectorPatterns.map(written),
    (c["redirector_patterns"] ?? []).map(bare),
  );
  same(
    "freemail",
    s.freemailDomains.filter((domain) => !/[*?]/.test(domain)),
    conf.freemail,
  );
  same("freemail_welcomelist", s.freemailWelcomelist, conf.freemail_welcomelist);
  const hosts = Object.fromEntries(
    [...s.enlistedHosts].map(([name, map]) => [name, Object.fromEntries(map)]),
  );
  same("hosts", hosts, booleans(c["uri_host_lists"]));
  for (const list of new Set([...s.addressLists.keys(), ...Object.keys(c).filter(isAddressList)]))
    same(
      list,
      s.addressLists.get(list) ?? [],
      Object.keys(c[list] ?? {}).map((key) => key.replace(/[\0\\(]/g, "_")),
    );
  for (const [list, globs] of s.enlistedAddresses)
    same(`(${list})`, globs, Object.keys(c[list] ?? {}));
  for (const list of [
    "welcomelist_from_rcvd",
    "def_welcomelist_from_rcvd",
    "welcomelist_from_dkim",
    "def_welcomelist_from_dkim",
  ])
    same(
      list,
      Object.fromEntries(s.addressPairs.get(list) ?? []),
      Object.fromEntries(
        Object.entries((c[list] ?? {}) as Record<string, { domain: string[] }>).map(
          ([key, { domain }]) => [key, domain],
        ),
      ),
    );
  for (const list of ["bayes_ignore_from", "bayes_ignore_to"])
    same(list, s.addressLists.get(list) ?? [], Object.keys(c[list] ?? {}));
  const uriLists: Record<string, string[]> = {};
  for (const [name, lines] of s.others)
    if (/^uri(?:dns|rhs|nsrhs|fullnsrhs)(?:bl|sub)$/.test(name))
      for (const [rule = "", zone = "", type = ""] of lines.map((line) => line.split(/\s+/)))
        uriLists[rule] = [`${zone.replace(/\.$/, "")} ${type}`];
  const theirLists = (c["uridnsbls"] ?? {}) as Record<string, { zone: string; type: string }>;
  same(
    "uri lists",
    uriLists,
    Object.fromEntries(
      Object.entries(theirLists).map(([rule, { zone, type }]) => [rule, [`${zone} ${type}`]]),
    ),
  );
  const authors = (s.others.get("adsp_override") ?? []).map((line) => line.split(/\s+/)[0] ?? "");
  same(
    "adsp_override",
    authors.map((domain) => domain.replace(/^@/, "").toLowerCase()),
    Object.keys(c["adsp_override"] ?? {}),
  );
  for (const name of PLAIN) {
    const theirs = c[name] as string | number | null | undefined;
    const ours = last(name);
    if (ours !== undefined) same(name, ours, theirs == null ? undefined : String(theirs));
  }
  for (const [kind, list] of [
    ["trusted", s.trustedNetworks],
    ["internal", s.internalNetworks],
    ["msa", s.msaNetworks],
  ] as const) {
    same(
      `${kind} configured`,
      list.length > 0,
      conf.configured[kind] === 1 && (kind !== "msa" || conf.networks.msa.length > 0),
    );
    if (list.length > 0) same(`${kind} networks`, list.length, conf.networks[kind].length);
  }
  return found;
}

const PLAIN =
  `report_wrap_width dns_block_time bayes_min_ham_num use_bayes use_bayes_rules bayes_auto_learn bayes_token_ttl time_limit report_charset
  report_contact report_hostname skip_rbl_checks bayes_auto_learn_threshold_nonspam bayes_auto_learn_threshold_spam freemail_max_body_emails
  freemail_add_describe_email dkim_minimum_key_bits spf_timeout uridnsbl_max_domains shortcircuit_spam_score`.split(
    /\s+/,
  );

function isAddressList(name: string): boolean {
  return (
    /^(?:def_)?(?:welcomelist|blocklist|more_spam|all_spam)_/.test(name) &&
    !/_(?:rcvd|dkim)$/.test(name)
  );
}

function lowerKeys(map: Record<string, string>): Record<string, string> {
  return Object.fromEntries(Object.entries(map).map(([key, value]) => [key.toLowerCase(), value]));
}

function booleans(
  lists: Record<string, Record<string, number>> = {},
): Record<string, Record<string, boolean>> {
  return Object.fromEntries(
    Object.entries(lists).map(([name, map]) => [
      name,
      Object.fromEntries(Object.entries(map).map(([host, value]) => [host, Number(value) === 1])),
    ]),
  );
}

/** Hashes have no order: keys sorted, and lists of texts too. */
function sorted(value: unknown): unknown {
  if (Array.isArray(value)) {
    const inner = value.map(sorted);
    return value.every((item) => typeof item === "string")
      ? [...new Set(inner as string[])].sort()
      : inner;
  }
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([key, item]) => [key, sorted(item)]),
  );
}
