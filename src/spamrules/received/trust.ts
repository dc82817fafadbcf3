// Makes relays of all Received fields of a message and says how far they are believed. Called by prepare.ts when a rule first asks.
import { IP_SOURCE } from "./addresses.ts";
import { readReceived, type Hop } from "./line.ts";
import { networks, type Networks } from "./networks.ts";
import type { Relay, Relays } from "./relays.ts";
import type { Settings } from "../rulebook.ts";

export type TrustSettings = Pick<
  Settings,
  "trustedNetworks" | "internalNetworks" | "msaNetworks" | "originatingIpHeaders"
>;

export interface TrustFacts {
  readonly settings: TrustSettings;
  /** The last field of a name, decoded and unfolded; undefined without one. For originating_ip_headers. */
  lastField(name: string): string | undefined;
}

interface Lists {
  readonly trusted: Networks;
  readonly internal: Networks;
  readonly msa: Networks;
  /** The operator named networks: nothing is guessed. */
  readonly configured: boolean;
}

const LISTS = new WeakMap<TrustSettings, Lists>();

/** Who names trusted networks only means them internal too, and the other way round. */
const listsOf = (settings: TrustSettings): Lists => {
  const known = LISTS.get(settings);
  if (known !== undefined) return known;
  const trusted = networks(settings.trustedNetworks, true);
  const internal = networks(settings.internalNetworks, true);
  const lists = {
    trusted: trusted.configured || !internal.configured ? trusted : internal,
    internal: internal.configured || !trusted.configured ? internal : trusted,
    msa: networks(settings.msaNetworks, false),
    configured: trusted.configured || internal.configured,
  };
  LISTS.set(settings, lists);
  return lists;
};

/** Perl's truth: neither "" nor "0". */
const given = (text: string | null): text is string => text !== null && text !== "" && text !== "0";

const asText = (hop: Hop, envfrom: string | null, internal: boolean, msa: boolean): string => {
  const text =
    `[ ip=${hop.ip} rdns=${hop.rdns} helo=${hop.helo} by=${hop.by} ident=${hop.ident} ` +
    `envfrom=${given(envfrom) ? envfrom : ""} intl=${internal ? 1 : 0} id=${hop.id} auth=${hop.auth} msa=0 ]`;
  // QUIRK: SpamAssassin fills it in afterwards, where it first sees it: that may be in what the client calls its way of proving itself.
  return msa || hop.auth.includes(" msa=")
    ? text.replace(/ msa=\d /, ` msa=${msa ? 1 : 0} `)
    : text;
};

/** The walk from our own server outwards. */
class Walk {
  readonly trusted: Relay[] = [];
  readonly untrusted: Relay[] = [];
  readonly internal: Relay[] = [];
  readonly external: Relay[] = [];
  readonly texts = new Map<Relay, string>();
  unparseable = 0;
  lastTrustedField = -1;
  lastInternalField = -1;
  readonly #lists: Lists;
  #inTrusted = true;
  #inInternal = true;
  #behindMsa = false;
  #fetchersCount = true;

  constructor(lists: Lists) {
    this.#lists = lists;
  }

  /** A line that told of no hop still belongs to the part of the path where it stands. */
  pass(unparseable: boolean, fetched: boolean): void {
    if (unparseable) this.unparseable++;
    if (fetched && this.#fetchersCount) {
      this.trusted.length = this.internal.length = this.external.length = 0;
    }
    if (this.#inTrusted) this.lastTrustedField++;
    if (this.#inInternal) this.lastInternalField++;
  }

  add(hop: Hop, envfrom: string | null, field: number): void {
    const msa = this.#inTrusted && !this.#behindMsa && this.#judge(hop);
    const relay: Relay = {
      ...hop,
      envfrom,
      msa,
      internal: this.#inInternal,
      trusted: this.#inTrusted,
      field,
    };
    this.texts.set(relay, asText(hop, envfrom, relay.internal, msa));
    (this.#inTrusted ? this.trusted : this.untrusted).push(relay);
    (this.#inInternal ? this.internal : this.external).push(relay);
    this.#fetchersCount = this.#inTrusted;
    if (this.#inTrusted) this.lastTrustedField++;
    if (this.#inInternal) this.lastInternalField++;
  }

  /** Moves the borders, and says whether this hop came to an MSA of ours. */
  #judge(hop: Hop): boolean {
    if (!this.#lists.configured) {
      if (!hop.privateIp && hop.auth === "") this.#inTrusted = this.#inInternal = false;
      return false;
    }
    if (hop.auth === "" && !this.#lists.trusted.contains(hop.ip)) {
      this.#inTrusted = this.#inInternal = false;
      return false;
    }
    if (this.#inInternal && hop.auth === "" && !this.#lists.internal.contains(hop.ip)) {
      this.#inInternal = false;
    }
    this.#behindMsa = this.#lists.msa.contains(hop.ip);
    return this.#behindMsa;
  }
}

const ADDRESS = new RegExp(IP_SOURCE);

/** Webmail's notes of the client's address, as lines below the last. */
const originating = (facts: TrustFacts): string[] =>
  facts.settings.originatingIpHeaders.flatMap((name) => {
    const ip = ADDRESS.exec(facts.lastField(name) ?? "")?.[0];
    return ip === undefined ? [] : [`from X-Originating-IP: ${ip}`];
  });

/** No mail takes so long a way; what stands below so many lines is not read. */
const MAX_LINES = 2000;

/**
 * The relays of a message. `received`: the values of its Received fields from the top, folded or not.
 */
export const relaysOf = (received: readonly string[], facts: TrustFacts): Relays => {
  const walk = new Walk(listsOf(facts.settings));
  let sender: string | null = null;
  let field = 0;
  for (const line of [...received.slice(0, MAX_LINES), ...originating(facts)]) {
    const { hop, unparseable, fetched, senderOfNext } = readReceived(line);
    if (hop === null) walk.pass(unparseable, fetched);
    else walk.add(hop, given(sender) ? sender : hop.envfrom, field);
    sender = senderOfNext;
    field++;
  }
  const { trusted, untrusted, internal, external, texts } = walk;
  const text = { trusted, untrusted, internal, external };
  return {
    all: [...trusted, ...untrusted],
    ...text,
    unparseable: walk.unparseable,
    lastTrustedField: walk.lastTrustedField,
    lastInternalField: walk.lastInternalField,
    text: (of) => text[of].map((relay) => texts.get(relay)).join(" "),
  };
};

/**
 * What relays say of the envelope's sender: the first untrusted one, or without those the oldest trusted. null when it says nothing that
 * is a sender; "" is the null sender.
 */
export const senderByRelays = (relays: Relays): string | null => {
  const sender = (relays.untrusted[0] ?? relays.trusted.at(-1))?.envfrom ?? null;
  return sender === "" || (sender?.indexOf("@") ?? -1) > 0 ? sender : null;
};
