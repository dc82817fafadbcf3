// The lines that set what is no list and no rule: networks, headers, report, and every plain setting by the form of its value.
import { cidrs, holds, network } from "./cidr.ts";
import type { Network } from "./cidr.ts";
import { INVALID, MISSING, complain, remark, under } from "./draft.ts";
import type { Draft, Header, LineReader, LineReaders, NetworkList } from "./draft.ts";
import { addAddresses, bare } from "./list-lines.ts";
import { pluginFile } from "./plugin-files.ts";
import { pluginNamed } from "./plugins.ts";
import type { SettingForm } from "./plugins.ts";
import { cut, lower, words } from "./text.ts";

const DURATION = /^\+?(\d+(?:\.\d*)?)[\t-\r ]*([smhdw])?$/i;
const SECONDS: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3600, d: 86_400, w: 604_800 };
const LOOPBACK = ["127.0.0.0/8", "::1/128"];
const HEADER = /^(ham|spam|all)[\t-\r ]+([A-Za-z0-9_-]+)(?:[\t-\r ]+(.*))?$/s;

export const SETTING_LINES: LineReaders = {
  trusted_networks: addNetworks("trusted"),
  internal_networks: addNetworks("internal"),
  msa_networks: addNetworks("msa"),
  clear_trusted_networks: bare((draft) => draft.networks.delete("trusted")),
  clear_internal_networks: bare((draft) => draft.networks.delete("internal")),
  clear_msa_networks: bare((draft) => draft.networks.delete("msa")),
  originating_ip_headers: (draft, value) => {
    if (value === "") return MISSING;
    for (const name of words(value))
      if (!draft.originatingIpHeaders.some((known) => lower(known) === lower(name)))
        draft.originatingIpHeaders.push(name);
    return undefined;
  },
  clear_originating_ip_headers: bare((draft) => draft.originatingIpHeaders.splice(0)),
  rewrite_header: (draft, value) => {
    const [word, text] = cut(value);
    const field = lower(word);
    if (field === "") return MISSING;
    if (!["from", "subject", "to"].includes(field)) return "only From, Subject and To";
    if (text === "") draft.rewriteHeader.delete(field);
    else draft.rewriteHeader.set(field, field === "subject" ? text : brackets(text));
    return undefined;
  },
  add_header: (draft, value) => {
    const [, on, name, text] = HEADER.exec(value) ?? [];
    if (on === undefined || name === undefined || text === undefined) return INVALID;
    const added: Header = [name, unescape(text.replace(/^"(.*)"$/s, "$1"))];
    for (const headers of headersOf(draft, on)) {
      headers.delete(lower(name));
      headers.set(lower(name), added);
    }
    return undefined;
  },
  remove_header: (draft, value) => {
    const [, on, name, more] = HEADER.exec(value) ?? [];
    if (on === undefined || name === undefined || more !== undefined) return INVALID;
    if (name === "Checker-Version") return undefined;
    for (const headers of headersOf(draft, on)) headers.delete(lower(name));
    return undefined;
  },
  clear_headers: bare((draft) => {
    // What ham had under this name, both have now.
    const kept = draft.headersHam.get("checker-version");
    for (const headers of headersOf(draft, "all")) {
      headers.clear();
      if (kept !== undefined) headers.set("checker-version", kept);
    }
  }),
  report_safe: (draft, value) => {
    if (!/^[012]$/.test(value)) return value === "" ? MISSING : INVALID;
    draft.reportSafe = Number(value) as 0 | 1 | 2;
    if (draft.reportSafe === 0 && !draft.headersSpam.has("report"))
      draft.headersSpam.set("report", ["Report", "_REPORT_"]);
    return undefined;
  },
  report: (draft, value) => {
    draft.reportTemplate += `${value.replace(/^"(.*?)"$/, "$1")}\n`;
    return undefined;
  },
  unsafe_report: (draft, value) => {
    draft.unsafeReportTemplate += `${value.replace(/^"(.*?)"$/, "$1")}\n`;
    return undefined;
  },
  clear_report_template: bare((draft) => (draft.reportTemplate = "")),
  clear_unsafe_report_template: bare((draft) => (draft.unsafeReportTemplate = "")),
  clear_dns_servers: bare((draft) => draft.others.delete("dns_server")),
  clear_dns_query_restriction: bare((draft) => draft.others.delete("dns_query_restriction")),
  clear_url_shortener: (draft, value) => {
    if (value === "") draft.others.delete("url_shortener");
    else dropWords(draft, "url_shortener", words(lower(value)));
    return undefined;
  },
  clear_asn_lookups: bare((draft) => {
    draft.others.delete("asn_lookup");
    draft.others.delete("asn_lookup_ipv6");
  }),
  loadplugin: loadPlugin,
  tryplugin: loadPlugin,
  enable_compat: (draft, value) => {
    if (!/^[a-zA-Z0-9_]{1,128}$/.test(value)) return value === "" ? MISSING : INVALID;
    draft.compat.add(value);
    return undefined;
  },
};
for (const kind of ["dns", "rhs", "nsrhs", "fullnsrhs"])
  Object.assign(SETTING_LINES, { [`uri${kind}bl`]: uriList(3), [`uri${kind}sub`]: uriList(4) });

/** What a raw value must look like at least, where SpamAssassin would refuse it. */
const RAW: Readonly<Record<string, RegExp>> = {
  dns_available: /^(?:test(?::.*)?|yes|no|1|0)$/,
  dns_query_restriction: /^(?:allow|deny)[\t-\r ]/i,
  dns_block_rule: /^[^\t-\r ]+[\t-\r ]+[\w.\t-\r -]+$/,
  fns_check: /^[012]$/,
  lock_method: /^(?:nfssafe|flock|win32)$/,
  adsp_override:
    /^@?[*a-z0-9._-]+(?:[\t-\r ]+(?:nxdomain|unknown|all|discardable|custom_(?:low|med|high)))?$/i,
  rbl_timeout:
    /^\+?\d+(?:\.\d*)?[smhdw]?(?:[\t-\r ]+\+?\d+(?:\.\d*)?[smhdw]?)?(?:[\t-\r ]+\S*[a-z])?$/i,
};

/** Checks a plain setting by its form and keeps it as it stands, numbers of seconds and yes/no in one spelling. */
export function plainSetting(form: SettingForm): LineReader {
  return (draft, value, name) => {
    if (form === "bare") return bare((on) => keep(on, name, ""))(draft, value, name);
    if (value === "") return MISSING;
    if (form === "addresses") return addAddresses(draft, value, name);
    const kept = FORMS[form](value);
    if (kept === null || RAW[name]?.test(value) === false) return INVALID;
    keep(draft, name, kept);
    return undefined;
  };
}

const FORMS: Readonly<Record<SettingForm, (value: string) => string | null>> = {
  number: (value) => (/^[+-]?\d+(?:\.\d*)?$/.test(value) ? String(Number(value)) : null),
  bool: (value) => ({ yes: "1", "1": "1", no: "0", "0": "0" })[lower(value)] ?? null,
  duration: (value) => {
    const [, number = "", unit = "s"] = DURATION.exec(value) ?? [];
    return number === "" ? null : String(Number(number) * (SECONDS[lower(unit)] ?? 1));
  },
  pair: (value) => (cut(value)[1] === "" ? null : value),
  string: (value) => value,
  words: (value) => value,
  raw: (value) => value,
  addresses: (value) => value,
  bare: (value) => value,
  own: (value) => value,
};

function keep(draft: Draft, name: string, value: string): void {
  under(draft.others, name, () => []).push(value);
}

function addNetworks(list: NetworkList): LineReader {
  return (draft, value) => {
    if (value === "") return MISSING;
    const nets = under(draft.networks, list, () =>
      list === "msa" ? [] : [...LOOPBACK].map((text) => network(text)),
    );
    for (const word of words(value)) {
      const read = cidrs(word);
      if (read === null) complain(draft, `"${word}" is no network`);
      for (const net of read ?? []) addNetwork(draft, nets, network(net));
    }
    return undefined;
  };
}

/** The first that holds an address decides, so what an earlier one holds already comes too late. */
function addNetwork(draft: Draft, nets: Network[], net: Network): void {
  // Past so many, SpamAssassin no longer looks either.
  const earlier = nets.length < 200 ? nets.find((other) => holds(other, net)) : undefined;
  if (earlier === undefined) nets.push(net);
  else if (earlier.excluded !== net.excluded)
    complain(draft, `${net.text} comes too late behind ${earlier.text}`);
}

function loadPlugin(draft: Draft, value: string, directive: string): string | undefined {
  const [, name, file] = /^((?:\w+::){0,10}\w+)(?:[\t-\r ]+(\S+\.pm))?$/i.exec(value) ?? [];
  if (name === undefined) return value === "" ? MISSING : INVALID;
  const plugin = pluginNamed(name);
  if (plugin === null) {
    remark(
      draft,
      `${directive}: ${name} is Perl code that is not run here; it counts as not loaded`,
    );
    return undefined;
  }
  if (draft.plugins.has(plugin)) return undefined;
  if (file !== undefined && draft.absent.has(pluginFile(draft.place.file, file)))
    return directive === "tryplugin"
      ? undefined
      : `there is no file ${file}, so ${name} is not loaded`;
  draft.plugins.add(plugin);
  return undefined;
}

/** uridnsbl RULE ZONE TYPE [SUBTEST]; a later line of the same rule takes the place of the earlier. */
function uriList(length: 3 | 4): LineReader {
  return (draft, value, name) => {
    const parts = words(value);
    if (value === "") return MISSING;
    if (length === 3 ? parts.length !== 3 : parts.length < 4) return INVALID;
    keep(draft, name, value);
    return undefined;
  };
}

function dropWords(draft: Draft, name: string, gone: readonly string[]): void {
  const left = (draft.others.get(name) ?? []).map((line) =>
    words(line)
      .filter((word) => !gone.includes(lower(word)))
      .join(" "),
  );
  draft.others.set(
    name,
    left.filter((line) => line !== ""),
  );
}

function headersOf(draft: Draft, on: string): Map<string, Header>[] {
  const both = [draft.headersHam, draft.headersSpam];
  return on === "all" ? both : on === "ham" ? both.slice(0, 1) : both.slice(1);
}

/** Parentheses would end a comment in a From or To. */
function brackets(text: string): string {
  return text.replaceAll("(", "[").replaceAll(")", "]");
}

/** `\n` and `\t` are what they are elsewhere, `\\` is a backslash, any other backslash goes with what follows it. */
function unescape(text: string): string {
  return text.replace(/\\(\\|[^\n]|$)/gs, (_whole, next: string) => {
    if (next === "\\") return "\\";
    return next === "t" ? "\t" : next === "n" ? "\n" : "";
  });
}
