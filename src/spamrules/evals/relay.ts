// The eval functions of SpamAssassin's RelayEval plugin: questions about the path that the Received fields tell of.
import { addressOf } from "./address-of.ts";
import { IPV4_SOURCE, isIpv4, isPrivateIp } from "../received/addresses.ts";
import type { Relay } from "../received/relays.ts";
import { lower } from "../message/octets.ts";
import type { EvalContext, Evals } from "./eval.ts";

/** An address for HELO, behind it the end of the text or nothing that belongs to a name. */
const NUMERIC_HELO = new RegExp(`\\bhelo=(${IPV4_SOURCE})(?=[\\0- ,;[()<>]|$)`, "i");

/** Names whose owners have DNS in order. */
const DOTCOM =
  /(?:\.|^)(?:lycos\.com|lycos\.co\.uk|hotmail\.com|localhost\.com|excite\.com|caramail\.com|cs\.com|aol\.com|msn\.com|yahoo\.com|drizzle\.com)$/i;

const public4 = (text: string): boolean => isIpv4(text) && !isPrivateIp(text);

const escaped = (text: string): string => text.replace(/[^A-Za-z0-9_]/g, "\\$&");

/** The last two labels, or three where the last is a country; not by the lists of registries. */
const domainOf = (host: string): string => {
  if (!/[a-zA-Z]/.test(host)) return host;
  const labels = host.replace(/\.+$/, "").split(".");
  if (labels.length > 1 && /[^\t-\r ]{3}|ie|fr|de/.test(labels.at(-1) ?? "")) {
    return labels.slice(-2).join(".");
  }
  return labels.length > 2 ? labels.slice(-3).join(".") : host;
};

/** Letters, digits and "_" at both ends, at least one dot between them. */
const isDomain = (text: string): boolean => /^\w[\w.-]+\.\w+$/.test(text);

const classB = (ip: string): string | undefined => /^(\d+\.\d+)\.\d+\.\d+$/.exec(ip)?.[1];

interface Forgery {
  readonly names: number;
  readonly addresses: number;
}

/** How often a hop's server is not who the next hop says handed over, and how often HELO is an address far from the client's. */
const forgeriesOf = (relays: readonly Relay[]): Forgery => {
  let names = 0;
  let addresses = 0;
  let from: string | null = null;
  for (const [index, relay] of relays.entries()) {
    const before = from;
    from = domainOf(lower(relay.rdns));
    const by = domainOf(lower(relay.by));
    if (!isDomain(by)) continue;
    if (/^localhost(?:\.localdomain)?$/.test(from) && relay.ip === "127.0.0.1") from = null;
    const helo = domainOf(lower(relay.helo));
    const said = classB(helo);
    const is = classB(relay.ip);
    if (said !== undefined && is !== undefined && said !== is && !isPrivateIp(helo)) addresses++;
    const known = by === "msn.com" && before === "hotmail.com";
    if (index > 0 && before !== null && isDomain(before) && by !== before && !known) names++;
  }
  return { names, addresses };
};

const FORGERIES = Symbol("forged Received lines");
const forgeries = (context: EvalContext): Forgery =>
  context.memo(FORGERIES, () => forgeriesOf(context.subject.relays.untrusted));

/** Whether a domain that From names stands in a hop's name and in the name of the server that it came to. */
const fromDomainInReceived = (
  { subject }: EvalContext,
  [domain = "", desired = ""]: readonly string[],
): boolean => {
  const from = addressOf(subject, "From:addr");
  if (domain === "" || !new RegExp(`\\b${escaped(domain)}`, "i").test(from)) return false;
  const name = escaped(domain);
  const path = `${subject.relays.text("trusted")}\n${subject.relays.text("untrusted")}`;
  const found = new RegExp(` rdns=[^\\t-\\r ]*\\b${name} [^\\]]*by=[^\\t-\\r ]*\\b${name} `).test(
    path,
  );
  return found === (desired === "true");
};

/** Only the last hop with a public address counts. */
const dotcomWithoutName = ({ subject }: EvalContext): boolean => {
  const last = subject.relays.untrusted.filter((relay) => !relay.privateIp).at(-1);
  return last !== undefined && last.noReverseDns && DOTCOM.test(last.helo);
};

export const RELAY: Evals = {
  /** Private addresses as well: SpamAssassin means to leave them out, and looks at the wrong thing. */
  check_for_numeric_helo: ({ subject }) => NUMERIC_HELO.test(subject.relays.text("untrusted")),
  /** Kept for old rules. */
  check_for_illegal_ip: () => false,
  check_all_trusted: ({ subject: { relays } }) =>
    relays.trusted.length > 0 && relays.untrusted.length === 0 && relays.unparseable === 0,
  check_no_relays: ({ subject: { relays } }) =>
    relays.trusted.length === 0 && relays.untrusted.length === 0 && relays.unparseable === 0,
  check_relays_unparseable: ({ subject }) => subject.relays.unparseable > 0,
  /** The name is about the opposite: hits where the oldest untrusted hop has one. */
  check_for_sender_no_reverse: ({ subject }) => {
    const oldest = subject.relays.untrusted.at(-1);
    return oldest !== undefined && oldest.rdns.includes(".") && !oldest.privateIp;
  },
  check_for_from_domain_in_received_headers: fromDomainInReceived,
  check_for_forged_received_trail: (context) => forgeries(context).names > 1,
  check_for_forged_received_ip_helo: (context) => forgeries(context).addresses > 0,
  /** Another address of the same /24 is no mismatch. */
  helo_ip_mismatch: ({ subject }) =>
    subject.relays.untrusted.some(
      ({ helo, ip }) =>
        public4(helo) && public4(ip) && !ip.startsWith(helo.slice(0, helo.lastIndexOf(".") + 1)),
    ),
  check_for_no_rdns_dotcom_helo: dotcomWithoutName,
};
