// From a client, a sender and a recipient to the question that the greylist store is asked: under which origins the mail may be
// known, and which suspicions hold. Shared by both stages of the greylist check and by `postern greylist explain`.
import { networkOf, organisation, organisationOf } from "../mail/organisation.ts";
import type { Address } from "../mail/address.ts";
import type { Client } from "../mail/message.ts";
import { recipientKey, senderKey } from "../mail/sender-key.ts";
import type { GreylistQuestion } from "../state/greylist-store.ts";
import { personKey } from "../state/known-people.ts";

/** The name of an address, and whether it leads back to it (RFC 8601 2.7.3); `failed` when DNS could not say. */
export interface ClientName {
  readonly name: string | null;
  readonly confirmed: boolean;
  readonly failed: boolean;
}

/** What SPF said of MAIL FROM; `wide`: a pass that half the Internet gets. */
export interface SpfFacts {
  readonly result: string;
  readonly domain: string;
  readonly wide: boolean;
}

/** Looks names up. Neither rejects; both end when the signal fires. */
export interface GreylistDns {
  names(address: string, signal: AbortSignal): Promise<ClientName>;
  /** null when there is nothing to ask. */
  spf(client: Client, sender: Address | null, signal: AbortSignal): Promise<SpfFacts | null>;
}

const NO_NAME: ClientName = { name: null, confirmed: false, failed: false };

/**
 * The name of the client: what the MTA says (Postfix and Exim give a name only when it is confirmed), else what DNS says. With
 * neither, the MTA's silence means that there is none.
 */
export async function nameOf(
  client: Client,
  dns: GreylistDns | null,
  /** Its signal is looked at only when DNS is asked. */
  so: { readonly signal: AbortSignal },
): Promise<ClientName> {
  const told = toldName(client);
  if (told !== NO_NAME || client.address === null || dns === null) return told;
  return dns.names(client.address, so.signal);
}

/** What the MTA says of the client's name, without a look at DNS. */
export function toldName({ name }: Client): ClientName {
  if (name === null || name === "unknown") return NO_NAME;
  return { name: name.toLowerCase(), confirmed: true, failed: false };
}

export interface SubjectFacts {
  /** Of the client; must be an address. */
  readonly address: string;
  readonly name: ClientName;
  readonly sender: Address | null;
  /** Domains that SPF and DKIM have proven. */
  readonly spf: readonly string[];
  readonly dkim: readonly string[];
  /** Hash of the text, null at RCPT. */
  readonly body: string | null;
  /** SPF says that the sender is forged: who our users wrote to is not meant. */
  readonly forged: boolean;
  readonly shared: ReadonlySet<string>;
}

/** Domains of a message that become origins; the rest would only cost. */
const MAX_PROVEN = 5;

/** The question for one recipient. */
export function questionFor(facts: SubjectFacts, recipient: Address): GreylistQuestion {
  const { address, sender, body } = facts;
  const network = `net:${networkOf(address) ?? address.slice(0, 64)}`;
  const proven = provenDomains(facts);
  const from = sender?.domain ?? "";
  const origins = [network, ...proven];
  if (body !== null) origins.push(`body:${body}`);
  return {
    sender: senderKey(sender),
    recipient: recipientKey(recipient),
    origins: facts.dkim.length > 1 ? [...new Set(origins)] : origins,
    clients: [network, ...proven.map((domain) => `${domain} ${from}`)],
    person: sender === null || facts.forged ? null : personKey(sender),
  };
}

/** "dom:example.org" for names and SPF, each once, and "dkim:example.org" for signatures. */
function provenDomains({ address, name, spf, dkim, shared }: SubjectFacts): string[] {
  const domains: string[] = [];
  const add = (domain: string): void => {
    const text = `dom:${domain}`;
    if (domains.length < MAX_PROVEN && !domains.includes(text)) domains.push(text);
  };
  if (name.name !== null && name.confirmed) {
    const owner = organisationOf(name.name, address, shared);
    if (owner !== null) add(owner);
  }
  for (const domain of spf) add(organisation(domain) ?? domain);
  for (const domain of dkim.slice(0, MAX_PROVEN)) domains.push(`dkim:${domain}`);
  return domains;
}
